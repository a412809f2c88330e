"""`timed`: makes an operation of each call of a function, coroutine function or method."""

import inspect
import string
import types
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, overload

import wrapt

from perftrace.core.engine import Block, Details, Operation, Spec, Steps, Tracer, current, get_ident
from perftrace.core.record import plain
from perftrace.runtime import tracer

F = TypeVar("F", bound=Callable[..., Any])
Read: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Any]
"""Takes something from a call's positional and keyword arguments."""


class Decorator(Protocol):
    """What `timed(...)` gives: it returns what it decorates, as far as types go."""

    def __call__(self, function: F, /) -> F:
        """Decorate a function."""


class Timed(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A decorated function: the function's equal in all but the call.

    `wrapt.FunctionWrapper`'s own call spends 0.8 µs, most of it on a `__self__` lookup that fails
    and on binding; this one goes straight to the closure built at decoration.
    """

    def __init__(self, wrapped: Any, call: Callable[..., Any]) -> None:
        super().__init__(wrapped, _unused)
        self._self_call = call

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, timed."""
        return self._self_call(*args, **kwargs)

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
    key: str | Callable[..., object] | None = None,
    description: str = "",
    done: str | None = None,
    slow: float | None = None,
    enabled: bool | Callable[[], object] = True,
) -> Decorator: ...


def timed(
    operation: Any = None,
    *,
    key: str | Callable[..., object] | None = None,
    description: str = "",
    done: str | None = None,
    slow: float | None = None,
    enabled: bool | Callable[[], object] = True,
) -> Any:
    """Make an operation of each call of what is decorated; bare (`@timed`) or with options.

    Takes functions, coroutine functions, methods, and classmethods and staticmethods on either side.

    operation: its name; without one, the qualified name.
    key: whom or what a call is for: a parameter's name, a dotted path from one
        (`update.from_user.id`) or a callable of the call's arguments.
    description, done: what the lines of start and finish say; `{parameter}` is filled in.
    slow: seconds from which on a call is marked slow.
    enabled: False leaves the function as it is; a callable is asked at each call.

    Raises TypeError for what cannot be timed (a class, a name that is not text) and ValueError for
    a key or description that names no parameter.
    """
    if operation is not None and not isinstance(operation, str):
        if callable(operation) or isinstance(operation, classmethod | staticmethod):
            return timed()(operation)
        raise TypeError(f"timed: the operation's name must be text, not {type(operation).__name__}")

    def decorate(function: Any) -> Any:
        if isinstance(function, classmethod | staticmethod):
            return type(function)(decorate(function.__func__))
        if isinstance(function, Timed):  # decorated twice is one operation, with the newest options
            function = function.__wrapped__
        if inspect.isclass(function) or not callable(function):
            raise TypeError(f"timed: cannot time {function!r}; decorate its functions or methods instead")
        if enabled is False:
            return Timed(function, function)
        spec = _spec(function, operation, key, description, done, slow)
        asked = enabled if callable(enabled) else None
        if inspect.iscoroutinefunction(function):
            return Timed(function, _coroutine_call(function, spec, asked))
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"timed: cannot time the generator {spec.name}; use operation() around its loop")
        return Timed(function, _call(function, spec, asked))

    return decorate


def _call(function: Callable[..., Any], spec: Spec, asked: Callable[[], object] | None) -> Callable[..., Any]:
    """Build what a decorated plain function runs."""
    read = spec.details
    common: Details = (None, spec.description, spec.done)

    def call(*args: Any, **kwargs: Any) -> Any:
        if (not tracer.finished and not tracer.started) or (asked is not None and not _true(asked)):
            return function(*args, **kwargs)
        operation = tracer.begin(spec, common if read is None else read(args, kwargs), current.get())
        operation.hold(get_ident(), operation._start_mono)
        token = current.set(operation)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            current.reset(token)
            operation.end(error)
            raise
        current.reset(token)
        operation.end()
        return result

    return call


