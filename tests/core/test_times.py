"""The times of a record."""

import asyncio

import pytest

import perftrace
from perftrace import timed
from perftrace.formats.jsonl import decode, encode
from perftrace.testing import FakeClock, capture


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
    assert [type(one.elapsed_ns) for one in record.checkpoints] == [int]


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
        times = [record.start, record.start_mono, record.duration_ns, *(mark[2] for mark in record.checkpoints)]
        inner, running, longest = record.inner_ns, record.running_ns, record.longest_step_ns
        if inner is not None and running is not None and longest is not None:  # no block
            times += [inner, running, longest]
            assert 0 <= inner <= running <= record.duration_ns
            assert longest <= running
        assert {type(ns) for ns in times} == {int}
        assert decode(encode(record)) == record
