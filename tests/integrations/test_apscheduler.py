"""Real schedulers of APScheduler, their executors, and what is current where they run."""

import asyncio
import functools
import multiprocessing
import pickle
import string
import threading
from concurrent.futures import Future
from datetime import UTC

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED
from apscheduler.executors import base, pool
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

import perftrace
from perftrace import Link
from perftrace.integrations import instrument, uninstrument
from perftrace.testing import capture


class Reports:
    async def send(self, done):
        perftrace.checkpoint("sent")
        done.set_result(None)


async def broken(done):
    done.set_result(None)
    raise ValueError("planted")


def by_name(records):
    return {record.name: record for record in records}


def test_each_run_is_a_trace_of_its_own_linked_to_what_scheduled_it(caplog):
    """Not to what was current where the scheduler woke up; a failure that APScheduler keeps to itself is told."""

    async def main():
        done = [asyncio.get_running_loop().create_future() for _ in range(3)]
        scheduler = AsyncIOScheduler(timezone=UTC)
        with perftrace.operation("main"):
            scheduler.start()
            with perftrace.operation("subscribe"):
                scheduler.add_job(Reports().send, args=[done[0]], id="daily")
            with perftrace.operation("other"):
                scheduler.add_job(functools.partial(broken, done[1]))
            unlinked = threading.Thread(target=scheduler.add_job, args=(lambda: finish(done[2]),))
            unlinked.start()
            unlinked.join()
            await asyncio.wait_for(asyncio.gather(*done), 20)
            await asyncio.sleep(0)
            scheduler.shutdown()
        await asyncio.sleep(0.01)

    def finish(future):
        future.get_loop().call_soon_threadsafe(future.set_result, None)

    instrument("apscheduler")
    with capture() as records:
        asyncio.run(main())
    found = by_name(records)
    assert set(found) == {"main", "subscribe", "other", "Reports.send", "broken", "<lambda>"}
    for name, origin in (("Reports.send", "subscribe"), ("broken", "other")):
        assert found[name].link == Link(found[origin].trace_id, found[origin].span_id)
    runs = [found["Reports.send"], found["broken"], found["<lambda>"]]
    assert [run.parent_id for run in runs] == [None] * 3
    assert len({run.trace_id for run in (*runs, found["main"])}) == 4
    assert found["<lambda>"].link is None
    assert (found["broken"].outcome, found["broken"].error) == ("error", "planted")
    assert [c.name for c in found["Reports.send"].checkpoints] == ["sent"]
    assert found["Reports.send"].attributes["apscheduler.job_id"] == "daily"
    assert 0 <= found["Reports.send"].attributes["apscheduler.delay_s"] < 20
    assert found["main"].trace_id == found["subscribe"].trace_id


def processes(count):
    """Make a pool that does not fork: here are threads, whose locks a forked child may find held."""
    return ProcessPoolExecutor(count, {"mp_context": multiprocessing.get_context("spawn")})


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, processes])
def test_pools_run_jobs_as_ever(executor):
    """Also those of processes, whose jobs are pickled."""
    results: Future[str] = Future()
    instrument("apscheduler")
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": executor(1)})
    scheduler.add_listener(lambda event: results.set_result(event.retval), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    removed = threading.Event()
    scheduler.add_listener(lambda event: removed.set(), EVENT_JOB_REMOVED)
    with capture() as records:
        scheduler.start()
        try:
            scheduler.add_job(string.capwords, args=["it runs"])
            assert results.result(timeout=60) == "It Runs"
            assert removed.wait(20)
        finally:
            scheduler.shutdown()
    assert [record.name for record in records] == (["capwords"] if executor is ThreadPoolExecutor else [])


def test_a_job_whose_name_cannot_be_read_says_so(monkeypatch):
    """And runs."""

    def unreadable(callback):
        raise RuntimeError("no name")

    monkeypatch.setattr("perftrace.integrations.apscheduler.name_of", unreadable)
    results: Future[int] = Future()
    before = perftrace.stats()["unread"]
    instrument("apscheduler")
    with capture() as records:
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.start()
        removed = threading.Event()
        scheduler.add_listener(lambda event: removed.set(), EVENT_JOB_REMOVED)
        scheduler.add_job(results.set_result, args=[42])
        assert results.result(timeout=20) == 42
        assert removed.wait(20)
        scheduler.shutdown()
    assert [record.name for record in records] == ["job (unnamed)"]
    assert perftrace.stats()["unread"] == before + 1


def test_uninstrumented_it_is_as_before():
    """Nothing of ours is left in its modules."""
    before = vars(base)["run_job"], vars(pool)["run_job"], BaseScheduler.add_job
    instrument("apscheduler")
    assert vars(pool)["run_job"] is not before[1]
    assert pickle.loads(pickle.dumps(vars(base)["run_job"])) is vars(base)["run_job"]
    uninstrument("apscheduler")
    assert (vars(base)["run_job"], vars(pool)["run_job"], BaseScheduler.add_job) == before
