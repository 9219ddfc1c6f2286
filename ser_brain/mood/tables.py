"""The tables of a mood report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.mood.description import FEWEST
from ser_brain.tables import Table

TITLES = {
    "centroid": "Centroid (distance)",
    "valence": "Valence",
    "arousal": "Arousal",
    "range": "Emotional range",
    "neutral": "Share of neutral",
}


def periods(name: str, first: str, rows: Sequence[Mapping]) -> Table:
    """One line per period.

    Parameters
    ----------
    name : str
        Of the file.
    first : str
        Heading of the first column.
    rows : sequence of mapping
        ``periods`` or ``steps`` of :meth:`ser_brain.mood.analysis.Mood.facts`.
    """
    with_neutral = any(row["neutral"] is not None for row in rows)
    keys = ["valence", "arousal", "range", *(["neutral"] if with_neutral else [])]
    head = [first, "Speech (s)", "Pieces", *[key.capitalize() for key in keys]]
    caption = (
        "Weighted by speaking time, valence and arousal on −1 to 1. Range: area of the 80 % "
        f"ellipse (the whole plane is 4), from {FEWEST:g} pieces on."
    )
    return Table(
        name,
        caption,
        head,
        [
            [row["period"], round(row["seconds"]), row["pieces"], *[row[k] for k in keys]]
            for row in rows
        ],
    )


def change(facts: Mapping, planted: Mapping[str, float]) -> Table:
    """What was compared: means of days, their differences, and p.

    Parameters
    ----------
    facts : mapping
        See :class:`ser_brain.mood.change.Change`.
    planted : mapping
        True change of each, where the predictions are simulated; otherwise empty.
    """
    a, b = (f"{facts[part]['first']} to {facts[part]['last']}" for part in ("a", "b"))
    head = ["Mean of days", "A", "B", "B − A", "p", "p, corrected"]
    head += ["Planted"] if planted else []
    caption = (
        f"A: {a}. B: {b}. Below B − A, 95 % bootstrap intervals over days. p is corrected for "
        "the number of tests by Holm's method."
    )
    table = Table("change", caption, head)
    measures, outcomes = facts["measures"], facts["outcomes"]
    for name in [n for n in TITLES if n in measures or n in outcomes]:
        measure, outcome = measures.get(name, {}), outcomes.get(name, {})
        difference = measure.get("difference", outcome.get("difference"))
        row = [TITLES[name], measure.get("a"), measure.get("b"), difference]
        row += [outcome.get("p"), outcome.get("p_adjusted")]
        if planted:
            row.append(planted.get(name))
        table.rows.append(row)
    return table
