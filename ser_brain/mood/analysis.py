"""The whole analysis of one timeline, before anything is written or drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ser_brain.mood.change import Change, Span, compare
from ser_brain.mood.description import Affect, describe, describe_each
from ser_brain.mood.periods import Periods, check_count, default_by, periods_of
from ser_brain.mood.timeline import Timeline

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
        See :func:`ser_brain.mood.change.compare`.

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
