"""The OTLP sink: what it sends, and what it does with receivers that refuse, stall or talk nonsense."""

import gzip
import logging
import socket
import ssl
import threading

import pytest
import trustme
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

import perftrace
from perftrace.core.record import Record
from perftrace.pipeline.background import Background
from perftrace.sinks import otlp
from perftrace.sinks.otlp import OtlpSink
from tests.ids import span_id, trace_id
from tests.sinks.servers import OK, answering, read_request, server

RECORDS = [
    Record(f"op{i}", trace_id=trace_id(1), span_id=span_id(i + 1), start=10**18, duration_ns=5,
           checkpoints=[("m", "Text", 2, {"a": 1})], pid=7)
    for i in range(4)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(otlp, "_FIRST_WAIT", 0.01)
    for name in ("ENDPOINT", "HEADERS", "TIMEOUT", "COMPRESSION"):
        for signal in ("", "TRACES_"):
            monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{signal}{name}", raising=False)


def answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def content(request):
    head, _, body = request.partition(b"\r\n\r\n")
    return head, gzip.decompress(body) if b"content-encoding: gzip" in head.lower() else body


def spans(request):
    message = ExportTraceServiceRequest.FromString(content(request)[1])
    return [span.name for one in message.resource_spans for scope in one.scope_spans for span in scope.spans]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/traces"), ("/", "/v1/traces"), ("/a/", "/a/v1/traces"), ("/a/v1/traces", "/a/v1/traces"),
        ("/x?k=1", "/x/v1/traces?k=1"),
    ],
)  # fmt: skip
def test_a_batch_is_one_request(path, asked):
    """As protobuf, packed, to the path that OTLP names."""
    with server(answering(OK)) as (url, requests):
        sink = OtlpSink(url + path, headers={"api-key": "k"}, resource={"service.name": "shop"})
        assert sink.batch(RECORDS) == 4
        assert sink.close(1)
    head, body = content(requests[0])
    assert head.startswith(b"POST %s HTTP/1.1" % asked.encode())
    assert b"Content-Type: application/x-protobuf" in head
    assert b"api-key: k" in head
    message = ExportTraceServiceRequest.FromString(body)
    [resource_spans] = message.resource_spans
    resource = {one.key: one.value for one in resource_spans.resource.attributes}
    assert (resource["service.name"].string_value, resource["process.pid"].int_value) == ("shop", 7)
    assert [event.name for event in resource_spans.scope_spans[0].spans[0].events] == ["m"]


@pytest.mark.parametrize("form", ["logs", "both"])
def test_checkpoints_as_log_records(form):
    """With their operation's ids, on a connection of their own."""
    with server(answering(OK), answering(OK)) as (url, requests):
        sink = OtlpSink(url, checkpoints=form, compression="none")
        sink.batch(RECORDS[:1])
        assert sink.close(1)
    traces, logs = requests
    assert logs.startswith(b"POST /v1/logs HTTP/1.1")
    [span] = ExportTraceServiceRequest.FromString(content(traces)[1]).resource_spans[0].scope_spans[0].spans
    assert len(span.events) == (form == "both")
    [log] = ExportLogsServiceRequest.FromString(content(logs)[1]).resource_logs[0].scope_logs[0].log_records
    assert (log.event_name, log.body.string_value, log.time_unix_nano) == ("m", "Text", 10**18 + 2)
    assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
    assert [one.key for one in log.attributes] == ["a"]


def test_logs_that_are_refused_lose_their_records():
    """A record without its checkpoints is not whole."""
    with server(answering(OK), answering(answer(400))) as (url, _):
        sink = OtlpSink(url, checkpoints="logs")
        sink.batch([*RECORDS, Record("bare", trace_id=trace_id(1), span_id=span_id(9))])
        assert sink.dropped() == {"refused": 4, "rejected": 0, "unreachable": 0}
        assert not sink.close(1)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501, 301])
def test_what_is_refused_is_counted_and_told_once(status, caplog):
    """And not tried again: OTLP's specification names what may be."""
    with server(answering(*[answer(status)] * 2)) as (url, requests), caplog.at_level(logging.WARNING):
        sink = OtlpSink(url, compression="none")
        sink.language = "en"
        sink.batch(RECORDS)
        sink.batch(RECORDS)
        assert sink.dropped()["refused"] == 8
        assert not sink.flush(1)
        assert sink.flush(1)
        sink.close(1)
    assert len(requests) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"the receiver {url}/v1/traces: refused (HTTP {status}); what is lost is counted in stats()"
    ]


