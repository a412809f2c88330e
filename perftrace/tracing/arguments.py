"""Reads an operation's key, texts and attributes from a call's arguments."""

import functools
import inspect
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from perftrace.core.run import CallDetails
from perftrace.core.values import Scalar, plain, scalar

ArgumentReader: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Any]
"""Takes something from a call's positional and keyword arguments."""
Wanted: TypeAlias = str | Callable[..., object]
"""A parameter's name, a dotted path from one, or a callable of the call's arguments."""


class Arguments:
    """What can be read from the calls of one function.

    Everything that can be known before any call is checked here: what names no parameter is a
    ValueError that lists the parameters.

    function: what is decorated. name: the operation's, for messages. is_checked: False for a descriptor, whose
    parameters are known only when it is bound: what names none of them reads nothing.
    """

    def __init__(self, function: Callable[..., Any], name: str, *, is_checked: bool = True) -> None:
        self._function = function
        self._name = name
        self._is_checked = is_checked

    @functools.cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        """Looked up only where an option names one: it takes longer than all else here."""
        try:
            return inspect.signature(self._function).parameters
        except (TypeError, ValueError):  # some builtins have none
            return {}

    def key(self, wanted: Wanted | None) -> tuple[ArgumentReader | None, str | None]:
        """Build what reads the key, as text or None, and its label."""
        if wanted is None:
            return None, None
        read, label = self._value(wanted, "key")

        def read_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
            try:
                value = read(args, kwargs)
            except KeyboardInterrupt:  # a real Ctrl-C
                raise
            except BaseException:  # no such attribute in this call, a property that raises: the run has no key
                return None
            return None if value is None else plain(value)

        return read_key, label or "key"

    def captured(self, wanted: Iterable[Wanted]) -> ArgumentReader | None:
        """Build what reads attributes, by label; those that a call does not have are left out."""
        if isinstance(wanted, str) or not isinstance(wanted, Iterable):
            raise TypeError(f"timed: capture of {self._name} must be a list of parameters, not {wanted!r}")
        reads = [(label or f"captured_{n}", read) for n, (read, label) in enumerate(map(self._captured, wanted), 1)]
        if not reads:
            return None

        def capture(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Scalar]:
            attributes = {}
            for label, read in reads:
                try:
                    attributes[label] = scalar(read(args, kwargs))
                except KeyboardInterrupt:  # a real Ctrl-C
                    raise
                except BaseException:  # noqa: S112  # this call has no such thing
                    continue
            return attributes

        return capture

    def text(self, template: str | None, option: str) -> tuple[ArgumentReader | None, str | None]:
        """Build what fills in a text; None and the finished text where there is nothing to fill in."""
        if template is None:
            return None, None
        if not isinstance(template, str):
            raise TypeError(f"timed: {option} of {self._name} must be text, not {type(template).__name__}")
        cure = "write {{ and }} for braces themselves"
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
            if not fields:
                return None, plain(template.format())
        except ValueError as error:
            raise ValueError(f"timed: {option} of {self._name}: {error}; {cure}") from None
        firsts = [field.partition(".")[0].partition("[")[0] for field in fields]
        reads = {first: self._parameter(first, option) for first in firsts}

        def fill(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
            try:
                return plain(template.format(**{first: read(args, kwargs) for first, read in reads.items()}))
            except KeyboardInterrupt:  # a real Ctrl-C
                raise
            except BaseException:  # a broken __format__, an attribute that this call lacks: the text as written
                return plain(template)

        return fill, template

    def _captured(self, wanted: Wanted) -> tuple[ArgumentReader, str | None]:
        return self._value(wanted, "capture")

    def _value(self, wanted: Wanted, option: str) -> tuple[ArgumentReader, str | None]:
        """Build what reads a value, and its label; a callable's is its name, if it has one."""
        if isinstance(wanted, str):
            first, *rest = wanted.split(".")
            read = self._parameter(first, option)

            def follow(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
                value = read(args, kwargs)
                for attribute in rest:
                    value = getattr(value, attribute)
                return value

            return follow if rest else read, wanted.rpartition(".")[2]
        if not callable(wanted):
            raise TypeError(f"timed: {option} of {self._name} must be text or a callable, not {type(wanted).__name__}")
        name = getattr(wanted, "__name__", "<lambda>")
        is_named = option == "capture" and name != "<lambda>"
        return lambda args, kwargs: wanted(*args, **kwargs), name if is_named else None

    def _parameter(self, wanted: str, option: str) -> ArgumentReader:
        """Build what reads one parameter from a call, its default included."""
        if wanted not in self._parameters:
            if not self._is_checked:
                return _read_nothing
            known = ", ".join(self._parameters) or "none"
            raise ValueError(f"timed: {option} of {self._name} names {wanted!r}, but its parameters are: {known}")
        parameters = self._parameters
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

    def details(
        self,
        key: ArgumentReader | None,
        texts: tuple[ArgumentReader | None, ArgumentReader | None],
        fixed: CallDetails,
        capture: ArgumentReader | None,
    ) -> Callable[[tuple[Any, ...], dict[str, Any]], CallDetails] | None:
        """Build what reads all of a call's details at once; None where every call is alike."""
        describe, finish = texts
        if key is None and describe is None and finish is None and capture is None:
            return None
        _, description, done, attributes = fixed

        def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallDetails:
            return CallDetails(
                None if key is None else key(args, kwargs),
                description if describe is None else describe(args, kwargs),
                done if finish is None else finish(args, kwargs),
                attributes if capture is None else {**(attributes or {}), **capture(args, kwargs)},
            )

        return read


def _read_nothing(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    raise LookupError
