"""The figures of a report: what is drawn, with caption and alternative text.

Axes: N utterances, C classes, S speakers, 3 = value, low, high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.core.tables import value_text
from ser_brain.data.labels import listed
from ser_brain.evaluation.calibration import reliability_bins
from ser_brain.evaluation.evaluate import all_metrics
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.reporting.html import ReportFigure, inlined, subtitle
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
from ser_brain.reporting.report_tables import (
    in_order,
    labelled,
    metric_title,
    temperature_text,
)

OF_SPEAKERS = ("uar", *of_dimensions("mae"))
Figures = dict[str, list[ReportFigure]]


def draw_all(
    folder: Path,
    predictions: Mapping[str, LabelledPredictions],
    test_sets: Mapping[str, Mapping],
) -> Figures:
    """Draw every figure that the predictions allow: kind of figure -> one per test set.

    Files are named ``<test set>-<kind>`` or, for all test sets, ``<kind>``. ``test_sets``: the
    evaluations of the ``predictions``.
    """
    figures: Figures = {}
    with_labels = labelled(test_sets)
    for name, evaluation in test_sets.items():
        drawn = _value_figures(folder, predictions[name], evaluation)
        if name in with_labels:
            drawn["confusion"] = _confusion(folder, evaluation)
            if predictions[name].is_scored:
                drawn["reliability"] = _reliability(folder, predictions[name], evaluation)
        if "speaker" in evaluation["groups"] and (shown := _speakers(folder, evaluation)):
            drawn["speakers"] = shown
        for kind, figure in drawn.items():
            figures.setdefault(kind, []).append(figure)
    if with_labels:
        figures["over_prediction"] = [_over_prediction(folder, with_labels)]
    # For papers; the page shows the matrices one by one, so that they wrap on narrow screens.
    emotions = next((e["emotions"] for e in with_labels.values()), None)
    alike = {name: e for name, e in with_labels.items() if e["emotions"] == emotions}
    if len(alike) > 1:
        counts = {n: np.array(e["classification"]["confusion"]) for n, e in alike.items()}
        title, words = "Confusion per test set", subtitle(alike.values())
        confusion(folder / "confusion", counts, emotions, title, words)
    return figures


def _confusion(folder: Path, evaluation: Mapping) -> ReportFigure:
    result, name = evaluation["classification"], evaluation["test_set"]
    stem = folder / f"{name}-confusion"
    title = f"Confusion on {name} (n = {result['n']:,})"
    counts_CC = np.array(result["confusion"])
    confusion(stem, {name: counts_CC}, evaluation["emotions"], title, subtitle([evaluation]))
    recalls = ", ".join(
        f"{c['emotion']} {value_text(c['recall'])}" for c in result["per_class"]
    )
    alt = f"Confusion matrix of {name}. Recall: {recalls}. The table has the same counts."
    return inlined(stem, f"{name}: UAR {value_text(result['metrics']['uar'])}", alt)


def _reliability(
    folder: Path, predictions: LabelledPredictions, evaluation: Mapping
) -> ReportFigure:
    result, name = evaluation["classification"], evaluation["test_set"]
    labelled_N = predictions.true_N >= 0
    true_N = predictions.true_N[labelled_N]
    label = f"as trained, ECE {value_text(result['metrics']['ece'])}"
    bins = {label: reliability_bins(true_N, predictions.log_probs_NC[labelled_N])}
    if "calibrated" in result:
        after = result["calibrated"]
        label = (
            f"calibrated (T = {temperature_text(after['temperature'])}), "
            f"ECE {value_text(after['metrics']['ece'])}"
        )
        bins[label] = reliability_bins(true_N, predictions.calibrated_NC[labelled_N])
    stem = folder / f"{name}-reliability"
    title = f"Reliability on {name} (n = {result['n']:,})"
    reliability_diagram(stem, bins, title, subtitle([evaluation]))
    return inlined(stem, name, f"Reliability diagram of {name}: {'; '.join(bins)}.")


def _over_prediction(folder: Path, test_sets: Mapping[str, Mapping]) -> ReportFigure:
    classes: dict[str, Sequence[Mapping]] = {}
    for name, evaluation in test_sets.items():
        classes |= _by_language(name, evaluation)
    stem, title = folder / "over_prediction", "Over-prediction of each class"
    over_prediction(stem, classes, title, subtitle(test_sets.values()))
    ratios = {
        panel: ", ".join(f"{c['emotion']} {value_text(c['over_prediction'])}" for c in lines)
        for panel, lines in classes.items()
    }
    alt = "; ".join(f"{panel}: {each}" for panel, each in ratios.items())
    return inlined(
        stem,
        "Over-prediction of each class, per test set and language: predicted / true. At 1 the "
        "class is predicted as often as it occurs, at 2 twice as often.",
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


def _value_figures(
    folder: Path, predictions: LabelledPredictions, evaluation: Mapping
) -> dict[str, ReportFigure]:
    """Scatter plot, distributions and errors of each rated dimension; none where none is."""
    pairs = {}
    for dimension in evaluation["regression"] or ():
        true_N, predicted_N = predictions.rated(dimension), predictions.predicted(dimension)
        rated_N = np.isfinite(true_N)
        if rated_N.any():
            pairs[dimension] = true_N[rated_N], predicted_N[rated_N]
    if not pairs:
        return {}
    name, va_range = evaluation["test_set"], evaluation["va_range"]
    words = subtitle([evaluation])
    metrics = {d: evaluation["regression"][d]["metrics"] for d in pairs}
    notes = {
        dimension: f"r = {value_text(m['pearson'])}, CCC = {value_text(m['ccc'])} "
        f"(n = {len(pairs[dimension][0]):,})"
        for dimension, m in metrics.items()
    }
    noted = "; ".join(f"{dimension}: {note}" for dimension, note in notes.items())
    bias = "; ".join(
        f"{d}: mean error {value_text(m['mean_error'])}" for d, m in metrics.items()
    )
    alts = {
        "scatter": f"Scatter plot of predicted against true values on {name}. {noted}.",
        "distribution": f"Histograms of true and predicted {listed([*pairs])} on {name}.",
        "errors": f"Histograms of errors on {name}. {bias}.",
    }
    stems = {kind: folder / f"{name}-{kind}" for kind in alts}
    title = f"Predicted against true values on {name}"
    scatter(stems["scatter"], pairs, va_range, notes, title, words)
    title = f"True and predicted values on {name}"
    distribution(stems["distribution"], pairs, va_range, title, words)
    errors(stems["errors"], pairs, va_range, f"Errors on {name}", words)
    return {kind: inlined(stem, name, alts[kind]) for kind, stem in stems.items()}


def _speakers(folder: Path, evaluation: Mapping) -> ReportFigure | None:
    levels, test_set = evaluation["groups"]["speaker"]["levels"], evaluation["test_set"]
    whole = all_metrics(evaluation["classification"], evaluation["regression"])
    overall = {metric: estimate["value"] for metric, estimate in whole.items()}
    shown = [metric for metric in OF_SPEAKERS if overall.get(metric) is not None]
    if not shown:
        return None
    # Drawn from the bottom up; speakers without the metric stay at the bottom.
    names = in_order(levels, shown[0])
    names.sort(key=lambda name: levels[name]["metrics"][shown[0]]["value"] is not None)
    genders = [levels[name]["gender"] for name in names]
    genders = [gender if gender in GENDERS else None for gender in genders]
    speakers = Speakers(names, genders, [levels[name]["utterances"] for name in names])
    results = {}
    for metric in shown:
        title = metric_title(metric) + ("" if metric == "uar" else " (lower is better)")
        found = [levels[name]["metrics"][metric] for name in names]
        values_S3 = np.array([[f["value"], f["low"], f["high"]] for f in found], float)
        limits = (-0.03, 1.03) if metric == "uar" else None
        results[title] = SpeakerResults(values_S3, overall[metric], limits)
    stem = folder / f"{test_set}-speakers"
    speaker_strip(
        stem, speakers, results, f"Each speaker of {test_set}", subtitle([evaluation])
    )
    caption = f"{test_set}: larger marks stand for more utterances."
    if len(names) <= NAMED_SPEAKERS:
        caption += " Grey lines are 95 % intervals over the utterances of the speaker."
    lowest, highest = (
        value_text(levels[n]["metrics"][shown[0]]) for n in (names[0], names[-1])
    )
    return inlined(
        stem,
        caption,
        f"Strip plot of {len(names)} speakers. {metric_title(shown[0])} from {lowest} "
        f"({names[0]}) to {highest} ({names[-1]}), all together "
        f"{value_text(overall[shown[0]])}. The table has the same values.",
    )


def training_figure(
    folder: Path, logs: Sequence[Sequence[Mapping]], words: str
) -> ReportFigure | None:
    """Draw the training curves of every part; None where nothing was logged.

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
    ends = "; ".join(f"{name} {value_text(float(value))}" for name, value in last.items())
    of_parts = f" of {len(logs)} parts, a thin line each" if len(logs) > 1 else ""
    end = "At the end, on average" if of_parts else "At the end"
    skipped = ""
    for key, what in (
        ("skipped_batches", "Batches skipped because they were not finite"),
        ("steps_skipped_by_scaler", "Steps skipped by the gradient scaler"),
    ):
        count = sum(line.get(key, 0) for log in logs for line in log)
        skipped += f" {what}: {count:,}." if count else ""
    return inlined(
        stem,
        f"Losses, validation scores and learning rates over the epochs{of_parts}.{skipped}",
        f"Training curves over {max(map(len, logs))} epochs. {end}: {ends}.",
    )
