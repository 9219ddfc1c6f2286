"""The whole analysis of one timeline, before anything is written or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ser_brain.analysis.mood.change import Change, Span, compare
from ser_brain.analysis.mood.description import (
    FEWEST,
    Affect,
    Periods,
    check_count,
    default_by,
    describe,
    describe_each,
    periods_of,
)
from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.core.tables import Table

WHAT_IT_IS = (
    "What a model predicted from the sound of recorded speech. It is no diagnosis and no "
    "measure of health or of what a person feels; the model's errors are in every number. Not "
    "for decisions about a person."
)


@dataclass(frozen=True)
class Mood:
    """One person's predicted affect over time.

    Attributes
    ----------
    timeline : Timeline
    whole : Affect
    periods, of_periods : Periods, list of Affect
        By hour, day or week.
    steps, of_steps : Periods, list of Affect
        By hour where the periods are hours, otherwise by day: what the course is drawn of.
    spans : tuple of Span
        The compared periods; empty where none are.
    change : Change or None
    """

    timeline: Timeline
    whole: Affect
    periods: Periods
    of_periods: list[Affect]
    steps: Periods
    of_steps: list[Affect]
    spans: tuple[Span, ...]
    change: Change | None

    @property
    def who(self) -> str:
        """Whose speech and when, in one line."""
        first, last = (self.timeline.local_N[n].astype("datetime64[D]") for n in (0, -1))
        person = f", {self.timeline.speaker}" if self.timeline.speaker else ""
        when = f"{first} to {last}" if first < last else str(first)
        return f"{self.timeline.name}{person}, {when}"

    def facts(self) -> dict:
        """All numbers as JSON types: the content of ``mood.json``."""
        return {
            "what_it_is": WHAT_IT_IS,
            "who": self.who,
            "table": self.timeline.name,
            "speaker": self.timeline.speaker,
            "notes": self.timeline.notes,
            "whole": asdict(self.whole),
            "by": self.periods.by,
            "periods": _listed(self.periods, self.of_periods),
            "step": self.steps.by,
            "steps": _listed(self.steps, self.of_steps),
            "change": self.change.facts if self.change else None,
        }


def analyse(
    timeline: Timeline,
    by: str | None = None,
    spans: tuple[Span, ...] = (),
    block_days: int = 1,
) -> Mood:
    """Describe a timeline as a whole, by period and by day, and compare two periods.

    Parameters
    ----------
    timeline : Timeline
    by : str, optional
        ``hour``, ``day`` or ``week``; if not given, by the length of the timeline.
    spans : tuple of Span
        Two periods to compare, or none.
    block_days : int
        See :func:`ser_brain.analysis.mood.change.compare`.

    Raises
    ------
    SERError
        If there are too many periods, or too few days to compare.
    """
    periods = periods_of(timeline.local_N, by or default_by(timeline.local_N))
    check_count(periods)
    days = periods_of(timeline.local_N, "day")
    of_days = describe_each(timeline, days.index_N, len(days.starts_P))
    of_periods = describe_each(timeline, periods.index_N, len(periods.starts_P))
    by_hour = periods.by == "hour"
    return Mood(
        timeline=timeline,
        whole=describe(timeline),
        periods=periods,
        of_periods=of_periods,
        steps=periods if by_hour else days,
        of_steps=of_periods if by_hour else of_days,
        spans=spans,
        change=compare(days.starts_P, of_days, spans, block_days) if spans else None,
    )


def _listed(periods: Periods, affects: list[Affect]) -> list[dict]:
    return [
        {"period": label, **asdict(affect)}
        for label, affect in zip(periods.labels, affects, strict=True)
    ]


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
        ``periods`` or ``steps`` of :meth:`ser_brain.analysis.mood.analysis.Mood.facts`.
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
        See :class:`ser_brain.analysis.mood.change.Change`.
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
