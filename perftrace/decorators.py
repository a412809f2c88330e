"""`timed`: makes an operation of each call of whatever can be called; `operation`: the same for a block."""

import dis
import functools
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, overload

import decorator
import wrapt

from perftrace.arguments import Arguments, Wanted
from perftrace.core.clock import earlier
from perftrace.core.engine import (
    AsyncGeneratorSteps,
    Block,
    CoroutineSteps,
    GeneratorSteps,
    Live,
    Operation,
    RemoteParent,
    Tracer,
    current,
    thread,
)
from perftrace.core.events import Link
from perftrace.core.record import Details, Record, Spec
from perftrace.core.values import attributes_of, plain
from perftrace.runtime import tracer

F = TypeVar("F", bound="Callable[..., Any] | functools.partialmethod[Any]")


class Decorator(Protocol):
    """What `timed(...)` gives: it returns what it decorates, as far as types go."""

    def __call__(self, function: F, /) -> F:
        """Decorate a function."""


class Timed(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A decorated function: the function's equal in all but the call.

    Each is of a subclass of its own whose `__call__` is the closure that `timed` built: CPython enters
    it at once. A `__call__` that looks the closure up costs 0.2 µs more, and
    `wrapt.FunctionWrapper`'s own 0.8, most of it on a `__self__` that is not there.
    """

    def __new__(cls, wrapped: Any, call: Callable[..., Any]) -> "Timed":
        """Make the subclass and its one object."""
        own = type(cls.__name__, (cls,), {"__call__": call, "__module__": cls.__module__})
        return super().__new__(own)

    def __init__(self, wrapped: Any, call: Callable[..., Any]) -> None:
        super().__init__(wrapped, _unused)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None or not hasattr(type(self.__wrapped__), "__get__"):
            return self
        return types.MethodType(self, instance)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__qualname__

    def __copy__(self) -> "Timed":
        return self

    def __deepcopy__(self, memo: Any) -> "Timed":
        return self


def _unused(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Stand in for wrapt's wrapper function, which `Timed` never calls."""
    return wrapped(*args, **kwargs)


@overload
def timed(operation: F, /) -> F: ...


@overload
def timed(
    operation: str | None = None,
    *,
    key: Wanted | None = None,
    description: str = "",
    done: str | None = None,
    capture: Iterable[Wanted] = (),
    slow: float | None = None,
    detached: bool = False,
    enabled: bool | Callable[[], object] = True,
) -> Decorator: ...


def timed(
    operation: Any = None,
    *,
    key: Wanted | None = None,
    description: str = "",
    done: str | None = None,
    capture: Iterable[Wanted] = (),
    slow: float | None = None,
    detached: bool = False,
    enabled: bool | Callable[[], object] = True,
) -> Any:
    """Make an operation of each call of what is decorated; bare (`@timed`) or with options.

    Takes functions, coroutine functions, generator functions of both kinds, methods, classmethods,
    staticmethods, properties and partial methods on either side, partials and callable objects. A generator is
    one operation from its first step to its end, and current only while its body runs.

    operation: its name; without one, the qualified name.
    key: whom or what a call is for: a parameter's name, a dotted path from one
        (`update.from_user.id`) or a callable of the call's arguments.
    description, done: what the lines of start and finish say; `{parameter}` is filled in.
    capture: more of the same as `key`, kept as attributes.
    slow: seconds from which on a call is marked slow.
    detached: begin a trace of its own, with a link to its creator: for long-lived background work.
    enabled: False leaves the function as it is; a callable is asked at each call.

    Raises TypeError for what cannot be timed (a class, a name that is not text) and ValueError for
    a key, capture or description that names no parameter.
    """
    if operation is not None and not isinstance(operation, str):
        if callable(operation) or isinstance(
            operation, classmethod | staticmethod | property | functools.partialmethod
        ):
            return timed()(operation)
        raise TypeError(f"timed: the operation's name must be text, not {type(operation).__name__}")
    if operation is not None:
        _name(operation)

    def decorate(function: Any) -> Any:
        if isinstance(function, classmethod | staticmethod):
            return type(function)(decorate(function.__func__))
        if isinstance(function, property) and function.fget is not None:
            return function.getter(decorate(function.fget))
        if isinstance(function, functools.partialmethod):
            return functools.partialmethod(decorate(function.func), *function.args, **function.keywords)
        function = _undecorated(function)
        if inspect.isclass(function) or not callable(function):
            raise TypeError(f"timed: cannot time {function!r}; decorate functions or methods, not classes or values")
        if enabled is False:
            return function
        name = _name(_name_of(function) if operation is None else operation)
        arguments = Arguments(function, name)
        read_key, key_name = arguments.key(key)
        describe, description_text = arguments.text(description, "description")
        finish, done_text = arguments.text(done, "done")
        common: Details = (None, description_text or "", done_text, None)
        details = arguments.details(read_key, (describe, finish), common, arguments.captured(capture))
        spec = Spec(
            name,
            key_name,
            _slow_ns(slow),
            bool(detached),
            tracer=tracer,
            details=details,
            procedure=_procedure(function),
        )
        asked = enabled if callable(enabled) else None
        return Timed(function, _closure(function, spec, common, asked))

    return decorate


def _undecorated(function: Any) -> Any:
    """Take off `timed`: decorated twice is one operation, with the newest options."""
    if isinstance(function, Timed):
        return function.__wrapped__
    if isinstance(function, types.MethodType) and isinstance(function.__func__, Timed):
        return types.MethodType(function.__func__.__wrapped__, function.__self__)
    if type(function) is functools.partial and isinstance(function.func, Timed):
        return functools.partial(function.func.__wrapped__, *function.args, **function.keywords)
    return function


def _name_of(function: Any) -> str:
    """Give the qualified name; of a partial its function's, of a callable object its class's."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _body_of(function: Any) -> Any:
    """Find what runs: the function of a partial, the `__call__` of a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, types.FunctionType):
        return function
    return getattr(type(function), "__call__", function)  # noqa: B004  # not whether, but which


