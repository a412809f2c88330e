"""Records -> a file for speedscope: one flame chart a track, in nanoseconds.

Format: speedscope's own `file-format-schema.json`, an evented profile each.
"""

from collections.abc import Iterator, Sequence

from perftrace.core.record import Record
from perftrace.formats.jsonl import dump
from perftrace.formats.tracks import Lane, Tracks, TrackSlice

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def encode(records: Sequence[Record], name: str = "perftrace") -> Iterator[bytes]:
    """Write records as a whole file, piece by piece; on each track operations lie inside what called them.

    name: of the file, as speedscope shows it.
    """
    base = min((record.start for record in records), default=0)
    frames: dict[str, int] = {}
    lanes: dict[int, Lane] = {}
    slices: dict[int, list[tuple[int, int, int]]] = {}
    for drawn in Tracks().place(records):
        if isinstance(drawn, Lane):
            lanes[drawn.lane] = drawn
        elif isinstance(drawn, TrackSlice):
            frame = frames.setdefault(drawn.name, len(frames))
            slices.setdefault(drawn.lane, []).append((drawn.start - base, drawn.end - base, frame))
    yield dump({"$schema": _SCHEMA, "name": name, "exporter": "perftrace", "activeProfileIndex": 0})[:-1]
    yield b',"shared":' + dump({"frames": [{"name": frame} for frame in frames]}) + b',"profiles":['
    separator = b"\n"
    for number, found in slices.items():
        lane = lanes[number]
        yield separator + dump(_profile(f"{lane.name} · {lane.pid}" if lane.pid else lane.name, found))
        separator = b",\n"
    yield b"]}\n"


def _profile(name: str, slices: list[tuple[int, int, int]]) -> dict[str, object]:
    events: list[dict[str, object]] = []
    stack: list[tuple[int, int]] = []

    def leave(until: int) -> None:
        while stack and stack[-1][0] <= until:
            end, frame = stack.pop()
            events.append({"type": "C", "frame": frame, "at": end})

    # Longest first where several start at once: they are inside one another, as `Tracks` places them.
    for start, end, frame in sorted(slices, key=lambda one: (one[0], -one[1])):
        leave(start)
        events.append({"type": "O", "frame": frame, "at": start})
        stack.append((end, frame))
    last = max(end for _, end, _ in slices)
    leave(last)
    first = min(start for start, _, _ in slices)
    return {
        "type": "evented", "name": name, "unit": "nanoseconds", "startValue": first, "endValue": last, "events": events,
    }  # fmt: skip
