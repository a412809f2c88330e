"""The readings of clocks."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perftrace
from perftrace import timed
from perftrace.core.clock import Instant, SystemClock, earlier, nanoseconds, reader
from perftrace.formats.jsonl import decode, encode
from perftrace.testing import FakeClock, capture

NS = st.integers(0, 2**62)


@given(NS, NS)
def test_a_clock_that_was_handed_in_is_exact(before, after):
    """A difference is the nearest float to the true one, at whatever height the clock stands."""
    assert Instant(after) - Instant(before) == (after - before) / 1e9
    assert nanoseconds(Instant(after)) == after
    assert nanoseconds(earlier(Instant(after), before)) == after - before


@given(st.integers(0, 2**21 * 10**9), st.integers(0, 10**15))
def test_the_machines_seconds_keep_the_nanosecond(before, length):
    """For 24 days after its start, in which a float's step is a quarter of one."""
    begun, ended = before / 1e9, (before + length) / 1e9
    assert nanoseconds(begun) == before
    assert abs(round((ended - begun) * 1e9) - length) <= 1


def test_the_system_clock_is_read_in_seconds_and_others_in_nanoseconds():
    assert reader(SystemClock()) is time.perf_counter
    clock = FakeClock()
    clock.advance(3)
    assert reader(clock)().ns == 3_000_000_000
    assert earlier(2.5, 500_000_000) == 2.0


@pytest.mark.parametrize("first", [None, FakeClock()])
def test_a_clock_that_is_changed_in_the_midst_of_an_operation_harms_nobody(first):
    """Whatever the difference of two clocks may mean."""
    second = FakeClock() if first is None else None
    with capture() as records:
        perftrace.configure(clock=first)
        try:
            with perftrace.operation("a") as handle:
                perftrace.configure(clock=second)
                assert isinstance(perftrace.checkpoint("b"), float)
                assert isinstance(handle.elapsed, float)
        finally:
            perftrace.configure(clock=None)
    (record,) = records
    assert record.duration_ns >= 0
    assert [type(mark[2]) for mark in record.marks] == [int]


def test_seconds_come_out_exact_however_long_the_clock_has_run():
    clock = FakeClock()
    with capture(clock=clock) as records:
        for _ in range(3):
            clock.advance(12_345_678.9)
            with perftrace.operation("a") as handle:
                clock.advance(0.051)
                assert perftrace.checkpoint("b") == 0.051
                clock.advance(0.033)
                assert handle.elapsed == 0.084
    assert [record.duration_ns for record in records] == [84_000_000] * 3
    assert {record.checkpoints[0].elapsed_ns for record in records} == {51_000_000}


@timed
def plain(depth):
    perftrace.checkpoint("here")
    if depth:
        plain(depth - 1)


@timed
def generator():
    yield 1
    plain(1)
    yield 2


@timed
async def coroutine(depth):
    await asyncio.sleep(0)
    if depth:
        await coroutine(depth - 1)
    perftrace.checkpoint("there")
    plain(1)
    return sum(generator())


async def everything():
    await asyncio.gather(coroutine(2), coroutine(1))
    with perftrace.operation("block", queued=0.5):
        await coroutine(0)
    hanging = asyncio.create_task(timed(asyncio.sleep)(3600))
    await asyncio.sleep(0)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


@pytest.mark.parametrize("clock", [None, FakeClock()], ids=["machine", "fake"])
def test_the_times_of_a_record_are_whole_and_agree_with_each_other(clock):
    with capture(clock=clock) as records:
        asyncio.run(everything()) if clock is None else clock.run(everything())
    assert len(records) > 30
    for record in records:
        times = [record.start, record.start_mono, record.duration_ns, *(mark[2] for mark in record.marks)]
        inner, running, longest = record.inner_ns, record.running_ns, record.longest_step_ns
        if inner is not None and running is not None and longest is not None:  # no block
            times += [inner, running, longest]
            assert 0 <= inner <= running <= record.duration_ns
            assert longest <= running
        assert {type(ns) for ns in times} == {int}
        assert decode(encode(record)) == record
