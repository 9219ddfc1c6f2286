"""The processes of a distributed run; a plain run is one of one."""

from __future__ import annotations

import torch


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
