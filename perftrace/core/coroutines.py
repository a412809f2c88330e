"""Timed coroutines and generators: an operation that is current only while the body runs, step by step."""

import gc
import sys
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import copy_context
from operator import attrgetter
from typing import Any

from perftrace.core.run import CallDetails, OperationSpec, Run
from perftrace.core.tracer import CurrentToken, Tracer, get_current, reset_current, set_current, thread
from perftrace.core.values import Outcome

_is_collecting = False
"""Whether the garbage collector runs, where that matters: CPython 3.11 does not survive a finalizer that sets a context
variable while the collector was started in the midst of `ContextVar.set`; in a context of its own it may."""

if sys.version_info < (3, 12):

    def _note_collection(phase: str, info: object) -> None:
        global _is_collecting  # noqa: PLW0603  # gc tells it this way alone
        _is_collecting = phase == "start"

    gc.callbacks.append(_note_collection)


class _TimedSteps:
    """What coroutines and generators of every kind share; `timed` fills in all slots."""

    __slots__ = ("__weakref__", "current", "details", "inner", "run", "spec")

    spec: OperationSpec
    details: CallDetails
    inner: Any
    """What is timed."""
    run: Run | None
    """Its operation, once it has begun."""
    current: Run | None
    """What is current inside, while it is suspended."""

    def enter(self) -> CurrentToken:
        """Make current what was so when the body was suspended; at first, its own operation."""
        run = self.run
        tracer: Tracer = self.spec.tracer
        if run is None:
            self.run = self.current = tracer.begin(self.spec, self.details, get_current(), thread.token)
        elif run.duration_ns is None:
            run.resume_step(thread.token, tracer.now())
        return set_current(self.current)

    def suspend(self, token: CurrentToken) -> None:
        """Restore the caller's context after a step that did not end the body."""
        self.current = get_current()
        reset_current(token)
        run = self.run
        if run is not None and run.duration_ns is None:
            run.end_step(self.spec.tracer.now())

    def end(self, token: CurrentToken, error: BaseException | None, outcome: Outcome | None = None) -> None:
        """Restore the caller's context and finish the operation, once."""
        reset_current(token)
        if self.run is not None:
            self.spec.tracer.finish(self.run, error, outcome)

    @property
    def is_open(self) -> bool:
        """Whether the body has started and not ended."""
        return self.run is not None and self.run.duration_ns is None

    def __getattr__(self, name: str) -> Any:
        if name in _TimedSteps.__slots__:  # not filled in: it was made by hand
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self.inner).__name__!r} object")

    def __repr__(self) -> str:
        return f"<timed {self.inner!r}>"


class _Stepped(_TimedSteps):
    """A coroutine or generator around another one, stepped by `send`, `throw` and `close`.

    It hands through what debuggers and event loops ask (`cr_frame`, `cr_await`, `gi_running`, ...). An
    `async def` around a generator-based wrapper would do less: it breaks the task's stack, the await
    chain, the "never awaited" warning and the order of frames after a cancel.
    """

    __slots__ = ()

    run: Run | None

    def send(self, value: Any = None, exception: tuple[Any, ...] = ()) -> Any:
        """Run to the next suspension; `exception`, as `throw` takes it, is raised at the present one."""
        # `enter`, `suspend` and `end` inline: calls of them cost a tenth of a coroutine that is suspended once.
        spec = self.spec
        tracer: Tracer = spec.tracer
        run = self.run
        if run is None:
            if value is not None:  # refused, as nothing waits for it yet
                return self.inner.send(value)
            self.run = self.current = run = tracer.begin(spec, self.details, get_current(), thread.token)
        elif run.duration_ns is None:
            run.running_on = thread.token
            run.step_begun_ns = tracer.now()
        token = set_current(self.current)
        try:
            result = self.inner.throw(*exception) if exception else self.inner.send(value)
        except StopIteration:
            reset_current(token)
            tracer.finish(run)
            raise
        except BaseException as error:
            reset_current(token)
            exception = ()  # else a thrown error, its traceback and this frame would hold each other
            if not self.is_executing:  # else somebody stepped it while it runs: that was refused, and it goes on
                tracer.finish(run, error)
            raise
        self.current = get_current()
        reset_current(token)
        if run.duration_ns is None:
            run.end_step(tracer.now())
        return result

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next one."""
        try:
            if self.run is None:  # never started: no body runs, so there is nothing to time
                return self.inner.throw(*exception)
            return self.send(None, exception)
        finally:
            del exception  # as in `send`

    def close(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        if not self.is_open:
            return self.inner.close()
        token = self.enter()
        try:
            result = self.inner.close()
        except BaseException as error:
            self.end(token, error)
            raise
        self.end(token, None, "closed")
        return result

    def __iter__(self) -> "_Stepped":
        return self

    def __del__(self) -> None:
        run = self.run
        if run is None or run.duration_ns is not None:
            return
        if _is_collecting:
            copy_context().run(self.close)
        else:
            self.close()

    @property
    def is_executing(self) -> bool:
        """Whether the body runs at this moment."""
        return bool(getattr(self.inner, "cr_running", False) or getattr(self.inner, "gi_running", False))


class CoroutineSteps(_Stepped, Generator[Any, Any, Any]):
    """What `await` steps of a timed coroutine, as CPython's `coroutine_wrapper` of a plain one."""

    __slots__ = ()


