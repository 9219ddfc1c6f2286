"""A timeline in numbers: calendar periods, centroid and range, and density on the plane.

Axes: N pieces of speech, P periods, G cells of the grid per side, K points of a curve,
2 = valence and arousal.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2

from ser_brain.analysis.mood.timeline import Timeline
from ser_brain.analysis.plots import ellipse
from ser_brain.core.errors import SERError, bad_value

BY = ("minute", "hour", "day", "week")
MEASURES = ("valence", "arousal", "range", "neutral")
Span = tuple[np.datetime64, np.datetime64]  # first and last day
DAY = np.timedelta64(1, "D")
MOST_PERIODS = 120  # nobody compares more panels
RANGE_SHARE = 0.8

# With fewer pieces, the area of an ellipse is known to no better than a third (coefficient of
# variation 1 / sqrt(n - 2)), and a day's mean does not represent the day.
FEWEST = 10.0


@dataclass(frozen=True)
class Periods:
    """The calendar from the first to the last piece of speech, without gaps."""

    by: str  # ``minute``, ``hour``, ``day`` or ``week`` (Monday to Sunday)
    starts_P: np.ndarray  # datetime64[m], datetime64[h] or datetime64[D]
    index_N: np.ndarray  # period of each piece: the one it begins in

    @property
    def labels(self) -> list[str]:
        """Names of the periods, such as ``Week of 2026-03-02``."""
        if self.by == "week":
            return [f"Week of {start}" for start in self.starts_P]
        if self.by == "hour":
            return [f"{start}:00".replace("T", " ") for start in self.starts_P]
        if self.by == "minute":
            return [str(start).replace("T", " ") for start in self.starts_P]
        return [f"{start.item():%a} {start}" for start in self.starts_P]


def periods_of(local_N: np.ndarray, by: str) -> Periods:
    """Divide wall-clock times into hours, days or weeks."""
    if by not in BY:
        raise bad_value("period", by, BY)
    unit = {"minute": "m", "hour": "h"}.get(by, "D")
    step = np.timedelta64(1, unit)
    start_N = local_N.astype(f"datetime64[{unit}]")
    if by == "week":
        # numpy's weeks begin on Thursdays, like 1970. Shifted by 3 days, Mondays are Thursdays.
        start_N = (start_N + 3 * DAY).astype("datetime64[W]").astype("datetime64[D]") - 3 * DAY
        step = 7 * DAY
    first = start_N.min()
    index_N = ((start_N - first) // step).astype(np.int64)
    return Periods(by, first + step * np.arange(index_N.max() + 1), index_N)


def default_by(local_N: np.ndarray) -> str:
    """Hours for one day, days for less than two weeks, otherwise weeks."""
    days = local_N.astype("datetime64[D]")
    count = (days.max() - days.min()) // DAY + 1
    return "hour" if count == 1 else "day" if count < 14 else "week"


def check_count(periods: Periods) -> None:
    """Stop at too many periods; the error names the next coarser kind."""
    if len(periods.starts_P) > MOST_PERIODS:
        coarser = {"minute": "use --by hour", "hour": "use --by day", "day": "use --by week"}
        raise SERError(
            f"From first to last row there are {len(periods.starts_P):,} {periods.by}s, more "
            f"than {MOST_PERIODS}; {coarser.get(periods.by, 'split the table')}."
        )


def span(text: str) -> Span:
    """First and last day of a span such as ``2026-03-02..2026-03-08``."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", text)
    try:
        if found is None:
            raise ValueError
        first, last = (np.datetime64(day, "D") for day in found.groups())
    except ValueError:
        raise SERError(
            f"Bad period {text!r}; expected two dates like 2026-03-02..2026-03-08."
        ) from None
    if last < first:
        raise SERError(f"Bad period {text!r}; it ends before it begins.")
    return first, last


@dataclass(frozen=True)
class Affect:
    """A stretch of speech in numbers, weighted by speaking time."""

    pieces: int
    # Effective number of pieces, (sum w)^2 / sum w^2: this many pieces of equal length would be
    # as informative (Kish 1965, Survey Sampling, section 11.7).
    effective: float
    seconds: float  # speaking time
    valence: float | None  # the centroid; None without speech
    arousal: float | None
    covariance: list[list[float]] | None  # 2 x 2; None with fewer than FEWEST effective pieces
    range: float | None  # area of the 80 % ellipse, see ellipse_area
    neutral: float | None  # share of speaking time with neutral as the most probable class


