"""What a sink gets to see."""

import pytest

import perftrace
from perftrace import Sink
from perftrace.core.record import Record
from perftrace.pipeline import Background, Cardinality, Redact
from perftrace.testing import FakeClock


@pytest.fixture
def seen():
    """Configure a redacting sink; gives its events."""
    events = []

    class All(Sink):
        def started(self, event):
            events.append(event)

        reached = finished = started

    perftrace.configure(sinks=[Redact(All())])
    yield events
    perftrace.configure(sinks=[])


@pytest.mark.parametrize(
    "name",
    ["password", "user_password", "X-Api-Key", "apiKey", "Authorization", "http.request.header.cookie", "accessKey",
     "TOKEN", "refresh token", "clientSecret"],
)  # fmt: skip
def test_values_with_telling_names_are_replaced(seen, name):
    """In operations and checkpoints alike; all else stays."""
    with perftrace.operation("a", attributes={name: "hunter2", "size": 3}):
        perftrace.checkpoint("b", **{name: "hunter2", "ok": True})
    _, reached, record = seen
    assert dict(record.attributes) == {name: "[redacted]", "size": 3}
    assert dict(reached.attributes) == dict(record.checkpoints[0].attributes) == {name: "[redacted]", "ok": True}


@pytest.mark.parametrize("name", ["tokens_used", "author", "passwords_checked", "secretary", "size"])
def test_names_that_only_look_alike_stay(seen, name):
    """Whole words count."""
    with perftrace.operation("a", attributes={name: 7}):
        pass
    assert dict(seen[-1].attributes) == {name: 7}


def test_urls_lose_query_and_password_wherever_they_stand(seen):
    """The rest of the text stays."""
    dirty = "GET https://ann:pw@api.example.org:8443/v1/x?token=abc&y=1#top and redis://:pw@cache/0, then a?b"
    clean = "GET https://…@api.example.org:8443/v1/x?…#top and redis://…@cache/0, then a?b"
    with (
        pytest.raises(ValueError, match="token=abc"),
        perftrace.operation("a", description=dirty, done=dirty, attributes={"url": dirty}),
    ):
        perftrace.checkpoint("b", dirty)
        raise ValueError(dirty)
    started, reached, record = seen
    texts = [started.description, reached.description, record.description, record.done, record.error]
    assert {*texts, record.attributes["url"], record.checkpoints[0].description} == {clean}


def test_a_record_without_secrets_is_handed_on_as_it_is():
    """No copy is made."""
    handed = []
    record = Record("a", checkpoints=[("b", "text", 1, {})], attributes={"size": 1})
    Redact(handed.append).finished(record)
    assert handed[0] is record


def test_the_words_are_the_users_to_choose():
    """And URLs may stay."""
    handed = []
    sink = Redact(handed.append, deny=["card number"], urls=False)
    sink.finished(Record("a", attributes={"cardNumber": "4", "password": "x", "url": "http://a?b"}))
    assert dict(handed[0].attributes) == {"cardNumber": "[redacted]", "password": "x", "url": "http://a?b"}
    with pytest.raises(ValueError, match="Redact: deny"):
        Redact(Sink(), deny="password")


def test_batches_stay_batches():
    """A queue's many records reach a file in one write, cleaned and capped on the way."""
    batches = []

    class Batching(Sink):
        def finished(self, record):
            batches.append([record])

        def batch(self, records):
            batches.append(records)
            return len(records) - 1

    sink = Background(Redact(Cardinality(Batching(), names=1)), interval=60, batch=1000)
    perftrace.configure(sinks=[sink])
    for name in ("a", "b", "a"):
        with perftrace.operation(name):
            perftrace.annotate(password="x")
    assert not perftrace.flush(5)
    (batch,) = batches
    assert [record.name for record in batch] == ["a", "__other__", "a"]
    assert {record.attributes["password"] for record in batch} == {"[redacted]"}
    assert perftrace.stats()["sinks"][0]["dropped"] == {"error": 1}
    perftrace.configure(sinks=[])


@pytest.mark.parametrize(
    ("wrap", "changed"),
    [
        (Redact, {"size": 1, "password": "[redacted]"}),
        (lambda sink: Cardinality(sink, attributes=1), {"size": 1, "__other__": "hunter2"}),
    ],
)
def test_checkpoints_that_are_changed_keep_their_times(wrap, changed):
    """Of a run that has just ended, whose times nobody has asked for yet."""
    kept = []
    clock = FakeClock()
    perftrace.configure(sinks=[wrap(kept.append)], clock=clock)
    try:
        with perftrace.operation("a"):
            clock.advance(0.01)
            perftrace.checkpoint("b", size=1, password="hunter2")
            clock.advance(0.02)
            perftrace.checkpoint("c")
    finally:
        perftrace.configure(sinks=[], clock=None)
    (record,) = kept
    assert [(mark.name, mark.elapsed_ns) for mark in record.checkpoints] == [("b", 10_000_000), ("c", 30_000_000)]
    assert dict(record.checkpoints[0].attributes) == changed
