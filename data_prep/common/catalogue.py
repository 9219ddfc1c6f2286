"""Which corpora there are, from their cards: for ``ser corpora`` and docs/corpora.md."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import data_prep
from ser_brain.core.errors import bad_value
from ser_brain.core.tables import Table, to_text
from ser_brain.data.manifest import CorpusCard

LONGEST = 44  # characters of a cell in a terminal
NOT_STATED = "not stated"
HEAD = ["Corpus", "Languages", "Style", "Utterances", "Speakers", "Labels", "Licence"]


def cards() -> dict[str, CorpusCard]:
    """The card of each corpus by name, sorted; without ``table`` and formats, of any corpus."""
    found = {name: importlib.import_module(f"data_prep.{name}") for name in data_prep.corpora()}
    return {name: module.CARD for name, module in found.items() if hasattr(module, "CARD")}


def facts(name: str | None = None) -> dict:
    """The cards as JSON types, of all corpora or of one; stop at an unknown name."""
    found = cards()
    if name is not None and name not in found:
        raise bad_value("corpus", name, found)
    chosen = found if name is None else {name: found[name]}
    return {each: {**card.as_dict(), "command": command(card)} for each, card in chosen.items()}


def command(card: CorpusCard) -> str:
    """The command that prepares a corpus."""
    return f"python -m data_prep {card.name} --data_folder DIR --manifest_folder manifests"


def table() -> Table:
    """One row for each corpus."""
    rows = [
        [
            name,
            ", ".join(card.languages) or NOT_STATED,
            card.style,
            card.expected.get("utterances"),
            card.expected.get("speakers"),
            labels(card),
            card.licence,
        ]
        for name, card in cards().items()
    ]
    return Table("corpora", "Corpora that have a prep script.", HEAD, rows)


def labels(card: CorpusCard) -> str:
    """The sources of its labels, and the scale of its dimensions."""
    text = ", ".join(card.sources)
    if card.vad_scale is None:
        return text
    return f"{text}; dimensions {card.vad_scale[0]:g} to {card.vad_scale[1]:g}"


def text(name: str | None = None) -> str:
    """The table for a terminal, or the card of one corpus."""
    if name is None:
        more = "ser corpora NAME shows the card, the layout and where to get a corpus."
        short = [[_cut(cell) for cell in row] for row in table().rows]
        return f"{to_text(Table('corpora', '', HEAD, short))}\n\n{more}"
    (card,) = facts(name).values()
    lines = {
        "title": f"{card['title']}, version {card['version']}",
        "languages": ", ".join(card["languages"]) or NOT_STATED,
        "style": card["style"],
        "size": _size(card["expected"]),
        "labels": labels(cards()[name]),
        "emotions": ", ".join(dict.fromkeys(card["emotions"].values())) or NOT_STATED,
        "licence": card["licence"],
        "citation": card["citation"],
        "get it at": card["url"] or NOT_STATED,
        "layout": card["layout"],
        "known bad": ", ".join(f"{n} ({why})" for n, why in card["known_bad"].items()),
        "notes": card["notes"],
        "prepare": card["command"],
    }
    width = max(map(len, lines))
    return "\n".join(f"{what:<{width}}  {said}" for what, said in lines.items() if said)


def _cut(cell: object) -> object:
    return f"{cell[: LONGEST - 1]}…" if isinstance(cell, str) and len(cell) > LONGEST else cell


def _size(expected: Mapping) -> str:
    counts = [(expected.get(what), what) for what in ("utterances", "speakers")]
    return ", ".join(f"{n:,} {what}" for n, what in counts if n) or NOT_STATED
