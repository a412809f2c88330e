"""Ids of traces and spans by number, as records take them."""


def trace_id(number):
    """Return the text of a trace's id."""
    return f"{number:032x}"


def span_id(number):
    """Return the text of a span's id; None stays None."""
    return None if number is None else f"{number:016x}"
