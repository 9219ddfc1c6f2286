"""Training curves: from train_log.jsonl to lines over epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.files import parse_json_line, require_text

TITLES = {
    "loss": "Loss",
    "nll": "NLL (nats)",
    "mse": "MSE",
    "uar": "UAR",
    "error_rate": "Error rate",
    "lr": "Learning rate",
}
PARTS = {"train": "training", "valid": "validation"}

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read_train_log(path: str | Path) -> list[dict]:
    """Read the epochs of a run; none where nothing was logged.

    Raises
    ------
    SERError
        Naming the line that is no epoch.
    """
    path = Path(path)
    if not path.exists():
        return []
    log = []
    for number, line in enumerate(require_text(path, "training log").splitlines(), start=1):
        epoch = parse_json_line(line, path, number)
        if not isinstance(epoch.get("epoch"), int):
            raise SERError(f"{path}, line {number}: expected an object with a whole 'epoch'.")
        log.append(epoch)
    return log


def curves_of(log: Sequence[Mapping]) -> Curves:
    """Quantity -> line (training, validation, encoder ...) -> points (epoch, value).

    Values that are not finite leave a gap. A loss that is the only one is shown once.

    Examples
    --------
    >>> curves_of([{"epoch": 1, "train": {"nll": 1.5}, "lr": {"heads": 0.1}}])
    {'NLL (nats)': {'training': [(1, 1.5)]}, 'Learning rate': {'heads': [(1, 0.1)]}}
    """
    found: Curves = {}
    for part in ("valid", "train", "lr"):
        for key in dict.fromkeys(key for epoch in log for key in epoch.get(part) or {}):
            values = [(epoch["epoch"], (epoch.get(part) or {}).get(key)) for epoch in log]
            points = [
                (number, value)
                for number, value in values
                if isinstance(value, int | float) and math.isfinite(value)
            ]
            title = TITLES["lr"] if part == "lr" else _title(key)
            if points:
                found.setdefault(title, {})[PARTS.get(part, key)] = points
    losses = {key for epoch in log for key in epoch.get("train") or {}} - {"loss"}
    if len(losses) == 1 and found.get(TITLES["loss"]) == found.get(_title(*losses)):
        del found[TITLES["loss"]]
    order = [*TITLES.values(), *found]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def _title(key: str) -> str:
    return TITLES.get(key, key.replace("_", " "))


def together(parts: Sequence[Curves]) -> dict[str, dict[str, list]]:
    """The curves of several parts (folds, seeds): quantity -> line -> points of each part.

    Examples
    --------
    >>> together([{"UAR": {"validation": [(1, 0.5)]}}, {"UAR": {"validation": [(1, 0.6)]}}])
    {'UAR': {'validation': [[(1, 0.5)], [(1, 0.6)]]}}
    """
    found: dict[str, dict[str, list]] = {}
    for curves in parts:
        for quantity, lines in curves.items():
            for line, points in lines.items():
                found.setdefault(quantity, {}).setdefault(line, []).append(points)
    return found
