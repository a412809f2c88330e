"""The help, in each language."""

import re

import pytest
from rich.cells import cell_len

from perftrace.cli import COMMANDS, main
from perftrace.messages import TEXTS

ALL = [*([name] for name in COMMANDS), *(["store", action] for action in ("stats", "compact", "prune", "check")), []]


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_it_speaks_the_language_and_fits_the_window(command, language, columns, monkeypatch, capsys):
    """Titles, descriptions, and what each option is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PERFTRACE_LANGUAGE", language)
    text = help_of(capsys, *command)
    words = TEXTS[language].help
    assert text.startswith(words.usage)
    assert f"\n{words.options}:\n" in text
    described = words.descriptions[" ".join(command)] if command else words.program
    assert re.sub(r"\s", "", described) in re.sub(r"\s", "", text)
    assert bool(re.search("[\u4e00-\u9fff]", text)) is (language == "zh")
    body = text[text.index("\n\n") :]
    assert max(map(cell_len, body.split("\n"))) <= columns


def test_an_option_counts_before_the_environment(monkeypatch, capsys):
    """For what is wrong with other options, too."""
    monkeypatch.setenv("PERFTRACE_LANGUAGE", "en")
    with pytest.raises(SystemExit):
        main(["report", "--language=zh", "--since", "soon", "-"])
    assert "不是时间" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", "--language", "en", "--since", "soon", "-"])
    error = capsys.readouterr().err
    assert error.startswith("usage: perftrace report")
    assert "not a time: 'soon'" in error


@pytest.mark.parametrize(
    ("arguments", "chinese", "english"),
    [
        (["report"], "错误: 缺少参数: FILE", "error: the following arguments are required: FILE"),
        (["report", "a.log", "--nonsense"], "无法识别的参数: --nonsense", "unrecognized arguments: --nonsense"),
        (["report", "a.log", "--sort"], "参数 --sort: 需要一个值", "argument --sort: expected one argument"),
        (["compare", "a", "b", "--in"], "参数 --in: 至少需要一个值", "argument --in: expected at least one argument"),
        (
            ["nonsense"],
            "参数 COMMAND: 不能是 'nonsense'（可选: ",
            "argument COMMAND: invalid choice: 'nonsense' (choose from ",
        ),
        (
            ["report", "a.log", "--json=1"],
            "参数 --json: 不接受值 '1'",
            "argument --json: ignored explicit argument '1'",
        ),
        (["trend", "a.log", "--w"], "选项不明确: --w 可能是 --", "ambiguous option: --w could match --w"),
        (["trend", "a.log", "--window", "x"], "参数 --window: 不是时长", "argument --window: no length of time"),
    ],
)
def test_what_is_wrong_with_options_is_told_in_the_language(arguments, chinese, english, capsys):
    """Argparse speaks English alone."""
    for language, wanted in (("zh", chinese), ("en", english)):
        with pytest.raises(SystemExit, match="2"):
            main([*arguments, "--language", language])
        assert wanted in capsys.readouterr().err


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_cannot_be_read_is_told_in_the_language(language, tmp_path, capsys):
    """Also what a source says of a file."""
    cut = tmp_path / "cut.json"
    cut.write_text('{"traceEvents": [{"ph": "X"')
    assert main(["report", str(cut), str(tmp_path / "none"), "--language", language]) == 2
    told = capsys.readouterr().err
    assert {"zh": "没有这个文件或目录", "en": "No such file or directory"}[language] in told
    assert {"zh": "被截断或损坏", "en": "cut or damaged"}[language] in told
