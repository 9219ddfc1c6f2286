"""The whole analysis of one timeline, before anything is written or drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ser_brain.analysis.mood.change import Change, Span, compare
from ser_brain.analysis.mood.description import (
    Affect,
    Periods,
    check_count,
    default_by,
    describe,
    describe_each,
    periods_of,
)
from ser_brain.analysis.mood.timeline import Timeline

WHAT_IT_IS = (
    "What a model predicted from the sound of recorded speech. It is no diagnosis and no "
    "measure of health or of what a person feels; the model's errors are in every number. Not "
    "for decisions about a person."
)


@dataclass(frozen=True)
class Mood:
    """One person's predicted affect over time."""

    timeline: Timeline
    whole: Affect
    periods: Periods  # hours, days or weeks
    of_periods: list[Affect]
    # what the course is drawn from: hours where periods are hours, otherwise days
    steps: Periods
    of_steps: list[Affect]
    spans: tuple[Span, ...]  # the compared periods; empty where none are
    change: Change | None

    @property
    def who(self) -> str:
        """The table, the speaker and the days, in one line."""
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
            "periods": _rows(self.periods, self.of_periods),
            "step": self.steps.by,
            "steps": _rows(self.steps, self.of_steps),
            "change": self.change.facts if self.change else None,
        }


def _rows(periods: Periods, affects: list[Affect]) -> list[dict]:
    return [
        {"period": label, **asdict(affect)}
        for label, affect in zip(periods.labels, affects, strict=True)
    ]


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
        ``hour``, ``day`` or ``week``; by default depends on the length of the timeline.
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
    of_periods, of_days = describe_each(timeline, periods), describe_each(timeline, days)
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
