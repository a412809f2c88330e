"""Checks numbers that users hand over; the message names the option, what it takes, and what it got."""

from typing import TypeGuard

_LEAST, _MOST = float("-inf"), float("inf")


def is_number(value: object) -> TypeGuard[int | float]:
    """Report whether a value is a finite number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _LEAST < value < _MOST


def check_number(
    option: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    unit: str = "",
    wrong_type: type[Exception] = ValueError,
) -> float:
    """Return a finite number that is in its range.

    option: its name, as messages show it. above, least, most: its bounds, the first not among them. unit: such as
    `seconds`. Raises ValueError, `wrong_type` for what is no number.
    """
    wanted = f"a number of {unit}" if unit else "a number"
    if (
        not is_number(value)
        or (above is not None and value <= above)
        or (least is not None and value < least)
        or (most is not None and value > most)
    ):
        is_typed = isinstance(value, int | float) and not isinstance(value, bool)
        kind = ValueError if is_typed else wrong_type
        raise kind(f"{option} must be {wanted}{_range(above, least, most)}, not {value!r}")
    return value


def check_whole(option: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number that is in its range; raises ValueError otherwise."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        raise ValueError(f"{option} must be a whole number{_range(None, least, most)}, not {value!r}")
    return value  # type: ignore[return-value]


def _range(above: float | None, least: float | None, most: float | None) -> str:
    if least is not None:
        return f" from {least:g} on" if most is None else f" from {least:g} to {most:g}"
    if above is not None:
        return f" above {above:g}" if most is None else f" above {above:g} and at most {most:g}"
    return ""
