"""The tables of a card."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.model_card.estimates import REPORTED, estimates, reported
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.heard import CLIPS
from ser_brain.model_card.languages import language_name
from ser_brain.model_card.recipes import Recipe
from ser_brain.report_tables import metric_title
from ser_brain.tables import Table

FIRST_COLUMN = "Test set"
NOT_A_TEST = " – NOT A TEST"  # behind the name of one whose clips were trained on


def results(facts: CardFacts) -> Table:
    """One row per test set."""
    shown = _shown(facts.test_sets)
    caption = "95 % intervals draw whole speakers, where there are five or more."
    head = [FIRST_COLUMN, "Languages", "Clips", "Speakers", "Heard in training"]
    table = Table("results", caption, [*head, *map(metric_title, shown)])
    for name, evaluation in facts.test_sets.items():
        counts, found = evaluation["counts"], estimates(evaluation)
        heard = facts.heard[name]
        row = [f"{name}{NOT_A_TEST if heard == CLIPS else ''}", _languages(counts)]
        row += [counts["utterances"], counts["speakers"] or None, heard]
        table.rows.append([*row, *(found.get(metric) for metric in shown)])
    return table


def recipe(found: Recipe) -> Table:
    """Pooled over the parts, and how far those lie apart."""
    several = len(found.parts) > 1
    caption = "95 % intervals draw whole speakers."
    if several:
        caption = (
            f"Pooled: the predictions of all {len(found.parts)} {found.noun} judged together; "
            f"mean and standard deviation (n − 1) are over the {found.noun}. {caption}"
        )
    head = ["Test set", "Clips", "Speakers", "Heard in training", "Metric"]
    head += ["Pooled", "Mean", "SD"] if several else ["Value"]
    table = Table("recipe", caption, head)
    for name, evaluation in found.test_sets.items():
        counts, values = evaluation["counts"], reported(evaluation)
        facts = [name, counts["utterances"], counts["speakers"] or None, found.heard[name]]
        for metric, value in values.items():
            row = [*facts, metric_title(metric), value]
            if several:
                spread = evaluation["spread"][metric]
                row += [spread["mean"], spread["std"]]
            table.rows.append(row)
    return table


def gaps(test_sets: Mapping[str, Mapping]) -> Table:
    """Of every test set and grouping, the two groups that lie furthest apart."""
    caption = (
        "The best and the worst group. Of many speakers with few clips each, two lie far apart "
        "by chance alone; speakers are not named."
    )
    head = ["Test set", "Groups by", "Metric", "Best", "Worst", "Gap"]
    table = Table("gaps", caption, head)
    for name, evaluation in test_sets.items():
        classes = "uar" in reported(evaluation)
        metrics = ["uar"] if classes else ["valence ccc", "arousal ccc"]
        for grouping, found in evaluation["groups"].items():
            for metric in metrics:
                gap = found["gaps"].get(metric)
                if gap:
                    groups = f"{grouping} ({len(found['levels']):,})"
                    row = [name, groups, metric_title(metric)]
                    table.rows.append([*row, *_gap(grouping, found["levels"], metric, gap)])
    return table


def calibration(test_sets: Mapping[str, Mapping]) -> Table:
    """How sure the model is beside how often it is right, before and after the temperature."""
    caption = "ECE: mean gap between confidence and accuracy; NLL: ln(classes) is chance."
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
    """Packages at training and at export."""
    trained = facts.config.card["versions"]["trained_with"]
    exported = facts.config.card["versions"]["exported_with"]
    table = Table("versions", "", ["Package", "Trained with", "Exported with"])
    for package in sorted(trained.keys() | exported.keys()):
        table.rows.append([package, trained.get(package), exported.get(package)])
    return table


def _shown(test_sets: Mapping[str, Mapping]) -> list[str]:
    """Of what is reported, that which any test set has."""
    known = {metric for evaluation in test_sets.values() for metric in reported(evaluation)}
    return [metric for metric in REPORTED if metric in known]


def _languages(counts: Mapping) -> str:
    return ", ".join(language_name(code) for code in counts["languages"])


def _gap(grouping: str, levels: Mapping, metric: str, gap: Mapping) -> list:
    ends = [gap["highest"], gap["lowest"]]
    values = [levels[end]["metrics"][metric]["value"] for end in ends]
    cells = values
    if grouping != "speaker":
        cells = [
            f"{value:.3f} {end} ({levels[end]['utterances']:,} clips)"
            for value, end in zip(values, ends, strict=True)
        ]
    return [*cells, gap]
