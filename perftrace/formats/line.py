"""The log line: the only place that knows its words, in both languages and both directions."""

import functools
import re
from collections.abc import Container, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from perftrace.core.ids import encode_name
from perftrace.core.patterns import pattern
from perftrace.core.record import Record
from perftrace.core.values import MAX_WEIGHT, Outcome
from perftrace.messages import Language


class Words(NamedTuple):
    """The words of a line in one language."""

    start: str
    checkpoint: str
    done: str
    elapsed: str
    took: str
    error: str
    cancelled: str
    closed: str
    abandoned: str
    slow: str


WORDS: dict[Language, Words] = {
    "zh": Words("开始", "检查点", "完成", "已耗时", "耗时", "异常", "已取消", "已关闭", "已放弃", "慢"),
    "en": Words("start", "checkpoint", "done", "elapsed", "took", "error", "cancelled", "closed", "abandoned", "slow"),
}


MARKER = "⏱️  [PERF] "
_MARKER_LENGTH = len(MARKER)
_LONGEST_KIND = 12
"""Characters within which the word of a line's kind ends."""
_ENDS_OF_PLACES = (*"0123456789", "]", ")")
"""How each line begins: U+23F1 U+FE0F, two blanks."""


LOOKED_AT = 200
"""Characters before a line in which its time is looked for."""
WEIGHT = "sampled_1_in"
"""The name of the field that says how many runs a line stands for."""


class Line(NamedTuple):
    """A line as read: what it says, before anybody knows which ids there are."""

    kind: Literal["start", "checkpoint", "done"]
    body: str
    """All between the colon and the duration: id, ` - ` and text."""
    duration_ns: int = 0
    """Of a checkpoint: since the start."""
    outcome: Outcome = "ok"
    error_type: str | None = None
    error: str | None = None
    slow: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    """What follows as `key=value`, in the order of the line."""
    weight: float = 1.0
    """How many runs it stands for."""


