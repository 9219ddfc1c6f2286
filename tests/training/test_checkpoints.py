"""Checkpoints: whole or not there, checked when loaded, and room for those to come."""

import os
import re
import subprocess
from types import SimpleNamespace

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from ser_brain.core.errors import SERError
from ser_brain.core.files import remove_partial
from ser_brain.training import checkpoints
from ser_brain.training.checkpoints import AtomicCheckpointer, require_room

MODULES = {name: torch.nn.Linear(10**6, 1, bias=False) for name in ("frozen", "trained")}
MODULES["frozen"].requires_grad_(False)
ONE = 4 * (1 + 3) * 10**6  # bytes of a checkpoint: frozen, and trained with its moments


def needed(folder, monkeypatch, epochs):
    """The fewest bytes with which a run may begin."""
    disk = SimpleNamespace(free=4 * ONE)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda path: disk)
    modules = torch.nn.ModuleDict(MODULES)
    for free in range(0, 4 * ONE, ONE // 2):
        disk.free = free
        try:
            require_room(folder, modules, epochs)
            return free
        except SERError:
            pass


def keep(folder, epoch, size=0, meta=None):
    """Leave a checkpoint of an epoch."""
    path = folder / "save" / f"CKPT+{epoch}"
    path.mkdir(parents=True)
    (path / "CKPT.yaml").write_text(f"epoch: {epoch}\n" if meta is None else meta)
    with open(path / "modules.ckpt", "wb") as file:
        file.truncate(size)


def test_three_checkpoints_of_weights_and_moments(tmp_path, monkeypatch):
    disk = SimpleNamespace(free=3 * ONE)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda path: disk)
    require_room(tmp_path, torch.nn.ModuleDict(MODULES), 30)
    disk.free -= 1
    match = r"has 0\.05 GB free, the checkpoints need about 0\.05 GB\. Free some space, or ch"
    with pytest.raises(SERError, match=match):
        require_room(tmp_path, torch.nn.ModuleDict(MODULES), 30)


@pytest.mark.parametrize(
    "kept, epochs, checkpoints",
    [
        ([], 30, 3),
        ([], 2, 2),  # there is no third
        ([4], 30, 2),  # the best is the latest
        ([4], 5, 1),
        ([2, 4], 30, 1),
        ([2, 4, 5], 30, 0),  # killed before it removed one
        ([2, 4], 4, 0),  # finished
        ([4], 2, 0),
    ],
)
def test_what_is_there_already_needs_no_room(tmp_path, monkeypatch, kept, epochs, checkpoints):
    for epoch in kept:
        keep(tmp_path, epoch, ONE - 100)
    assert needed(tmp_path, monkeypatch, epochs) == checkpoints * ONE


