"""Takes secrets out of what a sink gets."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from perftrace.core.events import Reached, Started
from perftrace.core.record import Record
from perftrace.core.run import CheckpointFields
from perftrace.core.sink import Sink
from perftrace.core.values import Attributes, Scalar
from perftrace.pipeline.wrapper import TransformingSink

DENIED = (
    "access_key", "api_key", "apikey", "auth", "authorization", "cookie", "credential", "credentials", "csrf", "jwt",
    "passphrase", "passwd", "password", "private_key", "pwd", "secret", "session", "set_cookie", "signature", "token",
)  # fmt: skip
"""Words that make an attribute's name a secret's: `user_password` and `X-Api-Key` hold one, `tokens_used` does not."""
REDACTED = "[redacted]"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31}://)([^\s/?#@]*@)?([^\s?#]*)(\?[^\s#]*)?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Redact(TransformingSink):
    """Replaces the values of attributes with telling names, and cuts query strings and passwords out of URLs.

    A name is split into words at `_`, `-`, `.`, blanks and humps, in any case; it is denied if a denied word or
    words stand in it. URLs are looked for in attributes, descriptions and error texts. A run's key and its ids
    stay: use no secret as a key.

    deny: words to deny, in place of `DENIED`. urls: False leaves URLs as they are.
    """

    def __init__(self, sink: Sink | Callable[..., Any], *, deny: Iterable[str] = DENIED, urls: bool = True) -> None:
        super().__init__(sink)
        words = [] if isinstance(deny, str) else list(deny)
        if isinstance(deny, str) or not all(isinstance(word, str) and _words(word) for word in words):
            raise ValueError(f"Redact: deny must be a list of words, not {deny!r}")
        self._denied = tuple(f"_{_words(word)}_" for word in words)
        self._urls = urls

    def change_started(self, event: Started) -> Started:
        """Clean the start of an operation."""
        return event._replace(description=self._text(event.description))

    def change_reached(self, event: Reached) -> Reached:
        """Clean a checkpoint."""
        description, attributes = self._text(event.description), self._attributes(event.attributes)
        return event._replace(description=description, attributes=attributes)

    def change_finished(self, record: Record) -> Record:
        """Clean a finished operation."""
        changes: dict[str, Any] = {}
        for name in ("description", "done", "error"):
            text = getattr(record, name)
            if text and (clean := self._text(text)) != text:
                changes[name] = clean
        if record.attributes and (attributes := self._attributes(record.attributes)) != record.attributes:
            changes["attributes"] = attributes
        checkpoints = [self._checkpoint(one) for one in record.checkpoints]
        if checkpoints != list(record.checkpoints):
            changes["checkpoints"] = checkpoints
        return record.replace(**changes) if changes else record

    def _checkpoint(self, checkpoint: CheckpointFields) -> CheckpointFields:
        name, description, elapsed, attributes = checkpoint
        if not description and not attributes:
            return checkpoint
        return name, self._text(description), elapsed, self._attributes(attributes)

    def _attributes(self, attributes: Attributes) -> Attributes:
        if not attributes:
            return attributes
        return {name: REDACTED if self._is_denied(name) else self._value(value) for name, value in attributes.items()}

    def _is_denied(self, name: str) -> bool:
        words = f"_{_words(name)}_"
        return any(denied in words for denied in self._denied)

    def _value(self, value: Scalar) -> Scalar:
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if not self._urls or "://" not in text:
            return text
        return _URL.sub(lambda m: f"{m[1]}{'…@' if m[2] else ''}{m[3]}{'?…' if m[4] else ''}", text)


def _words(name: str) -> str:
    """Write a name's words in lower case with `_` between them."""
    return "_".join(re.split(r"[\W_]+", _HUMP.sub("_", name))).strip("_").lower()
