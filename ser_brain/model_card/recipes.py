"""Results of other models of the same recipe: its further folds or seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.evaluation import evaluate_run
from ser_brain.files import read_json, require_text
from ser_brain.model_card.heard import heard_by, trained_corpora
from ser_brain.report_tables import noun_of
from ser_brain.run_folder import SETTINGS, differing
from ser_brain.runs import Run, parts_of, read_run

# Settings in which results of one recipe may differ: the split, the tests, where data lies.
# The encoder's name is compared by itself, its place is not.
MAY_DIFFER = {
    *("seed", "fold", "folds", "split", "split_fractions", "balanced"),
    *("corpora", "corpus", "data_folder", "manifest_folder", "output_folder"),
    *("encoder_source", "allow_partial"),
}


@dataclass(frozen=True)
class Recipe:
    """Further results of a recipe.

    Attributes
    ----------
    test_sets : dict
        See :func:`ser_brain.evaluation.evaluate_run`.
    heard : dict
        Test set -> see :mod:`ser_brain.model_card.heard`; of each part by its own model.
    parts : list of str
    noun : str
        What several parts are: folds, seeds or runs.
    this_model : str or None
        The part that the card's model is.
    """

    test_sets: dict[str, dict]
    heard: dict[str, str]
    parts: list[str]
    noun: str
    this_model: str | None


def read_recipe(folder: Path, run: Path, encoder: str) -> Recipe:
    """Judge the models of a folder.

    Parameters
    ----------
    folder : Path
        A run folder or a folds folder.
    run : Path
        The run whose recipe it has to be.
    encoder : str
        Of the run.

    Raises
    ------
    SERError
        If it is of another recipe.
    """
    parts, _ = parts_of(folder)
    splits = read_json(run / "splits.json", "split")
    for part in parts.values():
        _require_same_recipe(run, splits, part)
    found = read_run(folder)
    _require_same_encoder(found, encoder)
    this = [name for name, part in parts.items() if part.resolve() == run.resolve()]
    return Recipe(
        evaluate_run(found)["test_sets"],
        heard_by(found),
        list(parts),
        noun_of(list(parts)),
        this[0] if this else None,
    )


def _require_same_recipe(run: Path, splits: Mapping, part: Path) -> None:
    theirs = part / SETTINGS
    if not theirs.is_file():
        raise SERError(f"{part} holds no {SETTINGS}; --results takes run or folds folders.")
    differ = differing(theirs, require_text(run / SETTINGS, "settings"), MAY_DIFFER)
    if trained_corpora(splits) != trained_corpora(read_json(part / "splits.json", "split")):
        differ.append("training corpora")
    if differ:
        raise _other_recipe(part, f"different: {', '.join(differ)}")


def _require_same_encoder(found: Run, encoder: str) -> None:
    for parts in found.test_sets.values():
        for predictions in parts.values():
            theirs = predictions.card.get("encoder")
            if theirs != encoder:
                raise _other_recipe(found.folder, f"encoder {theirs}, the model's {encoder}")


def _other_recipe(folder: Path, how: str) -> SERError:
    return SERError(
        f"{folder} is of another recipe ({how}). A card shows results of its own recipe only; "
        "leave it out of --results."
    )
