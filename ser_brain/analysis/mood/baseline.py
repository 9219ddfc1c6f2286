"""A person's own baseline: which days are unusual for them, judged without looking ahead.

The first days with enough speech are the baseline. A later day is unusual if one of its
measures lies outside what they predict for one more day of the same kind, the interval
``mean +- t sd sqrt(1 + 1 / n)`` of n days (Hahn and Meeker 1991, *Statistical Intervals*,
section 4.2), at a level that is corrected for the number of measures (Bonferroni). So at most
ALPHA of the usual days are called unusual, if days are independent and normally distributed.

A day is compared with earlier days only, also within the baseline. What later recordings add
never changes a row.

Axes: D days, M measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ser_brain.analysis.mood.description import MEASURES, Affect, Span, span
from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table

ALPHA = 0.05  # of the usual days that are called unusual, over all measures
FEWEST_DAYS = 5  # before a day is judged; intervals of fewer span most of the plane
SMALLEST_SD = 0.02  # less makes nobody unusual, not even who is the same every day


@dataclass(frozen=True)
class Baseline:
    """Which days are the baseline: the first ``days`` that count, or those of a period."""

    days: int | None = None
    period: Span | None = None

    @classmethod
    def parse(cls, text: str) -> Baseline:
        """Read a number of days, or ``FIRST_DAY..LAST_DAY``."""
        if not text.isdecimal():
            return cls(period=span(text))
        if int(text) < FEWEST_DAYS:
            raise SERError(
                f"Bad --baseline {text}; expected {FEWEST_DAYS} days or more, or a period such "
                "as 2026-03-02..2026-03-08."
            )
        return cls(days=int(text))

    def has(self, day: np.datetime64, days_before: int) -> bool:
        """Whether a day that counts belongs to it, where ``days_before`` before it do."""
        if self.period is not None:
            return bool(self.period[0] <= day <= self.period[1])
        return days_before < self.days


def judge_days(days_D: np.ndarray, affects: Sequence[Affect], baseline: Baseline) -> list[dict]:
    """Compare every day with the days of the baseline before it.

    Parameters
    ----------
    days_D : numpy.ndarray
        Of datetime64[D], rising.
    affects : sequence of Affect
        Those of these days. Days with fewer than ten effective pieces do not count.
    baseline : Baseline

    Returns
    -------
    list of dict
        For each day with speech ``day``, ``pieces``, ``baseline`` (whether it belongs to it),
        ``compared_with`` (how many days; 0 if it was not judged), ``unusual`` (None if it was
        not judged), and ``measures``: of each the ``value``, ``low`` and ``high`` of what was
        to be expected, and the ``deviation`` from the mean in standard deviations between days.

    Raises
    ------
    SERError
        If the period of the baseline contains none of the days with speech.
    """
    spoken = [day for day, affect in zip(days_D, affects, strict=True) if affect.pieces]
    if baseline.period is not None:
        first, last = baseline.period
        if not any(first <= day <= last for day in spoken):
            raise SERError(
                f"--baseline {first}..{last} contains no day of the table, which has "
                f"{len(spoken)} days with speech, {spoken[0]} to {spoken[-1]}. Is the year "
                "right?"
            )
    rows, seen = [], []
    for day, affect in zip(days_D, affects, strict=True):
        if not affect.pieces:
            continue
        names = MEASURES if affect.neutral is not None else MEASURES[:-1]
        values = {name: getattr(affect, name) for name in names}
        counts = affect.range is not None
        judged = counts and len(seen) >= FEWEST_DAYS
        if judged:
            measures = _compared(values, np.array(seen))
        else:
            unknown = dict.fromkeys(("low", "high", "deviation"))
            measures = {name: {"value": value, **unknown} for name, value in values.items()}
        belongs = counts and baseline.has(day, len(seen))
        outside = [
            judged and not m["low"] <= m["value"] <= m["high"] for m in measures.values()
        ]
        rows.append(
            {
                "day": str(day),
                "pieces": affect.pieces,
                "baseline": belongs,
                "compared_with": len(seen) if judged else 0,
                "unusual": any(outside) if judged else None,
                "measures": measures,
            }
        )
        if belongs:
            seen.append(list(values.values()))
    return rows


def _compared(values: dict[str, float], seen_DM: np.ndarray) -> dict[str, dict]:
    count = len(seen_DM)
    mean_M = seen_DM.mean(axis=0)
    sd_M = np.maximum(seen_DM.std(axis=0, ddof=1), SMALLEST_SD)
    quantile = stdtrit(count - 1, 1 - ALPHA / 2 / len(values))
    half_M = quantile * sd_M * math.sqrt(1 + 1 / count)
    found = {}
    for (name, value), mean, sd, half in zip(
        values.items(), mean_M.tolist(), sd_M.tolist(), half_M.tolist(), strict=True
    ):
        found[name] = {
            "value": value,
            "low": mean - half,
            "high": mean + half,
            "deviation": (value - mean) / sd,
        }
    return found


def baseline_facts(rows: Sequence[dict], baseline: Baseline) -> dict:
    """The days, and how many were judged and found unusual; JSON types."""
    judged = [row for row in rows if row["unusual"] is not None]
    return {
        "days_asked": baseline.days,
        "period": None if baseline.period is None else [str(day) for day in baseline.period],
        "days": sum(row["baseline"] for row in rows),
        "judged": len(judged),
        "unusual": sum(row["unusual"] for row in judged),
        "expected_by_chance": ALPHA * len(judged),
        "alpha": ALPHA,
        "rows": list(rows),
    }


def csv_rows(facts: dict) -> list[list]:
    """A line for each day; what later days add changes none of them."""
    names = list(facts["rows"][0]["measures"])
    keys = ("value", "low", "high", "deviation")
    head = ["day", "pieces", "baseline", "compared_with", "unusual"]
    head += [name if key == "value" else f"{name}_{key}" for name in names for key in keys]
    return [
        head,
        *(
            [
                *(row["day"], row["pieces"], str(row["baseline"]).lower()),
                row["compared_with"],
                None if row["unusual"] is None else str(row["unusual"]).lower(),
                *(row["measures"][name][key] for name in names for key in keys),
            ]
            for row in facts["rows"]
        ),
    ]


def baseline_table(facts: dict, unusual_only: bool = False) -> Table:
    """The days for a reader: value, what was to be expected, and the deviation."""
    names = list(facts["rows"][0]["measures"])
    table = Table(
        "baseline",
        "In brackets what was to be expected after the days before; below SD the deviation "
        "from the person's mean, in standard deviations between their days.",
        ["Day", "Is", *(title for name in names for title in (name.capitalize(), "SD"))],
    )
    for row in facts["rows"]:
        if unusual_only and not row["unusual"]:
            continue
        kind = "baseline" if row["baseline"] else "too little speech"
        if row["unusual"] is not None:
            kind = "unusual" if row["unusual"] else "as usual"
        cells = [
            cell
            for measure in row["measures"].values()
            for cell in (
                {key: measure[key] for key in ("value", "low", "high")}
                if measure["value"] is not None
                else None,
                measure["deviation"],
            )
        ]
        table.rows.append([row["day"], kind, *cells])
    return table


def sentence(facts: dict) -> str:
    """The result in words."""
    which = f"the first {facts['days_asked']} days with enough speech"
    if facts["period"]:
        which = f"{facts['period'][0]} to {facts['period'][1]}"
    text = f"Baseline: {which}; {facts['days']} so far. "
    if facts["period"]:
        complete = facts["period"][1] <= facts["rows"][-1]["day"]
    else:
        complete = facts["days"] >= facts["days_asked"]
    if not complete:
        text += (
            "It is not complete yet: its days are compared with those before them, so a "
            "lasting change becomes part of it and may not look unusual. "
        )
    if not facts["judged"]:
        return f"{text}No day could be judged yet: {FEWEST_DAYS} days must come before it."
    return (
        f"{text}Unusual for this person: {facts['unusual']} of {facts['judged']} days; about "
        f"{facts['expected_by_chance']:.1f} would be so by chance if nothing had changed (more "
        "if neighbouring days resemble each other)."
    )
