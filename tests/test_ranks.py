"""Processes of a distributed run meet, also when torchrun has started them again."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from speechbrain.utils.run_opts import RunOptions

from ser_brain import ranks

PROCESS = """
import os
from speechbrain.utils.run_opts import RunOptions
from ser_brain import ranks
ranks.join(RunOptions(distributed_backend="gloo"))
print(ranks.gather([ranks.rank()]), flush=True)
os._exit(0)  # as one that is killed: it takes its address from no store
"""
WAIT_S = 60


def start(port: int, restarts: int) -> list[subprocess.Popen]:
    """Two processes as torchrun starts them, after so many restarts."""
    variables = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": str(restarts),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            env={**os.environ, **variables, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]


def test_processes_that_were_started_again_do_not_wait_for_those_before():
    agents = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for restarts in (0, 1, 2):
        processes = start(agents.port, restarts)
        try:
            said = [process.communicate(timeout=WAIT_S)[0].strip() for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert said == ["[0, 1]", "[0, 1]"]


def test_a_process_alone_meets_nobody(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    ranks.join(RunOptions())
    assert (ranks.rank(), ranks.count(), ranks.gather([7])) == (0, 1, [7])
