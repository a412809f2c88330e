"""A block: an operation whose beginning and end stand in the code, or come from callbacks."""

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

    __slots__ = ("_around", "_details", "_parent", "_queued_ns", "_run", "_spec", "_token")

    def __init__(
        self,
        spec: OperationSpec,
        details: CallDetails,
        parent: Run | RemoteParent | None = None,
        queued_ns: int | None = None,
    ) -> None:
        """Make a block; parent: in place of what is current at its beginning. queued_ns: see `operation`."""
        self._spec = spec
        self._details = details
        self._parent = parent
        self._queued_ns = queued_ns
        self._run: Run | None = None
        self._token: CurrentToken | None = None
        self._around: Run | None = None
        """What was current where it was entered."""

    def begin(self) -> Operation:
        """Begin the operation; return its handle."""
        tracer: Tracer = self._spec.tracer
        around = get_current()
        parent = around if around is tracer.null_run else self._parent or around
        self._run = run = tracer.begin(self._spec, self._details, parent, thread.token, self._queued_ns or 0)
        if self._queued_ns is not None:
            run.reach("queue", "", {})
        return handle_of(run)

    def __call__(self, function: object) -> NoReturn:
        """Raise TypeError: a block is no decorator."""
        name = self._spec.name
        raise TypeError(
            f"operation({name!r}) is a block: write `with operation({name!r}):`, or decorate with @timed({name!r})"
        )

    @property
    def handle(self) -> Operation:
        """The handle; RuntimeError where it has not begun."""
        if self._run is None:
            raise RuntimeError(f"the operation {self._spec.name!r} has not begun")
        return handle_of(self._run)

    def checkpoint(self, /, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment; return the seconds since the beginning, or None if it has not begun or has ended."""
        if self._run is None:
            self._spec.tracer.orphans += 1
            return None
        return self._run.reach(name, description, attributes)

    def end(self, error: BaseException | None = None, outcome: Outcome | None = None) -> None:
        """End the operation, once.

        error: what ended it, which decides the outcome; without one it is `outcome`.
        """
        tracer: Tracer = self._spec.tracer
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
            self._spec.tracer.misplaced += 1
        self.end(error)

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)


class DisabledBlock(Block):
    """Gives a handle that works and reports to nobody; what is current stays so."""

    __slots__ = ()

    def begin(self) -> Operation:
        """Begin the operation, below no other; return its handle."""
        self._run = self._spec.tracer.begin(self._spec, self._details, None, thread.token)
        return handle_of(self._run)

    def __enter__(self) -> Operation:
        return self.begin()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.end(error)