@pytest.mark.parametrize(
    "busy",
    [
        answer(503), answer(502), answer(504), answer(429), answer(429, Retry_After="0"), b"", b"garbage\r\n\r\n",
        answer(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again(busy):
    """Until it goes through: nothing is lost."""
    with server(answering(busy), answering(busy), answering(OK)) as (url, requests):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        assert sink.close(1)
    assert spans(requests[-1]) == ["op0", "op1", "op2", "op3"]


def test_a_pause_that_is_asked_for_is_kept(monkeypatch):
    """Also by the next batch, however impatient."""
    waits = []
    with server(answering(answer(429, Retry_After="7"), OK)) as (url, requests):
        sink = OtlpSink(url)
        real = sink._hurry.wait  # noqa: SLF001

        def wait(seconds):
            waits.append(seconds)
            return real(0)

        monkeypatch.setattr(sink._hurry, "wait", wait)  # noqa: SLF001
        monkeypatch.setattr(otlp.time, "monotonic", lambda: 100.0 + sum(waits))
        sink.batch(RECORDS)
        monkeypatch.undo()
        assert sink.close(1)
    assert [wait for wait in waits if wait] == [7.0]
    assert len(requests) == 2


def test_what_stays_away_is_given_up_on():
    """After the patience that was set; counted, and told once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sink = OtlpSink(f"http://127.0.0.1:{port}", patience=0.1)
    sink.batch(RECORDS)
    assert sink.dropped() == {"refused": 0, "rejected": 0, "unreachable": 4}


def test_a_receiver_that_cannot_unpack_gets_it_plain():
    """From then on; one that refuses both ways, or took it packed before, is not asked twice."""
    with server(answering(answer(400), OK, OK)) as (url, requests):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        sink.batch(RECORDS)
        assert sink.close(1)
    assert [b"Content-Encoding: gzip" in request for request in requests] == [True, False, False]
    with server(answering(answer(415), answer(400), OK, answer(400))) as (url, requests):
        sink = OtlpSink(url)
        for _ in range(3):
            sink.batch(RECORDS)
        assert sink.dropped()["refused"] == 8
        sink.close(1)
    assert [b"Content-Encoding: gzip" in request for request in requests] == [True, False, True, True]


def test_what_is_too_large_is_sent_in_halves():
    """A record that is too large alone is refused; the others go through."""

    def small_only(connection, requests):
        while request := read_request(connection):
            requests.append(request)
            found = spans(request)
            connection.sendall(answer(413) if len(found) > 1 or found == ["op2"] else OK)

    with server(small_only) as (url, requests):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        assert sink.dropped()["refused"] == 1
        sink.close(1)
    assert [spans(request) for request in requests] == [
        ["op0", "op1", "op2", "op3"], ["op0", "op1"], ["op0"], ["op1"], ["op2", "op3"], ["op2"], ["op3"],
    ]  # fmt: skip


def test_very_many_checkpoints_are_several_requests():
    """Receivers refuse what is too large; each record stays whole."""
    marks = [("m", "", i, {}) for i in range(4000)]
    records = [Record(f"op{i}", trace_id=trace_id(1), span_id=span_id(i + 1), checkpoints=marks) for i in range(5)]
    with server(answering(OK, OK, OK)) as (url, requests):
        sink = OtlpSink(url)
        assert sink.batch(records) == 5
        assert sink.close(1)
    assert [spans(request) for request in requests] == [["op0", "op1"], ["op2", "op3"], ["op4"]]


@pytest.mark.parametrize(("rejected", "lost"), [(2, 2), (10**6, 4), (-5, 0), (0, 0)])
def test_partial_success_is_counted(rejected, lost, caplog):
    """No more than was sent, whatever the receiver says; its words are told, on one line."""
    said = ExportTraceServiceResponse(partial_success={"rejected_spans": rejected, "error_message": "too\nold"})
    body = answer(200, said.SerializeToString(), Content_Type="application/x-protobuf")
    with server(answering(body)) as (url, _), caplog.at_level(logging.WARNING):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        assert sink.dropped()["rejected"] == lost
        sink.close(1)
    assert "too\\nold" in caplog.text


def test_an_answer_that_is_no_message_is_told():
    """The status counts."""
    body = answer(200, b"\xff\xff\xff", Content_Type="application/x-protobuf")
    html = answer(200, b"<html>", Content_Type="text/html")
    with server(answering(body, html)) as (url, _):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        sink.batch(RECORDS)
        assert sink.close(1)


def test_behind_a_queue_the_books_balance():
    """What was refused, and what went through."""
    with server(answering(OK, answer(400), OK)) as (url, _):
        sink = Background(OtlpSink(url), interval=60)
        perftrace.configure(sinks=[sink])
        for _ in range(3):
            with perftrace.operation("a"):
                pass
            perftrace.flush()
        [counters] = perftrace.stats()["sinks"]
        assert (counters["accepted"], counters["written"], counters["dropped"], counters["pending"]) == (
            3,
            2,
            {"refused": 1},
            0,
        )
        perftrace.configure(sinks=[])


def test_closing_waits_for_no_better_times():
    """A receiver that is away does not hold up the end of the process."""
    arrived = threading.Event()

    def busy(connection, requests):
        requests.append(read_request(connection))
        connection.sendall(answer(429, Retry_After="200"))
        arrived.set()

    with server(busy) as (url, _):
        sink = Background(OtlpSink(url), interval=0.01)
        sink.open()
        sink.finished(RECORDS[0])
        assert arrived.wait(10)
        assert not sink.close(30)
        assert sink.dropped()["unreachable"] == 1


def test_no_credential_reaches_a_message(caplog, monkeypatch):
    """Neither of the URL nor of a header, whatever goes wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with caplog.at_level(logging.DEBUG):
        sink = OtlpSink(f"http://me:secret@127.0.0.1:{port}", headers={"api-key": "secret"}, patience=0.05)
        sink.batch(RECORDS)
    for wanted in (
        *("otpl:http://me:secret@host", "otlp:http://me:secret@host:x", "log:http://me:secret@host"),
        *("otpl:http://host/?key=secret", "otlp:http://host:x/?key=secret", "otlp:http://host/?key=secret#x"),
    ):
        with pytest.raises(ValueError, match=r"configure|port|fragment") as caught:
            perftrace.configure(sinks=[wanted])
        assert "secret" not in str(caught.value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "secret")
    with pytest.warns(RuntimeWarning, match="OTEL_EXPORTER_OTLP_HEADERS: headers are written") as warned:
        OtlpSink("http://localhost")
    assert "secret" not in caplog.text + "".join(str(one.message) for one in warned)


def test_the_environment_is_honoured(monkeypatch):
    """The variables for traces go first; an argument before all."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,other=1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    with server(answering(OK)) as (url, requests):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{url}/exactly/here")
        sink = OtlpSink(headers={"other": "2"})
        assert sink._timeout == 2.5  # noqa: SLF001
        sink.batch(RECORDS)
        sink.close(1)
    head, body = content(requests[0])
    assert head.startswith(b"POST /exactly/here HTTP/1.1")
    assert b"api-key: a b\r\nother: 2" in head
    assert b"shop" in body
    assert OtlpSink("http://127.0.0.1:2")._shown == "http://127.0.0.1:2/v1/traces"  # noqa: SLF001
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    assert OtlpSink()._shown == "http://127.0.0.1:1/v1/traces"  # noqa: SLF001


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("ENDPOINT", "nowhere"), ("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("COMPRESSION", "zip")],
        ("PROTOCOL", "grpc"),
    ],
)
def test_a_bad_variable_is_a_warning(name, text, monkeypatch):
    """And the default goes."""
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", text)
    with pytest.warns(RuntimeWarning, match=f"OTEL_EXPORTER_OTLP_{name}"):
        sink = OtlpSink()
    assert (sink._shown, sink._timeout, bool(sink._packing)) == ("http://localhost:4318/v1/traces", 10.0, True)  # noqa: SLF001


@pytest.mark.parametrize(
    "options",
    [{"checkpoints": "all"}, {"timeout": 0}, {"timeout": True}, {"patience": "x"}, {"compression": "zip"},
     {"headers": {"a b": "c"}}, {"certificate": "/nowhere"}, {"client_certificate": "/nowhere"}],
)  # fmt: skip
def test_options_that_make_no_sense_are_value_errors(options):
    """At once."""
    with pytest.raises(ValueError, match=r"OtlpSink|header|compression"):
        OtlpSink("https://localhost", **options)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize("with_client", [False, True])
def test_https_by_a_certificate_of_ones_own(authority, tmp_path, with_client):
    """The server's, and the client's where the server wants one."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    options = {"certificate": str(tmp_path / "ca.pem")}
    if with_client:
        tls.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(tls)
        authority.issue_cert("bot@example.org").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "bot.pem"))
        options["client_certificate"] = str(tmp_path / "bot.pem")
    with server(answering(OK, OK), tls=tls) as (url, requests):
        sink = OtlpSink(url, **options)
        sink.batch(RECORDS)
        sink.batch(RECORDS)
        assert sink.close(1)
    assert spans(requests[1]) == ["op0", "op1", "op2", "op3"]


def test_a_server_that_nobody_vouches_for_gets_nothing(authority, caplog):
    """And why is told."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with server(answering(OK), tls=tls) as (url, requests):
        sink = OtlpSink(url, patience=0.001)
        sink.batch(RECORDS)
        sink.close(1)
    assert (sink.dropped()["unreachable"], requests) == (4, [])
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_a_broken_log_handler_loses_no_record(monkeypatch):
    """What is told is less than what is counted."""

    def broken(*_):
        raise RuntimeError("no log")

    monkeypatch.setattr(logging.getLogger("performance_monitor"), "warning", broken)
    with server(answering(answer(503), OK)) as (url, requests):
        sink = OtlpSink(url)
        sink.batch(RECORDS)
        assert sink.close(1)
    assert len(requests) == 2
