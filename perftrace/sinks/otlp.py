"""Sends records to an OpenTelemetry receiver: OTLP over HTTP, as protobuf (extra `otlp`)."""

import email.utils
import gzip
import os
import random
import ssl
import threading
import time
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar, get_args

from perftrace.core.checks import check_number
from perftrace.core.record import Record
from perftrace.core.values import Scalar, attributes_of, plain
from perftrace.formats import otlp, otlp_proto
from perftrace.formats.line import escape
from perftrace.messages import TEXTS
from perftrace.sinks.http_client import Endpoint, HttpClient, Response, check_header, parse_url
from perftrace.sinks.warnings import LocalizedSink, WarnOnce

Checkpoints = Literal["span", "logs", "both"]
"""Where checkpoints go: events of their spans, log records with the name of an event, or both."""
T = TypeVar("T")
_DEFAULT = "http://localhost:4318"
_TRACES, _LOGS = "/v1/traces", "/v1/logs"
_PASSING = (429, 502, 503, 504)
"""Statuses after which OTLP's specification lets a client try again."""
_TOO_LARGE = 413
_NOT_UNDERSTOOD = (400, 415)
_MOST_AT_ONCE = 10_000
"""Spans and events of one request."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_LONGEST_PAUSE = 300.0
"""Seconds that a server's `Retry-After` counts at most."""


