"""Names of a bot's handlers: each told from all others, and the same at each start."""

import functools
import inspect
import types
from collections import defaultdict
from collections.abc import Callable, Iterable

from perftrace.integrations.guard import UNNAMED, guarded

_SCENE_ENTRY = "Scene.as_handler.<locals>.enter_to_scene_handler"


class HandlerNames:
    """The names of the handlers that an application has.

    A handler has the name of its function, of its class where it is an object, `Class.method` where it is a method, and
    `Scene.handler` in a scene, `StatesGroup.callback_handler` in a dialog of aiogram-dialog. Where several have one
    name, each has its module's before it, whatever came first.
    """

    def __init__(self, library: str, callbacks: Callable[[], Iterable[object]]) -> None:
        """Know no name yet.

        library: told where a name cannot be read. callbacks: gives all handlers of the application.
        """
        self._library = library
        self._callbacks = callbacks
        self._names: dict[object, str] = {}
        self._known: list[object] = []
        """Kept alive, so that no other has the identity of one of them."""

    def of(self, callback: object, otherwise: str) -> str:
        """Return the name of a handler; `otherwise` and a note where it cannot be read."""
        name = self._names.get(_identity(callback))
        if name is None:
            guarded(f"{self._library}: names", self._read, None)
            name = self._names.get(_identity(callback))
        if name is None:
            name = guarded(f"{self._library}: name", lambda: name_of(callback), f"{otherwise} {UNNAMED}")
            self._names[_identity(callback)] = name
            self._known.append(callback)
        return name

    def _read(self) -> None:
        by_name: defaultdict[str, list[object]] = defaultdict(list)
        for callback in self._callbacks():
            name = guarded(f"{self._library}: name", lambda callback=callback: name_of(callback), "")  # type: ignore[misc]
            if name and not any(_identity(one) == _identity(callback) for one in by_name[name]):
                by_name[name].append(callback)
        for name, callbacks in by_name.items():
            seen: dict[str, int] = {}
            for callback in callbacks:
                whole = name if len(callbacks) == 1 else f"{_module_of(callback)}.{name}"
                seen[whole] = number = seen.get(whole, 0) + 1
                self._names[_identity(callback)] = whole if number == 1 else f"{whole}#{number}"
                self._known.append(callback)


def _identity(callback: object) -> object:
    """Return what is the same for one handler alone: a method is made anew whenever it is asked for."""
    if isinstance(callback, types.MethodType):
        return id(callback.__self__), id(callback.__func__)
    return id(callback)


def name_of(callback: object) -> str:
    """Return the short name of a handler; raises ValueError where it has none."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    scene, handler = getattr(callback, "scene", None), getattr(callback, "handler", None)
    if isinstance(scene, type) and handler is not None:  # aiogram's wrapper of a scene's handler
        return f"{scene.__name__}.{name_of(getattr(handler, 'callback', handler))}"
    if getattr(callback, "__qualname__", "") == _SCENE_ENTRY:
        return f"{inspect.getclosurevars(callback).nonlocals['cls'].__name__}.enter"  # type: ignore[arg-type]
    if isinstance(callback, types.MethodType):
        owner = callback.__self__
        if callable(group := getattr(owner, "states_group_name", None)):  # a dialog of aiogram-dialog
            return f"{group()}.{callback.__name__.lstrip('_')}"
        return f"{(owner if isinstance(owner, type) else type(owner)).__name__}.{callback.__name__}"
    name = getattr(callback, "__name__", None) or (type(callback).__name__ if callable(callback) else None)
    if not isinstance(name, str):
        raise ValueError(f"no name of {type(callback).__name__}")
    return name


def _module_of(callback: object) -> str:
    while isinstance(callback, functools.partial):
        callback = callback.func
    scene = getattr(callback, "scene", None)
    return str(getattr(scene if isinstance(scene, type) else callback, "__module__", "?"))
