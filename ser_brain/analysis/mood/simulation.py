"""A simulated person: two weeks of predictions with a known change between them.

Nobody spoke. It shows what a page looks like, and that a change of known size is found.

Axes: N pieces of speech, C classes, 2 = valence and arousal on [-1, 1].
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from scipy.special import softmax

from ser_brain.core.tables import Table
from ser_brain.data.labels import prototype

FIRST_DAY = datetime(2026, 3, 2)  # a Monday
SPANS = ("2026-03-02..2026-03-08", "2026-03-09..2026-03-15")
UTC_OFFSET = "+01:00"
DAYS = 14
CHANGE_ON_DAY = 7
SILENT_DAY = 10  # the recorder was off
CENTROID = {"before": (0.22, 0.12), "after": (0.02, 0.0)}
SCATTER = 0.32  # standard deviation within a day, either axis: unchanged
DAY_TO_DAY = 0.10  # standard deviation of a day's centroid, either axis
CLASSES = ("anger", "happiness", "sadness", "neutral")
SHARPNESS = 4.0  # of the class probabilities


def simulate(seed: int = 0, changed: bool = True) -> Table:
    """Draw the predictions of two weeks, without one day; the second week may differ.

    Each day's centroid scatters around that of its week, each piece around the centroid of its
    day; class probabilities follow from the distance to the place of each class.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(DAYS):
        week = "after" if changed and day >= CHANGE_ON_DAY else "before"
        centroid_2 = rng.normal(CENTROID[week], DAY_TO_DAY)
        count = int(rng.integers(60, 160))
        va_N2 = rng.normal(centroid_2, SCATTER, size=(count, 2)).clip(-1, 1)
        # Between 8 and 22 o'clock, at least 30 seconds apart.
        second_N = 8 * 3600 + 30 * np.sort(rng.choice(14 * 120, count, replace=False))
        duration_N = rng.lognormal(np.log(3.0), 0.5, count).clip(0.5, 20.0)
        if day != SILENT_DAY:  # drawn all the same, so that other days do not depend on it
            rows += _rows(FIRST_DAY + timedelta(days=day), second_N, duration_N, va_N2)
    head = ["time", "duration", "valence", "arousal", *[f"p_{name}" for name in CLASSES]]
    return Table("simulated", "Simulated predictions of one person.", head, rows)


def _rows(
    midnight: datetime, second_N: np.ndarray, duration_N: np.ndarray, va_N2: np.ndarray
) -> list[list]:
    times = [
        (midnight + timedelta(seconds=second)).isoformat() + UTC_OFFSET
        for second in second_N.tolist()
    ]
    places_C2 = np.array([list(prototype(name).values()) for name in CLASSES])
    distance_NC = np.linalg.norm(va_N2[:, None] - places_C2, axis=2)
    probs_NC = softmax(-SHARPNESS * distance_NC, axis=1)
    numbers = np.column_stack([duration_N.round(2), va_N2.round(4), probs_NC.round(4)])
    return [[time, *cells] for time, cells in zip(times, numbers.tolist(), strict=True)]


def planted() -> dict[str, float]:
    """The true change of each measure, where it is known."""
    valence, arousal = np.subtract(CENTROID["after"], CENTROID["before"]).tolist()
    distance = float(np.hypot(valence, arousal))
    return {"centroid": distance, "valence": valence, "arousal": arousal, "range": 0.0}
