"""The pipeline and the store against a simple model: a list of names."""

import itertools
import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perftrace import sources
from perftrace.core.record import Record
from perftrace.core.sink_guard import SinkGuard, end_all
from perftrace.core.tracer import current
from perftrace.pipeline import Background
from perftrace.store import DirectorySink, compact, connect, prune
from perftrace.store.folder import contents
from tests.conftest import examples
from tests.ids import span_id

CAPACITY = 20
spans = itertools.count(1)


class StoreMachine(RuleBasedStateMachine):
    """Two writers that come and go, a folder that is compacted, pruned and damaged."""

    @initialize()
    def begin(self):
        self.folder = tempfile.mkdtemp()
        self.writers = [None, None]
        self.given = [[], []]
        """What each writer was handed and has not flushed yet."""
        self.expected = set()
        """What a reader must find."""

    def make(self, number, file_bytes):
        sink = Background(DirectorySink(self.folder, file_bytes=file_bytes), capacity=CAPACITY, interval=60)
        guard = SinkGuard(sink, lambda sink, error: None, current, None, lambda: 0)
        guard.open()
        self.writers[number] = guard
        self.given[number] = []

    @rule(number=st.integers(0, 1), file_bytes=st.sampled_from([1, 500, 10**9]))
    def open(self, number, file_bytes):
        if self.writers[number] is None:
            self.make(number, file_bytes)

    @rule(number=st.integers(0, 1), count=st.integers(1, 30))
    def trace(self, number, count):
        guard = self.writers[number]
        if guard is None:
            return
        hook = guard.hook("finished")
        for _ in range(count):
            span = next(spans)
            hook(Record("a", span_id=span_id(span), start=span))
            if len(self.given[number]) < CAPACITY:  # the worker sleeps: what finds the queue full is dropped
                self.given[number].append(span)

    @rule(number=st.integers(0, 1))
    def flush(self, number):
        if self.writers[number] is not None:
            end_all([self.writers[number]], "flush", 10)
            self.expected |= set(self.given[number])
            self.given[number] = []
            counters = self.writers[number].counters()
            assert counters.pending == 0
            assert counters.accepted == counters.written + counters.dropped.get("full", 0)

    @rule(number=st.integers(0, 1))
    def close(self, number):
        if self.writers[number] is not None:
            self.flush(number)
            assert end_all([self.writers[number]], "close", 10)
            self.writers[number] = None

    @rule()
    def compact(self):
        assert compact(self.folder).errors == []

    @precondition(lambda self: self.writers == [None, None])
    @rule()
    def prune(self):
        """Drop all but the newest; the model learns what is left."""
        before = len(contents(self.folder).files)
        sizes = [file.size for file in contents(self.folder).files]
        done = prune(self.folder, max_bytes=sum(sizes) // 2)
        assert done.files <= before
        found = {int(record.span_id, 16) for record in self.read()}
        assert found <= self.expected
        self.expected = found

    @precondition(lambda self: self.writers == [None, None])
    @rule(tail=st.sampled_from([b'{"v":1,"na', b"\xff\xfe\n", b'{"v":7,"name":"tomorrow"}\n', b"\n"]))
    def damage(self, tail):
        files = [file for file in contents(self.folder).files if file.is_lines]
        if files:
            with files[-1].path.open("ab") as raw:
                raw.write(tail)

    def read(self):
        if not contents(self.folder).files:
            return []
        return sources.open(self.folder).records

    @invariant()
    def a_reader_finds_each_record_once(self):
        if not hasattr(self, "folder"):
            return
        found = [int(record.span_id, 16) for record in self.read()]
        assert len(found) == len(set(found))
        assert set(found) == self.expected

    @precondition(lambda self: bool(self.expected))
    @rule()
    def query(self):
        with connect(self.folder) as db:
            assert db.sql("SELECT count(*) FROM records").fetchall() == [(len(self.expected),)]

    def teardown(self):
        for number in range(2):
            if hasattr(self, "writers"):
                self.close(number)
        shutil.rmtree(getattr(self, "folder", tempfile.mkdtemp()))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=examples(25), stateful_step_count=25)
