"""The processes of a distributed run; a plain run is one of one."""

from __future__ import annotations

import os

import torch
from speechbrain.utils.distributed import ddp_init_group
from speechbrain.utils.run_opts import RunOptions
from torch.distributed.elastic.utils.distributed import get_free_port


def join(run_options: RunOptions) -> None:
    """Meet the other processes of the run; does nothing where torchrun has started none.

    torchrun keeps one store for all its restarts, in which PyTorch leaves the addresses of
    processes that have ended, and waits for them (its issue 135712). So processes that were
    started again meet in a store of their own, on this machine.

    Parameters
    ----------
    run_options : RunOptions
        SpeechBrain's, with ``distributed_backend``.
    """
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if restarts != "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        _take_another_store(f"ser_brain/restart-{restarts}/port")
    ddp_init_group(run_options)


def _take_another_store(key: str) -> None:
    """Have rank 0 open one, at a port that stands under a key of torchrun's."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = torch.distributed.TCPStore(address, port, is_master=False)
    if os.environ["RANK"] == "0":
        store.set(key, str(get_free_port()))
    os.environ["MASTER_PORT"] = store.get(key).decode()
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def rank() -> int:
    """This process's number, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def gather(items: list) -> list:
    """The items of all ranks, rank by rank, on every rank; they are pickled on the way."""
    if count() == 1:
        return items
    pieces: list = [None] * count()
    torch.distributed.all_gather_object(pieces, items)
    return [item for piece in pieces for item in piece]


def lost_another(error: RuntimeError) -> bool:
    """Whether an error says that another process of the run is gone."""
    return count() > 1 and (
        isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)
    )