def _procedure(function: Any) -> types.CodeType | None:
    """Give the code of a coroutine function that can only return None, as each return in it shows."""
    if type(function) is not types.FunctionType or not function.__code__.co_flags & inspect.CO_COROUTINE:
        return None
    code = function.__code__
    none = code.co_consts.index(None) if None in code.co_consts else -1
    # Not by `dis.get_instructions`, which takes half a millisecond for a handler of fifty lines.
    units = list(zip(code.co_code[::2], code.co_code[1::2], strict=True))
    after_load = set()
    for place, (operation, _) in enumerate(units):
        if operation in _RETURNS:
            load = place if operation == _RETURN_CONST else place - 1
            if units[load] not in ((_RETURN_CONST, none), (_LOAD_CONST, none)):
                return None
            if units[load - 1][0] == dis.EXTENDED_ARG:  # another constant, with a number beyond 255
                return None
            if load != place:
                after_load.add(2 * place)
    # Whatever jumps to a return brings a value of its own.
    if after_load and not after_load.isdisjoint(dis.findlabels(code.co_code)):  # type: ignore[arg-type]
        return None
    return code


_LOAD_CONST = dis.opmap["LOAD_CONST"]
_RETURN_CONST = dis.opmap.get("RETURN_CONST")
_RETURNS = {code for name, code in dis.opmap.items() if name.startswith("RETURN_") and name != "RETURN_GENERATOR"}


def _closure(
    function: Callable[..., Any], spec: Spec, common: Details, asked: Callable[[], object] | None
) -> Callable[..., Any]:
    """Build what a decorated function runs, by its kind."""
    body = _body_of(function)
    if inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(function):
        return _steps_call(function, spec, common, asked, CoroutineSteps)
    if inspect.isasyncgenfunction(body):
        return _steps_call(function, spec, common, asked, AsyncGeneratorSteps)
    if inspect.isgeneratorfunction(body):
        is_awaitable = body.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
        return _steps_call(function, spec, common, asked, CoroutineSteps if is_awaitable else GeneratorSteps)
    return _call(function, spec, common, asked)


def _call(
    function: Callable[..., Any], spec: Spec, common: Details, asked: Callable[[], object] | None
) -> Callable[..., Any]:
    """Build what a decorated plain function runs."""
    read = spec.details
    # Looked up once: at each call, a closure's cell costs a third of an attribute.
    begin, get_current, set_current, reset_current = tracer.begin, current.get, current.set, current.reset

    def call(_: Timed, /, *args: Any, **kwargs: Any) -> Any:
        if (tracer.idle is not None and tracer.idle()) or (asked is not None and not _true(asked)):
            return function(*args, **kwargs)
        live = begin(spec, common if read is None else read(args, kwargs), get_current(), thread.token)
        token = set_current(live)
        try:
            # Without keywords, none are copied: one in sixty of the whole price.
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:
            reset_current(token)
            live.end(error)
            raise
        reset_current(token)
        read_clock = tracer.now  # not called as a method: a slot is found faster as an attribute
        now = read_clock()
        if type(live) is Live and live._charge is None and live._thread.pid == tracer.pid:
            # `finish` inline for what runs inside of nothing: a twenty-fifth of the whole price.
            live._took = now
            live._held_by = live._handle = live._marks = None
            live.sequence = tracer.sequence = tracer.sequence + 1
            live.__class__ = Record  # type: ignore[assignment]
            hand_on = tracer.on_finished
            if hand_on is not None:
                hand_on(live)
        else:
            live.finish(now)
        return result

    return call


