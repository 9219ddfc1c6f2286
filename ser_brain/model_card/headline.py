"""How good a model is, in a line or two: what a reader sees first."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.model_card.estimates import reported
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.heard import CLIPS, SPEAKERS, UNKNOWN
from ser_brain.model_card.recipes import Recipe
from ser_brain.report_tables import metric_title
from ser_brain.tables import cell_text

SHOWN = 3
NOT_MEASURED = "Not measured"
REMARKS = {SPEAKERS: "speakers heard in training", UNKNOWN: "overlap with training not checked"}


def headline(facts: CardFacts) -> list[str]:
    """One line for each of the first test sets, those that are training data left out."""
    clean = [name for name in facts.test_sets if facts.heard[name] != CLIPS]
    lines = [_line(name, facts.test_sets[name], facts.heard[name]) for name in clean[:SHOWN]]
    lines = [line for line in lines if line]
    if not lines:
        lines = [f"{NOT_MEASURED} on speech that it was not trained on."]
    if len(clean) > SHOWN:
        lines.append(f"{len(clean) - SHOWN:,} more test sets: see Results.")
    return [*lines, *filter(None, map(_of_recipe, facts.recipes))]


def _of_recipe(recipe: Recipe) -> str | None:
    """One line for further results: their first test set."""
    name = next((n for n in recipe.test_sets if recipe.heard[n] != CLIPS), None)
    if name is None:
        return None
    line = _line(name, recipe.test_sets[name], recipe.heard[name])
    what = f"{len(recipe.parts)} {recipe.noun}" if len(recipe.parts) > 1 else "another run"
    return line and f"The recipe ({what}), {line}"


def _line(name: str, evaluation: Mapping, heard: str) -> str | None:
    found, result = reported(evaluation), evaluation["classification"]
    # A multi-objective model on a set without class labels has a result of classes, but empty.
    shown = ["uar"] if "uar" in found else ["valence ccc", "arousal ccc"]
    values = [
        f"{metric_title(metric)} {cell_text(found[metric])}"
        for metric in shown
        if metric in found
    ]
    if not values:
        return None
    counts = evaluation["counts"]
    remarks = [f"chance {1 / result['classes_present']:.3f}"] if "uar" in found else []
    remarks.append(f"{counts['utterances']:,} clips")
    if counts["speakers"]:
        remarks.append(f"{counts['speakers']:,} speakers")
    if evaluation["synthetic"]:
        remarks.append("SYNTHETIC")
    if heard in REMARKS:
        remarks.append(REMARKS[heard])
    return f"{name}: {', '.join(values)} ({', '.join(remarks)})"