def _coroutine_call(function: Callable[..., Any], spec: Spec, asked: Callable[[], object] | None) -> Callable[..., Any]:
    """Build what a decorated coroutine function runs: argument errors come from the call, as without it."""
    read = spec.details
    common: Details = (None, spec.description, spec.done)

    def call(*args: Any, **kwargs: Any) -> Any:
        coroutine = function(*args, **kwargs)
        if (not tracer.finished and not tracer.started) or (asked is not None and not _true(asked)):
            return coroutine
        return Steps(tracer, spec, common if read is None else read(args, kwargs), coroutine)

    return call


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
    slow: float | None = None,
    enabled: bool | Callable[[], object] = True,
) -> Block:
    """Make an operation of a `with` or `async with` block, which gets its handle.

    As `timed`, but the texts and the key stand for themselves: there are no parameters to read.
    """
    texts = plain(description), None if done is None else plain(done)
    spec = Spec(_name(name), *texts, None if key is None else "key", _slow_ns(slow))
    details = (None if key is None else plain(key), *texts)
    if enabled is True or (enabled is not False and _true(enabled)):
        return Block(tracer, spec, details)
    return _DisabledBlock(_silent, spec, details)


class _DisabledBlock(Block):
    """Gives a handle that works and tells nobody; what is current stays so."""

    __slots__ = ()

    def __enter__(self) -> Operation:
        self._operation = self._tracer.begin(self._spec, self._details, None)
        return self._operation

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._operation.end(error)


_silent = Tracer()


def _spec(
    function: Callable[..., Any],
    name: str | None,
    key: str | Callable[..., object] | None,
    description: str,
    done: str | None,
    slow: float | None,
) -> Spec:
    """Resolve all that is known before any call."""
    name = _name(getattr(function, "__qualname__", type(function).__qualname__) if name is None else name)
    try:
        parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins have none
        parameters = {}
    read_key, key_name = _key(key, parameters, name)
    describe, description = _text(description, parameters, name, "description")
    finish, done_text = (None, None) if done is None else _text(done, parameters, name, "done")

    def details(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Details:
        return (
            None if read_key is None else read_key(args, kwargs),
            description if describe is None else describe(args, kwargs),
            done_text if finish is None else finish(args, kwargs),
        )

    alike = read_key is None and describe is None and finish is None
    return Spec(name, description, done_text, key_name, _slow_ns(slow), None if alike else details)


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


def _key(
    key: str | Callable[..., object] | None, parameters: Mapping[str, inspect.Parameter], name: str
) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], str | None] | None, str | None]:
    """Build what reads the key from a call, and its label."""
    if key is None:
        return None, None
    if callable(key):
        ask = key
        label = "key"

        def get(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return ask(*args, **kwargs)

    elif isinstance(key, str):
        first, *rest = key.split(".")
        label = key.rpartition(".")[2]
        read = _parameter(first, parameters, name, "key")

        def get(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            value = read(args, kwargs)
            for attribute in rest:
                value = getattr(value, attribute)
            return value

    else:
        raise TypeError(f"timed: key of {name} must be text or a callable, not {type(key).__name__}")

    def read_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        try:
            value = get(args, kwargs)
        except Exception:  # no such attribute in this call, a property that raises: the run has no key
            return None
        return None if value is None else plain(value)

    return read_key, label


def _text(
    template: str, parameters: Mapping[str, inspect.Parameter], name: str, option: str
) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], str] | None, str]:
    """Build what fills in a text from a call; None and the finished text where there is nothing to fill in."""
    if not isinstance(template, str):
        raise TypeError(f"timed: {option} of {name} must be text, not {type(template).__name__}")
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
        if not fields:
            return None, plain(template.format())
    except ValueError as error:
        raise ValueError(f"timed: {option} of {name}: {error}; write {{{{ and }}}} for braces themselves") from None
    firsts = [field.partition(".")[0].partition("[")[0] for field in fields]
    reads = {first: _parameter(first, parameters, name, option) for first in firsts}

    def fill(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        try:
            return plain(template.format(**{first: read(args, kwargs) for first, read in reads.items()}))
        except Exception:  # a broken __format__, an attribute that this call lacks: the text as written
            return template

    return fill, template


def _parameter(wanted: str, parameters: Mapping[str, inspect.Parameter], name: str, option: str) -> Read:
    """Build what reads one parameter from a call, its default included."""
    if wanted not in parameters:
        known = ", ".join(parameters) or "none"
        raise ValueError(f"timed: {option} of {name} names {wanted!r}, but its parameters are: {known}")
    parameter = parameters[wanted]
    default = None if parameter.default is parameter.empty else parameter.default
    position = list(parameters).index(wanted)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return lambda args, kwargs: args[position:]
    if parameter.kind is parameter.VAR_KEYWORD:
        return lambda args, kwargs: {k: v for k, v in kwargs.items() if k not in parameters}
    if parameter.kind is parameter.KEYWORD_ONLY:
        return lambda args, kwargs: kwargs.get(wanted, default)
    return lambda args, kwargs: args[position] if len(args) > position else kwargs.get(wanted, default)
