"""The ground floor: ids, records, the sink contract and the hot path; no I/O."""
