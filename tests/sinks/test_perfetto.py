"""The Perfetto sink: a file that is whole at any time, and loses nothing untold."""

import json
import os
import subprocess
import sys

import pytest

import perftrace
from perftrace import sources
from perftrace.core.record import Record
from perftrace.sinks.perfetto import PerfettoSink
from tests.conftest import TIMEOUT
from tests.ids import span_id, trace_id


@pytest.fixture
def sink(tmp_path):
    made = PerfettoSink(tmp_path / "trace.json")
    made.open()
    yield made
    made.close(1)


def names(path):
    return [e["name"] for e in json.loads(path.read_bytes())["traceEvents"] if e.get("cat") == "operation"]


def test_a_trace_is_drawn_when_its_root_has_finished(sink, tmp_path):
    """What was called comes inside; the file is whole before, between and after."""
    path = tmp_path / "trace.json"
    assert names(path) == []
    sink.finished(
        Record("inner", trace_id=trace_id(1), span_id=span_id(2), parent_id=span_id(1), start=10, duration_ns=5)
    )
    assert (names(path), sink.pending()) == ([], 1)
    sink.finished(Record("outer", trace_id=trace_id(1), span_id=span_id(1), start=5, duration_ns=20))
    assert (names(path), sink.pending()) == (["outer", "inner"], 0)
    sink.finished(Record("next", trace_id=trace_id(2), span_id=span_id(3), start=50, duration_ns=1))
    assert names(path) == ["outer", "inner", "next"]
    sink.finished(
        Record("late", trace_id=trace_id(1), span_id=span_id(4), parent_id=span_id(1), start=12, duration_ns=50)
    )
    assert sink.flush(1)
    assert names(path)[-1] == "late"
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_by_its_name_from_end_to_end(tmp_path):
    """And read back, the records are those that were made."""
    path = tmp_path / "trace.json"
    perftrace.configure(sinks=[f"perfetto:{path}", "memory"])
    with perftrace.operation("outer"):
        perftrace.checkpoint("half")
        with perftrace.operation("inner"):
            pass
    assert perftrace.flush()
    made = {record.name: record.as_dict() for record in perftrace.records()}
    perftrace.configure(sinks=[])
    assert {record.name: record.as_dict() for record in sources.open(str(path)).records} == made


def test_what_waits_is_bounded(tmp_path, monkeypatch):
    """A root that never ends holds up no more than that."""
    monkeypatch.setattr("perftrace.sinks.perfetto._MAX_WAITING", 10)
    sink = PerfettoSink(tmp_path / "trace.json")
    sink.open()
    for span in range(2, 14):
        sink.finished(
            Record(
                f"op{span}",
                trace_id=trace_id(1),
                span_id=span_id(span),
                parent_id=span_id(1),
                start=span,
                duration_ns=1,
            )
        )
    assert (len(names(tmp_path / "trace.json")), sink.pending()) == (11, 1)
    sink.close(1)


def test_a_full_file_is_told_once_and_counted(tmp_path, caplog):
    """And stays whole."""
    sink = PerfettoSink(tmp_path / "trace.json", max_bytes=2000)
    sink.language = "en"
    sink.open()
    for span in range(1, 20):
        sink.finished(Record(f"op{span}", trace_id=trace_id(span), span_id=span_id(span), start=span, duration_ns=1))
    written = len(names(tmp_path / "trace.json"))
    assert 0 < written < 19
    assert sink.dropped() == {"full": 19 - written, "error": 0}
    assert not sink.flush(1)
    assert [record.getMessage() for record in caplog.records] == [
        "the file trace.json has reached 0 MB: what comes now is not written, only counted in stats()"
    ]
    sink.close(1)


def test_a_file_in_use_is_left_to_its_process(sink, tmp_path):
    """The second one writes beside it."""
    other = PerfettoSink(tmp_path / "trace.json")
    other.open()
    other.finished(Record("b", trace_id=trace_id(1), span_id=span_id(1)))
    sink.finished(Record("a", trace_id=trace_id(1), span_id=span_id(1)))
    assert names(tmp_path / "trace.json") == ["a"]
    assert names(tmp_path / f"trace-{os.getpid()}.json") == ["b"]
    other.close(1)
    third = PerfettoSink(tmp_path / "trace.json")
    sink.close(1)
    third.open()
    assert names(tmp_path / "trace.json") == []
    third.close(1)


def test_a_file_that_cannot_be_written_is_told_by_configure(tmp_path):
    """In one line that names it."""
    with pytest.raises(OSError, match="No such file"):
        perftrace.configure(sinks=[f"perfetto:{tmp_path}/no/trace.json"])
    with pytest.raises(ValueError, match="perfetto:PATH"):
        perftrace.configure(sinks=["perfetto:"])
    with pytest.raises(ValueError, match="max_bytes"):
        PerfettoSink(tmp_path / "x", max_bytes=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_writes_a_file_of_its_own(tmp_path):
    """Neither harms the other's."""
    code = f"""
import os, sys, perftrace
perftrace.configure(sinks=["perfetto:{tmp_path}/trace.json"])
with perftrace.operation("before"):
    pass
perftrace.flush()
child = os.fork()
with perftrace.operation("parent" if child else "child"):
    pass
if not child:
    assert perftrace.shutdown(5)
    os._exit(0)
print(child)
assert os.waitpid(child, 0)[1] == 0
"""
    options = ["-W", "ignore::DeprecationWarning"]
    done = subprocess.run([sys.executable, *options, "-c", code], check=True, timeout=TIMEOUT, capture_output=True)
    assert names(tmp_path / "trace.json") == ["before", "parent"]
    assert names(tmp_path / f"trace-{int(done.stdout)}.json") == ["child"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on this platform")
def test_a_disk_that_is_full_leaves_the_file_whole(tmp_path):
    """What was written before can be opened; the loss is counted."""
    code = f"""
import resource, signal
from perftrace.sinks.perfetto import PerfettoSink
from perftrace.core.record import Record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sink = PerfettoSink({str(tmp_path / "trace.json")!r})
sink.open()
for span in range(1, 30):
    sink.finished(Record("op", trace_id="%032x" % span, span_id="%016x" % span, start=span, duration_ns=1))
print(sink.dropped()["error"])
assert not sink.close(1)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT, capture_output=True)
    written = len(names(tmp_path / "trace.json"))
    assert 0 < written < 29
    assert int(done.stdout) == 29 - written
