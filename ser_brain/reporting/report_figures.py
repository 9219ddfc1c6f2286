"""Which figures a report shows.

Axes: S speakers, 3 = value, low, high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.core.tables import value_text
from ser_brain.evaluation.calibration import reliability
from ser_brain.evaluation.predictions import VALENCE_AROUSAL, Predictions
from ser_brain.reporting.html import ReportFigure, inlined, stem_of, subtitle
from ser_brain.reporting.plots.classification import (
    confusion,
    over_prediction,
    reliability_diagram,
)
from ser_brain.reporting.plots.regression import distribution, errors, scatter
from ser_brain.reporting.plots.speakers import (
    GENDERS,
    NAMED_SPEAKERS,
    SpeakerResults,
    Speakers,
    speaker_strip,
)
from ser_brain.reporting.plots.training import curves_of, together, training
from ser_brain.reporting.report_tables import in_order, metric_title, temperature_text


def emotion_figures(
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


def value_figures(
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


OF_SPEAKERS = ("uar", "valence mae", "arousal mae")


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
    figures: dict[str, list[ReportFigure]] = {"emotions": [], "values": [], "groups": []}
    facts = folder, predictions, evaluation
    if evaluation["classification"] and evaluation["classification"]["n"]:
        figures["emotions"] = emotion_figures(*facts)
    figures["values"] = value_figures(*facts)
    if "speaker" in evaluation["groups"]:
        figures["groups"] = _speakers(folder, evaluation)
    return figures


def _speakers(folder: Path, evaluation: Mapping) -> list[ReportFigure]:
    levels = evaluation["groups"]["speaker"]["levels"]
    overall = _overall(evaluation)
    shown = [metric for metric in OF_SPEAKERS if overall.get(metric) is not None]
    if not shown:
        return []
    # From the bottom up; those without the metric come first and stay at the bottom.
    names = in_order(levels, shown[0])
    names.sort(key=lambda name: levels[name]["metrics"][shown[0]]["value"] is not None)
    genders = [levels[name]["gender"] for name in names]
    speakers = Speakers(
        names,
        [gender if gender in GENDERS else None for gender in genders],
        [levels[name]["utterances"] for name in names],
    )
    results = {
        _axis_title(metric): SpeakerResults(
            np.array([_ends(levels[name]["metrics"][metric]) for name in names], float),
            overall[metric],
            (-0.03, 1.03) if metric == "uar" else None,
        )
        for metric in shown
    }
    stem = stem_of(folder, evaluation, "speakers")
    title = f"Each speaker of {evaluation['test_set']}"
    speaker_strip(stem, speakers, results, title, subtitle([evaluation]))
    least, most = names[0], names[-1]
    return [
        inlined(
            stem,
            "Each speaker: the larger the mark, the more utterances."
            + (
                " Grey lines are 95 % intervals over the utterances of the speaker."
                if len(names) <= NAMED_SPEAKERS
                else ""
            ),
            f"Strip plot of {len(names)} speakers. {metric_title(shown[0])} from "
            f"{value_text(levels[least]['metrics'][shown[0]])} ({least}) to "
            f"{value_text(levels[most]['metrics'][shown[0]])} ({most}), "
            f"all together {value_text(overall[shown[0]])}. The same values are in the table.",
        )
    ]


def _overall(evaluation: Mapping) -> dict[str, float | None]:
    """Metric -> value of the whole test set."""
    metrics = dict((evaluation["classification"] or {}).get("metrics", {}))
    for dimension, result in (evaluation["regression"] or {}).items():
        metrics |= {f"{dimension} {name}": found for name, found in result["metrics"].items()}
    return {name: found["value"] for name, found in metrics.items()}


def _axis_title(metric: str) -> str:
    title = metric_title(metric)
    return title if metric == "uar" else f"{title} (lower is better)"


def _ends(estimate: Mapping) -> list[float | None]:
    return [estimate["value"], estimate["low"], estimate["high"]]


def of_training(
    folder: Path, logs: Sequence[Sequence[Mapping]], words: str
) -> ReportFigure | None:
    """The training curves of a run or of every part, or None where nothing was logged.

    ``words`` is the subtitle: experiment and protocol.
    """
    logs = [log for log in logs if log]
    curves = together([curves_of(log) for log in logs])
    if not curves:
        return None
    stem = folder / "training"
    training(stem, curves, "Training", words)
    last = {
        f"{title}, {name}": sum(points[-1][1] for points in parts) / len(parts)
        for title, lines in curves.items()
        if title != "Learning rate"
        for name, parts in lines.items()
    }
    spoken = "; ".join(f"{name} {value_text(float(value))}" for name, value in last.items())
    of_parts = f" of {len(logs)} parts, a thin line each" if len(logs) > 1 else ""
    end = "At the end, on average" if of_parts else "At the end"
    return inlined(
        stem,
        f"Losses, validation scores and learning rates over the epochs{of_parts}."
        f"{_left_out(logs)}",
        f"Training curves over {max(map(len, logs))} epochs. {end}: {spoken}.",
    )


def _left_out(logs: list[list[dict]]) -> str:
    """What was not trained on, where there was any: see :mod:`ser_brain.training.brain`."""
    said = ""
    for key, words in (
        ("skipped_batches", "Batches skipped, not being finite"),
        ("steps_skipped_by_scaler", "Steps left out by the gradient scaler"),
    ):
        count = sum(line.get(key, 0) for log in logs for line in log)
        said += f" {words}: {count:,}." if count else ""
    return said
