"""Calls that a type checker must refuse, each marked with what mypy and pyright call it."""

from right import Shop, bare, called, later, numbers

import perftrace
from perftrace import checkpoint, operation, timed

bare("x")  # mypy: arg-type  pyright: reportArgumentType
bare()  # mypy: call-arg  pyright: reportCallIssue
bare(1, c=2)  # mypy: call-arg  pyright: reportCallIssue
called(1)  # mypy: call-arg  pyright: reportCallIssue
called(1, "x")  # mypy: call-arg,misc  pyright: reportCallIssue
later("x")  # mypy: arg-type  pyright: reportArgumentType
numbers()  # mypy: call-arg  pyright: reportCallIssue
Shop().method("x")  # mypy: arg-type  pyright: reportArgumentType
Shop.inside()  # mypy: call-arg  pyright: reportCallIssue
Shop().helper("x")  # mypy: arg-type  pyright: reportArgumentType
number: int = later(1)  # mypy: assignment  pyright: reportAssignmentType
checkpoint(5)  # mypy: arg-type  pyright: reportArgumentType
operation()  # mypy: call-arg  pyright: reportCallIssue
timed(5)  # mypy: call-overload  pyright: reportArgumentType,reportCallIssue
timed(operation="x", slow="1")  # mypy: call-overload  pyright: reportArgumentType,reportCallIssue
timed(operation="x", wrong=1)  # mypy: call-overload  pyright: reportCallIssue
perftrace.opration("x")  # mypy: attr-defined  pyright: reportAttributeAccessIssue
