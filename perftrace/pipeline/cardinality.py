"""Caps how many different names a sink gets to see."""

from collections.abc import Callable
from typing import Any

from perftrace.core.checks import check_whole
from perftrace.core.events import Reached, Started
from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.core.values import OTHER, Attributes
from perftrace.pipeline.wrapper import TransformingSink
from perftrace.sinks.warnings import warn


class Cardinality(TransformingSink):
    """Replaces operation names beyond a cap by `__other__`; attributes beyond a cap of names share that one.

    For sinks that keep something for each name, as metrics do: a name made of a user's id would fill their
    memory. Ids stay as they are. The first time is a warning; `replaced` counts all.

    names: operation names that are told apart. attributes: names of attributes that are.
    """

    def __init__(self, sink: Sink | Callable[..., Any], *, names: int = 1000, attributes: int = 200) -> None:
        super().__init__(sink)
        for option, number in (("names", names), ("attributes", attributes)):
            check_whole(f"Cardinality: {option}", number)
        self._max_names, self._max_attributes = names, attributes
        self._names: set[str] = set()
        self._attributes: set[str] = set()
        self.replaced: int = 0
        """How many names were replaced."""

    def change_started(self, event: Started) -> Started:
        """Cap the name of the start of an operation."""
        return event._replace(name=self._known(event.name, self._names, self._max_names))

    def change_reached(self, event: Reached) -> Reached:
        """Cap the attributes of a checkpoint."""
        return event._replace(attributes=self._capped(event.attributes))

    def change_finished(self, record: Record) -> Record:
        """Cap the name and the attributes of a finished operation."""
        changes: dict[str, Any] = {}
        name = self._known(record.name, self._names, self._max_names)
        if name != record.name:
            changes.update(name=name, given_id=record.operation_id)
        if (attributes := self._capped(record.attributes)) is not record.attributes:
            changes["attributes"] = attributes
        capped = [self._capped(mark[3]) for mark in record.checkpoints]
        if any(new is not mark[3] for new, mark in zip(capped, record.checkpoints, strict=True)):
            changes["checkpoints"] = [(*mark[:3], new) for mark, new in zip(record.checkpoints, capped, strict=True)]
        return record.replace(**changes) if changes else record

    def _capped(self, attributes: Attributes) -> Attributes:
        known = {self._known(name, self._attributes, self._max_attributes): value for name, value in attributes.items()}
        return attributes if OTHER not in known else known

    def _known(self, name: str, names: set[str], most: int) -> str:
        """Return a name that is told apart as it is, any other as `__other__`."""
        if name in names:
            return name
        if len(names) < most:
            names.add(name)
            return name
        self.replaced += 1
        if self.replaced == 1:
            warn(self._notes().too_many_names.format(sink=type(self.wrapped).__name__, name=OTHER))
        return OTHER
