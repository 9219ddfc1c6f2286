"""Training curves: the log of a run, and its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import parse_json_line, require_text
from ser_brain.reporting.plots.frame import ABOVE, LINES, each_panel


def training(
    stem: str | Path,
    curves: Mapping[str, Mapping[str, Sequence[Sequence]]],
    title: str,
    subtitle: str,
) -> None:
    """Losses, scores and learning rates over the epochs, a panel for each quantity.

    ``curves`` maps a panel to lines, and a line to the points (epoch, value) of each part
    (fold, seed); see :func:`together`. Several parts are thin lines of one colour.
    """
    for axes, name, lines in each_panel(stem, curves, (2.7, 2.3), title, subtitle):
        for (label, parts), (colour, dashes) in zip(lines.items(), LINES, strict=False):
            look = {"color": colour, "markersize": 3}
            look |= {"linewidth": 0.8, "alpha": 0.7} if len(parts) > 1 else {}
            for number, points in enumerate(parts):
                look["marker"] = "o" if len(points) < 10 and len(parts) == 1 else ""
                axes.plot(*zip(*points, strict=True), dashes, **look)
                if number == 0:
                    axes.lines[-1].set_label(label)
        axes.set(xlabel="Epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        points = [point for parts in lines.values() for each in parts for point in each]
        epochs = {epoch for epoch, _ in points}
        if len(epochs) == 1:  # an axis of one point would show fractions
            axes.set_xticks([*epochs])
        if name == "Learning rate" and min(value for _, value in points) > 0:
            axes.set_yscale("log")
        axes.legend(**ABOVE)


TITLES = {
    "loss": "Loss",
    "nll": "NLL (nats)",
    "focal": "Focal loss",
    "soft_ce": "Cross-entropy (nats)",
    "kl": "KL divergence (nats)",
    "mse": "MSE",
    "mae": "MAE",
    "ccc": "1 - CCC",
    "uar": "UAR",
    "error_rate": "Error rate",
    "lr": "Learning rate",
}
PARTS = {"train": "training", "valid": "validation"}
Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read_train_log(path: str | Path) -> list[dict]:
    """Read the epochs of a run; an empty list where nothing was logged."""
    path = Path(path)
    if not path.exists():
        return []
    log = []
    for number, line in enumerate(require_text(path, "training log").splitlines(), start=1):
        epoch = parse_json_line(line, path, number)
        if not isinstance(epoch.get("epoch"), int):
            raise SERError(
                f"{path}, line {number}: expected an object with an integer 'epoch'."
            )
        log.append(epoch)
    return log


def curves_of(log: Sequence[Mapping]) -> Curves:
    """Quantity -> line (training, validation, encoder ...) -> points (epoch, value).

    Values that are not finite leave a gap. If there is a single loss, it is shown once.
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
    """The curves of several parts (folds, seeds): quantity -> line -> points of each part."""
    found: dict[str, dict[str, list]] = {}
    for curves in parts:
        for quantity, lines in curves.items():
            for line, points in lines.items():
                found.setdefault(quantity, {}).setdefault(line, []).append(points)
    return found