class OtlpSink(LocalizedSink):
    """Sends finished operations as spans; meant to stand behind `Background`, as it waits for the network.

    What a receiver refuses is counted as `refused`, what it says that it left out as `rejected`, what could not be
    brought to it in time as `unreachable`; the first of each is told in a warning. Nothing is ever raised.

    url: of the receiver, as `http://localhost:4318`; `/v1/traces` and `/v1/logs` are added, unless it ends with the
        first already. A user and password in it go into a header.
    checkpoints: `span` (events of the span), `logs` (log records with `event_name`) or `both`.
    headers: sent along, such as an API key.
    timeout: seconds for one attempt. patience: seconds for which a batch is tried again while the receiver is away
        or busy, with growing pauses or those that it asks for.
    compression: `gzip` or `none`; a receiver that cannot unpack gets its data plain.
    resource: attributes of the process, beside the service's name and those of the environment.
    certificate, client_certificate, client_key: paths of PEM files, for https.

    What is not given comes from the environment: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`, `_TIMEOUT` (milliseconds),
    `_COMPRESSION`, `_CERTIFICATE`, `_CLIENT_CERTIFICATE`, `_CLIENT_KEY`, each also with `TRACES_` before its last part,
    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. Raises ValueError that says what makes no sense, and
    ModuleNotFoundError where `opentelemetry-proto` is not installed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        checkpoints: Checkpoints = "span",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        patience: float = 60.0,
        compression: Literal["gzip", "none"] | None = None,
        resource: Mapping[str, Scalar] | None = None,
        certificate: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
    ) -> None:
        otlp_proto.messages()
        if checkpoints not in get_args(Checkpoints):
            raise ValueError(f"OtlpSink: checkpoints must be 'span', 'logs' or 'both', not {checkpoints!r}")
        self._with_events, self._with_logs = checkpoints != "logs", checkpoints != "span"
        traces, logs = _targets(url)
        self._timeout = _seconds("timeout", timeout) if timeout is not None else _from("TIMEOUT", _milliseconds, 10.0)
        self._patience = _seconds("patience", patience)
        if compression is not None:
            _compression(compression)
        packing: str = compression or _from("COMPRESSION", _compression, "gzip")
        self._packing: dict[str, str] = {"Content-Encoding": "gzip"} if packing == "gzip" else {}
        """Headers that tell of the compression; empty where there is none."""
        self._resource = otlp.resource_of(os.environ, attributes_of(resource or {}))
        sent = {"Content-Type": "application/x-protobuf", "User-Agent": "perftrace-toolkit OTLP"}
        sent.update(_from("HEADERS", _headers, dict[str, str]()))
        for name, value in (headers or {}).items():
            check_header(name, value)
            sent[name] = value
        context = _context(certificate, client_certificate, client_key) if traces.scheme == "https" else None
        self._traces, self._logs = HttpClient(traces, sent, context), HttpClient(logs, sent, context)
        self._shown = traces.shown
        self._begin()

    def _begin(self) -> None:
        self._lost = {"refused": 0, "rejected": 0, "unreachable": 0}
        self._lost_before = 0
        self._warnings = WarnOnce()
        self._is_understood = False
        """Whether the receiver took anything in this form."""
        self._not_before = 0.0
        """On the monotonic clock: until when the receiver asked to be left alone."""
        self._hurry = threading.Event()

    def open(self) -> None:
        """Begin anew, with connections of this process's own."""
        self._begin()
        self._traces.close()
        self._logs.close()

    def finished(self, record: Record) -> None:
        """Send one record, here and now."""
        self.batch((record,))

    def batch(self, records: Sequence[Record]) -> int:
        """Send records, in one request unless they have very many checkpoints; `dropped` counts the lost."""
        for portion in _portions(records):
            self._send_portion(portion)
        return len(records)

    def _send_portion(self, records: Sequence[Record]) -> None:
        lost = self._send(self._traces, records, self._encode_spans)
        with_logs = [record for record in records if record.checkpoints] if self._with_logs else []
        if with_logs and sum(lost.values()) < len(records):
            more = self._send(self._logs, with_logs, self._encode_logs)
            # A record that lost its checkpoints counts as lost, but no more than once.
            room = len(records) - sum(lost.values())
            for reason, count in more.items():
                lost[reason] = lost.get(reason, 0) + min(count, room)
                room -= min(count, room)
        for reason, count in lost.items():
            self._lost[reason] += count

    def _encode_spans(self, records: Sequence[Record]) -> bytes:
        return otlp_proto.encode(records, self._resource, events=self._with_events)

    def _encode_logs(self, records: Sequence[Record]) -> bytes:
        return otlp_proto.encode_logs(records, self._resource)

    def _send(
        self, poster: HttpClient, records: Sequence[Record], encode: Callable[[Sequence[Record]], bytes]
    ) -> dict[str, int]:
        """Send records and count what is lost of them, by reason."""
        body = encode(records)
        answer = self._exchange(poster, body)
        if answer is not None and answer.status in _NOT_UNDERSTOOD and self._packing and not self._is_understood:
            # Not every receiver can unpack; one that never took anything gets it plain.
            packing, self._packing = self._packing, {}
            plainly = self._exchange(poster, body)
            if plainly is None or plainly.status >= 300:
                self._packing = packing
            else:
                answer = plainly
        if answer is None:
            return {"unreachable": len(records)}
        if 200 <= answer.status < 300:
            self._is_understood = True
            return self._read(answer, len(records), poster is self._logs)
        if answer.status == _TOO_LARGE and len(records) > 1:
            middle = len(records) // 2
            lost = self._send(poster, records[:middle], encode)
            for reason, count in self._send(poster, records[middle:], encode).items():
                lost[reason] = lost.get(reason, 0) + count
            return lost
        self._tell("refused", f"HTTP {answer.status}")
        return {"refused": len(records)}

    def _exchange(self, poster: HttpClient, body: bytes) -> Response | None:
        """Post, again and again while the receiver is away or busy and there is time; None when there is none left."""
        give_up = time.monotonic() + self._patience
        wait = _FIRST_WAIT
        packed = gzip.compress(body, 1) if self._packing else body
        while True:
            # What the receiver asks for is kept, whatever the patience: it takes nothing before.
            if self._hurry.wait(max(0.0, self._not_before - time.monotonic())) and self._not_before > time.monotonic():
                return None
            asked = None
            try:
                answer = poster.post(packed, self._timeout, self._packing)
            except (OSError, ValueError) as error:
                why = f"{type(error).__name__}: {plain(error)}"
            else:
                if answer.status not in _PASSING:
                    return answer
                why, asked = f"HTTP {answer.status}", _seconds_asked(answer.retry_after)
            self._tell("unreachable", why)
            if asked is not None:
                self._not_before = time.monotonic() + asked
                if time.monotonic() > give_up:
                    return None
            elif not self._may_wait(wait * random.uniform(0.8, 1.2), give_up):  # noqa: S311  # so that not all come at once
                return None
            wait = min(2 * wait, _LONGEST_WAIT)

    def _may_wait(self, seconds: float, give_up: float) -> bool:
        """Wait, unless that would be too long or the process is ending; return whether it was done."""
        if self._hurry.is_set() or time.monotonic() + seconds > give_up:
            return False
        return not self._hurry.wait(seconds)

    def _read(self, answer: Response, count: int, is_logs: bool) -> dict[str, int]:
        """Read what a receiver says of what it took; return what it left out."""
        types = otlp_proto.messages()
        if answer.content_type != "application/x-protobuf" or not answer.body:
            return {}
        try:
            said = (types.LogsResponse if is_logs else types.Response).FromString(answer.body).partial_success
        except Exception:
            self._tell("garbled", answer.content_type)
            return {}
        rejected = said.rejected_log_records if is_logs else said.rejected_spans
        if rejected > 0 or said.error_message:
            self._tell("rejected", said.error_message)
        # A log record is one checkpoint of many: how many records are hit, it does not say.
        return {"rejected": min(rejected, count)} if rejected > 0 else {}

    def _tell(self, what: str, why: str) -> None:
        """Warn, the first time."""
        reason = TEXTS[self.language].loss_reasons[what]
        note = self._notes().receiver.format(url=self._shown, what=reason, why=escape(why[:200]))
        self._warnings.warn(what, note)

    def abort_retries(self) -> None:
        """Wait no more: what cannot be sent at once is lost."""
        self._hurry.set()

    def flush(self, timeout: float) -> bool:
        """Report whether nothing was lost since the last time; nothing waits here."""
        lost = sum(self._lost.values())
        is_whole, self._lost_before = lost == self._lost_before, lost
        return is_whole

    def close(self, timeout: float) -> bool:
        """Close the connections."""
        self._hurry.set()
        self._traces.close()
        self._logs.close()
        return self.flush(timeout)

    def dropped(self) -> Mapping[str, int]:
        """Count what was refused, rejected, or could not be sent in time."""
        return dict(self._lost)


