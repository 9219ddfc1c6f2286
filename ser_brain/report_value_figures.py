"""Figures of predicted valence and arousal: scatter, distributions, errors.

Axes: N utterances, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.plots.values import distribution, errors, scatter
from ser_brain.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.report_picture import ReportFigure, inlined, stem_of, subtitle
from ser_brain.tables import value_text


def of_test_set(
    folder: Path, predictions: Predictions, evaluation: Mapping
) -> list[ReportFigure]:
    """Scatter, distributions and errors of each dimension that is rated; none where none is."""
    pairs = _rated(predictions)
    if not pairs:
        return []
    name, va_range = evaluation["test_set"], evaluation["va_range"]
    words = subtitle([evaluation])
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
    stems = [
        stem_of(folder, evaluation, what) for what in ("scatter", "distribution", "errors")
    ]
    title = f"Predicted against true values on {name}"
    scatter(stems[0], pairs, va_range, notes, title, words)
    distribution(stems[1], pairs, va_range, f"True and predicted values on {name}", words)
    errors(stems[2], pairs, va_range, f"Errors on {name}", words)
    return [
        inlined(
            stems[0],
            "Predicted against true values; on the dashed line both are equal.",
            f"Scatter plot of predicted against true values on {name}. {spoken}.",
        ),
        inlined(
            stems[1],
            "How often each value is true and predicted.",
            f"Histograms of true and predicted valence and arousal on {name}.",
        ),
        inlined(
            stems[2],
            "Errors, predicted − true; the dashed line is their mean.",
            f"Histograms of errors on {name}. {biases}.",
        ),
    ]


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