class TimedCoroutine(Coroutine[Any, Any, Any]):
    """A timed coroutine: no iterator, as a coroutine is none; its steps are."""

    __slots__ = ("__weakref__", "steps")

    steps: CoroutineSteps

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.steps
        if steps.run is not None and getattr(steps.inner, "cr_await", None) is not None:
            raise RuntimeError("coroutine is being awaited already")
        return steps

    # The methods of its steps as they are: no frame of its own between a task and the body.
    send: Any = property(attrgetter("steps.send"), doc="Run to the next suspension.")
    throw: Any = property(attrgetter("steps.throw"), doc="Raise an exception at the suspension and run on to the next.")
    close: Any = property(attrgetter("steps.close"), doc="End the body where it stands; unstarted it makes no record.")

    def __getattr__(self, name: str) -> Any:
        if name == "steps":  # not filled in: it was made by hand
            raise AttributeError(name)
        return getattr(self.steps, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.steps.inner, name, value)  # `__name__` and `__qualname__`; what else it refuses, it refuses here

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.steps.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return repr(self.steps)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.CoroutineType


set_steps: Any = TimedCoroutine.__dict__["steps"].__set__  # past its own `__setattr__`


class TimedGenerator(_Stepped, Generator[Any, Any, Any]):
    """A timed generator."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.GeneratorType


class TimedGeneratorCoroutine(TimedGenerator):
    """A timed generator that can be awaited, as `types.coroutine` makes it."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self


class TimedAsyncGenerator(_TimedSteps, AsyncGenerator[Any, Any]):
    """A timed async generator: each `asend`, `athrow` and `aclose` gives an awaitable that steps the body."""

    __slots__ = ()

    def __anext__(self) -> "AsyncGeneratorStep":
        return AsyncGeneratorStep(self, self.inner.__anext__() if self.run else self._first(self.inner.__anext__))

    def asend(self, value: Any) -> "AsyncGeneratorStep":
        """Send a value and run to the next one."""
        return AsyncGeneratorStep(self, self.inner.asend(value) if self.run else self._first(self.inner.asend, value))

    def _first(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Begin the first step, at which an event loop notes what it will close when it ends: this, not the inner one.

        Else a loop that closes it at `shutdown_asyncgens` would pass the operation by.
        """
        note = sys.get_asyncgen_hooks().firstiter
        if note is None:
            return step(*arguments)
        sys.set_asyncgen_hooks(firstiter=lambda inner: note(self if inner is self.inner else inner))
        try:
            return step(*arguments)
        finally:
            sys.set_asyncgen_hooks(firstiter=note)

    def athrow(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next value."""
        inner = self.inner.athrow(*exception)
        return inner if self.run is None else AsyncGeneratorStep(self, inner)

    def aclose(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        inner = self.inner.aclose()
        return AsyncGeneratorStep(self, inner, closes=True) if self.is_open else inner

    def __del__(self) -> None:
        # The event loop closes the inner generator in a task of its own; here, nobody reads on.
        if self.is_open:
            # In a context of its own, see `_Stepped.__del__`.
            copy_context().run(self.spec.tracer.finish, self.run, None, "closed")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.AsyncGeneratorType


class AsyncGeneratorStep(Coroutine[Any, Any, Any]):
    """The way of an async generator from one value to the next."""

    __slots__ = ("_closes", "_inner", "_owner")

    def __init__(self, owner: TimedAsyncGenerator, inner: Any, closes: bool = False) -> None:
        self._owner = owner
        self._inner = inner
        self._closes = closes

    def send(self, value: Any = None) -> Any:
        """Run to the next suspension, of the step or of the generator."""
        return self._step(self._inner.send, value)

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception where the step is suspended."""
        try:
            return self._step(self._inner.throw, *exception)
        finally:
            del exception  # as in `send` of coroutines

    def _step(self, resume: Callable[..., Any], *args: Any) -> Any:
        owner = self._owner
        token = owner.enter()
        try:
            result = resume(*args)
        except StopIteration:  # a value, or the end of `aclose`
            if self._closes:
                owner.end(token, None, "closed")
            else:
                owner.suspend(token)
            raise
        except StopAsyncIteration:
            owner.end(token, None)
            raise
        except BaseException as error:
            args = ()  # as in `send` of coroutines
            if getattr(owner.inner, "ag_running", False):  # somebody stepped it while it runs, and was refused
                owner.suspend(token)
            else:
                owner.end(token, error)
            raise
        owner.suspend(token)
        return result

    def close(self) -> None:
        """Return the step up; from CPython 3.13 on this runs the body's clean-up."""
        if not self._owner.is_open:
            self._inner.close()
            return
        token = self._owner.enter()
        try:
            self._inner.close()
        except BaseException as error:
            self._owner.end(token, error)
            raise
        self._owner.suspend(token)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all of a generator's methods that `await` uses

    def __iter__(self) -> "AsyncGeneratorStep":
        return self
