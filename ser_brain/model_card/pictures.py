"""The pictures of a card: one confusion matrix for each test set."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from ser_brain.files import atomic_path
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.heard import CLIPS
from ser_brain.plots.confusion import confusion
from ser_brain.report_picture import subtitle
from ser_brain.tables import value_text

FOLDER = "figures"
ROUND = str.maketrans("[]", "()")


@dataclass(frozen=True)
class Picture:
    """A picture as the card shows it.

    Attributes
    ----------
    address : Markup
        Relative to the card.
    alt : str
        Its content in words.
    """

    address: Markup
    alt: str


def draw_confusions(folder: Path, facts: CardFacts, test_sets: list[str]) -> list[Picture]:
    """Draw the confusion matrix of each of some test sets that have labelled clips.

    Written as PNG, which every page of the hub shows.
    """
    drawn = []
    for name in test_sets:
        evaluation = facts.test_sets[name]
        result = evaluation["classification"]
        if result and result["n"]:
            drawn.append(_draw(folder, name, evaluation, facts.heard[name] == CLIPS))
    return drawn


def _draw(folder: Path, name: str, evaluation: Mapping, trained_on: bool) -> Picture:
    result = evaluation["classification"]
    mark = "NOT A TEST, " if trained_on else ""
    title = f"{mark}Confusion on {name} (n = {result['n']:,})"
    words = subtitle([evaluation])
    path = folder / FOLDER / f"confusion_{name}.png"
    with tempfile.TemporaryDirectory() as temporary:
        stem = Path(temporary) / "confusion"
        confusion(stem, {name: result["confusion"]}, evaluation["emotions"], title, words)
        with atomic_path(path) as target:
            target.write_bytes(Path(f"{stem}.png").read_bytes())
    recalls = ", ".join(
        f"{line['emotion']} {value_text(line['recall'])}" for line in result["per_class"]
    )
    # Brackets would end the words where a reader looks for the first one.
    alt = f"Confusion matrix on {name}. Recall: {recalls}.".translate(ROUND)
    return Picture(Markup(quote(f"{FOLDER}/{path.name}")), alt)
