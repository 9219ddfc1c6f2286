"""."""

import contextlib
import os
import signal
import time

import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.process import (
    Parser,
    Terminated,
    exit_code,
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


def test_sigterm_is_as_ctrl_c_and_told_apart():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as caught, sigterm_raises():
        os.kill(os.getpid(), signal.SIGTERM)
    assert isinstance(caught.value, Terminated) and exit_code(caught.value) == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert exit_code(KeyboardInterrupt()) == 130


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with sigterm_raises():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "number, kind", [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
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


@pytest.mark.parametrize(
    "number, kind", [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_an_error_that_a_library_makes_of_a_stop_is_told_as_the_stop(number, kind):
    with pytest.raises(KeyboardInterrupt) as caught, sigterm_raises():
        with contextlib.suppress(BaseException):  # as ruamel.yaml does, and then raises another
            os.kill(os.getpid(), number)
        raise SERError("Cannot build the settings")
    assert caught.type is kind


def test_other_errors_stay_what_they_are():
    with pytest.raises(SERError, match="no encoder"), sigterm_raises():
        raise SERError("no encoder")


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
    monkeypatch.setattr(
        "ser_brain.cli.report.write_report",
        lambda *_: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert main(["report", "run"]) == 143
    assert capsys.readouterr().err == "Interrupted. The same command goes on, or begins anew.\n"


def test_a_signal_is_sent_where_os_kill_would_end_the_process(monkeypatch):
    """On Windows it does, whoever handles the signal."""
    with pytest.raises(Terminated), sigterm_raises():
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            patch.setattr(os, "kill", lambda *_: pytest.fail("os.kill was called"))
            send_here(signal.SIGTERM)
        time.sleep(5)
        pytest.fail("the signal was lost")


def test_wrong_arguments_are_one_line():
    parser = Parser("ser x", "Do it.")
    parser.add_argument("--folder", type=int)
    with pytest.raises(SERError, match="Bad argument '--foldr'; expected one of: --folder"):
        parser.parse(["--foldr=3"])
    with pytest.raises(SERError, match="argument --folder: invalid int value: 'a'. See ser x"):
        parser.parse(["--folder", "a"])
    with pytest.raises(SERError, match="Bad argument '--fold'"):
        parser.parse(["--fold=3"])  # No abbreviations.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "These arguments are missing: config. See ser x --help."),
        (["a", "b"], "Unexpected argument 'b'. See ser x --help."),
        (["a", "--out"], "argument --out: it needs a value. See ser x --help."),
        (
            ["a", "--all=yes"],
            "argument --all: it takes no value; found 'yes'. See ser x --help.",
        ),
        (["a", "--out="], "--out= has no value; is a variable of the shell not set?"),
        (["a", "--out", ""], "An argument is empty; is a variable of the shell not set?"),
        (["a", "--al"], "Bad argument '--al'; expected one of: --all, "),
    ],
)
def test_a_mistake_is_told_in_plain_words(line, said):
    parser = Parser("ser x", "Do it.")
    parser.add_argument("config")
    parser.add_argument("--out")
    parser.add_argument("--all", action="store_true")
    with pytest.raises(SERError) as raised:
        parser.parse(line)
    assert str(raised.value).startswith(said)


def test_arguments_for_another_program_are_passed_on():
    parser = Parser("ser x", "Do it.")
    parser.add_argument("config")
    parser.passes_on = True
    assert parser.parse(["a.yaml", "--seed=3"]).rest == ["--seed=3"]


def test_the_title_of_a_file(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""Title.\n\nMore."""\nimport nowhere\n')
    assert title_of(path) == "Title."
    path.write_text("def")
    assert title_of(path).startswith("(cannot be read: ")
