"""The comparison of an encoder's layers: table, figure and advice.

Variants are :class:`ser_brain.training.layers.Variant`.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.core.files import write_text
from ser_brain.core.tables import Table, to_csv
from ser_brain.reporting.html import rewritten
from ser_brain.reporting.plots.layers import layer_curves

if TYPE_CHECKING:
    from ser_brain.training.layers import LayerStudy, Variant

POOLINGS = {"mean": "mean", "mean_std": "mean and deviation"}


def write_layers(folder: Path, study: LayerStudy, corpus: str) -> None:
    """Write ``layers.csv`` and the files of the figure ``layers`` into a folder."""
    table = layer_table(study)
    table.head += [f"Fold {fold}" for fold in range(1, study.folds + 1)]
    for row, variant in zip(table.rows, study.variants, strict=True):
        row += variant.uars
    series = {
        POOLINGS[pooling]: [
            (str(v.layer), v.mean, v.error) for v in study.variants if v.pooling == pooling
        ]
        for pooling in POOLINGS
    }
    title = f"UAR by layer on {corpus}"
    with rewritten(folder) as new:
        write_text(new / "layers.csv", to_csv(table))
        layer_curves(new / "layers", series, title, described(study))


def layer_table(study: LayerStudy) -> Table:
    """A row for each variant: UAR and its standard error."""
    table = Table("layers", "UAR by layer.", ["Layer", "Pooling", "UAR", "Standard error"])
    table.rows = [[str(v.layer), v.pooling, v.mean, v.error] for v in study.variants]
    return table


def described(study: LayerStudy) -> str:
    """Who was heard, and how the numbers came about."""
    who = f"{study.speakers} speakers" if study.speakers else "unknown speakers"
    return (
        f"{study.encoder}, {study.clips:,} clips of {who} that are not tested, "
        f"{study.folds} inner folds, chance {1 / study.classes:.2f}"
    )


def advice(study: LayerStudy, layer: object, pooling: str) -> str:
    """Whether to change the settings ``layer`` and ``pooling``, in a sentence or two."""
    best = max(study.variants, key=lambda variant: variant.mean)
    # The number of the topmost layer is the state before the final norm; `last` is after it.
    given = next(
        (v for v in study.variants if (str(v.layer), v.pooling) == (str(layer), pooling)), None
    )
    found = f"Highest: {_named(best)}, {_uar(best)}."
    if given is None:
        return f"{found} The settings, layer={layer} pooling={pooling}, were not compared."
    if given is best:
        return f"{found} The settings have it already."
    differences = [b - g for b, g in zip(best.uars, given.uars, strict=True)]
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    compared = f"{mean:.3f} above the settings' {_named(given)} ({error:.3f} standard error)"
    if mean <= 2 * error:
        return f"{found} It is {compared}, which may be chance: keep the settings."
    return f"{found} It is {compared}: try {_options(best)}."


def _named(variant: Variant) -> str:
    return f"layer {variant.layer}, {POOLINGS[variant.pooling]}"


def _uar(variant: Variant) -> str:
    return f"UAR {variant.mean:.3f} ± {variant.error:.3f}"


def _options(variant: Variant) -> str:
    chosen = f"--layer={variant.layer} --pooling={variant.pooling}"
    # A Gaussian classifier learns no weights of layers.
    return chosen + " --emotion_classifier=losses" if variant.layer == "mix" else chosen
