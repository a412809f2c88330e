"""Reads what must be held whole to be understood, up to a bound."""

import os
from typing import BinaryIO

from perftrace.messages import Message

MAX_DOCUMENT = 512 << 20
"""Bytes of a document, a line or a message that are held in memory; what is longer is refused."""
MAX_INFLATION = 200
"""How many times its own size a gzipped file may inflate to; real traces stay below 60."""
_FREE = 16 << 20
"""Bytes up to which any inflation is harmless."""


class LimitedReader:
    """Reads a file of another tool, plain or inflated, and refuses what is too much.

    Each method raises ValueError where a bound is passed.
    """

    def __init__(self, file: BinaryIO, is_inflated: bool) -> None:
        """Read on in a file.

        is_inflated: whether it is gzipped on the disk, so that what comes out can be held against its size there.
        """
        self._file = file
        self._most = max(_FREE, MAX_INFLATION * os.fstat(file.fileno()).st_size) if is_inflated else None
        self._read = 0

    def line(self) -> bytes:
        """Read up to the next LF, or the end."""
        return self._counted(self._file.readline(MAX_DOCUMENT + 1))

    def rest(self) -> bytes:
        """Read up to the end."""
        pieces = []
        left = MAX_DOCUMENT
        while piece := self._file.read(1 << 20):
            pieces.append(self._counted(piece))
            left -= len(piece)
            if left < 0:
                raise ValueError(_too_large())
        return b"".join(pieces)

    def _counted(self, piece: bytes) -> bytes:
        self._read += len(piece)
        if len(piece) > MAX_DOCUMENT:
            raise ValueError(_too_large())
        if self._most is not None and self._read > self._most:
            raise ValueError(Message("inflates", times=MAX_INFLATION))
        return piece


def _too_large() -> Message:
    return Message("too_large", size=MAX_DOCUMENT >> 20)
