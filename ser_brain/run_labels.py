"""Short names that tell several runs apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ser_brain.errors import SERError
from ser_brain.runs import Run


def label_runs(runs: Sequence[Run]) -> list[str]:
    """Name every run by its experiment and, where that is not enough, by what differs.

    What differs is sought in the protocol first, then in the folder.

    Raises
    ------
    SERError
        If a folder is given twice.
    """
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise SERError(f"{run.folder} is given twice; name each run once.")
    labels = [run.first.card["experiment"] for run in runs]
    for name in [name for name, count in Counter(labels).items() if count > 1]:
        same = [n for n, label in enumerate(labels) if label == name]
        protocols = [runs[n].protocol.split("/") for n in same]
        bits = differing(protocols)
        if len(set(bits)) < len(same):
            bits = differing([list(folders[n].parts) for n in same])
        for n, bit in zip(same, bits, strict=True):
            labels[n] = f"{name} ({bit})"
    return labels


def differing(parts: Sequence[Sequence[str]]) -> list[str]:
    """What is left of each sequence without the beginning and the end that all share.

    Examples
    --------
    >>> differing([["emodb", "speaker", "seed 1"], ["emodb", "random", "seed 1"]])
    ['speaker', 'random']
    >>> differing([["runs", "a"], ["runs", "a", "2"]])
    ['a', 'a/2']
    """
    parts = [list(part) for part in parts]
    while len({part[0] for part in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [part[1:] for part in parts]
    while len({part[-1] for part in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [part[:-1] for part in parts]
    return ["/".join(part) for part in parts]
