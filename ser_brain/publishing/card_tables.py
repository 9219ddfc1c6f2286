"""The tables of a model card: results, recipe, groups, calibration and versions."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.core.tables import Table
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.publishing.card_facts import (
    REPORTED,
    CardFacts,
    Recipe,
    estimates,
    language_name,
    reported,
)
from ser_brain.publishing.train_test_overlap import CLIPS
from ser_brain.reporting.report_tables import metric_title

FIRST_COLUMN = "Test set"
NOT_A_TEST = " – NOT A TEST"  # added to the name of a set whose clips were trained on
INTERVALS = (
    "The 95 % intervals resample speakers, or the clips of a single or of unknown speakers; "
    "then they are narrower than with new speakers."
)


def results(facts: CardFacts) -> Table:
    """One row per test set."""
    known = {metric for each in facts.test_sets.values() for metric in reported(each)}
    shown = [metric for metric in REPORTED if metric in known]
    caption = f"{INTERVALS} Two to four speakers have no interval."
    head = [FIRST_COLUMN, "Languages", "Clips", "Speakers", "Overlap with training"]
    table = Table("results", caption, [*head, *map(metric_title, shown)])
    for name, evaluation in facts.test_sets.items():
        counts, found = evaluation["counts"], estimates(evaluation)
        overlap = facts.overlap[name]
        row = [
            f"{name}{NOT_A_TEST if overlap == CLIPS else ''}",
            ", ".join(map(language_name, counts["languages"])),
            counts["utterances"],
            counts["speakers"] or None,
            overlap,
        ]
        table.rows.append([*row, *(found.get(metric) for metric in shown)])
    return table


def recipe(found: Recipe) -> Table:
    """Pooled results of the parts of a recipe, with mean and spread over the parts."""
    several = len(found.parts) > 1
    caption = INTERVALS
    if several:
        caption = (
            f"Pooled: the predictions of all {len(found.parts)} {found.noun}, evaluated "
            f"together. Mean and standard deviation (n − 1) are over the "
            f"{found.noun}. {caption}"
        )
    head = [FIRST_COLUMN, "Clips", "Speakers", "Overlap with training", "Metric"]
    head += ["Pooled", "Mean", "SD"] if several else ["Value"]
    table = Table("recipe", caption, head)
    for name, evaluation in found.test_sets.items():
        counts = evaluation["counts"]
        facts = [name, counts["utterances"], counts["speakers"] or None, found.overlap[name]]
        for metric, value in reported(evaluation).items():
            row = [*facts, metric_title(metric), value]
            if several:
                spread = evaluation["spread"][metric]
                row += [spread["mean"], spread["std"]]
            table.rows.append(row)
    return table


def gaps(test_sets: Mapping[str, Mapping]) -> Table:
    """The two groups that lie furthest apart, for each test set and grouping."""
    caption = (
        "The best and the worst group. Of many speakers with few clips each, two lie far apart "
        "by chance alone. Speakers are not named."
    )
    head = ["Test set", "Grouping", "Metric", "Best", "Worst", "Gap"]
    table = Table("gaps", caption, head)
    for name, evaluation in test_sets.items():
        classes = "uar" in reported(evaluation)
        for grouping, found in evaluation["groups"].items():
            for metric in ["uar"] if classes else of_dimensions("ccc"):
                gap = found["gaps"].get(metric)
                if gap:
                    ends = _best_and_worst(grouping, found["levels"], metric, gap)
                    title = f"{grouping} ({len(found['levels']):,})"
                    table.rows.append([name, title, metric_title(metric), *ends, gap])
    return table


def _best_and_worst(grouping: str, levels: Mapping, metric: str, gap: Mapping) -> list:
    ends = [gap["highest"], gap["lowest"]]
    values = [levels[end]["metrics"][metric]["value"] for end in ends]
    if grouping == "speaker":
        return values
    return [
        f"{value:.3f} {end} ({levels[end]['utterances']:,} clips)"
        for value, end in zip(values, ends, strict=True)
    ]


def calibration(test_sets: Mapping[str, Mapping]) -> Table:
    """Calibration errors before and after the temperature."""
    caption = (
        "ECE is the mean gap between confidence and accuracy. An NLL of ln(number of classes) "
        "is chance."
    )
    head = ["Test set", "ECE before", "ECE after", "NLL before", "NLL after"]
    table = Table("calibration", caption, head)
    for name, evaluation in test_sets.items():
        result = evaluation["classification"]
        if result and result["n"] and "calibrated" in result:
            before, after = result["metrics"], result["calibrated"]["metrics"]
            pairs = [
                each[metric]["value"] for metric in ("ece", "nll") for each in (before, after)
            ]
            table.rows.append([name, *pairs])
    return table


def versions(facts: CardFacts) -> Table:
    """Package versions at training and at export."""
    trained = facts.config.card["versions"]["trained_with"]
    exported = facts.config.card["versions"]["exported_with"]
    table = Table("versions", "", ["Package", "Trained with", "Exported with"])
    for package in sorted(trained.keys() | exported.keys()):
        table.rows.append([package, trained.get(package), exported.get(package)])
    return table
