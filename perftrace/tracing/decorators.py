"""`timed`: makes an operation of each call of whatever can be called; `operation`: the same for a block."""

import functools
import inspect
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

import decorator
import wrapt

from perftrace.core.coroutines import (
    CoroutineSteps,
    TimedAsyncGenerator,
    TimedCoroutine,
    TimedGenerator,
    TimedGeneratorCoroutine,
    set_steps,
)
from perftrace.core.run import CallDetails, OperationSpec
from perftrace.core.tracer import get_current, reset_current, set_current, thread
from perftrace.core.values import Scalar
from perftrace.tracing.arguments import Arguments, Wanted
from perftrace.tracing.configuration import tracer
from perftrace.tracing.options import fixed_attributes, is_true, operation_name, slow_ns

F = TypeVar("F", bound="Callable[..., Any] | functools.partialmethod[Any]")


class Decorator(Protocol):
    """What `timed(...)` gives: it returns what it decorates, as far as types go."""

    def __call__(self, function: F, /) -> F:
        """Decorate a function."""


StepsType: TypeAlias = type[CoroutineSteps] | type[TimedGenerator] | type[TimedAsyncGenerator]


if TYPE_CHECKING:
    _FunctionWrapper: TypeAlias = wrapt.FunctionWrapper[..., Any]
else:
    _FunctionWrapper = wrapt.FunctionWrapper


@dataclass(slots=True, eq=False)
class Plan:
    """What a decorated function needs at each call: resolved at decoration."""

    function: Callable[..., Any]
    """What is timed."""
    spec: OperationSpec
    common: CallDetails
    """The details where every call is alike."""
    enabled: Callable[[], object] | None
    """Asked at each call; None: always."""
    options: "Options"
    """Those that it was decorated with: they time what a descriptor bound, too."""


class Timed(_FunctionWrapper):
    """A decorated function: the function's equal in all but the call.

    `functools.wraps` above it assigns `__wrapped__`, and a wrapt proxy would then stand for something else: what is
    assigned is only kept, for those who unwrap.
    """

    # Not annotated: a proxy's `__annotations__` are the function's.
    __slots__ = ("_self_assigned", "_self_plan")

    def __init__(self, plan: Plan) -> None:
        self._self_assigned = plan.function
        super().__init__(plan.function, _unused)
        self._self_plan = plan

    @property
    def __wrapped__(self) -> Any:
        return self._self_assigned

    @__wrapped__.setter
    def __wrapped__(self, function: Any) -> None:
        self._self_assigned = function

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        plan = plan_of(self)
        function = plan.function
        if type(function) is types.FunctionType:
            return self if instance is None else types.MethodType(self, instance)
        if not _binds_itself(function):
            return self
        bound = function.__get__(instance, owner)
        if bound is function:
            return self
        return plan.options.time(bound, plan.spec.name) if callable(bound) else bound

    def __reduce_ex__(self, protocol: Any) -> Any:
        plan = plan_of(self)
        if type(plan.function) is types.FunctionType:  # found by its name, as undecorated
            return plan.function.__qualname__
        return _time, (plan.options, plan.function)

    def __repr__(self) -> str:
        return f"<timed {plan_of(self).function!r}>"

    def __copy__(self) -> "Timed":
        return self

    def __deepcopy__(self, memo: Any) -> "Timed":
        return self


plan_of: Callable[[Timed], Plan] = Timed.__dict__["_self_plan"].__get__
"""Reads the plan past the proxy's own look-up, in half the time."""


class TimedFunction(Timed):
    """A decorated plain function, whose call is the operation."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        plan = plan_of(self)
        function, spec, read = plan.function, plan.spec, plan.spec.read_details
        if (tracer.idle is not None and tracer.idle()) or (plan.enabled is not None and not is_true(plan.enabled)):
            return function(*args, **kwargs)
        details = plan.common if read is None else read(args, kwargs)
        around = get_current()
        run = tracer.begin(spec, details, around, thread.token)
        try:
            token = set_current(run)  # inside, and undone without the token: Ctrl-C may come right after it
            # Without keywords, none are copied: one in thirty of the whole price.
            result = function(*args, **kwargs) if kwargs else function(*args)
        except BaseException as error:
            set_current(around)
            tracer.finish(run, error)
            raise
        reset_current(token)
        tracer.finish(run)
        return result


class TimedStepFunction(Timed):
    """A decorated coroutine or generator function: argument errors come from the call, the rest from its steps."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and time the steps of what it returns."""
        plan = plan_of(self)
        inner = plan.function(*args, **kwargs) if kwargs else plan.function(*args)
        if (tracer.idle is not None and tracer.idle()) or (plan.enabled is not None and not is_true(plan.enabled)):
            return inner
        kind = _KINDS.get(type(inner)) or _kind_of(inner)
        if kind is None:  # it only looked like such a function
            return inner
        read = plan.spec.read_details
        steps = kind()  # filled in here, past a constructor of its own, as `Tracer.begin` does
        steps.spec = plan.spec
        steps.details = plan.common if read is None else read(args, kwargs)
        steps.inner = inner
        steps.run = steps.current = None
        if kind is not CoroutineSteps:
            return steps
        coroutine = TimedCoroutine()
        set_steps(coroutine, steps)
        return coroutine


_KINDS: dict[type, StepsType] = {types.CoroutineType: CoroutineSteps, types.AsyncGeneratorType: TimedAsyncGenerator}


