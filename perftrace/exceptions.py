"""The errors that perftrace raises; each is also the built-in error that a caller would guess.

    PerftraceError
    ├── SourceError (ValueError)       a source cannot be read
    │   └── NewerVersionError          it was written by a newer perftrace
    ├── StoreBusyError (OSError)       another process is at work in a store
    └── MarkerError (ValueError)       a pytest marker's options make no sense

A wrong argument is a plain TypeError or ValueError, a missing extra a ModuleNotFoundError that names its pip line.
"""


class PerftraceError(Exception):
    """Any error of perftrace's own."""


class SourceError(PerftraceError, ValueError):
    """A source that cannot be read; the message is one line and says why."""


class NewerVersionError(SourceError):
    """A record of a version to come: upgrade to read it."""


class StoreBusyError(PerftraceError, OSError):
    """Another process compacts, prunes or reads the store; try again."""


class MarkerError(PerftraceError, ValueError):
    """Options of `pytest.mark.perftrace` that make no sense."""
