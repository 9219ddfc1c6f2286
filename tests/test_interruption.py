import os
import signal

import pytest

from ser_brain.__main__ import main
from ser_brain.interruption import Terminated, exit_code, sigterm_raises


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


def test_a_command_that_is_terminated(monkeypatch, capsys):
    monkeypatch.setattr(
        "ser_brain.commands.report.write_report",
        lambda *_: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert main(["report", "run"]) == 143
    assert capsys.readouterr().err == "Interrupted. The same command goes on, or begins anew.\n"
