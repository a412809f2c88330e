"""Our speedscope files against the schema in speedscope's own package."""

import json
import subprocess
import tarfile

import jsonschema
import pytest

from perftrace.cli import main
from perftrace.formats.jsonl import encode
from tests.formats.test_chrome import run
from tests.peers.conftest import program

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run([program("npm"), "pack", "--silent", "speedscope"], cwd=folder, check=True, timeout=100)
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        name = next(name for name in package.getnames() if "file-format-schema" in name)
        return json.load(package.extractfile(name))


def test_an_exported_file_is_valid(schema, tmp_path):
    """With tracks, segments, what takes no time, and nothing at all."""
    records = [
        run("outer", 1, 0, 10, checkpoints=[("half", 5)]), run("inner", 2, 6, 8, 1), run("job", 3, 2, 4, 1, task="T"),
        run("nothing", 4, 3, 3),
    ]  # fmt: skip
    source, target = tmp_path / "records.jsonl", tmp_path / "flame.json"
    source.write_bytes(b"".join(map(encode, records)))
    assert main(["export", str(source), "--to", "speedscope", "-o", str(target)]) == 0
    file = json.loads(target.read_text())
    jsonschema.validate(file, schema)
    assert len(file["profiles"]) == 3
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**file, "profiles": [{}]}, schema)
