"""Whether a run's checkpoints fit on the disk."""

from types import SimpleNamespace

import pytest
import torch

from ser_brain.checkpoint_room import require_room
from ser_brain.errors import SERError


def test_three_checkpoints_of_weights_and_moments(tmp_path, monkeypatch):
    modules = {name: torch.nn.Linear(10**6, 1, bias=False) for name in ("frozen", "trained")}
    modules["frozen"].requires_grad_(False)
    needed = 3 * 4 * (1 + 3) * 10**6  # checkpoints, bytes, frozen and trained
    disk = SimpleNamespace(free=needed)
    monkeypatch.setattr("ser_brain.checkpoint_room.shutil.disk_usage", lambda path: disk)
    require_room(tmp_path, torch.nn.ModuleDict(modules))
    disk.free -= 1
    match = r"has 0\.05 GB free, the checkpoints need about 0\.05 GB\. Free some, or choose"
    with pytest.raises(SERError, match=match):
        require_room(tmp_path, torch.nn.ModuleDict(modules))
