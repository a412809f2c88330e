"""Records as speedscope files."""

import json

from hypothesis import given

from perftrace.core.record import Record
from perftrace.formats import speedscope
from tests.formats.test_chrome import run, spans


def written(records):
    return json.loads(b"".join(speedscope.encode(records)))


def stacks(file, profile):
    """Replay a profile: give each frame's name with those that it lies in, start and end; fails where it cannot be."""
    names = [frame["name"] for frame in file["shared"]["frames"]]
    found, stack, at = [], [], profile["startValue"]
    for event in profile["events"]:
        assert at <= event["at"] <= profile["endValue"]
        at = event["at"]
        if event["type"] == "O":
            stack.append((names[event["frame"]], at))
        else:
            name, start = stack.pop()
            assert names[event["frame"]] == name
            found.append(("/".join([above for above, _ in stack] + [name]), start, at))
    assert not stack
    return found


def test_a_track_is_a_flame_chart():
    """Segments lie inside their operation, and what it called inside these."""
    file = written(
        [run("outer", 1, 0, 10, checkpoints=[("half", 5)]), run("inner", 2, 6, 8, 1), run("job", 3, 2, 4, task="T")]
    )
    assert [profile["name"] for profile in file["profiles"]] == ["MainThread · 7", "T (MainThread) · 7"]
    ms = 1_000_000
    assert stacks(file, file["profiles"][0]) == [
        ("outer/half", 0, 5 * ms), ("outer/(end)/inner", 6 * ms, 8 * ms), ("outer/(end)", 5 * ms, 10 * ms),
        ("outer", 0, 10 * ms),
    ]  # fmt: skip
    assert [profile["unit"] for profile in file["profiles"]] == ["nanoseconds"] * 2


@given(spans)
def test_every_frame_that_opens_closes(drawn):
    """Whatever overlaps, and whatever takes no time."""
    records = [
        run(str(i), i + 1, start, start + length, parent if 0 < parent <= i else None, task="T" if in_task else None,
            checkpoints=[("m", length // 2)])
        for i, (start, length, parent, in_task) in enumerate(drawn)
    ]  # fmt: skip
    file = written(records)
    found = [path.split("/")[-1] for profile in file["profiles"] for path, _, _ in stacks(file, profile)]
    assert sorted(name for name in found if name.isdigit()) == sorted(record.name for record in records)


def test_nothing_and_hostile_names_are_a_file_too():
    """A lone surrogate becomes its escape."""
    assert written([])["profiles"] == []
    assert written([Record('a\ud800"\n', duration_ns=1)])["shared"]["frames"] == [{"name": 'a\\ud800"\n'}]
