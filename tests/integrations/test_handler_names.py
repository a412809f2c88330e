"""Names of handlers: told apart, the same whatever comes first."""

import functools
import types

import perftrace
from perftrace.integrations.handler_names import HandlerNames, name_of


class Handlers:
    def start(self, update):
        pass

    @classmethod
    def stop(cls, update):
        pass

    def __call__(self, update):
        pass


def on_text(update):
    pass


def made(name, module):
    function = types.FunctionType(on_text.__code__, {}, name)
    function.__module__ = module
    return function


class Scene:
    pass


class Wrapper:
    scene = Scene
    handler = types.SimpleNamespace(callback=on_text)

    def __call__(self):
        pass


def test_each_kind_has_a_name_that_a_reader_knows():
    """Functions, methods, objects, partials, scenes."""
    handlers = Handlers()
    named = [on_text, handlers.start, Handlers.stop, handlers, functools.partial(on_text, 1), Wrapper()]
    names = ["on_text", "Handlers.start", "Handlers.stop", "Handlers", "on_text", "Scene.on_text"]
    assert list(map(name_of, named)) == names


def test_handlers_of_one_name_have_their_module_before_it():
    """Both, so that the order of updates changes nothing; of one module, in the order in which they are registered."""
    a, b, other = made("start", "bot.admin"), made("start", "bot.user"), made("help", "bot.user")
    again = made("start", "bot.user")
    for order in ([a, b, other, again], [again, other, b, a]):
        names = HandlerNames("test", lambda: [a, b, other, again])
        found = {id(one): names.of(one, "message") for one in order}
        assert [found[id(one)] for one in (a, b, other, again)] == [
            "bot.admin.start", "bot.user.start", "help", "bot.user.start#2",
        ]  # fmt: skip


def test_a_handler_that_is_added_later_or_has_no_name():
    """The later one by its own name; the other says that it has none, and is told once."""
    known = [on_text]
    names = HandlerNames("test", lambda: known)
    late = made("late", "bot")
    assert (names.of(late, "message"), names.of(on_text, "message")) == ("late", "on_text")
    before = perftrace.stats()["unread"]
    assert [names.of(None, "message"), names.of(None, "message")] == ["message (unnamed)"] * 2
    assert perftrace.stats()["unread"] == before + 1

    def fail():
        raise RuntimeError("planted")

    broken = HandlerNames("test", fail)
    assert broken.of(on_text, "message") == "on_text"


def test_a_method_that_is_registered_twice_is_one_handler():
    """Though each time that it is asked for it is another object."""

    class Handlers:
        def on_text(self):
            pass

    handlers, others = Handlers(), Handlers()
    names = HandlerNames("aiogram", lambda: [handlers.on_text, handlers.on_text])
    assert {names.of(handlers.on_text, "message") for _ in range(3)} == {"Handlers.on_text"}
    names = HandlerNames("aiogram", lambda: [handlers.on_text, others.on_text])
    assert names.of(others.on_text, "message").endswith(".Handlers.on_text#2")
