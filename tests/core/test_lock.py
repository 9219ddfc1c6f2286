"""Locks between processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.lock import held

fcntl = pytest.importorskip("fcntl", reason="locks of POSIX systems are tested")
HOLDER = """
import sys, time
from ser_brain.core.lock import held
with held(sys.argv[1], "it"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_stops_and_is_told_who_is_first(tmp_path, other):
    message = f"a folder is in use by process {other.pid} on .* since 20.*Wait until it ends"
    with pytest.raises(SERError, match=message), held(tmp_path / ".lock", "a folder"):
        pass
    assert (tmp_path / ".lock").is_file()


def test_a_killed_process_holds_nothing(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / ".lock").is_file()
    with held(tmp_path / ".lock", "a folder"):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_who_waits_comes_next(tmp_path, other, caplog):
    caplog.set_level("INFO")
    threading.Timer(0.3, other.kill).start()
    began = time.monotonic()
    with held(tmp_path / ".lock", "a folder", wait=True):
        assert time.monotonic() - began >= 0.3
    assert f"waiting for process {other.pid} on" in caplog.text


def test_a_lock_file_that_its_holder_removes_meanwhile_is_no_lock(tmp_path, monkeypatch):
    path, flock, removed = tmp_path / ".lock", fcntl.flock, []

    def late(file, how):
        if not removed:
            removed.append(path.unlink())
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    message = f"in use by process {os.getpid()} on "
    with held(path, "a folder", wait=True), pytest.raises(SERError, match=message):
        held(path, "a folder").__enter__()
    assert removed


def test_it_is_free_after_an_error_and_leaves_no_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), held(tmp_path / "new" / ".lock", "a folder"):
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with held(tmp_path / "new" / ".lock", "a folder"):
        (tmp_path / "new" / "file").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_holder_that_cannot_be_read(tmp_path, other):
    (tmp_path / ".lock").write_text("{")
    with pytest.raises(SERError, match="in use by another process"):
        held(tmp_path / ".lock", "a folder").__enter__()


def test_where_a_locked_file_is_closed_to_all(tmp_path, monkeypatch):
    """Windows refuses to write, read or remove a file that is locked."""

    def refused(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        for function in ("open", "read_text"):
            patch.setattr(f"ser_brain.core.lock.{function}", refused, raising=False)
        with held(tmp_path / ".lock", "a folder"):
            with pytest.raises(SERError, match="in use by another process"):
                held(tmp_path / ".lock", "a folder").__enter__()
    with held(tmp_path / ".lock", "a folder"):
        pass


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SERError, match=r"Cannot write it: \S+file is a file, not a folder\."):
        held(tmp_path / "file" / ".lock", "it").__enter__()
    with pytest.raises(SERError, match="Cannot write a folder: Not a directory"):
        held(tmp_path / "file" / "folder" / ".lock", "a folder").__enter__()


def test_nothing_is_written_through_a_link_or_into_a_pipe(tmp_path):
    lock, victim = tmp_path / ".lock", tmp_path / "victim"
    victim.write_text("precious")
    for plant in (lock.symlink_to, lock.hardlink_to, lambda _: os.mkfifo(lock)):
        plant(victim)
        with pytest.raises(SERError, match="is a link or not a regular file; remove it"):
            held(lock, "it").__enter__()
        assert victim.read_text() == "precious" and os.path.lexists(lock)
        lock.unlink()