def _kind_of(inner: object) -> StepsType | None:
    """Find what times the steps of a generator, or of an object of a type of its own, as compilers make them."""
    if isinstance(inner, types.GeneratorType):
        return TimedGeneratorCoroutine if inner.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE else TimedGenerator
    if isinstance(inner, Coroutine):
        return CoroutineSteps
    if isinstance(inner, Generator):
        return TimedGenerator
    return TimedAsyncGenerator if isinstance(inner, AsyncGenerator) else None


@dataclass(slots=True, eq=False)
class Options:
    """What `timed` was told, checked: it times any number of functions."""

    name: str | None
    """None: each function's qualified name."""
    key: Wanted | None
    description: str
    done: str | None
    capture: Any
    slow_ns: int | None
    attributes: dict[str, Scalar] | None
    detached: bool
    enabled: Callable[[], object] | None

    def time(self, function: Any, name: str | None = None) -> Timed:
        """Decorate a function, under a name of its own if one is given; raises what `timed` raises."""
        own_name = name or self.name or operation_name(_name_of(function))
        # The parameters of what a descriptor binds are seen only then, too late for a mistake to be told.
        arguments = Arguments(function, own_name, is_checked=name is None and not _binds_itself(function))
        read_key, key_name = arguments.key(self.key)
        describe, description_text = arguments.text(self.description, "description")
        finish, done_text = arguments.text(self.done, "done")
        # The attributes are shared by all calls, so nobody may change them.
        kept = None if self.attributes is None else MappingProxyType(self.attributes)
        common = CallDetails(None, description_text or "", done_text, kept)
        read = arguments.details(read_key, (describe, finish), common, arguments.captured(self.capture))
        spec = OperationSpec(own_name, key_name, self.slow_ns, self.detached, tracer=tracer, read_details=read)
        kind = TimedStepFunction if _looks_stepped(function) else TimedFunction
        return kind(Plan(function, spec, common, self.enabled, self))


def _time(options: Options, function: Any) -> Timed:
    """Time a function again, as pickle needs it."""
    return options.time(function)


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
    attributes: Mapping[str, object] | None = None,
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
    attributes: Mapping[str, object] | None = None,
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
    attributes: what each call is kept with, by name; of the same name, what is captured counts.
    detached: begin a trace of its own, with a link to its creator: for long-lived background work.
    enabled: False leaves the function as it is; a callable is asked at each call.

    Raises TypeError for what cannot be timed (a class, a name that is not text) and ValueError for
    a key, capture or description that names no parameter.
    """
    if operation is not None and not isinstance(operation, str):
        if callable(operation) or hasattr(type(operation), "__get__"):
            return timed()(operation)
        raise TypeError(f"timed: the operation's name must be text, not {type(operation).__name__}")
    options = Options(
        None if operation is None else operation_name(operation),
        key,
        description,
        done,
        tuple(capture) if isinstance(capture, Iterable) and not isinstance(capture, str) else capture,
        slow_ns(slow),
        fixed_attributes(attributes),
        bool(detached),
        enabled if callable(enabled) else None,
    )
    return functools.partial(_decorate, options, callable(enabled) or bool(enabled))


def _decorate(options: Options, is_enabled: bool, function: Any) -> Any:
    """Time what is decorated, whatever stands around the function."""
    if isinstance(function, classmethod | staticmethod):
        return type(function)(_decorate(options, is_enabled, function.__func__))
    if isinstance(function, property) and function.fget is not None:
        return function.getter(_decorate(options, is_enabled, function.fget))
    if isinstance(function, functools.partialmethod):
        timed_function = _decorate(options, is_enabled, function.func)
        return functools.partialmethod(timed_function, *function.args, **function.keywords)
    function = _undecorated(function)
    if isinstance(function, functools.cached_property | functools.singledispatchmethod):
        kind = type(function).__name__
        raise TypeError(f"timed: cannot time a {kind}; put @timed below @{kind}, right above the function")
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"timed: cannot time {function!r}; decorate functions or methods, not classes or values")
    if not is_enabled:
        return function
    made = options.time(function)
    # Of these methods Python makes class- and static methods by itself, where they are plain functions.
    implicit = _IMPLICIT.get(function.__name__) if isinstance(function, types.FunctionType) else None
    return made if implicit is None else implicit(made)


_IMPLICIT: dict[str, Callable[[Any], Any]] = {
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
    "__new__": staticmethod,
}


def _undecorated(function: Any) -> Any:
    """Remove `timed`: decorated twice is one operation, with the newest options."""
    if isinstance(function, Timed):
        return plan_of(function).function
    if isinstance(function, types.MethodType) and isinstance(function.__func__, Timed):
        return types.MethodType(plan_of(function.__func__).function, function.__self__)
    if type(function) is functools.partial and isinstance(function.func, Timed):
        return functools.partial(plan_of(function.func).function, *function.args, **function.keywords)
    return function


def _binds_itself(function: Any) -> bool:
    """Report whether an access on an instance gives something else than a method of this function."""
    return not isinstance(function, types.FunctionType | functools.partial) and hasattr(type(function), "__get__")


def _name_of(function: Any) -> str:
    """Return the qualified name; of a partial its function's, of a callable object its class's."""
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


def _looks_stepped(function: Any) -> bool:
    """Report whether a call gives a coroutine or a generator of either kind."""
    body = _body_of(function)
    asked = inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction
    return inspect.iscoroutinefunction(function) or any(one(body) for one in asked)


def checkpointed(name: str, description: str = "") -> Decorator:
    """Mark a checkpoint of the current operation whenever the decorated helper returns.

    Takes functions and coroutine functions, methods among them; TypeError for all else. A helper that
    raises reaches no checkpoint.
    """
    operation_name(name)

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
