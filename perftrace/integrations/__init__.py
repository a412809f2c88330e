"""Where perftrace meets other packages; each file imports the one that it is named for."""

import importlib
import importlib.util
from types import ModuleType

import wrapt

from perftrace.integrations.patching import Undo

PACKAGES = (
    "aiogram",
    "aiohttp",
    "apscheduler",
    "httpx",
    "logging",
    "redis",
    "sqlalchemy",
    "sqlite3",
    "taskiq",
    "telegram",
)
"""What `instrument` knows: packages that are patched when they are imported, each by the file of this folder."""
_installed: dict[str, Undo] = {}


def instrument(*names: str) -> None:
    """Trace other packages by patching them, now or when they are imported.

    names: of `PACKAGES`. A second time does nothing. Raises ValueError for a name that is not known and
    ModuleNotFoundError, with the command that helps, for a package that is not installed; then nothing is patched.
    """
    for name in names:
        if name not in PACKAGES:
            raise ValueError(f"instrument: no integration {name!r}; known: {', '.join(PACKAGES)}")
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"{name} is not installed: pip install 'perftrace-toolkit[{name}]'", name=name)
    for name in names:
        if name not in _installed:
            _installed[name] = _install_on_import(name)


def uninstrument(*names: str) -> None:
    """Remove the patches; without names, all of them."""
    for name in names or tuple(_installed):
        undo = _installed.pop(name, None)
        if undo is not None:
            undo()


def _install_on_import(name: str) -> Undo:
    """Patch a package when it is imported, unless that was called off before."""
    undos: list[Undo] = []
    is_wanted = True

    def install(package: ModuleType) -> None:
        if is_wanted:
            integration = importlib.import_module(f"perftrace.integrations.{name}")
            undos.append(integration.install())

    def undo() -> None:
        nonlocal is_wanted
        is_wanted = False
        while undos:
            undos.pop()()

    wrapt.register_post_import_hook(install, name)
    return undo


__all__ = ["PACKAGES", "instrument", "uninstrument"]
