"""Which figures a report shows.

Axes: S speakers, 3 = value, low, high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain import report_emotion_figures, report_value_figures
from ser_brain.plots.speakers import (
    GENDERS,
    NAMED_SPEAKERS,
    SpeakerResults,
    Speakers,
    speaker_strip,
)
from ser_brain.plots.training import training
from ser_brain.predictions import Predictions
from ser_brain.report_groups import in_order
from ser_brain.report_picture import ReportFigure, inlined, stem_of, subtitle
from ser_brain.report_tables import metric_title
from ser_brain.tables import value_text
from ser_brain.training_curves import curves_of, together

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
        figures["emotions"] = report_emotion_figures.of_test_set(*facts)
    figures["values"] = report_value_figures.of_test_set(*facts)
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
    """What was not trained on, where there was any: see :mod:`ser_brain.finite_steps`."""
    said = ""
    for key, words in (
        ("skipped_batches", "Batches skipped, not being finite"),
        ("steps_skipped_by_scaler", "Steps left out by the gradient scaler"),
    ):
        count = sum(line.get(key, 0) for log in logs for line in log)
        said += f" {words}: {count:,}." if count else ""
    return said
