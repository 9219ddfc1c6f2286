"""Scoring: every metric of some predictions, with its interval and its draws.

Axes: N utterances, C classes, K summed statistics, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ser_brain import label_metrics, score_metrics, value_metrics
from ser_brain.bootstrap import Clusters, clusters_of, interval, resample
from ser_brain.metrics import (
    LABEL_METRICS,
    SCORE_METRICS,
    VALUE_METRICS,
    Metric,
    confusion_matrix,
    number,
    per_class,
)
from ser_brain.predictions import VALENCE_AROUSAL, Predictions


@dataclass
class Scores:
    """What :func:`score` finds.

    Attributes
    ----------
    classification : dict or None
        None for a regression model.
    regression : dict or None
        Dimension -> results; None for a classification model.
    draws : dict
        Metric (``uar``, ``valence ccc``) -> its value on every resample.
    clusters : dict
        Metric -> how many speakers (or utterances) were drawn from.
    """

    classification: dict | None = None
    regression: dict | None = None
    draws: dict[str, np.ndarray] = field(default_factory=dict)
    clusters: dict[str, int] = field(default_factory=dict)

    def values(self) -> dict[str, dict]:
        """Metric -> ``{"value", "low", "high"}``, with keys as in ``draws``."""
        found = dict(self.classification["metrics"]) if self.classification else {}
        for dimension, result in (self.regression or {}).items():
            found |= {f"{dimension} {name}": m for name, m in result["metrics"].items()}
        return found


def score(predictions: Predictions, resamples: int, rng: np.random.Generator) -> Scores:
    """Score predictions, each task on the utterances that carry its label.

    Parameters
    ----------
    predictions : Predictions
    resamples : int
    rng : numpy.random.Generator
    """
    scores, predictions = Scores(), predictions.by_id()
    if predictions.log_probs_NC is not None:
        scores.classification = _classification(predictions, resamples, rng, scores)
    if predictions.predicted_va_N2 is not None:
        scores.regression = {
            name: _dimension(predictions, axis, resamples, rng, scores)
            for axis, name in enumerate(VALENCE_AROUSAL)
        }
    return scores


def _classification(
    predictions: Predictions, resamples: int, rng: np.random.Generator, scores: Scores
) -> dict:
    classes = len(predictions.emotions)
    labelled_N = predictions.true_N >= 0
    true_N, predicted_N = predictions.true_N[labelled_N], predictions.predicted_N[labelled_N]
    log_probs = [predictions.log_probs_NC[labelled_N]]
    if predictions.temperature_N is not None:
        log_probs.append(predictions.calibrated_NC[labelled_N])
    statistics = [label_metrics.confusion_cells(true_N, predicted_N, classes)]
    statistics += [score_metrics.score_statistics(true_N, each_NC) for each_NC in log_probs]
    clusters = clusters_of_rows(predictions, labelled_N)
    sums_BK = resample(np.hstack(statistics), clusters, resamples, rng)
    ends = np.cumsum([each_NK.shape[1] for each_NK in statistics])
    cells_BK, *scored = np.split(sums_BK, ends[:-1], axis=1)
    confusion_CC = confusion_matrix(true_N, predicted_N, classes)
    confusion_BCC = cells_BK.reshape(-1, classes, classes)
    metrics, draws = _measure(LABEL_METRICS, confusion_CC, confusion_BCC, (), clusters)
    (more, more_draws), *calibrated = [
        _measure(SCORE_METRICS, each_NK.sum(0), each_BK, (true_N, each_NC), clusters)
        for each_NK, each_BK, each_NC in zip(statistics[1:], scored, log_probs, strict=True)
    ]
    scores.draws.update(draws | more_draws)
    scores.clusters.update(dict.fromkeys(draws | more_draws, clusters.count))
    result = {
        "n": len(true_N),
        "classes_present": int((confusion_CC.sum(1) > 0).sum()),
        "metrics": metrics | more,
        "per_class": _plain(per_class(confusion_CC, predictions.emotions)),
        "confusion": confusion_CC.tolist(),
        "drawn": _drawn(clusters),
    }
    if calibrated:
        temperature = _ends(predictions.temperature_N)
        result["calibrated"] = {"temperature": temperature, "metrics": calibrated[0][0]}
    return result


def _plain(lines: list[dict]) -> list[dict]:
    return [
        {key: number(v) if isinstance(v, float) else v for key, v in line.items()}
        for line in lines
    ]


def _ends(temperature_N: np.ndarray) -> float | list[float]:
    """The temperature, or the lowest and highest of the parts'."""
    low, high = float(temperature_N.min()), float(temperature_N.max())
    return low if low == high else [low, high]


def _dimension(
    predictions: Predictions,
    axis: int,
    resamples: int,
    rng: np.random.Generator,
    scores: Scores,
) -> dict:
    all_true_N = np.full(len(predictions.ids), np.nan)
    if predictions.true_va_N2 is not None:
        all_true_N = predictions.true_va_N2[:, axis]
    rated_N = np.isfinite(all_true_N)
    true_N, predicted_N = all_true_N[rated_N], predictions.predicted_va_N2[rated_N, axis]
    clusters = clusters_of_rows(predictions, rated_N)
    statistics_NK = value_metrics.value_statistics(true_N, predicted_N)
    sums_BK = resample(statistics_NK, clusters, resamples, rng)
    utterances = (true_N, predicted_N)
    metrics, draws = _measure(
        VALUE_METRICS, statistics_NK.sum(0), sums_BK, utterances, clusters
    )
    for name, estimates_B in draws.items():
        scores.draws[f"{VALENCE_AROUSAL[axis]} {name}"] = estimates_B
        scores.clusters[f"{VALENCE_AROUSAL[axis]} {name}"] = clusters.count
    low, high = predictions.card["va_range"]
    return {
        "n": len(true_N),
        "outside_range": int(((true_N < low) | (true_N > high)).sum()),
        "metrics": metrics,
        "unit_scale_metrics": {
            name: _scaled(metrics[name], (2 / (high - low)) ** metric.unit_power)
            for name, metric in VALUE_METRICS.items()
            if metric.unit_power
        },
        "drawn": _drawn(clusters),
    }


def _measure(
    table: Mapping[str, Metric],
    sums: np.ndarray,
    resampled_sums: np.ndarray,
    utterances: tuple,
    clusters: Clusters,
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Every metric of a table with its interval, and the values on the resamples."""
    results, draws = {}, {}
    for name, metric in table.items():
        low = high = None
        if metric.resampled:
            value = number(metric.function(sums))
            draws[name] = np.asarray(metric.function(resampled_sums))
            if value is not None:
                low, high = interval(draws[name], clusters.count)
        else:
            value = number(metric.function(*utterances))
        results[name] = {"value": value, "low": low, "high": high}
    return results, draws


def _scaled(result: Mapping[str, float | None], factor: float) -> dict[str, float | None]:
    return {key: None if value is None else value * factor for key, value in result.items()}


def clusters_of_rows(predictions: Predictions, chosen_N: np.ndarray) -> Clusters:
    """What is drawn of some predictions: speakers, or else utterances.

    Where folds or seeds are pooled, the predictions of all models on an utterance are one unit.

    Parameters
    ----------
    predictions : Predictions
    chosen_N : ndarray of bool
    """
    chosen = predictions.chosen(np.flatnonzero(chosen_N))
    return clusters_of([row.get("speaker") for row in chosen.rows], chosen.utterances)


def _drawn(clusters: Clusters) -> dict:
    return {"unit": clusters.unit, "count": clusters.count, "note": clusters.note}
