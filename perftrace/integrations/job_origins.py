"""Where jobs of a scheduler were scheduled: the operation that called APScheduler's `add_job`."""

from collections import OrderedDict
from typing import Any

from perftrace.core.events import Link
from perftrace.integrations.patching import Undo, is_wanted, patch
from perftrace.tracing.configuration import tracer

MAX_JOBS = 10_000
"""How many jobs are remembered; of more, the last."""
_origins: OrderedDict[str, Link] = OrderedDict()


def watch(scheduler: type) -> Undo:
    """Note who schedules jobs from now on.

    scheduler: the class whose `add_job` is called.
    """
    return patch(scheduler, "add_job", _on_add)


def origin_of(job_id: str) -> Link | None:
    """Return the operation that scheduled a job in this process, if there was one."""
    return _origins.get(job_id)


def _on_add(wrapped: Any, owner: object, args: Any, kwargs: Any) -> Any:
    job = wrapped(*args, **kwargs)
    current = tracer.current_operation() if is_wanted() else None
    job_id = getattr(job, "id", None)
    if isinstance(job_id, str):
        _origins.pop(job_id, None)
        if current is not None:
            _origins[job_id] = Link(current.trace_id, current.span_id)
            if len(_origins) > MAX_JOBS:
                _origins.popitem(last=False)
    return job
