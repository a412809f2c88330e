"""What records mean: pure functions and the results that they give."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perftrace.analysis.advice import Advice, Finding, Gain, advise
    from perftrace.analysis.associations import Association
    from perftrace.analysis.comparison import Compared, Comparison, Decile, compare
    from perftrace.analysis.filters import RecordFilter
    from perftrace.analysis.predictions import FasterStep, StepChange, WhatIf, whatif
    from perftrace.analysis.reports import FailureCount, NeverEnded, OperationReport, Report, Segment, SlowRun, report
    from perftrace.analysis.tails import Part, TailGroup, Why, why
    from perftrace.analysis.trees import TreeIssues
    from perftrace.analysis.trends import Change, OperationTrend, Trend, Window, trend

__all__ = [
    "Advice",
    "Association",
    "Change",
    "Compared",
    "Comparison",
    "Decile",
    "FailureCount",
    "FasterStep",
    "Finding",
    "Gain",
    "NeverEnded",
    "OperationReport",
    "OperationTrend",
    "Part",
    "RecordFilter",
    "Report",
    "Segment",
    "SlowRun",
    "StepChange",
    "TailGroup",
    "TreeIssues",
    "Trend",
    "WhatIf",
    "Why",
    "Window",
    "advise",
    "compare",
    "report",
    "trend",
    "whatif",
    "why",
]

_FILES = {
    "Advice": "advice",
    "Association": "associations",
    "Change": "trends",
    "Compared": "comparison",
    "Comparison": "comparison",
    "Decile": "comparison",
    "FailureCount": "reports",
    "FasterStep": "predictions",
    "Finding": "advice",
    "Gain": "advice",
    "NeverEnded": "reports",
    "OperationReport": "reports",
    "OperationTrend": "trends",
    "Part": "tails",
    "RecordFilter": "filters",
    "Report": "reports",
    "Segment": "reports",
    "SlowRun": "reports",
    "StepChange": "predictions",
    "TailGroup": "tails",
    "TreeIssues": "trees",
    "Trend": "trends",
    "WhatIf": "predictions",
    "Why": "tails",
    "Window": "trends",
    "advise": "advice",
    "compare": "comparison",
    "report": "reports",
    "trend": "trends",
    "whatif": "predictions",
    "why": "tails",
}


if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        """Import a function or a type when it is asked for: most need numpy, and `report` does not."""
        if name not in _FILES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
