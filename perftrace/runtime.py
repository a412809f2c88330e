"""The default tracer and what is configured: the only global state beside the current operation."""

from perftrace.core.engine import Tracer

tracer = Tracer()
"""What every decorated function, block and timer of the process reports to."""
