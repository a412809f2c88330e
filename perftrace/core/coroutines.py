"""Timed coroutines and generators: an operation that is current only while the body runs, step by step."""

import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any

from perftrace.core.run import CallDetails, OperationSpec, Run
from perftrace.core.tracer import CurrentToken, Tracer, get_current, reset_current, set_current, thread
from perftrace.core.values import Outcome


class _Timed:
    """What coroutines and generators of every kind share."""

    __slots__ = ("__weakref__", "_current", "_details", "_inner", "_run", "_spec")

    _spec: OperationSpec
    _details: CallDetails
    _inner: Any
    """What is timed."""
    _run: Run | None
    """Its operation, once it has begun."""
    _current: Run | None
    """What is current inside, while it is suspended."""

    def _enter(self) -> CurrentToken:
        """Make current what was so when the body was suspended; at first, its own operation."""
        run = self._run
        tracer: Tracer = self._spec.tracer
        if run is None:
            self._run = self._current = tracer.begin(self._spec, self._details, get_current(), thread.token)
        elif run.duration_ns is None:
            run.resume_step(thread.token, tracer.now())
        return set_current(self._current)

    def _suspend(self, token: CurrentToken) -> None:
        """Restore the caller's context after a step that did not end the body."""
        self._current = get_current()
        reset_current(token)
        run = self._run
        if run is not None and run.duration_ns is None:
            run.end_step(self._spec.tracer.now())

    def _end(self, token: CurrentToken, error: BaseException | None, outcome: Outcome | None = None) -> None:
        """Restore the caller's context and finish the operation, once."""
        reset_current(token)
        if self._run is not None:
            self._spec.tracer.finish(self._run, error, outcome)

    @property
    def _is_open(self) -> bool:
        """Whether the body has started and not ended."""
        return self._run is not None and self._run.duration_ns is None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"<timed {self._inner!r}>"


class _Stepped(_Timed):
    """A coroutine or generator around another one, stepped by `send`, `throw` and `close`.

    It hands through what debuggers and event loops ask (`cr_frame`, `cr_await`, `gi_running`, ...). An
    `async def` around a generator-based wrapper would do less: it breaks the task's stack, the await
    chain, the "never awaited" warning and the order of frames after a cancel.
    """

    __slots__ = ()

    def send(self, value: Any = None, exception: tuple[Any, ...] = ()) -> Any:
        """Run to the next suspension; `exception`, as `throw` takes it, is raised at the present one."""
        # `_enter`, `_suspend` and `_end` inline: calls of them cost a tenth of a coroutine that is suspended once.
        spec = self._spec
        tracer: Tracer = spec.tracer
        run = self._run
        if run is None:
            run = self._run = self._current = tracer.begin(spec, self._details, get_current(), thread.token)
        elif run.duration_ns is None:
            run.running_on = thread.token
            run.step_begun_ns = tracer.now()
        token = set_current(self._current)
        try:
            result = self._inner.throw(*exception) if exception else self._inner.send(value)
        except StopIteration:
            reset_current(token)
            tracer.finish(run)
            raise
        except BaseException as error:
            reset_current(token)
            tracer.finish(run, error)
            raise
        self._current = get_current()
        reset_current(token)
        if run.duration_ns is None:
            run.end_step(tracer.now())
        return result

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next one."""
        if self._run is None:  # never started: no body runs, so there is nothing to time
            return self._inner.throw(*exception)
        return self.send(None, exception)

    def close(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        if not self._is_open:
            return self._inner.close()
        token = self._enter()
        try:
            result = self._inner.close()
        except BaseException as error:
            self._end(token, error)
            raise
        self._end(token, None, "closed")
        return result

    def __iter__(self) -> "_Stepped":
        return self

    def __del__(self) -> None:
        run = self._run
        if run is not None and run.duration_ns is None:
            # In a context of its own: a collection may run this in the midst of `ContextVar.set`, which CPython 3.11
            # does not survive.
            copy_context().run(self.close)


class TimedCoroutine(_Stepped, Coroutine[Any, Any, Any]):
    """A timed coroutine."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all of a generator's methods that `await` uses

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.CoroutineType


class TimedGenerator(_Stepped, Generator[Any, Any, Any]):
    """A timed generator."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.GeneratorType


class TimedAsyncGenerator(_Timed, AsyncGenerator[Any, Any]):
    """A timed async generator: each `asend`, `athrow` and `aclose` gives an awaitable that steps the body."""

    __slots__ = ()

    def __anext__(self) -> "AsyncGeneratorStep":
        return AsyncGeneratorStep(self, self._inner.__anext__())

    def asend(self, value: Any) -> "AsyncGeneratorStep":
        """Send a value and run to the next one."""
        return AsyncGeneratorStep(self, self._inner.asend(value))

    def athrow(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next value."""
        inner = self._inner.athrow(*exception)
        return inner if self._run is None else AsyncGeneratorStep(self, inner)

    def aclose(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        inner = self._inner.aclose()
        return AsyncGeneratorStep(self, inner, closes=True) if self._is_open else inner

    def __del__(self) -> None:
        # The event loop closes the inner generator in a task of its own; here, nobody reads on.
        if self._is_open:
            copy_context().run(self._spec.tracer.finish, self._run, None, "closed")

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
        return self._step(self._inner.throw, *exception)

    def _step(self, resume: Callable[..., Any], *args: Any) -> Any:
        owner = self._owner
        token = owner._enter()
        try:
            result = resume(*args)
        except StopIteration:  # a value, or the end of `aclose`
            if self._closes:
                owner._end(token, None, "closed")
            else:
                owner._suspend(token)
            raise
        except StopAsyncIteration:
            owner._end(token, None)
            raise
        except BaseException as error:
            owner._end(token, error)
            raise
        owner._suspend(token)
        return result

    def close(self) -> None:
        """Give the step up; from CPython 3.13 on this runs the body's clean-up."""
        if not self._owner._is_open:
            self._inner.close()
            return
        token = self._owner._enter()
        try:
            self._inner.close()
        except BaseException as error:
            self._owner._end(token, error)
            raise
        self._owner._suspend(token)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all of a generator's methods that `await` uses

    def __iter__(self) -> "AsyncGeneratorStep":
        return self


def time_steps(
    kind: type[TimedCoroutine] | type[TimedGenerator] | type[TimedAsyncGenerator],
    spec: OperationSpec,
    details: CallDetails,
    inner: Any,
) -> Any:
    """Make what times a coroutine or generator; its operation begins with the first step."""
    timed: Any = kind()  # filled in here, past a constructor of its own, as `Tracer.begin` does
    timed._spec = spec
    timed._details = details
    timed._inner = inner
    timed._run = timed._current = None
    return timed