def test_a_checkpoint_that_is_there_says_how_large_the_next_is(tmp_path, monkeypatch):
    keep(tmp_path, 1, ONE // 2 - 100)  # as with an optimiser that keeps less than Adam
    assert needed(tmp_path, monkeypatch, 30) == ONE


@pytest.mark.parametrize("meta", ["epoch: [", "- 1\n", "", "epoch: a"])
def test_a_checkpoint_that_cannot_be_read_is_no_reason_to_stop_here(
    tmp_path, monkeypatch, meta
):
    keep(tmp_path, 1, ONE - 100, meta)
    assert needed(tmp_path, monkeypatch, 30) == 3 * ONE


class Killed(BaseException):
    """Stands for SIGKILL: no handler may catch it."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "save"


def checkpointer(folder):
    """A fresh model and its checkpointer, as a started run has them."""
    model = torch.nn.Linear(2, 2)
    return AtomicCheckpointer(folder, {"one": model, "two": torch.nn.Linear(2, 2)}), model


def kill_at(monkeypatch, module, name, call):
    """Let the ``call``-th call of a function be the last thing that happens."""
    calls, real = [], getattr(module, name)

    def stop(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, stop)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_saved_checkpoint_is_whole_and_loads(folder):
    saver, model = checkpointer(folder)
    saved = saver.save_checkpoint(meta={"epoch": 1})
    assert saved.path.name.startswith("CKPT+")
    assert names(folder) == [saved.path.name]
    assert all(path.is_file() for path in saved.paramfiles.values())
    other, fresh = checkpointer(folder)
    found = other.recover_if_possible()
    assert found.meta["epoch"] == 1
    torch.testing.assert_close(fresh.weight, model.weight)


@pytest.mark.parametrize("call", [1, 2])
def test_killed_while_writing_weights(folder, monkeypatch, call):
    saver, _ = checkpointer(folder)
    whole = saver.save_checkpoint(meta={"epoch": 1})
    kill_at(monkeypatch, torch, "save", call)
    with pytest.raises(Killed):
        saver.save_checkpoint(meta={"epoch": 2})
    monkeypatch.undo()
    assert len(names(folder)) == 2  # What is left of the second is there,
    for reader in (checkpointer(folder)[0], Checkpointer(folder)):
        assert [c.meta["epoch"] for c in reader.list_checkpoints()] == [1]  # and never found.
        assert reader.find_checkpoint().path == whole.path


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_killed_before_the_rename(folder, monkeypatch, step):
    saver, _ = checkpointer(folder)
    kill_at(monkeypatch, os, step, 1)
    with pytest.raises(Killed):
        saver.save_checkpoint(name="best", meta={"epoch": 1})
    monkeypatch.undo()
    assert saver.find_checkpoint() is None
    assert not any(name.startswith("CKPT") for name in names(folder))


def test_what_a_killed_run_left_is_removed(folder, monkeypatch):
    saver, _ = checkpointer(folder)
    kill_at(monkeypatch, torch, "save", 2)
    with pytest.raises(Killed):
        saver.save_checkpoint(meta={"epoch": 1})
    monkeypatch.undo()
    assert len(names(folder)) == 1
    saver, _ = checkpointer(folder)
    kept = saver.save_checkpoint(meta={"epoch": 1})
    assert names(folder) == [kept.path.name]
    remove_partial(folder)
    assert names(folder) == [kept.path.name]


def test_the_best_and_the_latest_are_kept(folder):
    saver, _ = checkpointer(folder)
    for epoch, loss in enumerate([0.9, 0.3, 0.5, 0.4], start=1):
        meta = {"loss": loss, "epoch": epoch}
        saver.save_and_keep_only(meta=meta, min_keys=["loss"], verbosity=10)
    kept = {c.meta["epoch"]: c for c in saver.list_checkpoints()}
    assert sorted(kept) == [2, 4]
    assert len(names(folder)) == 2
    assert saver.find_checkpoint(min_key="loss").meta["epoch"] == 2
    assert saver.find_checkpoint().meta["epoch"] == 4


@pytest.mark.parametrize("keep, expected", [(0, []), (1, [2]), (2, [2, 3]), (9, [1, 2, 3])])
def test_as_many_as_asked_are_kept(folder, keep, expected):
    saver, _ = checkpointer(folder)
    for epoch, loss in enumerate([0.9, 0.3, 0.5], start=1):
        saver.save_checkpoint(meta={"loss": loss, "epoch": epoch}, end_of_epoch=epoch != 1)
    ours = {"num_to_keep": keep, "min_keys": ["loss"], "importance_keys": []}
    saver.delete_checkpoints(**ours, ckpt_predicate=lambda c: False)
    assert len(saver.list_checkpoints()) == 3
    saver.delete_checkpoints(**ours)
    assert sorted(c.meta["epoch"] for c in saver.list_checkpoints()) == expected


def test_killed_while_deleting(folder, monkeypatch):
    saver, _ = checkpointer(folder)
    saver.save_checkpoint(meta={"epoch": 1})

    def half(path, *_, **__):
        (path / "two.ckpt").unlink()
        raise Killed

    saver.save_checkpoint(meta={"epoch": 2})
    monkeypatch.setattr(checkpoints.shutil, "rmtree", half)
    with pytest.raises(Killed):
        saver.delete_checkpoints(num_to_keep=1)
    monkeypatch.undo()
    assert [c.meta["epoch"] for c in saver.list_checkpoints()] == [2]
    assert [c.meta["epoch"] for c in Checkpointer(folder).list_checkpoints()] == [2]


def test_other_ranks_wait_until_the_checkpoint_is_in_place(folder, monkeypatch):
    saver, _ = checkpointer(folder)
    happened = []
    real = os.replace
    monkeypatch.setattr(
        checkpoints.os, "replace", lambda *paths: (happened.append(paths[0]), real(*paths))[1]
    )
    monkeypatch.setattr(checkpoints, "ddp_barrier", lambda: happened.append("barrier"))
    saver.save_checkpoint()
    before, sums, checkpoint, after = happened
    assert (before, after) == ("barrier", "barrier")
    assert "SHA256SUMS" in sums.name and checkpoint.name.startswith(".partial-CKPT")


@pytest.mark.parametrize("free_bytes", [0, 10**9])
def test_a_full_disk_is_named_and_leaves_nothing_half(folder, monkeypatch, free_bytes):
    saver, _ = checkpointer(folder)
    saver.save_checkpoint(meta={"epoch": 1})
    before = names(folder)

    def fail(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed")

    usage = type("Usage", (), {"free": free_bytes})
    monkeypatch.setattr(torch, "save", fail)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: usage)
    expected, message = (
        (RuntimeError, "PytorchStreamWriter") if free_bytes else (SERError, "^No space left")
    )
    with pytest.raises(expected, match=message):
        saver.save_checkpoint(meta={"epoch": 2})
    if not free_bytes:
        assert names(folder) == before


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def trained(folder):
    """Three epochs, the second the best: its checkpoint and the last one are kept."""
    saver, model = checkpointer(folder)
    for epoch, loss in enumerate([0.9, 0.3, 0.5], start=1):
        torch.nn.init.constant_(model.weight, epoch)
        meta = {"loss": loss, "epoch": epoch}
        saver.save_and_keep_only(meta=meta, min_keys=["loss"], verbosity=10)
    found = {"best": saver.find_checkpoint(min_key="loss"), "latest": saver.find_checkpoint()}
    return {name: checkpoint.path for name, checkpoint in found.items()}


FILES = ["one.ckpt", "two.ckpt", "CKPT.yaml"]


@pytest.mark.parametrize("harm", [damage, os.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_latest_checkpoint_gives_way_to_the_one_before(
    folder, trained, caplog, name, harm
):
    harm(trained["latest"] / name)
    saver, model = checkpointer(folder)
    model.weight.data.fill_(7)
    assert saver.find_latest().meta["epoch"] == 2
    assert model.weight[0, 0] == 7  # found, not yet loaded
    assert saver.recover_if_possible().meta["epoch"] == 2
    assert model.weight[0, 0] == 2
    assert f"{trained['latest']} is damaged ({name}) and set aside" in caplog.text
    assert names(folder) == [f".damaged-{trained['latest'].name}", trained["best"].name]
    assert saver.recover_if_possible(min_key="loss").meta["epoch"] == 2


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_best_checkpoint_is_not_replaced_by_another(folder, trained, name):
    damage(trained["best"] / name)
    message = f"{trained['best']} is damaged: {name} has changed since it was written"
    for keys in ({}, {"min_key": "loss"}):  # to go on, to evaluate
        saver, _ = checkpointer(folder)
        with pytest.raises(SERError, match=re.escape(message)):
            saver.recover_if_possible(**keys)


def test_of_damaged_checkpoints_alone_nothing_is_recovered(folder, trained, caplog):
    for path in trained.values():
        damage(path / "SHA256SUMS")
    saver, _ = checkpointer(folder)
    assert saver.recover_if_possible() is None
    assert caplog.text.count("set aside") == 2


def test_a_checkpoint_without_checksums_is_loaded(folder, trained):
    for path in trained.values():
        (path / "SHA256SUMS").unlink()
    saver, model = checkpointer(folder)
    assert saver.recover_if_possible().meta["epoch"] == 3
    assert saver.recover_if_possible(min_key="loss").meta["epoch"] == 2


def test_the_checksums_are_those_of_the_common_command(trained):
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=trained["best"], check=True
    )
