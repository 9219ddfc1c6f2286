"""However a training ends: one line, and an exit code."""

import errno

import pytest

from ser_brain import ranks
from ser_brain.endings import exit_code_of
from ser_brain.errors import SERError
from ser_brain.interruption import Terminated

FULL = OSError(errno.ENOSPC, "No space left on device", "train_log.jsonl")
LOST = RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")


def ending(stop):
    def train():
        raise stop

    return train


def test_done():
    assert exit_code_of(lambda: None) == 0


@pytest.mark.parametrize(
    "stop, code, said",
    [
        (SERError("No data folder x."), 2, "No data folder x."),
        (FULL, 2, "No space left on the disk (train_log.jsonl)."),
        (OSError(errno.ENOSPC, "full"), 2, "No space left on the disk (while writing)."),
        (KeyboardInterrupt(), 130, "Interrupted. The same command goes on after the last fin"),
        (Terminated(), 143, "Interrupted. The same command goes on after the last finished ep"),
    ],
)
def test_what_was_foreseen_is_one_line(stop, code, said, caplog):
    assert exit_code_of(ending(stop)) == code
    (record,) = caplog.records
    assert said in record.getMessage() and record.levelname == "ERROR"


def test_of_several_processes_another_has_ended(caplog, monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    assert exit_code_of(ending(LOST)) == 1
    assert "Another process of this run has ended; so does this one." in caplog.text
    assert "with as many processes as you like" in caplog.text


@pytest.mark.parametrize("stop", [LOST, ValueError("?"), OSError(errno.EIO, "broken")])
def test_what_nobody_foresaw_is_raised(stop):
    with pytest.raises(type(stop)):
        exit_code_of(ending(stop))
