"""Figures of predicted emotions: confusion, over-prediction, reliability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.plots.calibration import reliability_diagram
from ser_brain.plots.confusion import confusion
from ser_brain.plots.over_prediction import over_prediction
from ser_brain.predictions import Predictions
from ser_brain.reliability import reliability
from ser_brain.report_picture import ReportFigure, inlined, stem_of, subtitle
from ser_brain.report_tables import temperature_text
from ser_brain.tables import value_text


def of_test_set(
    folder: Path, predictions: Predictions, evaluation: Mapping
) -> list[ReportFigure]:
    """Confusion matrix and reliability diagram of a test set with labelled utterances."""
    return [_confusion(folder, evaluation), _reliability(folder, predictions, evaluation)]


def _confusion(folder: Path, evaluation: Mapping) -> ReportFigure:
    result, name = evaluation["classification"], evaluation["test_set"]
    stem = stem_of(folder, evaluation, "confusion")
    title = f"Confusion on {name} (n = {result['n']:,})"
    counts_CC = np.array(result["confusion"])
    confusion(stem, {name: counts_CC}, evaluation["emotions"], title, subtitle([evaluation]))
    recalls = ", ".join(
        f"{c['emotion']} {value_text(c['recall'])}" for c in result["per_class"]
    )
    return inlined(
        stem,
        "Confusion matrix. Percent of each true class (colour) and counts.",
        f"Confusion matrix of {name}. Recall: {recalls}. The same counts are in the table.",
    )


def _reliability(folder: Path, predictions: Predictions, evaluation: Mapping) -> ReportFigure:
    result, name = evaluation["classification"], evaluation["test_set"]
    labelled_N = predictions.true_N >= 0
    true_N = predictions.true_N[labelled_N]
    label = f"as trained, ECE {value_text(result['metrics']['ece'])}"
    found = {label: reliability(true_N, predictions.log_probs_NC[labelled_N])}
    if "calibrated" in result:
        after = result["calibrated"]
        label = (
            f"calibrated (T = {temperature_text(after['temperature'])}), "
            f"ECE {value_text(after['metrics']['ece'])}"
        )
        found[label] = reliability(true_N, predictions.calibrated_NC[labelled_N])
    stem = stem_of(folder, evaluation, "reliability")
    title = f"Reliability on {name} (n = {result['n']:,})"
    reliability_diagram(stem, found, title, subtitle([evaluation]))
    return inlined(
        stem,
        "Reliability: accuracy against confidence in 15 bins (on the dotted line the model is "
        "as sure as it is right), and how many utterances each bin holds.",
        f"Reliability diagram of {name}: {'; '.join(found)}.",
    )


def of_all(folder: Path, test_sets: Mapping[str, Mapping]) -> list[ReportFigure]:
    """Figures with a panel per test set, of those that have labelled utterances.

    The confusion matrices side by side are for a paper: the page shows them one by one.
    """
    labelled = {
        name: evaluation
        for name, evaluation in test_sets.items()
        if evaluation["classification"] and evaluation["classification"]["n"]
    }
    if not labelled:
        return []
    words = subtitle(labelled.values())
    emotions = next(iter(labelled.values()))["emotions"]
    counts = {
        name: np.array(evaluation["classification"]["confusion"])
        for name, evaluation in labelled.items()
        if evaluation["emotions"] == emotions
    }
    if len(counts) > 1:
        confusion(folder / "confusion", counts, emotions, "Confusion per test set", words)
    return [_over_prediction(folder, labelled, words)]


def _over_prediction(folder: Path, labelled: Mapping, words: str) -> ReportFigure:
    classes = {
        panel: lines
        for name, evaluation in labelled.items()
        for panel, lines in _by_language(name, evaluation).items()
    }
    stem = folder / "over_prediction"
    over_prediction(stem, classes, "Over-prediction of each class", words)
    spoken = {
        panel: ", ".join(f"{c['emotion']} {value_text(c['over_prediction'])}" for c in lines)
        for panel, lines in classes.items()
    }
    alt = "; ".join(f"{panel}: {ratios}" for panel, ratios in spoken.items())
    return inlined(
        stem,
        "Over-prediction: how often a class is predicted for each time it is true, per test "
        "set and language. 1 is even-handed, 2 twice too often.",
        f"Bars of predicted / true per class. {alt}.",
    )


def _by_language(name: str, evaluation: Mapping) -> dict[str, list[Mapping]]:
    """Panel -> classes: one panel per language of a test set."""
    levels = evaluation["groups"].get("language", {}).get("levels")
    if levels:
        return {f"{name}, {language}": found["per_class"] for language, found in levels.items()}
    (language, *_) = evaluation["counts"]["languages"]
    known = "" if language == "none" else f", {language}"
    return {f"{name}{known}": evaluation["classification"]["per_class"]}
