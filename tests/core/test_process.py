"""Commands: how they end, and their arguments."""

import contextlib
import errno
import os
import signal
import time

import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.process import (
    Parser,
    Terminated,
    exit_code_of,
    send_here,
    sigterm_raises,
    title_of,
)


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C is, also in tests that a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ending(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    "error, code, said",
    [
        (SERError("No data folder x."), 2, "No data folder x."),
        (OSError(errno.ENOSPC, "full", "log"), 2, "No space left on the disk (log)."),
        (OSError(errno.ENOSPC, "full"), 2, "No space left on the disk (while writing)."),
        (KeyboardInterrupt(), 130, "Interrupted. Go on."),
        (Terminated(), 143, "Interrupted. Go on."),
    ],
)
def test_a_known_reason_is_one_line(error, code, said, caplog):
    assert exit_code_of(ending(error), "Go on.") == code
    (record,) = caplog.records
    assert record.getMessage() == said and record.levelname == "ERROR"


def test_other_exit_codes():
    assert exit_code_of(lambda: None, "") == 0 and exit_code_of(lambda: 1, "") == 1
    lost = RuntimeError("lost")
    assert exit_code_of(ending(lost), "", {lost: 1}.get) == 1
    for error in (ValueError("?"), OSError(errno.EIO, "broken")):
        with pytest.raises(type(error)):
            exit_code_of(ending(error), "", {lost: 1}.get)


def test_sigterm_raises_and_the_handler_is_restored():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), sigterm_raises():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with sigterm_raises():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


STOPS = pytest.mark.parametrize(
    "number, kind", [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)


@STOPS
def test_a_stop_that_falls_into_a_destructor_comes_again(number, kind):
    class Figure:
        def __del__(self):
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt) as caught, sigterm_raises():
        figure = Figure()
        del figure  # Nothing is raised here: Python has nobody to raise it to.
        time.sleep(5)
        pytest.fail("the stop was lost")
    assert caught.type is kind


@STOPS
def test_an_error_that_a_library_makes_of_a_stop_is_told_as_the_stop(number, kind):
    with pytest.raises(KeyboardInterrupt) as caught, sigterm_raises():
        with contextlib.suppress(BaseException):  # as ruamel.yaml does, and then raises another
            os.kill(os.getpid(), number)
        raise SERError("Cannot build the settings")
    assert caught.type is kind


def test_other_errors_of_destructors_are_told_as_ever(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("broken")

    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    with sigterm_raises():
        Broken()
    assert str(told[0].exc_value) == "broken"


def test_a_command_that_is_terminated(monkeypatch, capsys):
    stop = "ser_brain.cli.report.write_report"
    monkeypatch.setattr(stop, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["report", "run"]) == 143
    said = "error: Interrupted. Give the same command again to go on or to start again.\n"
    assert capsys.readouterr().err == said


def test_a_signal_is_sent_where_os_kill_would_end_the_process(monkeypatch):
    """On Windows it does, whoever handles the signal."""
    with pytest.raises(Terminated), sigterm_raises():
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            patch.setattr(os, "kill", lambda *_: pytest.fail("os.kill was called"))
            send_here(signal.SIGTERM)
        time.sleep(5)
        pytest.fail("the signal was lost")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "These arguments are missing: config. See ser x --help."),
        (["a", "b"], "Unexpected argument 'b'. See ser x --help."),
        (["a", "--out"], "argument --out: it needs a value. See ser x --help."),
        (["a", "--all=yes"], "argument --all: it takes no value; found 'yes'. See ser x"),
        (["a", "--out="], "--out= has no value; is a shell variable not set?"),
        (["a", "--out", ""], "An argument is empty; is a shell variable not set?"),
        (["a", "--al"], "Bad argument '--al'; expected one of: --all, "),  # no abbreviations
        (["--otu", "b"], "Bad argument '--otu'; expected one of: --out, "),
        (["--otu=b"], "Bad argument '--otu'; expected one of: --out, "),  # and no config
        (["--out", "b"], "These arguments are missing: config. See ser x --help."),
        (["a", "--size=b"], "argument --size: invalid int value: 'b'. See ser x"),
    ],
)
def test_a_mistake_is_told_in_plain_words(line, said):
    parser = Parser("ser x", "Do it.")
    parser.add_argument("config")
    parser.add_argument("--out")
    parser.add_argument("--size", type=int)
    parser.add_argument("--all", action="store_true")
    with pytest.raises(SERError) as raised:
        parser.parse(line)
    assert str(raised.value).startswith(said)
    parser.passes_on = True
    assert parser.parse(["a.yaml", "--seed=3"]).rest == ["--seed=3"]  # for another program


def test_a_setting_with_a_space_is_no_value_of_the_option_before_it():
    parser = Parser("ser x", "Do it.")
    parser.passes_on = True
    parser.add_argument("config")
    parser.add_argument("--seeds", type=int, nargs="+")
    corpora = "--corpora=[{corpus: emodb}, {corpus: emovo}]"
    parsed = parser.parse(["a.yaml", "--seeds", "1", "2", corpora, "--lr=1", "--device", "cpu"])
    assert parsed.seeds == [1, 2]
    assert sorted(parsed.rest) == sorted([corpora, "--lr=1", "--device", "cpu"])


def test_the_title_of_a_file(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""Title.\n\nMore."""\nimport nowhere\n')
    assert title_of(path) == "Title."
    path.write_text("def")
    assert title_of(path).startswith("(cannot be read: ")
