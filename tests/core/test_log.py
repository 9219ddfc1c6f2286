"""Log lines of commands."""

import logging

import pytest

from ser_brain.core import log
from ser_brain.core.log import get_logger, show_progress, take_over, with_progress


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_our_lines_and_the_warnings_of_libraries_go_to_standard_error(capsys):
    show_progress()
    get_logger("ser_brain.data.corpora").info("read 3 files")
    get_logger("train").warning("one is odd")
    get_logger("data_prep.demo").error("no folder")
    get_logger("ser_brain").debug("too much")
    get_logger("speechbrain.core").info("chatter")
    get_logger("matplotlib").warning("heard")
    said = "read 3 files\nwarning: one is odd\nerror: no folder\nwarning: heard\n"
    assert capsys.readouterr() == ("", said)


def test_the_last_file_gets_the_lines_too_and_keeps_what_it_has(tmp_path, capsys):
    show_progress(tmp_path / "one.txt")
    first = logging.getLogger().handlers[-1]
    (tmp_path / "two.txt").write_text("epoch 1\n", encoding="utf-8")
    show_progress(tmp_path / "two.txt")
    get_logger("train").info("época 2")
    assert first.stream is None and (tmp_path / "one.txt").read_text() == ""
    assert (tmp_path / "two.txt").read_text(encoding="utf-8") == "epoch 1\népoca 2\n"
    assert capsys.readouterr().err == "época 2\n"


def test_a_librarys_lines_are_redacted_and_printed_once(capsys):
    client = get_logger("a_client")
    client.addHandler(logging.StreamHandler())  # as the client of the hub has
    show_progress()
    take_over("a_client")
    client.warning("thrown while requesting GET https://me:s3cret@hub.example")
    said = capsys.readouterr().err
    assert said == "warning: thrown while requesting GET https://***@hub.example\n"


def test_a_traceback_is_kept(capsys):
    show_progress()
    try:
        raise ValueError("what went wrong")
    except ValueError:
        get_logger("train").exception("stopped")
    err = capsys.readouterr().err
    assert err.startswith("error: stopped\nTraceback")
    assert "ValueError: what went wrong" in err


@pytest.mark.parametrize("terminal", [False, True])
def test_long_work_says_how_far_it_is(monkeypatch, capsys, terminal):
    show_progress()
    clock = iter(range(0, 30 * 2000, 30))  # each look at the clock is half a minute later
    monkeypatch.setattr(log.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert list(with_progress(range(1100), "front end", "clips", 1100)) == list(range(1100))
    said = capsys.readouterr().err
    assert ("100%" in said) == terminal
    if not terminal:
        assert said.splitlines()[0] == "front end: 2 of 1,100 clips"
        assert said.splitlines()[-1] == "front end: 1,100 of 1,100 clips"
