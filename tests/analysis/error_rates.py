"""How often the test of change and the baseline are wrong, and a change is found: simulated.

Days are drawn from a stationary first-order autoregression, each measure with standard
deviation 1 from day to day. docs/mood.md states the rates.

Axes: D days, U units, R repetitions, M measures, K outcomes.
"""

from __future__ import annotations

import numpy as np

from ser_brain.analysis.mood.analysis import outcomes_of, permute
from ser_brain.analysis.mood.baseline import Baseline, judge_days
from ser_brain.analysis.mood.description import MEASURES, Affect
from ser_brain.evaluation.significance import ALPHA, holm

AT_ONCE = 50  # repetitions; more would take more memory, not less time


def rejection_rates(
    days: int,
    shift: float = 0.0,
    correlation: float = 0.0,
    block_days: int = 1,
    repetitions: int = 2_000,
    seed: int = 0,
) -> dict[str, float]:
    """Share of simulated persons whose centroid, or any outcome, is significant at 5 %.

    Each of two periods has so many ``days``. In the second, valence has a ``shift`` (in
    standard deviations of a day); ``correlation`` is that of one day with the next.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros((0, 2))
    while len(found) < repetitions:
        series_DRM = _series(2 * days, min(AT_ONCE, repetitions - len(found)), correlation, rng)
        series_DRM[days:, :, 0] += shift
        halves = np.split(outcomes_of(series_DRM), 2)
        p_RK, _ = permute(*(_blocks(half, block_days) for half in halves), rng)
        adjusted_RK = np.array([holm(p_K) for p_K in p_RK.tolist()])
        called_RK = adjusted_RK <= ALPHA
        found = np.concatenate([found, np.stack([called_RK[:, 0], called_RK.any(1)], axis=1)])
    centroid, any_outcome = found.mean(axis=0).tolist()
    return {"centroid": centroid, "any": any_outcome}


def unusual_rates(
    days: int, correlation: float = 0.0, persons: int = 400, seed: int = 0
) -> tuple[float, float]:
    """Share of the seven days after a baseline that are called unusual; of persons with two.

    Nothing changes. The baseline has so many ``days``.
    """
    series_DRM = _series(days + 7, persons, correlation, np.random.default_rng(seed)) / 10
    dates_D = np.datetime64("2026-03-02", "D") + np.arange(days + 7)
    called_R7 = np.array(
        [
            [
                row["unusual"]
                for row in judge_days(dates_D, affects(of_DM), Baseline(days))[days:]
            ]
            for of_DM in series_DRM.swapaxes(0, 1)
        ]
    )
    return float(called_R7.mean()), float((called_R7.sum(axis=1) > 1).mean())


def affects(measures_DM: np.ndarray) -> list[Affect]:
    """Days with these measures and enough speech."""
    return [Affect(50, 50.0, 150.0, v, a, [], size, share) for v, a, size, share in measures_DM]


def _series(
    days: int, repetitions: int, correlation: float, rng: np.random.Generator
) -> np.ndarray:
    series_DRM = rng.normal(size=(days, repetitions, len(MEASURES)))
    series_DRM[1:] *= np.sqrt(1 - correlation**2)
    for day in range(1, days):
        series_DRM[day] += correlation * series_DRM[day - 1]
    return series_DRM


def _blocks(series_DRK: np.ndarray, block_days: int) -> np.ndarray:
    starts = range(0, len(series_DRK), block_days)
    return np.stack([series_DRK[start : start + block_days].mean(axis=0) for start in starts])
