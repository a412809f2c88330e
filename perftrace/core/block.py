"""A block: an operation whose beginning and end stand in the code, or come from callbacks."""

from collections.abc import Sequence
from typing import NoReturn

from perftrace.core.record import Operation, handle_of
from perftrace.core.run import CallDetails, OperationSpec, Run
from perftrace.core.tracer import CurrentToken, RemoteParent, Tracer, get_current, reset_current, set_current, thread
from perftrace.core.values import Outcome


class Block:
    """An operation with a life cycle of its own: `begin`, `checkpoint`, `end`, each in any task or thread.

    Entered with `with` or `async with` it is also current in the block; begun by hand it never is. A second `end` is
    counted as late and does nothing.
    """

    __slots__ = ("_around", "_details", "_parent", "_past", "_run", "_token", "spec")

    def __init__(
        self,
        spec: OperationSpec,
        details: CallDetails,
        parent: Run | RemoteParent | None = None,
        past: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Make a block.

        parent: in place of what is current at its beginning.
        past: what it went through before it was begun here: names of segments and their nanoseconds.
        """
        self.spec: OperationSpec = spec
        """What is fixed of it."""
        self._details = details
        self._parent = parent
        self._past = past
        self._run: Run | None = None
        self._token: CurrentToken | None = None
        self._around: Run | None = None
        """What was current where it was entered."""

    def _take(self, other: "Block") -> None:
        """Stand for what another block stands for."""
        self.spec, self._details = other.spec, other._details  # noqa: SLF001  # of its own kind

    def begin(self) -> Operation:
        """Begin the operation; return its handle."""
        tracer: Tracer = self.spec.tracer
        around, chosen, past = get_current(), self._parent, self._past
        details = self._details
        if past and chosen is None and isinstance(around, Run) and not self.spec.detached:
            # No part of it: an operation does not begin before the one that it runs in, whose time would count twice.
            waits = {f"{name}_s": round(ns / 1e9, 6) for name, ns in past}
            details, past = details._replace(attributes={**(details.attributes or {}), **waits}), ()
        parent = around if around is tracer.null_run else chosen or around
        ago_ns = sum(ns for _, ns in past)
        self._run = run = tracer.begin(self.spec, details, parent, thread.token, ago_ns, is_chosen=chosen is not None)
        reached = 0
        for name, ns in past:
            reached += ns
            run.reach(name, "", {}, reached)
        return handle_of(run)

    def __call__(self, function: object) -> NoReturn:
        """Raise TypeError: a block is no decorator."""
        name = self.spec.name
        raise TypeError(
            f"operation({name!r}) is a block: write `with operation({name!r}):`, or decorate with @timed({name!r})"
        )

    @property
    def handle(self) -> Operation:
        """The handle; RuntimeError where it has not begun."""
        if self._run is None:
            raise RuntimeError(f"the operation {self.spec.name!r} has not begun")
        return handle_of(self._run)

    def checkpoint(self, /, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment; return the seconds since the beginning, or None if it has not begun or has ended."""
        if self._run is None:
            self.spec.tracer.orphans += 1
            return None
        return self._run.reach(name, description, attributes)

    def end(self, error: BaseException | None = None, outcome: Outcome | None = None) -> None:
        """End the operation, once.

        error: what ended it, which decides the outcome; without one it is `outcome`.
        """
        tracer: Tracer = self.spec.tracer
        run = self._run
        if run is not None and run is not tracer.null_run and tracer.finish(run, error, outcome) is None:
            tracer.late += 1

    def __enter__(self) -> Operation:
        self._around = get_current()
        handle = self.begin()
        self._token = set_current(self._run)
        return handle

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # Closing in another context or under another block: what is current there is not ours to change.
        try:
            is_here = self._token is not None and get_current() is self._run
            if is_here:
                reset_current(self._token)  # type: ignore[arg-type]
        except (ValueError, RuntimeError):  # entered in another context, or left twice
            set_current(self._around)
            is_here = False
        if not is_here:
            self.spec.tracer.misplaced += 1
        self.end(error)

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)


class UnnamedBlock(Block):
    """A block whose name is not known at its beginning: what runs in it belongs to it all the same.

    Sinks hear of it once it is named. One that never is leaves no record.
    """

    __slots__ = ()

    @property
    def is_current(self) -> bool:
        """Whether nothing has begun inside it that still runs here."""
        return self._run is not None and get_current() is self._run

    @property
    def is_named(self) -> bool:
        """Whether it has its name."""
        return bool(self.spec.name)

    @property
    def is_asked_for(self) -> bool:
        """Whether anything belongs to it: an operation inside, a checkpoint, an attribute."""
        run = self._run
        return run is not None and bool(run.ids or run.details.attributes or len(run.checkpoints) > len(self._past))

    def become(self, named: Block) -> Operation:
        """Take name, key, texts and attributes of a block that was not begun; return the handle."""
        handle = self.handle
        self._take(named)
        self.spec.tracer.name(self._run, self.spec, self._details)
        return handle

    def end(self, error: BaseException | None = None, outcome: Outcome | None = None) -> None:
        """End it, unless it has ended already or has no name."""
        run = self._run
        if self.is_named and run is not None and run.duration_ns is None:
            super().end(error, outcome)


class DisabledBlock(Block):
    """Gives a handle that works and reports to nobody; what is current stays so."""

    __slots__ = ()

    def begin(self) -> Operation:
        """Begin the operation, below no other; return its handle."""
        self._run = self.spec.tracer.begin(self.spec, self._details, None, thread.token)
        return handle_of(self._run)

    def __enter__(self) -> Operation:
        return self.begin()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.end(error)
