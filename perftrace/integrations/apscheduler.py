"""APScheduler 3: an operation for each run of a job, in a trace of its own, linked to what scheduled it."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from apscheduler.executors import base
from apscheduler.schedulers.base import BaseScheduler

from perftrace.integrations import job_origins
from perftrace.integrations.guard import UNNAMED, guarded
from perftrace.integrations.handler_names import name_of
from perftrace.integrations.patching import Undo, all_of, is_wanted, no_operation, patch
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer

_RUNNERS = ("run_job", "run_coroutine_job")
"""What executors call with a job and the times that it is due at."""


class _TracedJob:
    """A job whose function makes an operation of each call; all else is the job's own."""

    def __init__(self, job: Any, run_times: Any) -> None:
        self._job = job
        # Of several that are late together APScheduler leaves some out, and tells nobody which one it runs.
        self._due = guarded("apscheduler: due", lambda: run_times[0].timestamp() if len(run_times) == 1 else None, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    def __str__(self) -> str:
        return str(self._job)

    @property
    def func(self) -> Callable[..., Any]:
        """The job's function, called in an operation."""
        function = self._job.func

        def run(*args: Any, **kwargs: Any) -> Any:
            with self._operation():
                return function(*args, **kwargs)

        async def run_coroutine(*args: Any, **kwargs: Any) -> Any:
            with self._operation():
                return await function(*args, **kwargs)

        return run_coroutine if _is_coroutine_function(function) else run

    @contextmanager
    def _operation(self) -> Iterator[None]:
        job, due = self._job, self._due
        name = guarded("apscheduler: name", lambda: name_of(job.func), f"job {UNNAMED}")
        attributes: dict[str, object] = {"apscheduler.job_id": job.id}
        if due is not None:
            attributes["apscheduler.delay_s"] = round(max(0.0, tracer.clock.wall_ns() / 1e9 - due), 3)
        with (
            no_operation(),
            operation(name, detached=True, parent=job_origins.origin_of(job.id), attributes=attributes),
        ):
            yield


def _is_coroutine_function(function: Any) -> bool:
    while isinstance(function, functools.partial):  # as APScheduler looks through them
        function = function.func
    return inspect.iscoroutinefunction(function)


def _on_run(wrapped: Any, owner: object, args: Any, kwargs: Any) -> Any:
    """Let an executor run a job."""
    if not is_wanted() or kwargs or len(args) != 4 or _is_other(args[0]):
        return wrapped(*args, **kwargs)
    job, alias, run_times, logger_name = args
    return wrapped(_TracedJob(job, run_times), alias, run_times, logger_name)


def _is_other(job: Any) -> bool:
    """Report whether another integration traces it."""
    return str(getattr(job.func, "__module__", "")).startswith("telegram.ext.")


def install() -> Undo:
    """Trace the jobs of every scheduler."""
    undos = [job_origins.watch(BaseScheduler)]
    # Executors that are imported later take the functions from these; until 3.10 coroutines had a module of their own.
    with suppress(ImportError):
        importlib.import_module("apscheduler.executors.base_py3")
    executors = [module for name, module in sys.modules.items() if name.startswith("apscheduler.executors.")]
    for module in [*(one for one in executors if one is not base), base]:
        undos += [patch(module, name, _on_run) for name in _RUNNERS if name in vars(module)]
    return all_of(*undos)
