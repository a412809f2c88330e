"""The application's own log lines."""

import io
import logging
from typing import Any

import pytest
import structlog

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.logging import OperationFilter
from perftrace.integrations.structlog import add_operation

FORMAT = "%(message)s|%(operation)s|%(trace_id)s|%(span_id)s"


@pytest.fixture
def logger():
    """Make a logger of the application with a stream to look into."""
    logger = logging.Logger("app")
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    return logger


def lines(logger):
    return logger.handlers[0].stream.getvalue().splitlines()


def test_a_filter_adds_the_current_operation_to_one_handlers_lines(logger, records):
    """Outside of one the fields are empty, so that a format never fails."""
    logger.handlers[0].addFilter(OperationFilter())
    logger.warning("before")
    with perftrace.operation("buy", key=7) as handle:
        logger.warning("inside")
    assert lines(logger) == ["before|||", f"inside|buy|{handle.trace_id}|{handle.span_id}"]


def test_instrumented_each_record_has_the_fields_until_it_is_undone(logger, records):
    """A factory that another package set stays in use."""
    seen = []
    before = logging.getLogRecordFactory()

    def other(*arguments, **options):
        seen.append(arguments)
        return before(*arguments, **options)

    logging.setLogRecordFactory(other)
    try:
        instrument("logging")
        with perftrace.operation("buy") as handle:
            logger.warning("inside")
        assert lines(logger) == [f"inside|buy|{handle.trace_id}|{handle.span_id}"]
        uninstrument("logging")
        assert logging.getLogRecordFactory() is other
        instrument("logging")
        logging.setLogRecordFactory(lambda *a, factory=logging.getLogRecordFactory(), **o: factory(*a, **o))
        uninstrument("logging")
        assert not hasattr(logger.makeRecord("app", 30, "f", 1, "m", (), None), "trace_id")
    finally:
        logging.setLogRecordFactory(before)
    assert len(seen) == 2


def test_a_processor_that_made_a_text_of_the_event_breaks_nothing(records):
    """It passes as it is; what could not be done is counted."""
    before = perftrace.stats()["unread"]
    with perftrace.operation("handler"):
        event: Any = "a text"
        passed: Any = add_operation(None, "info", event)
    assert passed == "a text"
    assert perftrace.stats()["unread"] == before + 1


def test_structlog_events_carry_the_operation(records):
    """What the event says itself stays."""
    logger = structlog.wrap_logger(
        structlog.ReturnLogger(), processors=[add_operation, structlog.processors.JSONRenderer(sort_keys=True)]
    )
    assert logger.info("outside") == '{"event": "outside"}'
    with perftrace.operation("buy") as handle:
        line = logger.info("inside", span_id="own")
    assert f'"trace_id": "{handle.trace_id}"' in line
    assert '"operation": "buy"' in line
    assert '"span_id": "own"' in line


@pytest.mark.parametrize("name", ["operation", "operation_id", "trace_id", "span_id"])
def test_what_the_application_puts_there_wins(name):
    """A log call breaks for nothing; by the factory, and by the filter."""
    kept = []
    logger = logging.Logger("app")

    class Keeping(logging.Handler):
        def emit(self, record):
            kept.append(record)

    handler = Keeping()
    handler.addFilter(OperationFilter())
    logger.addHandler(handler)
    perftrace.instrument("logging")
    try:
        with perftrace.operation("a") as handle:
            logger.warning("x", extra={name: "mine", "other": 1})
            perftrace.uninstrument("logging")
            logger.warning("x", extra={name: "mine"})
    finally:
        perftrace.uninstrument("logging")
    ids = {
        "operation": "a",
        "operation_id": handle.operation_id,
        "trace_id": handle.trace_id,
        "span_id": handle.span_id,
    }
    for record in kept:
        assert {field: getattr(record, field) for field in ids} == {**ids, name: "mine"}
    assert kept[0].other == 1


def test_an_extra_that_makes_no_sense_fails_as_before():
    """With Python's own error."""
    logger = logging.Logger("app")
    logger.addHandler(logging.NullHandler())
    perftrace.instrument("logging")
    try:
        with pytest.raises(KeyError, match="overwrite 'message'"):
            logger.warning("x", extra={"message": 1, "trace_id": 2})
    finally:
        perftrace.uninstrument("logging")
