"""`perftrace report` as a command."""

import json
import os
import subprocess
import sys

import pytest

import perftrace
from perftrace.cli import main
from perftrace.core.record import Record
from perftrace.formats.jsonl import encode
from perftrace.formats.languages import locale_language
from perftrace.formats.line import WORDS, encode_checkpoint, encode_done, encode_start
from tests.analysis.test_critical_path import run
from tests.conftest import TIMEOUT
from tests.ids import span_id, trace_id

CLOCK = "\u23f1\ufe0f  [PERF] "
LINES = (
    f"INFO {CLOCK}start: a_1_1757421666 - x\nother\n"
    f"INFO {CLOCK}checkpoint: a_1_1757421666.s - s | elapsed: 0.030s\n"
    f"INFO {CLOCK}done: a_1_1757421666 - x | took: 0.040s\n"
)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "bot.log"
    path.write_text(LINES, encoding="utf-8")
    return str(path)


def run_command(*arguments, stdin=b"", **environment):
    return subprocess.run(
        [sys.executable, "-m", "perftrace", *arguments],
        input=stdin,
        check=False,
        capture_output=True,
        timeout=TIMEOUT,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize(("words", "expected"), [(WORDS["zh"], "◀ 瓶颈"), (WORDS["en"], "◀ bottleneck")])
def test_the_table_is_in_the_language_of_the_log(tmp_path, capsys, words, expected, encoding):
    """Where neither an option nor the environment names another."""
    path = tmp_path / "bot.log"
    lines = [
        encode_start(words, "a_1_00000000000000aa", "x", "a"),
        encode_checkpoint(words, "a_1_00000000000000aa", "s", "", 30_000_000),
        encode_done(words, Record("a", key="1", span_id=span_id(0xAA), duration_ns=40_000_000)),
    ]
    path.write_text("INFO: up\n" + "\n".join(lines) + "\n", encoding=encoding, errors="backslashreplace")
    assert main(["report", str(path)]) == 0
    assert expected in capsys.readouterr().out
    assert main(["report", "--language", "en", str(path)]) == 0
    assert "Fix first: s in a (75.0% of its time, 30ms in all)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"LANG": "C.UTF-8"}, None),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, None),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8@euro"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "en_GB", "LANG": "zh_TW"}, "en"),
        ({"LC_ALL": "zh_HK.big5hkscs", "LANG": "en_US.UTF-8"}, "zh"),
    ],
)
def test_the_locale_names_a_language(variables, expected):
    """Chinese, or English for any other; C and POSIX name none."""
    assert locale_language(variables) == expected


@pytest.mark.parametrize(("locale", "word"), [("C", "开始"), ("en_US.UTF-8", "start"), ("zh_CN.UTF-8", "开始")])
def test_log_lines_speak_the_language_of_the_locale(locale, word):
    """Chinese where that names none."""
    code = "import perftrace\nwith perftrace.operation('a'): pass"
    environment = {**os.environ, "LC_ALL": locale, "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=TIMEOUT, check=True
    )
    assert f"[PERF] {word}: a_" in result.stderr.decode()


def test_the_language_comes_from_the_environment(log, monkeypatch, capsys):
    """Unless an option says otherwise."""
    monkeypatch.setenv("PERFTRACE_LANGUAGE", "en")
    main(["report", log])
    assert "◀ bottleneck" in capsys.readouterr().out


def test_json_gives_the_same_as_data(log, capsys):
    """One object on standard output."""
    assert main(["report", "--json", log]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["v"], answer["command"]) == (1, "report")
    assert answer["source"] == {
        "lines": 4,
        "used": 3,
        "not_understood": 0,
        "first_not_understood": [],
        "newer": 0,
        "skipped": [],
    }
    (operation,) = answer["operations"]
    assert {k: operation[k] for k in ("name", "count", "failures", "cancelled", "never_ended", "total", "max")} == {
        "name": "a", "count": 1, "failures": 0, "cancelled": 0, "never_ended": 0, "total": 0.04, "max": 0.04,
    }  # fmt: skip
    assert operation["segments"][0] == {
        "name": "s", "count": 1, "total": 0.03, "p50": 0.03, "p95": 0.03, "share": 0.75, "bottleneck": True,
    }  # fmt: skip
    assert answer["slowest"] == [
        {"operation_id": "a_1_1757421666", "name": "a", "duration": 0.04, "outcome": "ok", "bottleneck": "s"}
    ]
    assert answer["never_ended"] == []


def test_standard_input_is_a_file_named_dash():
    """In a pipe."""
    result = run_command("report", "--json", "-", stdin=LINES.encode())
    assert result.returncode == 0
    assert json.loads(result.stdout)["operations"][0]["count"] == 1


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello\nworld\n", "no line of perftrace among 2 lines"),
        (b"\x00\x01\xff" * 100, "binary"),
        ("x\n".encode("utf-16"), "no line of perftrace"),
        (f"x\n{CLOCK}oops\n".encode(), "bot.log:2"),
        (None, "No such file"),
        ("folder", "directory"),
    ],
)
def test_a_file_with_nothing_of_ours_is_one_line_and_status_2(tmp_path, content, says):
    """On standard error, with the file's name."""
    path = tmp_path / "bot.log"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    result = run_command("report", str(path))
    (message,) = result.stderr.decode().splitlines()
    assert result.returncode == 2
    assert says in message
    assert "bot.log" in message
    assert result.stdout == b""


