"""The whole analysis of one timeline, and the test of change between two periods.

Pieces of speech of one day resemble each other, so days are compared, not pieces: each day
counts once, as its centroid, its range and its share of neutral, and days are dealt out anew
to the two periods. Neighbouring days also resemble each other, which makes p too small; blocks
of consecutive days can be kept together instead.

Axes: D days, U units (days or blocks), S splits, K outcomes, M measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import permutation_test

from ser_brain.analysis.mood.baseline import Baseline, baseline_facts, judge_days
from ser_brain.analysis.mood.description import (
    DAY,
    FEWEST,
    MEASURES,
    Affect,
    Periods,
    Span,
    check_count,
    default_by,
    describe,
    describe_each,
    periods_of,
)
from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.core.errors import SERError
from ser_brain.evaluation.significance import Clusters, holm, interval, resample

WHAT_IT_IS = (
    "What a model predicted from the sound of recorded speech. It is no diagnosis and no "
    "measure of health or of what a person feels; the model's errors are in every number. Not "
    "for decisions about a person."
)

OUTCOMES = ("centroid", "range", "neutral")
RESAMPLES = 2_000
SEED = 0  # of the intervals, and of the splits where there are too many to try all

# Up to here all splits are tried; eight days against eight make 12,870.
EXACT_UP_TO = 20_000
DRAWN = 9_999


@dataclass(frozen=True)
class Change:
    """The result of the test."""

    # JSON types: a and b (first, last, days, too_short, silent), block_days, units, splits,
    # exact, smallest_p (possible, corrected), seed, measures (a, b and their difference b - a
    # with its interval) and outcomes (difference, p, p_adjusted).
    facts: dict
    # outcome -> size of the difference under every split, shape (S,)
    differences: dict[str, np.ndarray]


@dataclass(frozen=True)
class Mood:
    """One person's predicted affect over time."""

    timeline: Timeline
    whole: Affect
    periods: Periods  # hours, days or weeks
    of_periods: list[Affect]
    # what the course is drawn from: periods of minutes or hours, otherwise days
    steps: Periods
    of_steps: list[Affect]
    spans: tuple[Span, ...]  # the compared periods; empty where none are
    change: Change | None
    baseline: dict | None = None  # the facts of baseline.baseline_facts

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
            "baseline": self.baseline,
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
    baseline: Baseline | None = None,
) -> Mood:
    """Describe a timeline as a whole, by period and by day, and compare.

    Parameters
    ----------
    timeline : Timeline
    by : str, optional
        One of BY; by default depends on the length of the timeline.
    spans : tuple of Span
        Two periods to compare, or none.
    block_days : int
        How many consecutive days, from the first of a span, stay together. A block counts
        once, as the mean of its days.
    baseline : Baseline, optional
        The days that later days are compared with.
    """
    periods = periods_of(timeline.local_N, by or default_by(timeline.local_N))
    check_count(periods)
    days = periods_of(timeline.local_N, "day")
    of_periods, of_days = describe_each(timeline, periods), describe_each(timeline, days)
    within_days = periods.by in ("minute", "hour")
    judged = judge_days(days.starts_P, of_days, baseline) if baseline else []
    return Mood(
        timeline=timeline,
        whole=describe(timeline),
        periods=periods,
        of_periods=of_periods,
        steps=periods if within_days else days,
        of_steps=of_periods if within_days else of_days,
        spans=spans,
        change=compare(days.starts_P, of_days, spans, block_days) if spans else None,
        baseline=baseline_facts(judged, baseline) if baseline else None,
    )


def compare(
    days_D: np.ndarray, affects: Sequence[Affect], spans: tuple[Span, Span], block_days: int = 1
) -> Change:
    """Test whether affect differs between two spans without a common day.

    ``days_D`` are of datetime64[D], ``affects`` those of these days. Days with fewer than
    FEWEST effective pieces are skipped and counted.
    """
    (first_a, last_a), (first_b, last_b) = spans
    if first_a <= last_b and first_b <= last_a:
        raise SERError("The two periods of --compare overlap; expected no common day.")
    if block_days < 1:
        raise SERError(f"Bad --block_days {block_days}; expected 1 or more.")
    facts_of, values = zip(
        *(_units(days_D, affects, span, block_days) for span in spans), strict=True
    )
    a_UK, b_UK = (outcomes_of(values_UM) for values_UM in values)
    rng = np.random.default_rng(SEED)
    p_K, differences_SK = permute(a_UK, b_UK, rng)
    names = OUTCOMES[: len(p_K)]
    splits, exact, smallest = splits_of(len(a_UK), len(b_UK))
    sizes_K = np.abs(b_UK.mean(axis=0) - a_UK.mean(axis=0))
    outcomes = zip(names, sizes_K.tolist(), p_K.tolist(), holm(p_K.tolist()), strict=True)
    facts = {
        "a": facts_of[0],
        "b": facts_of[1],
        "block_days": block_days,
        "units": [len(a_UK), len(b_UK)],
        "splits": splits,
        "exact": exact,
        "smallest_p": min(1.0, smallest * len(names)),
        "seed": SEED,
        "measures": _measures(*values, rng),
        "outcomes": {
            name: {"difference": size, "p": p, "p_adjusted": p_adjusted}
            for name, size, p, p_adjusted in outcomes
        },
    }
    return Change(facts, dict(zip(names, differences_SK.T, strict=True)))