# Controls, what a reader may take for a line's end, what turns the direction of writing, and lone
# surrogates, which no stream can encode.
_UNSAFE = pattern("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(text: str) -> str:
    """Write what would break or disguise a line as a backslash escape; backslashes themselves stay single."""
    return text if text.isprintable() else _UNSAFE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


def encode_start(words: Words, operation_id: str, description: str, name: str) -> str:
    """Write the line of a start; an empty description falls back to the name."""
    return escape(f"{MARKER}{words.start}: {operation_id} - {description or name}")


def encode_checkpoint(words: Words, operation_id: str, name: str, description: str, elapsed_ns: int) -> str:
    """Write the line of a checkpoint."""
    # What `encode_name` and `escape` do to usual texts, inline: both calls are a tenth of this.
    label = name if name.isidentifier() else encode_name(name)
    subject = f"{operation_id}.{label} - {description or name}"
    if not subject.isprintable():
        subject = escape(subject)
    return f"{MARKER}{words.checkpoint}: {subject} | {words.elapsed}: {elapsed_ns / 1e9:.3f}s"


def encode_done(words: Words, record: Record) -> str:
    """Write the line of a finish, with all that the record adds after the duration."""
    text = record.done or record.description or record.name
    line = f"{MARKER}{words.done}: {record.operation_id} - {text} | {words.took}: {record.duration_ns / 1e9:.3f}s"
    is_plain = record.outcome == "ok" and record.key_name is None and record.weight == 1
    if is_plain and not record.slow and not record.attributes:
        return escape(line)
    return escape(line) + "".join(f" | {escape(field)}" for field in _additions(words, record))


def _additions(words: Words, record: Record) -> Iterator[str]:
    """Return the fields after the duration, with `|` inside them escaped."""
    if record.outcome == "error":
        parts = [part for part in (record.error_type, record.error) if part]
        yield f"{words.error}: {_field(': '.join(parts))}"
    elif record.outcome == "cancelled":
        yield words.cancelled
    elif record.outcome == "closed":
        yield words.closed
    elif record.outcome == "abandoned":
        yield words.abandoned
    if record.slow:
        yield words.slow
    if record.key_name is not None and record.key is not None:
        yield f"{_field_name(record.key_name)}={_field(record.key)}"
    for name, value in record.attributes.items():
        yield f"{_field_name(name)}={_field(str(value))}"
    if record.weight != 1:
        yield f"{WEIGHT}={record.weight!r}"


def _field(text: str) -> str:
    return text.replace("|", "\\|")


def _field_name(name: str) -> str:
    return encode_name(name).replace("=", "%3D") or "%"


def _either(field: str) -> str:
    """Match a word in either language."""
    return "|".join(re.escape(getattr(words, field)) for words in WORDS.values())


_LOOSE_MARKER = pattern(r"⏱\ufe0f? {0,2}\[PERF\] ?")
"""As others wrote it before us: without U+FE0F, which a copy may lose, or with one blank."""
_COLON = pattern(r": ?|： ?")
_KINDS: dict[str, Literal["start", "checkpoint", "done"]] = {
    **{words.start: "start" for words in WORDS.values()},
    **{words.checkpoint: "checkpoint" for words in WORDS.values()},
    **{words.done: "done" for words in WORDS.values()},
}
_DURATION = pattern(r"(?:: ?|： ?)(\d{1,9})(?:\.(\d{1,9}))?(ms|s)(?![^\s|])", re.ASCII)
_ELAPSED = pattern(rf" \| (?:{_either('elapsed')})(?=[:：])")
_TOOK = pattern(rf" \| (?:{_either('took')})(?=[:：])")
_BEHIND = pattern(r"\s+(?:\[[\w./\\<>-]+:\d+\]|\([\w./\\<>-]+:\d+\)|[\w./\\-]+\.py:\d+)\s*\Z")
"""What formatters put behind a message: the place in the source."""
_COLOUR = pattern(r"(?:\x1b|\\x1b|\\033|#033)(?:\[[0-?]*[ -/]*[@-~]|\].*?(?:\x07|\x1b\\))")
"""Escapes of a terminal, and how rsyslog and others write their first character."""
_ERROR = pattern(rf"(?:{_either('error')}): ?(.*)")
_TYPED = pattern(r"([^\W\d]\w*): (.+)|([A-Z]\w*)")
_WEIGHT = pattern(rf"{WEIGHT}=([1-9]\d*(?:\.\d+)?(?:e\+\d{{1,3}})?)", re.ASCII)
_FIELD = pattern(r"([^\s=]+)=(.*)")
_OUTCOMES: dict[str, Outcome] = {
    getattr(words, outcome): outcome for words in WORDS.values() for outcome in ("cancelled", "closed", "abandoned")
}
_SLOW = {words.slow for words in WORDS.values()}
_ESCAPED = pattern(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


Miss: TypeAlias = Literal["no_sign", "unknown_word", "no_text", "no_duration", "odd_addition"]
"""Why a line is not understood."""
_SIGNLESS = pattern(rf"\[PERF\] *(?:{'|'.join(map(re.escape, _KINDS))})[:：]")
_SUBJECT = pattern(r"\[PERF\] *[^\s:：]*[:：] ?(\S+)")


def why_not(text: str) -> Miss | None:
    """Return why a line that `parse` does not understand is none; None where it does not look like one of ours."""
    found = _marker(clean(text))
    if found is None:
        return "no_sign" if _SIGNLESS.search(text) else None
    text, _, at = found
    colon = _COLON.search(text, at, at + _LONGEST_KIND)
    kind = _KINDS.get(text[at : colon.start()]) if colon else None
    if kind is None:
        return "unknown_word"
    if kind == "start":
        return "no_text"
    places = list((_ELAPSED if kind == "checkpoint" else _TOOK).finditer(text))
    if not places or _DURATION.match(text, places[-1].end()) is None:
        return "no_duration"
    return "odd_addition"


def subject_of(text: str) -> str | None:
    """Return the first word behind the colon of a line that is not understood: an id, or an id and a checkpoint."""
    found = _SUBJECT.search(text)
    return None if found is None else found[1]


def clean(text: str) -> str:
    """Take away what is no part of a line: colours, the place in the source behind it, blanks at its end."""
    if "\x1b" in text or "033" in text or "\\x1b" in text:
        text = _COLOUR.sub("", text)
    text = text.rstrip(" \t\r\n")
    return _BEHIND.sub("", text) if text.endswith(_ENDS_OF_PLACES) else text


def prefix(text: str) -> str:
    """Return what stands before the marker of a line, where its time is: no more of it than that takes."""
    at = text.find("⏱")
    return text[:LOOKED_AT] if at < 0 else text[max(0, at - LOOKED_AT) : at]


def parse(text: str) -> Line | None:
    """Read a line with any prefix; None if it is no event of ours.

    A line that a narrow stream wrote with backslash escapes, the clock sign's among them, is read as
    what was meant.
    """
    found = _marker(clean(text))
    if found is None:
        return None
    text, _, at = found
    colon = _COLON.search(text, at, at + _LONGEST_KIND)
    kind = _KINDS.get(text[at : colon.start()]) if colon else None
    if colon is None or kind is None:
        return None
    body = text[colon.end() :]
    if kind == "start":
        body += " " if body.endswith(" -") else ""  # an empty text
        return Line("start", body) if " - " in body else None
    # The last one: no addition can hold it, as `|` is escaped there, while the text before it may.
    places = list((_ELAPSED if kind == "checkpoint" else _TOOK).finditer(body))
    duration = _DURATION.match(body, places[-1].end()) if places else None
    took = None if duration is None else _nanoseconds(*duration.groups())
    subject = body[: places[-1].start()] if places else ""
    if duration is None or took is None or not subject:
        return None
    if kind == "checkpoint":
        return Line("checkpoint", subject, took)
    # What follows without a bar is not ours: a request's id, a place in the source.
    _, *additions = body[duration.end() :].split(" | ")
    return _done(subject, took, additions)


def _marker(text: str) -> tuple[str, int, int] | None:
    """Return a line, and where its marker begins and ends."""
    # Plain searches, no pattern: this runs once a line, and logs have millions.
    at = text.find(MARKER)
    if at >= 0:
        return text, at, at + _MARKER_LENGTH
    if "\\u23f1" in text and "⏱" not in text:
        text = _unescape(text)
    found = _LOOSE_MARKER.search(text)
    return None if found is None else (text, found.start(), found.end())


def _nanoseconds(whole: str, fraction: str | None, unit: str) -> int | None:
    """Return a duration; None where it is longer than `_MAX_DIGITS` allow."""
    if len(whole) > _MAX_DIGITS - 3 + 3 * (unit == "ms"):
        return None
    scale = 9 if unit == "s" else 6
    factor: int = 10**scale
    return int(whole) * factor + int((fraction or "")[:scale].ljust(scale, "0"))


def _done(body: str, took: int, additions: Sequence[str]) -> Line | None:
    """Read what follows the duration of a finish; None if it is something else than additions."""
    outcome: Outcome = "ok"
    error_type, error, slow, fields, weight = None, None, False, [], 1.0
    for field in additions:
        if found := _WEIGHT.fullmatch(field):
            weight = float(found[1])
            if weight > MAX_WEIGHT:
                return None
        elif found := _FIELD.fullmatch(field):
            fields.append((found[1], found[2]))
        elif field in _OUTCOMES:
            outcome = _OUTCOMES[field]
        elif field in _SLOW:
            slow = True
        elif found := _ERROR.fullmatch(field):
            outcome, (error_type, error) = "error", _split_error(found[1].replace("\\|", "|"))
        else:
            return None
    read = tuple((unquote(name), value.replace("\\|", "|")) for name, value in fields)
    return Line("done", body, took, outcome, error_type, error, slow, read, weight)


def _unescape(text: str) -> str:
    """Read back what a narrow stream escaped; what `escape` wrote stays as it stands."""

    def read(match: re.Match[str]) -> str:
        code = int(match[1] or match[2] or match[3], 16)
        return match[0] if code > 0x10FFFF or _UNSAFE.match(chr(code)) else chr(code)

    return _ESCAPED.sub(read, text)


def _split_error(text: str) -> tuple[str | None, str | None]:
    """Split into type and text; a lone word is a type if it begins with a capital, as types do."""
    typed = _TYPED.fullmatch(text)
    return (typed[1] or typed[3], typed[2]) if typed else (None, text)


Plain: TypeAlias = tuple[Any, ...]
"""A line of the usual form, taken apart by one pattern.

A start: operation id, text. A checkpoint: operation id, name, text, seconds. A finish, with outcome `ok`
and at most one field: operation id, text, seconds, the field's name and value or None.
"""
START_PARTS, CHECKPOINT_PARTS = 2, 4
_MAX_DIGITS = 12
"""Of a duration in seconds, its three decimals included: thirty years, which 64 bits hold as nanoseconds."""
_SECONDS = rf"[0-9]{{1,{_MAX_DIGITS - 3}}}\.[0-9]{{3}}"
_TEXT_BYTES = 16384
"""The longest text that a usual line has: as many bytes as a text of 4,096 characters takes at most."""


def _plain(words: Words) -> dict[str, re.Pattern[str]]:
    """Build the patterns of one language's usual lines, by the first letter of the word.

    What stands before the last dot is not looked at again: a line of a million dots would take an hour.
    """
    seconds = rf"({_SECONDS})s"
    checkpoint = rf"{words.checkpoint}: (?>([^ ]+)\.)([^ %]++) - ([^|]*) \| {words.elapsed}: {seconds}\r?\n?"
    done = rf"{words.done}: ([^ ]+) - ([^|]*) \| {words.took}: {seconds}(?: \| (?!{WEIGHT}=)(\w+)=([^|\\\r\n]*))?\r?\n?"
    start = rf"{words.start}: ([^ ]+) - (.*)"
    patterns = {words.start: start, words.checkpoint: checkpoint, words.done: done}
    return {word[0]: re.compile(pattern, re.ASCII) for word, pattern in patterns.items()}


_PLAIN = {letter: pattern.fullmatch for words in WORDS.values() for letter, pattern in _plain(words).items()}
"""What takes a usual line apart from its word on, by the first letter of the word."""


@functools.cache
def _plain_block() -> re.Pattern[str]:
    """Build the pattern of usual lines, and of what is none, for blocks of bytes read as Latin-1.

    Possessive quantifiers: a third faster than what may look back; only a text is looked for from its end.
    """
    words, others = ([word.encode().decode("latin-1") for word in WORDS[language]] for language in ("zh", "en"))
    of, other = Words(*words), Words(*others)

    def same(group: int, field: str) -> str:
        """Match a word in the language of the one before it: that group has matched if it is the other."""
        return f"(?({group}){getattr(other, field)}|{getattr(of, field)})"

    character = r"[!-~\x80-\xff]"
    seconds = rf"({_SECONDS})s"
    # Bounded: a line that holds the marker again and again would be searched to its end each time.
    text = rf".{{0,{_TEXT_BYTES}}}"
    value = r"[^ |\\\r\n]*+(?: ++[^ |\\\r\n]++)*+"
    field = rf"(?: \| (?!{WEIGHT}=)(\w++)=({value}))?+(?: \| (?!{WEIGHT}=)\w++={value})*+"
    # Found by its end: searching for all of the marker takes half as long again.
    marker = rf"\[PERF\](?: (?<={re.escape(MARKER.encode().decode('latin-1'))})"
    return re.compile(
        rf"{marker}(?:(?:{of.checkpoint}|({other.checkpoint})): (?>({character}+)\.)([^ %\n]++) - {text}"
        rf"\| {same(1, 'elapsed')}: {seconds}\r?$"
        rf"|(?:{of.start}|{other.start}): ({character}++) - .*+"
        rf"|(?:{of.done}|({other.done})): (({character}+)_[0-9a-f]{{16}}|{character}++) - {text}"
        rf"\| {same(6, 'took')}: {seconds}(?: \| {same(6, 'slow')})?+{field}\r?$)|.*+)",
        re.ASCII | re.MULTILINE,
    )


_QUOTED = pattern(r'"[^"\n]*?\[PERF\]')
"""Finds a line with a quote before it, which may be wrapped in JSON; the pattern for what stands before is bytes."""

PlainLine: TypeAlias = tuple[str, str, str, str, str, str, str, str, str, str, str]
"""Of a checkpoint its word if it is English, the operation id, its name and seconds; of a start the id; of a finish its
word if it is English, the id, what stands in that before a span id, seconds, and the name and value of its first field.
What a line is not or has not is empty, all of one that is not of the usual form; names and values are still bytes, read
as Latin-1."""
ODD_LINE: PlainLine = ("",) * 11


def may_be_wrapped(block: str) -> bool:
    """Report whether lines of a block have a quote before the marker: what is wrapped in JSON has."""
    return '"' in block and _QUOTED.search(block) is not None


def plain_block(block: str) -> list[PlainLine] | None:
    """Split a block of lines, bytes read as Latin-1, none of which is wrapped; None where it must be read line by line.

    As many as there are lines with `[PERF]`, in their order.
    """
    if "\x1b" in block:
        return None
    found: list[PlainLine] = _plain_block().findall(block)
    return found


def plain_text(line: PlainLine) -> str:
    """Write a line of a block again, without its texts and what is behind its first field."""
    words = WORDS["zh"]
    _, checkpoint_id, checkpoint, elapsed, start_id, _, done_id, _, took, field, value = (
        part.encode("latin-1").decode(errors="replace") for part in line
    )
    if checkpoint_id:
        return f"{MARKER}{words.checkpoint}: {checkpoint_id}.{checkpoint} - x | {words.elapsed}: {elapsed}s"
    if start_id:
        return f"{MARKER}{words.start}: {start_id} - x"
    return f"{MARKER}{words.done}: {done_id} - x | {words.took}: {took}s" + (f" | {field}={value}" if field else "")


@functools.lru_cache(maxsize=8192)
def nanoseconds(seconds: str) -> int:
    """Read `0.051` as nanoseconds; most of a log's durations are the same few thousand texts."""
    whole, _, milliseconds = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(milliseconds) * 1_000_000


def parse_plain(text: str) -> Plain | None:
    """Read a line of the usual form in one go; None sends the rest to `parse`.

    It says of a line what `parse` and the split of its id say together, at a third of their price; whether
    the id is one that runs is for the caller to see.
    """
    at = text.find(MARKER)
    # A quote before it: perhaps wrapped in JSON. What has colours is cleaned elsewhere.
    if at < 0 or text.find('"', 0, at) >= 0 or "\x1b" in text:
        return None
    at += _MARKER_LENGTH
    match = _PLAIN.get(text[at : at + 1])
    found = None if match is None else match(text, at)
    return None if found is None else found.groups()


def split_body(body: str) -> tuple[str, str]:
    """Split `<operation id> - <text>`."""
    operation_id, _, text = body.partition(" - ")
    return operation_id, text


_SPAN = pattern(r"[0-9a-f]{16}")
_MADE_AND_DOT = pattern(r"_[0-9a-f]{16}\.")
_LOOKED_AT = 20_000_000
"""Characters of what stands before dots or underscores that are compared to find where an id ends: all 4,096 of a text
that is as long as a record keeps, and not all of a line of a million, which would take an hour."""


def split_checkpoint(body: str, started: Container[str]) -> tuple[str, str, str]:
    """Split `<operation id>.<checkpoint> - <text>` into these three.

    `started`: the ids that are known; the longest of them that fits wins. Without one the id ends
    after 16 hexadecimal digits, else at the last dot.
    """
    subject, _, text = body.partition(" - ")
    operation_id, _, name = subject.rpartition(".")
    if operation_id in started:  # nearly always
        return operation_id, unquote(name) if "%" in name else name, text
    for at in _ends(subject, "."):
        if subject[:at] in started:
            return subject[:at], unquote(subject[at + 1 :]), text
    word = subject.rsplit(None, 1)[-1:]
    made = _MADE_AND_DOT.search(subject, max(1, len(subject) - len(word[0]))) if word else None
    if made and made.end() < len(subject) and not subject[-1].isspace():
        return subject[: made.end() - 1], unquote(subject[made.end() :]), text
    operation_id, dot, name = subject.rpartition(".")
    return (operation_id, unquote(name), text) if dot and operation_id else (subject, "", text)


def _ends(text: str, separator: str, price: int = 1) -> Iterator[int]:
    """Return the places of a separator where an id or a name may end, the last first.

    price: of looking at a character, beside that of comparing it.
    """
    at, left = len(text), _LOOKED_AT
    while (at := text.rfind(separator, 0, at)) > 0 and (left := left - len(text) * price) > 0:
        yield at


class Identity(NamedTuple):
    """What an operation id says."""

    name: str
    key: str | None
    span: int
    """0 where the id holds none."""


def split_id(operation_id: str, key: str | None = None, names: Container[str] = ()) -> Identity:
    """Split an operation id into name and key by what is known, and only then by guess.

    key: the run's key as its finish line names it. names: operation names that are known from such
    lines. Then `_<16 hex>` or `_<unix seconds or milliseconds>` is the unique part, and one
    trailing `_<digits>` before it a key.
    """
    at = operation_id.rfind("_")
    unique = operation_id[at + 1 :]
    made = at > 0 and len(unique) == 16 and _SPAN.fullmatch(unique) is not None
    is_time = at > 0 and len(unique) in (10, 13) and unique.isascii() and unique.isdigit()
    rest = operation_id[:at] if made or is_time else operation_id
    span = int(unique, 16) if made else 0
    if key and rest.endswith(f"_{key}") and "%" not in rest and len(rest) > len(key) + 1:  # nearly always
        return Identity(rest[: -len(key) - 1], key, span)
    if key and made and rest.endswith(f"_{encode_name(key)}"):
        return Identity(unquote(rest[: -len(encode_name(key)) - 1]), key, span)
    whole = _decoded(rest, made)
    if key is None and whole in names:
        return Identity(whole, None, span)
    for at in _ends(rest, "_", 100 if "%" in rest else 1):  # decoding costs that much more
        name, part = _decoded(rest[:at], made), _decoded(rest[at + 1 :], made)
        if key in (part, escape(part)) or (key is None and name in names):
            return Identity(name, part, span)
    guess = re.fullmatch(r"(.+)_(\d+)", rest)
    if guess:
        return Identity(_decoded(guess[1], made), guess[2], span)
    return Identity(whole, None, span)


def unquote(text: str) -> str:
    """Decode what `encode_name` encoded."""
    if "%" not in text:
        return text
    import urllib.parse  # most names need no decoding

    return urllib.parse.unquote(text)


def _decoded(text: str, made: bool) -> str:
    """Decode the names that `timed` encoded; ids that users chose stay as they are."""
    return unquote(text) if made else text