@pytest.mark.usefixtures("english")
def test_what_can_be_read_is_reported_and_the_rest_told(log):
    """With status 2."""
    result = run_command("report", "--json", "nowhere.log", log)
    assert result.returncode == 2
    assert json.loads(result.stdout)["operations"][0]["count"] == 1
    assert result.stderr.decode().splitlines() == ["perftrace: nowhere.log: No such file or directory"]


def test_a_narrow_terminal_gets_escapes(log):
    """Not a traceback."""
    result = run_command("report", log, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\\u25c0" in result.stdout


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    """As in `perftrace report FILE | head`."""
    path = tmp_path / "big.log"
    path.write_text("".join(LINES.replace("a_1_", f"op{n}_1_") for n in range(5000)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "perftrace", "report", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=TIMEOUT) == 0


@pytest.mark.usefixtures("english")
def test_a_wrong_command_line_is_told():
    """Status 2, as argparse has it."""
    for arguments in ([], ["report"], ["nonsense"], ["report", "--language", "fr", "x"]):
        result = run_command(*arguments)
        assert result.returncode == 2
        assert b"usage:" in result.stderr


@pytest.mark.usefixtures("english")
def test_a_part_of_the_source_grouped_and_sorted(tmp_path, capsys):
    """Filters, `--by`, `--sort`; nothing selected is said, and a wrong time names what is right."""
    records = [
        run("photo", n, n * 1000, n * 1000 + n).replace(
            trace_id=trace_id(n), attributes={"size": "large" if n > 5 else "small"}
        )
        for n in range(1, 11)
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))

    def operations(*options):
        assert main(["report", "--json", str(path), *options]) == 0
        return [(one["group"], one["count"]) for one in json.loads(capsys.readouterr().out)["operations"]]

    assert operations() == [(None, 10)]
    assert operations("--by", "size") == [("large", 5), ("small", 5)]
    assert operations("--by", "size", "--sort", "name") == [("large", 5), ("small", 5)]
    assert operations("--where", "size=small") == [(None, 5)]
    assert operations("--where", "size=small", "--since", "1000000003") == [(None, 3)]
    assert operations("--until", "1000000003", "--operation", "photo") == [(None, 2)]
    assert main(["report", str(path), "--operation", "other"]) == 1
    assert "no record is left" in capsys.readouterr().err
    for wrong in (["--since", "yesterday"], ["--where", "size"], ["--sort", "size"]):
        with pytest.raises(SystemExit, match="2"):
            main(["report", str(path), *wrong])
    assert "write name=value" not in capsys.readouterr().out


def start(log, *arguments, code="pass", **options):
    program = f"import sys; {code}; from perftrace.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments, log],
        stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, text=True, **options,
    )  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
@pytest.mark.parametrize(("language", "told"), [("en", "the answer cannot be written"), ("zh", "无法写出结果")])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_answer_that_cannot_be_written_is_one_line(log, language, told, form):
    """And status 2: 1 would say that there is no record."""
    with open("/dev/full", "w") as full:
        done = start(log, "report", "--language", language, *form, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"perftrace: {told}: ")


def test_ctrl_c_while_a_command_is_imported_is_quiet(log):
    """Status 130, and not a word."""
    code = "import importlib; real = importlib.import_module\ndef stop(name):\n  raise KeyboardInterrupt\n"
    done = start(log, "report", code=f"{code}importlib.import_module = stop\nimport sys")
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.usefixtures("english")
def test_a_file_name_cannot_steer_the_terminal(tmp_path, capsys):
    """Wherever it is named."""
    path = str(tmp_path / "x\x1b[31m.log")
    assert main(["report", path]) == 2
    with open(path, "w", encoding="utf-8") as file:
        file.write("hello\n")
    assert main(["report", path]) == 2
    assert main(["store", "stats", path]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert err.count("\\x1b[31m") == 3


def test_abbreviations_of_language_count_and_the_last_one(capsys):
    """As argparse has it, for the help, too."""
    for given, usage in ((["--lang", "en"], "usage:"), (["--language", "zh", "--language=en"], "usage:")):
        with pytest.raises(SystemExit):
            main(["report", *given, "--help"])
        assert capsys.readouterr().out.startswith(usage)


def test_the_language_of_a_log_is_that_of_its_first_line_however_late(tmp_path, capsys):
    """Many lines of the application's own before."""
    path = tmp_path / "late.log"
    done = f"{encode_done(WORDS['en'], Record('a', span_id=span_id(1), duration_ns=1))}\n"
    path.write_text("starting the application, as it does\n" * 50_000 + done, encoding="utf-8")
    assert main(["report", str(path)]) == 0
    assert "Slowest runs:" in capsys.readouterr().out


def test_outcomes_are_in_the_language(tmp_path, capsys):
    """Of what failed, too."""
    perftrace.configure(sinks=[f"jsonl:{tmp_path / 'a.jsonl'}"])
    with perftrace.operation("a") as handle:
        handle.fail("no")
    assert perftrace.flush(5)
    assert main(["report", str(tmp_path / "a.jsonl"), "--language", "zh"]) == 0
    assert "  a: 异常 1\n" in capsys.readouterr().out
    assert main(["show", handle.operation_id, str(tmp_path / "a.jsonl"), "--language", "zh"]) == 0
    assert "异常" in capsys.readouterr().out