def _portions(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut records into portions that no receiver finds too large, as far as that can be helped."""
    first = weight = 0
    for place, record in enumerate(records):
        own = 1 + len(record.checkpoints)
        if weight and weight + own > _MOST_AT_ONCE:
            yield records[first:place]
            first, weight = place, 0
        weight += own
    yield records[first:]


def _targets(url: str | None) -> tuple[Endpoint, Endpoint]:
    """Return where traces and logs go."""
    if url is not None:
        return _pair(url)
    traces = _from_variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", parse_url, None)
    logs = _from_variable("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", parse_url, None)
    _from("PROTOCOL", _protocol, None)
    both = _from_variable("OTEL_EXPORTER_OTLP_ENDPOINT", _pair, _pair(_DEFAULT))
    return traces or both[0], logs or both[1]


def _pair(url: str) -> tuple[Endpoint, Endpoint]:
    target = parse_url(url)
    path, mark, query = target.path.partition("?")
    base = path.rstrip("/").removesuffix(_TRACES)
    return target._replace(path=base + _TRACES + mark + query), target._replace(path=base + _LOGS + mark + query)


def _from(name: str, read: Callable[[str], T], default: T) -> T:
    """Read a setting of the exporter from the environment; that for traces goes first."""
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        found = _from_variable(variable, read, None)
        if found is not None:
            return found
    return default


def _from_variable(variable: str, read: Callable[[str], T], default: T) -> T:
    """Read a variable; a bad value is a warning, which does not show it: it may hold a password."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        return read(text)
    except ValueError as error:
        warnings.warn(f"{variable}: {error}; it is left out", RuntimeWarning, stacklevel=4)
        return default


def _headers(text: str) -> dict[str, str]:
    """Read `name=value,name=value`, percent-encoded."""
    found = {}
    for entry in text.split(","):
        name, equals, value = entry.partition("=")
        if not equals:
            raise ValueError("headers are written name=value,name=value")
        name, value = urllib.parse.unquote(name.strip()), urllib.parse.unquote(value.strip())
        check_header(name, value)
        found[name] = value
    return found


def _protocol(text: str) -> None:
    if text != "http/protobuf":
        raise ValueError(f"{text!r} is not spoken, only http/protobuf, by default on port 4318")


def _compression(text: str) -> str:
    if text not in ("gzip", "none"):
        raise ValueError(f"compression must be gzip or none, not {text!r}")
    return text


def _milliseconds(text: str) -> float:
    return _seconds("the timeout", float(text) / 1000)


def _seconds(name: str, seconds: object) -> float:
    return float(check_number(f"OtlpSink: {name}", seconds, above=0, most=86_400, unit="seconds"))


def _seconds_asked(text: str | None) -> float | None:
    """Read a `Retry-After`: seconds or a date; None where there is none that makes sense."""
    if text is None:
        return None
    try:
        seconds = (
            float(text) if text.strip().isdigit() else email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.1), _LONGEST_PAUSE)


def _context(certificate: str | None, client_certificate: str | None, client_key: str | None) -> ssl.SSLContext:
    """Make what servers are known by, from PEM files."""
    files = (
        certificate or _from("CERTIFICATE", str, None),
        client_certificate or _from("CLIENT_CERTIFICATE", str, None),
        client_key or _from("CLIENT_KEY", str, None),
    )
    try:
        context = ssl.create_default_context(cafile=files[0])
        if files[1]:
            context.load_cert_chain(files[1], files[2])
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"OtlpSink: the certificates cannot be read: {error.strerror or error}") from None
    return context
