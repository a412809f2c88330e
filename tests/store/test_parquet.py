"""Records in Parquet files."""

import os
import stat
from pathlib import Path

import pandas
import pyarrow.json
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings

from perftrace.core.events import Link
from perftrace.core.record import Record
from perftrace.formats.jsonl import decode, encode
from perftrace.store import parquet
from tests.conftest import examples
from tests.formats.test_jsonl import records
from tests.ids import span_id


def example(n):
    return Record(
        "a", span_id=span_id(n), start=100 - n, duration_ns=n, weight=2.5, link=Link("0" * 31 + "1",
        "0" * 15 + "2"), done="d",
        attributes={"size": "large", "n": None, "f": 0.5},
        checkpoints=[("x", "\u2028", n, {"q": True}), ("y", "", n, {})],
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "store [1]*?"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"".join(encode(example(n)) for n in range(1, 4)))
    return folder / "a.jsonl", folder / "a.parquet"


def test_what_is_written_comes_back_in_the_order_of_starts(files):
    """Nothing is written beside it; it is for its owner alone, whatever the umask."""
    before = os.umask(0)
    try:
        assert parquet.write(*files) == 3
    finally:
        os.umask(before)
    assert list(parquet.read(files[1])) == [example(3), example(2), example(1)]
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["a.jsonl", "a.parquet"]


def test_other_tools_read_it(files):
    """Pandas and pyarrow, texts and numbers and nested checkpoints."""
    parquet.write(*files)
    frame = pandas.read_parquet(files[1])
    assert list(frame["duration_ns"]) == [3, 2, 1]
    assert frame["checkpoints"][0][0]["elapsed_ns"] == 3
    table = pyarrow.parquet.read_table(files[1])
    assert table.column("name").to_pylist() == ["a"] * 3
    assert table.column("attributes").to_pylist() == ['{"size":"large","n":null,"f":0.5}'] * 3
    lines = pandas.read_json(files[0], lines=True)
    assert list(lines["duration_ns"]) == [1, 2, 3]
    assert pyarrow.json.read_json(files[0]).column("outcome").to_pylist() == ["ok"] * 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(record=records)
def test_every_record_comes_back(tmp_path, record):
    """Whatever its texts hold, as from its line."""
    line = encode(record)
    lines, made = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    lines.write_bytes(line)
    assert parquet.write(lines, made) == 1
    (again,) = parquet.read(made)
    assert again.as_dict() == decode(line).as_dict()


def test_what_is_no_parquet_or_not_ours_is_a_value_error(tmp_path):
    """In one line, and for a file that is gone what one expects."""
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1 nonsense")
    with pytest.raises(ValueError, match="no Parquet file") as caught:
        list(parquet.read(file))
    assert "\n" not in str(caught.value)
    pandas.DataFrame({"x": [1]}).to_parquet(file)
    with pytest.raises(ValueError, match="a damaged record: 'name'"):
        list(parquet.read(file))
    pandas.DataFrame({"v": [2], "name": ["a"]}).to_parquet(file)
    with pytest.raises(ValueError, match="version 2"):
        list(parquet.read(file))
    with pytest.raises(FileNotFoundError):
        list(parquet.read(Path(tmp_path, "gone.parquet")))
