"""The strip plot of every speaker's results.

Axes: S speakers, s some of them, 3 = value, low, high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ser_brain.reporting.plots.frame import BLUE, GREEN, GREY, INK, PURPLE, cut, each_panel

NAMED_SPEAKERS = 40  # with more, there is no room for names
GENDERS = {
    "female": ("o", PURPLE),
    "male": ("^", BLUE),
    "other": ("D", GREEN),
    None: ("s", GREY),
}


@dataclass(frozen=True)
class Speakers:
    """Speakers from the bottom up; a gender is ``female``, ``male``, ``other`` or None."""

    names: Sequence[str]
    genders: Sequence[str | None]
    utterances: Sequence[int]


@dataclass(frozen=True)
class SpeakerResults:
    """One metric of every speaker."""

    values_S3: np.ndarray  # value and the ends of its interval; NaN where undefined
    overall: float  # of the whole set
    limits: tuple[float, float] | None  # ends of the axis, where the metric has them


def speaker_strip(
    stem: str | Path,
    speakers: Speakers,
    results: Mapping[str, SpeakerResults],
    title: str,
    subtitle: str,
) -> None:
    """Each speaker's results, a panel for each metric.

    Up to 40 speakers have a line each, with name and interval. More speakers share a strip for
    each gender.
    """
    count = len(speakers.names)
    named = count <= NAMED_SPEAKERS
    size_in = (3.0, 1.0 + 0.19 * count if named else 2.9)
    for axes, metric, found in each_panel(stem, results, size_in, title, subtitle):
        first = metric == next(iter(results))
        (_lines if named else _strips)(axes, speakers, found, first)
        label = f"all {found.overall:.3f}".replace("-", "−")
        line = {"color": INK, "linewidth": 1, "linestyle": "--", "zorder": 4}
        axes.axvline(found.overall, label=label, **line)
        axes.set_xlim(found.limits or (0, None))
        above = {"loc": "lower left", "bbox_to_anchor": (0, 0.98), "fontsize": 7.5}
        axes.legend(ncols=3, columnspacing=1, handletextpad=0.3, **above)
        axes.set_xlabel(metric)
        axes.tick_params(axis="y", length=0)


def _lines(axes: Axes, speakers: Speakers, found: SpeakerResults, first: bool) -> None:
    value_S, low_S, high_S = found.values_S3.T
    count = len(value_S)
    axes.hlines(range(count), low_S, high_S, color="#C4C4C4", linewidth=0.8)
    for gender, of_S in _by_gender(speakers).items():
        label = (gender or "gender unknown") if first else None
        share_s = _share(speakers)[of_S]
        _marks(axes, gender, value_S[of_S], np.flatnonzero(of_S), share_s, label)
    names = zip(speakers.names, speakers.utterances, strict=True)
    labels = [f"{cut(name)} (n = {utterances:,})" for name, utterances in names]
    axes.set_yticks(range(count) if first else [], labels if first else [], parse_math=False)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(-1, count)


def _strips(axes: Axes, speakers: Speakers, found: SpeakerResults, first: bool) -> None:
    strips = _by_gender(speakers)
    for place, (gender, of_S) in enumerate(strips.items()):
        # Steps of the golden ratio spread neighbours evenly, and the same way each time.
        height_s = place + 0.7 * ((np.arange(of_S.sum()) * 0.618034) % 1 - 0.5)
        _marks(axes, gender, found.values_S3[of_S, 0], height_s, 0.2 * _share(speakers)[of_S])
    words = [f"{gender or 'unknown'}\n({of_S.sum():,})" for gender, of_S in strips.items()]
    axes.set_yticks(range(len(strips)) if first else [], words if first else [])
    axes.set_ylim(-0.6, len(strips) - 0.4)


def _by_gender(speakers: Speakers) -> dict[str | None, np.ndarray]:
    """Gender -> mask of its speakers, of those that occur."""
    who = {gender: np.array([g == gender for g in speakers.genders]) for gender in GENDERS}
    return {gender: of_S for gender, of_S in who.items() if of_S.any()}


def _share(speakers: Speakers) -> np.ndarray:
    """Utterances of each speaker, relative to the most that one has."""
    return np.array(speakers.utterances) / max(speakers.utterances)


def _marks(
    axes: Axes,
    gender: str | None,
    x_s: np.ndarray,
    y_s: np.ndarray,
    share_s: np.ndarray,
    label: str | None = None,
) -> None:
    marker, colour = GENDERS[gender]
    look = {"marker": marker, "color": colour, "linewidths": 0, "label": label, "zorder": 3}
    many = len(x_s) > NAMED_SPEAKERS
    axes.scatter(x_s, y_s, 8 + 36 * share_s, alpha=0.6 if many else 1, rasterized=many, **look)
