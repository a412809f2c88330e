"""Percentiles of weighted runs: each value as often as it weighs, the same number in every command."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.percentiles import WeightedValues, percentile
from perftrace.analysis.reports import report
from perftrace.analysis.tails import why
from perftrace.core.record import Record
from perftrace.sources.base import Reading
from tests.ids import span_id, trace_id

VALUES = st.lists(st.tuples(st.integers(1, 1000), st.sampled_from([1, 1, 2, 4, 7])), min_size=1, max_size=30)


@given(VALUES, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_weight_is_so_many_values(values, share):
    """By either way of counting, and by writing them out."""
    by_weight = {}
    for value, weight in values:
        by_weight.setdefault(float(weight), []).append(value)
    whole = sorted(value for value, weight in values for _ in range(weight))
    sample = WeightedSample(np.array([v for v, _ in values], float), np.array([w for _, w in values], float))
    wanted = percentile(whole, share)
    assert WeightedValues(by_weight, {}).percentile(share) == pytest.approx(wanted)
    assert float(sample.percentile(share)) == pytest.approx(wanted)


def test_report_and_why_begin_the_tail_at_the_same_p95():
    """Of sampled runs."""
    records = [
        Record("a", trace_id=trace_id(n), span_id=span_id(1), duration_ns=n * 10**6, weight=[1.0, 20.0, 3.0][n % 3])
        for n in range(1, 60)
    ]
    p95 = report(Reading(records)).operations[0].p95
    slow = [record for record in records if record.duration_ns / 1e9 >= (p95 or 0)]
    assert why(records, "a").tail.count == len(slow)
