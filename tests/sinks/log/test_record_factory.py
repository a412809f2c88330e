"""Log records made cheaply are those that `logging` makes."""

import asyncio
import logging
import os
import threading

import pytest

from perftrace.sinks.log.record_factory import RecordMaker

LOGGER = logging.getLogger("performance_monitor")
MOMENT = 1_757_421_666_864_000_000


def both():
    maker = RecordMaker(LOGGER)
    maker.make(logging.INFO, "an earlier line", 0)
    real = LOGGER.makeRecord(LOGGER.name, logging.WARNING, "(unknown file)", 0, "100%s", (), None, "(unknown function)")
    return maker.make(logging.WARNING, "100%s", MOMENT), real


@pytest.mark.parametrize("where", ["main", "thread", "task"])
def test_every_attribute_is_what_logging_would_set(where):
    """In any thread and task; the times are those of the event."""
    pairs = []
    if where == "main":
        pairs.append(both())
    elif where == "thread":
        thread = threading.Thread(target=lambda: pairs.append(both()), name="other")
        thread.start()
        thread.join()
    else:

        async def main():
            pairs.append(both())

        asyncio.run(main())
    cheap, real = (dict(record.__dict__) for record in pairs[0])
    later = (cheap["created"] - real["created"]) * 1000
    assert round(cheap.pop("relativeCreated") - real.pop("relativeCreated") - later, 1) == 0
    assert (cheap.pop("created"), cheap.pop("msecs")) == (MOMENT / 1e9, 864.0)
    del real["created"], real["msecs"]
    assert cheap == real
    assert pairs[0][0].getMessage() == "100%s"


def test_a_factory_of_the_applications_own_is_asked():
    """Its attributes are on the record, and the event's time."""

    class Own(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Own)
    try:
        record = RecordMaker(LOGGER).make(logging.INFO, "x", MOMENT)
        assert (type(record), record.created, record.msecs) == (Own, MOMENT / 1e9, 864.0)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_tells_its_own_process():
    """Though the record was learnt before."""
    maker = RecordMaker(LOGGER)
    maker.make(logging.INFO, "x", MOMENT)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(maker.make(logging.INFO, "x", MOMENT).process).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 99) == str(child).encode()
    os.close(reader)
    os.close(writer)
