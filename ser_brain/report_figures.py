"""Which figures a report shows, and how they are told to a reader who cannot see them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.plots.confusion import confusion
from ser_brain.plots.training import training
from ser_brain.plots.values import distribution, errors, scatter
from ser_brain.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.tables import value_text
from ser_brain.training_curves import curves_of


@dataclass(frozen=True)
class ReportFigure:
    """A figure as the page needs it.

    Attributes
    ----------
    caption, alt : str
    source : str
        A ``data:`` address that holds the SVG.
    """

    caption: str
    alt: str
    source: str


def _inlined(stem: Path, caption: str, alt: str) -> ReportFigure:
    svg = Path(f"{stem}.svg").read_bytes()
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return ReportFigure(caption, alt, source)


def of_test_set(
    folder: Path, predictions: Predictions, evaluation: Mapping
) -> dict[str, list[ReportFigure]]:
    """Draw every figure that the predictions on a test set allow, by section of the page.

    Parameters
    ----------
    folder : Path
        Where to write; files are named ``<test set>-<figure>``.
    predictions : Predictions
    evaluation : dict
        Of the same predictions.
    """
    figures: dict[str, list[ReportFigure]] = {"emotions": [], "values": []}
    if evaluation["classification"] and evaluation["classification"]["n"]:
        figures["emotions"].append(_confusion(folder, evaluation))
    pairs = _rated(predictions)
    if pairs:
        figures["values"] += _values(folder, evaluation, pairs)
    return figures


def _stem(folder: Path, evaluation: Mapping, what: str) -> Path:
    return folder / f"{evaluation['test_set']}-{what}"


def _confusion(folder: Path, evaluation: Mapping) -> ReportFigure:
    result, name = evaluation["classification"], evaluation["test_set"]
    stem = _stem(folder, evaluation, "confusion")
    title = f"Confusion on {name} (n = {result['n']:,})"
    counts_CC = np.array(result["confusion"])
    confusion(stem, {name: counts_CC}, evaluation["emotions"], title, _subtitle(evaluation))
    recalls = ", ".join(
        f"{c['emotion']} {value_text(c['recall'])}" for c in result["per_class"]
    )
    return _inlined(
        stem,
        "Confusion matrix. Percent of each true class (colour) and counts.",
        f"Confusion matrix of {name}. Recall: {recalls}. The same counts are in the table.",
    )


def _subtitle(evaluation: Mapping) -> str:
    words = f"{evaluation['experiment']}, {evaluation['protocol']}"
    return f"{words}, SYNTHETIC SPEECH" if evaluation["synthetic"] else words


def _rated(predictions: Predictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Dimension -> (true, predicted) where there are both."""
    true_N2, predicted_N2 = predictions.true_va_N2, predictions.predicted_va_N2
    if true_N2 is None or predicted_N2 is None:
        return {}
    pairs = {}
    for axis, name in enumerate(VALENCE_AROUSAL):
        rated_N = np.isfinite(true_N2[:, axis])
        if rated_N.any():
            pairs[name] = (true_N2[rated_N, axis], predicted_N2[rated_N, axis])
    return pairs


def _values(folder: Path, evaluation: Mapping, pairs: Mapping) -> list[ReportFigure]:
    name, va_range, subtitle = (
        evaluation["test_set"],
        evaluation["va_range"],
        _subtitle(evaluation),
    )
    metrics = {d: evaluation["regression"][d]["metrics"] for d in pairs}
    notes = {
        dimension: f"r = {value_text(m['pearson'])}, CCC = {value_text(m['ccc'])} "
        f"(n = {len(pairs[dimension][0]):,})"
        for dimension, m in metrics.items()
    }
    spoken = "; ".join(f"{dimension}: {note}" for dimension, note in notes.items())
    biases = "; ".join(
        f"{d}: mean error {value_text(m['mean_error'])}" for d, m in metrics.items()
    )
    stems = [_stem(folder, evaluation, what) for what in ("scatter", "distribution", "errors")]
    scatter(
        stems[0], pairs, va_range, notes, f"Predicted against true values on {name}", subtitle
    )
    distribution(stems[1], pairs, va_range, f"True and predicted values on {name}", subtitle)
    errors(stems[2], pairs, va_range, f"Errors on {name}", subtitle)
    return [
        _inlined(
            stems[0],
            "Predicted against true values; on the dashed line both are equal.",
            f"Scatter plot of predicted against true values on {name}. {spoken}.",
        ),
        _inlined(
            stems[1],
            "How often each value is true and predicted.",
            f"Histograms of true and predicted valence and arousal on {name}.",
        ),
        _inlined(
            stems[2],
            "Errors, predicted − true; the dashed line is their mean.",
            f"Histograms of errors on {name}. {biases}.",
        ),
    ]


def of_all_confusions(folder: Path, test_sets: Mapping[str, Mapping]) -> None:
    """One figure with a panel per test set, for a paper; of those with one class order."""
    first = next(iter(test_sets.values()))
    panels = {
        name: np.array(evaluation["classification"]["confusion"])
        for name, evaluation in test_sets.items()
        if evaluation["classification"]
        and evaluation["classification"]["n"]
        and evaluation["emotions"] == first["emotions"]
    }
    if len(panels) > 1:
        stem, title = folder / "confusion", "Confusion per test set"
        confusion(stem, panels, first["emotions"], title, _subtitle(first))


def of_training(folder: Path, log: Sequence[Mapping], subtitle: str) -> ReportFigure | None:
    """The training curves, or None where nothing was logged."""
    curves = curves_of(log)
    if not curves:
        return None
    stem = folder / "training"
    training(stem, curves, "Training", subtitle)
    last = {
        f"{title}, {name}": points[-1][1]
        for title, lines in curves.items()
        if title != "Learning rate"
        for name, points in lines.items()
    }
    spoken = "; ".join(f"{name} {value_text(float(value))}" for name, value in last.items())
    return _inlined(
        stem,
        "Losses, validation scores and learning rates over the epochs.",
        f"Training curves over {len(log)} epochs. At the end: {spoken}.",
    )