def _steps_call(
    function: Callable[..., Any],
    spec: Spec,
    common: Details,
    asked: Callable[[], object] | None,
    steps: type[CoroutineSteps] | type[GeneratorSteps] | type[AsyncGeneratorSteps],
) -> Callable[..., Any]:
    """Build what a decorated coroutine or generator function runs: argument errors come from the call."""
    read = spec.details

    def call(_: Timed, /, *args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs) if kwargs else function(*args)
        if (tracer.idle is not None and tracer.idle()) or (asked is not None and not _true(asked)):
            return inner
        # Filled in here, past a constructor of its own, as `begin` does.
        timed: Any = steps()
        timed._spec = spec
        timed._details = common if read is None else read(args, kwargs)
        timed._inner = inner
        timed._live = timed._current = None
        return timed

    return call


def checkpointed(name: str, description: str = "") -> Decorator:
    """Mark a checkpoint of the current operation whenever the decorated helper returns.

    Takes functions and coroutine functions, methods among them; TypeError for all else. A helper that
    raises reaches no checkpoint.
    """
    _name(name)

    def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        tracer.checkpoint(name, description)
        return result

    async def call_coroutine(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        tracer.checkpoint(name, description)
        return result

    def decorate(function: Any) -> Any:
        if isinstance(function, classmethod | staticmethod):
            return type(function)(decorate(function.__func__))
        if (
            not inspect.isroutine(function)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise TypeError(f"checkpointed: takes functions and coroutine functions, not {function!r}")
        caller = call_coroutine if inspect.iscoroutinefunction(function) else call
        # kwsyntax hands arguments through as they came; without it the signature is bound anew at each call.
        return decorator.decorate(function, caller, kwsyntax=True)

    return decorate


def _true(asked: Callable[[], object]) -> bool:
    """Ask whether a call is to be timed; a question that raises is a no."""
    try:
        return bool(asked())
    except Exception:
        return False


def operation(
    name: str,
    *,
    key: object = None,
    description: str = "",
    done: str | None = None,
    attributes: Mapping[str, object] | None = None,
    slow: float | None = None,
    detached: bool = False,
    enabled: bool | Callable[[], object] = True,
    parent: Operation | Link | None = None,
    queued: float | None = None,
) -> Block:
    """Make an operation of a `with` or `async with` block, which gets its handle.

    As `timed`, but the texts and the key stand for themselves: there are no parameters to read.

    attributes: what it is to be kept with, by name.
    parent: the operation that it belongs to, in place of the current one: a handle, or what `extract`
        read from another process; None means the current one, if any.
    queued: seconds that it waited in a queue before: they are part of its duration, up to a checkpoint `queue`.
    """
    texts = plain(description), None if done is None else plain(done)
    is_asked = enabled is True or (enabled is not False and _true(enabled))
    whose = tracer if is_asked else _silent
    key_name = None if key is None else "key"
    spec = Spec(_name(name), key_name, _slow_ns(slow), bool(detached), is_block=True, tracer=whose)
    details = (None if key is None else plain(key), *texts, attributes_of(attributes) if attributes else None)
    if not is_asked:
        return _DisabledBlock(spec, details)
    if queued is None:
        return Block(spec, details, _parent(parent))
    return _QueuedBlock(spec, details, _parent(parent), _queued_ns(queued))


def _parent(parent: object) -> Live | Record | RemoteParent | None:
    if parent is None:
        return None
    if isinstance(parent, Operation):
        return parent._live
    if isinstance(parent, Link):
        return RemoteParent(int(parent.trace_id, 16), int(parent.span_id, 16))
    raise TypeError(f"operation: parent must be a handle or what extract() gave, not {type(parent).__name__}")


class _DisabledBlock(Block):
    """Gives a handle that works and tells nobody; what is current stays so."""

    __slots__ = ()

    def __enter__(self) -> Operation:
        self._live = live = self._tracer.begin(self._spec, self._details, None, thread.token)
        return live.handle

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._finish(error)


class _QueuedBlock(Block):
    """Begins before it was entered: when it was put into the queue that it comes from."""

    __slots__ = ("_queued_ns",)

    def __init__(
        self, spec: Spec, details: Details, parent: Live | Record | RemoteParent | None, queued_ns: int
    ) -> None:
        super().__init__(spec, details, parent)
        self._queued_ns = queued_ns

    def _begin(self) -> Live:
        live = super()._begin()
        if live is not self._tracer.untraced:
            live.start -= self._queued_ns
            live._begun = earlier(live._begun, self._queued_ns)
            live.reach("queue", "", {})
        return live


def _queued_ns(seconds: object) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise TypeError(f"operation: queued must be a number of seconds, not {seconds!r}")
    return int(max(0.0, seconds) * 1e9)


_silent = Tracer()


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"the operation's name must be text and not empty, not {name!r}")
    return plain(name)


def _slow_ns(slow: float | None) -> int | None:
    if slow is None:
        return None
    if isinstance(slow, bool) or not isinstance(slow, int | float):
        raise TypeError(f"slow must be a number of seconds, not {slow!r}")
    if not 0 <= slow < float("inf"):
        raise ValueError(f"slow must be a number of seconds from 0 on, not {slow!r}")
    return int(slow * 1e9)