def _units(
    days_D: np.ndarray, affects: Sequence[Affect], span: Span, block_days: int
) -> tuple[dict, np.ndarray]:
    """Facts about a period, and the measures of its units, shape (U, M)."""
    first, last = span
    inside = np.flatnonzero((days_D >= first) & (days_D <= last))
    spoken = [d for d in inside if affects[d].pieces]
    kept = [d for d in spoken if affects[d].range is not None]
    with_neutral = all(affects[d].neutral is not None for d in kept)
    names = MEASURES if with_neutral else MEASURES[:-1]
    blocks: dict[int, list[list[float]]] = {}
    for d in kept:
        block = int((days_D[d] - first) // (block_days * DAY))
        blocks.setdefault(block, []).append([getattr(affects[d], name) for name in names])
    if len(blocks) < 2:
        units = "days" if block_days == 1 else f"blocks of {block_days} days"
        raise SERError(
            f"From {first} to {last}, {units} with enough speech ({FEWEST:g} pieces a day): "
            f"{len(blocks)}; a period needs two or more."
        )
    facts = {
        "first": str(first),
        "last": str(last),
        "days": len(kept),
        "too_short": len(spoken) - len(kept),
        "silent": int((last - first) / DAY) + 1 - len(spoken),
    }
    return facts, np.array([np.mean(block, axis=0) for block in blocks.values()])


def outcomes_of(values_UM: np.ndarray) -> np.ndarray:
    """The tested outcomes of each unit, from its measures.

    A centroid is the complex number valence + i arousal, so that the size of a difference is
    the distance on the plane. There may be further axes between the first and the last.
    """
    centroid_U = values_UM[..., 0] + 1j * values_UM[..., 1]
    return np.concatenate([centroid_U[..., None], values_UM[..., 2:]], axis=-1)


def permute(
    a_UK: np.ndarray, b_UK: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Deal the units of two periods out anew; every column is tested separately.

    Gives p and the size of the difference of means under every split. The splits are drawn
    where there are more than EXACT_UP_TO; then p = (1 + as extreme) / (1 + drawn) (Phipson and
    Smyth 2010, equation 2).
    """
    found = permutation_test(
        (a_UK, b_UK),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
        vectorized=True,
        n_resamples=EXACT_UP_TO if splits_of(len(a_UK), len(b_UK))[1] else DRAWN,
        batch=1_000,
        alternative="greater",
        axis=0,
        random_state=rng,
    )
    return np.real(found.pvalue), found.null_distribution  # scipy types p like the data


def splits_of(units_a: int, units_b: int) -> tuple[int, bool, float]:
    """How many splits are tried, whether these are all, and the smallest p they can give.

    With equally many units in both periods, a split and its mirror image have the same
    difference.
    """
    every = math.comb(units_a + units_b, units_a)
    if every > EXACT_UP_TO:
        return DRAWN, False, 1 / (1 + DRAWN)
    return every, True, (2 if units_a == units_b else 1) / every


def _measures(a_UM: np.ndarray, b_UM: np.ndarray, rng: np.random.Generator) -> dict[str, dict]:
    """Means of both periods and their difference, with an interval from drawing units."""
    a_BM, b_BM = (_drawn_means(values_UM, rng) for values_UM in (a_UM, b_UM))
    found = {}
    for m, name in enumerate(MEASURES[: a_UM.shape[1]]):
        a, b = float(a_UM[:, m].mean()), float(b_UM[:, m].mean())
        low, high = interval(b_BM[:, m] - a_BM[:, m], min(len(a_UM), len(b_UM)))
        difference = {"value": b - a, "low": low, "high": high}
        found[name] = {"a": a, "b": b, "difference": difference}
    return found


def _drawn_means(values_UM: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    units = Clusters(np.arange(len(values_UM)), len(values_UM), "day", "")
    return resample(values_UM, units, RESAMPLES, rng) / len(values_UM)