NO_SPEECH = Affect(0, 0.0, 0.0, None, None, None, None, None)


def describe(timeline: Timeline, chosen: np.ndarray | slice = slice(None)) -> Affect:
    """Summarise the chosen pieces of speech (indices or a mask), all by default."""
    seconds_N, va_N2 = timeline.seconds_N[chosen], timeline.va_N2[chosen]
    if not len(seconds_N):
        return NO_SPEECH
    effective = float(seconds_N.sum() ** 2 / (seconds_N**2).sum())
    valence, arousal = np.average(va_N2, axis=0, weights=seconds_N).tolist()
    covariance, area, neutral = None, None, None
    if effective >= FEWEST:
        covariance_22 = np.cov(va_N2.T, aweights=seconds_N)
        covariance = covariance_22.tolist()
        area = ellipse_area(covariance_22, effective)
    if timeline.neutral_N is not None:
        neutral = float(np.average(timeline.neutral_N[chosen], weights=seconds_N))
    seconds = float(seconds_N.sum())
    return Affect(
        len(seconds_N), effective, seconds, valence, arousal, covariance, area, neutral
    )


def describe_each(timeline: Timeline, periods: Periods) -> list[Affect]:
    """Summarise every period."""
    order = np.argsort(periods.index_N, kind="stable")
    count = len(periods.starts_P)
    ends = np.searchsorted(periods.index_N[order], np.arange(count + 1))
    return [describe(timeline, order[ends[p] : ends[p + 1]]) for p in range(count)]


def ellipse_area(covariance_22: np.ndarray, effective: float) -> float:
    """Area of the ellipse that holds 80 % of a normal distribution.

    ``pi q sqrt(det S)`` with q the 80 % quantile of chi-squared with 2 degrees of freedom
    (Anderson 2003, An Introduction to Multivariate Statistical Analysis, section 2.3). The
    root of the determinant of an unbiased sample covariance is too small by (n - 2) / (n - 1)
    on average (ibid., theorem 7.5.3), which would make days with little speech look narrow; it
    is divided out. n is the effective number of pieces.
    """
    determinant = max(0.0, float(np.linalg.det(covariance_22)))
    return math.pi * _squared_radius(effective) * math.sqrt(determinant)


def range_ellipse(affect: Affect) -> np.ndarray:
    """The ellipse of that area as a closed curve, shape (K, 2)."""
    mean_2 = np.array([affect.valence, affect.arousal])
    return ellipse(mean_2, affect.covariance, _squared_radius(affect.effective))


def _squared_radius(effective: float) -> float:
    inflation = 1.0 if math.isinf(effective) else (effective - 1) / (effective - 2)
    return float(chi2.ppf(RANGE_SHARE, 2)) * inflation


# One bandwidth for every map, so that maps can be compared: about Scott's rule for 200 pieces
# with a standard deviation of 0.35.
BANDWIDTH = 0.15
STEP = 0.04  # side of a cell

# Points overshoot the scale by 0.2 at most; four bandwidths beyond, the density is 0.
REACH = 1.8
EDGES = np.linspace(-REACH, REACH, round(2 * REACH / STEP) + 1)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2


def density(va_N2: np.ndarray, seconds_N: np.ndarray) -> np.ndarray:
    """Density of speaking time, shape (G, G), rows are arousal; it integrates to 1.

    A kernel density estimate with a Gaussian kernel of standard deviation BANDWIDTH. Points
    are first counted in cells and then blurred, which makes 100,000 points as cheap as 100 and
    moves each by at most half a cell (Silverman 1982, AS 176).
    """
    valence_N, arousal_N = va_N2.T
    seconds_GG, _, _ = np.histogram2d(arousal_N, valence_N, [EDGES, EDGES], weights=seconds_N)
    blurred_GG = gaussian_filter(seconds_GG, BANDWIDTH / STEP, mode="constant")
    return blurred_GG / (blurred_GG.sum() * STEP**2)


def share_inside(density_GG: np.ndarray) -> np.ndarray:
    """Share of speaking time in all cells at least as dense as each cell.

    The cells below a value s are the highest density region of share s: the smallest area
    that holds it (Hyndman 1996, The American Statistician 50(2)).
    """
    flat = density_GG.ravel()
    order = np.argsort(-flat, kind="stable")
    share = np.empty_like(flat)
    share[order] = np.cumsum(flat[order]) / flat.sum()
    return share.reshape(density_GG.shape)
