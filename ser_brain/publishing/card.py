"""The model card of a model folder: ``README.md``, its figures, and ``.eval_results/``.

What makes which part:

=============================================  ====================================
text and order of the sections                 ``reporting/templates/model_card.md.j2``
YAML header, ``.eval_results/``                :mod:`.card_metadata`
"In short": results; figures; the command      this module
tables                                         :mod:`.card_tables`
"Limits"                                       :mod:`.card_limits`
facts that all of these take their words from  :mod:`.card_facts`
"Overlap with training", warnings              :mod:`.train_test_overlap`
escaping                                       :mod:`.markdown`
=============================================  ====================================

:mod:`.card_check` checks a card, which may have been edited, before it is published.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from ser_brain.core.files import atomic_path, write_text
from ser_brain.core.tables import cell_text, value_text
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.inference.onnx import ONNX
from ser_brain.inference.transformers_layout import why_not
from ser_brain.publishing import card_tables
from ser_brain.publishing.card_facts import CardFacts, Recipe, language_name, reported
from ser_brain.publishing.card_limits import limits
from ser_brain.publishing.card_metadata import (
    OTHER,
    metadata,
    require_licence,
    write_eval_results,
)
from ser_brain.publishing.markdown import fill
from ser_brain.publishing.speechbrain_export import why_no_speechbrain
from ser_brain.publishing.train_test_overlap import CLIPS, NOT_CHECKED, SPEAKERS
from ser_brain.reporting.html import subtitle
from ser_brain.reporting.plots.classification import confusion
from ser_brain.reporting.report_data import corpora
from ser_brain.reporting.report_tables import metric_title

CARD, FIGURES = "README.md", "figures"
IN_DETAIL = 6  # test sets with a figure and sentences of their own; the tables have all
IN_HEADLINE = 3
NOT_MEASURED = "Not measured"

WARNINGS = {
    CLIPS: "contains clips that the model was trained or validated on. Its numbers are not "
    "test results and show nothing about new speech.",
    SPEAKERS: "contains other clips of speakers that the model was trained or validated on. "
    "Expect lower results for new speakers.",
    NOT_CHECKED: "belongs to a training corpus, and it is unknown which speakers they share. "
    "Do not treat it as a test on new speakers.",
}
REMARKS = {
    SPEAKERS: "speakers also in training",
    NOT_CHECKED: "overlap with training not checked",
}


def write_card(folder: Path, facts: CardFacts, licence: str = OTHER) -> None:
    """Write ``README.md``, ``figures/`` and ``.eval_results/``.

    Parameters
    ----------
    folder : Path
        A model folder whose other files have been written.
    facts : CardFacts
    licence : str
        The hub's name of the model's licence.

    Raises
    ------
    SERError
        If the licence has no such name, or a file cannot be written.
    """
    require_licence(licence)
    onnx = (folder / ONNX).is_file()
    detailed = list(facts.test_sets)[:IN_DETAIL]
    write_eval_results(folder, facts)
    known = corpora({"run": facts.splits})
    trained_on = corpora({"run": {"corpora": facts.corpora}})
    text = fill(
        "model_card.md.j2",
        config=facts.config,
        card=facts.config.card,
        facts=facts,
        licence=licence,
        chosen=licence != OTHER,
        onnx=onnx,
        languages=", ".join(map(language_name, facts.languages)) or "not stated",
        headline=_headline(facts),
        marked={n: WARNINGS[each] for n, each in facts.overlap.items() if each in WARNINGS},
        results=card_tables.results(facts),
        recipes=[(found, card_tables.recipe(found)) for found in facts.recipes],
        pictures=_draw_confusions(folder, facts, detailed),
        left_out=len(facts.test_sets) - len(detailed),
        gaps=card_tables.gaps(facts.test_sets),
        calibration=card_tables.calibration(facts.test_sets),
        limits=limits(facts, detailed),
        trained_on=trained_on,
        only_tested_on=[corpus for corpus in known if corpus not in trained_on],
        command=published_command(facts.record),
        versions=card_tables.versions(facts),
        why_not_transformers=why_not(facts.config),
        why_no_speechbrain=why_no_speechbrain(facts.config),
    )
    header = metadata(facts, licence, onnx).to_yaml()
    write_text(folder / CARD, f"---\n{header}\n---\n\n{text}")


def _headline(facts: CardFacts) -> list[str]:
    """One line for each of the first test sets, without those that are training data."""
    clean = [name for name in facts.test_sets if facts.overlap[name] != CLIPS]
    lines = [
        _result_line(name, facts.test_sets[name], facts.overlap[name])
        for name in clean[:IN_HEADLINE]
    ]
    lines = [*filter(None, lines)] or [f"{NOT_MEASURED} on speech outside its training data."]
    if len(clean) > IN_HEADLINE:
        lines.append(f"{len(clean) - IN_HEADLINE:,} more test sets: see Results.")
    return [*lines, *filter(None, map(_recipe_line, facts.recipes))]


def _recipe_line(recipe: Recipe) -> str | None:
    """The first test set of further results."""
    name = next((n for n in recipe.test_sets if recipe.overlap[n] != CLIPS), None)
    line = name and _result_line(name, recipe.test_sets[name], recipe.overlap[name])
    what = f"{len(recipe.parts)} {recipe.noun}" if len(recipe.parts) > 1 else "another run"
    return line and f"The recipe ({what}), {line}"


def _result_line(name: str, evaluation: Mapping, overlap: str) -> str | None:
    found = reported(evaluation)
    # A multi-objective model has an empty classification result on a set without class labels.
    shown = ["uar"] if "uar" in found else of_dimensions("ccc")
    values = [
        f"{metric_title(metric)} {cell_text(found[metric])}"
        for metric in shown
        if metric in found
    ]
    if not values:
        return None
    counts, remarks = evaluation["counts"], []
    if "uar" in found:
        remarks.append(f"chance {1 / evaluation['classification']['classes_present']:.3f}")
    remarks.append(f"{counts['utterances']:,} clips")
    if counts["speakers"]:
        remarks.append(f"{counts['speakers']:,} speakers")
    if evaluation["synthetic"]:
        remarks.append("SYNTHETIC")
    if overlap in REMARKS:
        remarks.append(REMARKS[overlap])
    return f"{name}: {', '.join(values)} ({', '.join(remarks)})"


@dataclass(frozen=True)
class Picture:
    """A picture as the card shows it: its address relative to the card, and its text."""

    address: Markup
    alt: str


def _draw_confusions(folder: Path, facts: CardFacts, test_sets: list[str]) -> list[Picture]:
    """Draw the confusion matrices of the test sets that have labelled clips."""
    drawn = []
    for name in test_sets:
        evaluation = facts.test_sets[name]
        result = evaluation["classification"]
        if not (result and result["n"]):
            continue
        mark = "NOT A TEST, " if facts.overlap[name] == CLIPS else ""
        title = f"{mark}Confusion on {name} (n = {result['n']:,})"
        path = folder / FIGURES / f"confusion_{name}.png"
        with tempfile.TemporaryDirectory() as temporary:
            stem = Path(temporary) / "confusion"
            matrices = {name: result["confusion"]}
            confusion(stem, matrices, evaluation["emotions"], title, subtitle([evaluation]))
            with atomic_path(path) as target:  # PNG, which every page of the hub shows
                target.write_bytes(Path(f"{stem}.png").read_bytes())
        recalls = ", ".join(
            f"{line['emotion']} {value_text(line['recall'])}" for line in result["per_class"]
        )
        # In Markdown a bracket would end the text.
        alt = f"Confusion matrix on {name}. Recall: {recalls}."
        alt = alt.translate(str.maketrans("[]", "()"))
        drawn.append(Picture(Markup(quote(f"{FIGURES}/{path.name}")), alt))
    return drawn


# A path that reveals where something is on a machine. Names below the project's own folder,
# such as hparams/classification.yaml, are public and stay.
PLACE = re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/,\]}'\"]*/)*")


def published_command(record: Mapping) -> str | None:
    """The command of a run, with folders cut to their last name.

    Examples
    --------
    >>> published_command({"command": "python /home/me/train.py a/b.yaml --data_folder=~/c/d"})
    'python .../train.py a/b.yaml --data_folder=.../d'
    """
    command = record.get("command")
    if not command:
        return None
    try:
        words = shlex.split(command)
    except ValueError:  # It does not follow the rules of a shell.
        return PLACE.sub(".../", command)
    return shlex.join(PLACE.sub(".../", word) for word in words)
