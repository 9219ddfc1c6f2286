"""Whether the checkpoints that a run has yet to write fit on the disk."""

from types import SimpleNamespace

import pytest
import torch

from ser_brain.checkpoint_room import require_room
from ser_brain.errors import SERError

MODULES = {name: torch.nn.Linear(10**6, 1, bias=False) for name in ("frozen", "trained")}
MODULES["frozen"].requires_grad_(False)
ONE = 4 * (1 + 3) * 10**6  # bytes of a checkpoint: frozen, and trained with its moments


def needed(folder, monkeypatch, epochs):
    """The fewest bytes with which a run may begin."""
    disk = SimpleNamespace(free=4 * ONE)
    monkeypatch.setattr("ser_brain.checkpoint_room.shutil.disk_usage", lambda path: disk)
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
    monkeypatch.setattr("ser_brain.checkpoint_room.shutil.disk_usage", lambda path: disk)
    require_room(tmp_path, torch.nn.ModuleDict(MODULES), 30)
    disk.free -= 1
    match = r"has 0\.05 GB free, the checkpoints need about 0\.05 GB\. Free some, or choose"
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
