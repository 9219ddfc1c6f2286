"""The drawings of a circumplex report: points, angles, distances, AUCs.

Every ``plot_`` function writes the files ``<stem>.*`` of one figure; its ``titles`` are title
and subtitle.

Axes: N utterances, E emotions, R components, 2 = the axes of the plane.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import chi2

from ser_brain.analysis.circumplex.data import Cloud
from ser_brain.analysis.plots import draw_circle, ellipse
from ser_brain.reporting.plots.frame import (
    ABOVE,
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    PANELS_PER_ROW,
    PURPLE,
    VERMILLION,
    cut,
    panels,
)

# Colour and marker together identify an emotion; similar emotions share neither.
MARKS = {
    "anger": (VERMILLION, "^"),
    "happiness": (ORANGE, "o"),
    "sadness": (BLUE, "v"),
    "neutral": (GREY, "s"),
    "excitement": ("#8C6D00", "*"),
    "frustration": ("#7A2E00", "X"),
    "fear": (PURPLE, "D"),
    "disgust": (GREEN, "P"),
    "surprise": ("#56B4E9", "p"),
    "boredom": ("#003A5C", "<"),
    "contempt": ("#00543E", "h"),
    "calm": ("#9A4C7A", ">"),
}
ELLIPSE_SHARE = 0.8  # of a Gaussian's mass inside its ellipse
PANEL_IN = 2.75
LEGEND_IN = 1.2  # width of one entry
SCREE_COMPONENTS = 20  # shown one by one
LONGEST = 0.86  # radius at which the farthest centroid of a circle is drawn

# Axis -> colour, marker, and how far above a model's line it is drawn.
AXIS_MARKS = {"arousal": (BLUE, "o", 0.16), "valence": (ORANGE, "s", -0.16)}


@dataclass(frozen=True)
class Scatter:
    """The points of one panel."""

    points_N2: np.ndarray
    emotion_N: np.ndarray
    means_E2: np.ndarray  # of each emotion's Gaussian
    covariances_E22: np.ndarray
    shares: tuple[float, float]  # of the fitted set's variance, explained by the two components


def plot_components(
    stem: Path, scatters: Mapping[str, Scatter], emotions: Sequence[str], *titles: str
) -> None:
    """First two components, with each emotion's ellipse and centroid; one panel per scatter."""
    size_in = (PANEL_IN, PANEL_IN)
    with panels(stem, len(scatters), size_in, *titles, _per_row(scatters)) as grid:
        for axes, (name, scatter) in zip(grid, scatters.items(), strict=True):
            _draw_points(axes, scatter.points_N2, scatter.emotion_N, emotions)
            squared_radius = chi2.ppf(ELLIPSE_SHARE, 2)
            for n, emotion in enumerate(emotions):
                gaussian = scatter.means_E2[n], scatter.covariances_E22[n]
                curve_K2 = ellipse(*gaussian, squared_radius)
                axes.plot(*curve_K2.T, color=MARKS[emotion][0], linewidth=1.4, zorder=3)
            _draw_centroids(axes, scatter.means_E2, emotions)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set(
                xlabel=f"Component 1 ({scatter.shares[0]:.0%})",
                ylabel=f"Component 2 ({scatter.shares[1]:.0%})",
            )
            _draw_head(axes, name)
        _draw_legend(grid[0], emotions)


def plot_placed(
    stem: Path,
    clouds: Mapping[str, Cloud],
    emotions: Sequence[str],
    targets_E2: np.ndarray,
    *titles: str,
) -> None:
    """Points placed on Russell's plane; a line ties each centroid to its word's place."""
    size_in = (PANEL_IN + 0.1, PANEL_IN)
    with panels(stem, len(clouds), size_in, *titles, _per_row(clouds)) as grid:
        for axes, (name, cloud) in zip(grid, clouds.items(), strict=True):
            points_N2, emotion_N = cloud.points_ND, cloud.emotion_N
            draw_circle(axes, zorder=2)
            _draw_points(axes, points_N2, emotion_N, emotions)
            means_E2 = np.stack(
                [points_N2[emotion_N == n].mean(axis=0) for n in range(len(emotions))]
            )
            for mean_2, target_2, emotion in zip(means_E2, targets_E2, emotions, strict=True):
                colour = MARKS[emotion][0]
                line_22 = np.stack([mean_2, target_2])
                axes.plot(*line_22.T, color=colour, linewidth=1.2, zorder=4)
                axes.plot(*target_2, "o", mfc="white", mec=colour, zorder=5)
            _draw_centroids(axes, means_E2, emotions)
            # A few far points may fall outside: they must not shrink the circle.
            reach = max(1.3, float(np.quantile(np.abs(points_N2), 0.99)) * 1.1)
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            axes.set(xlabel="Placed valence", ylabel="Placed arousal")
            if reach < 4:  # farther out, three ticks would cover each other
                for set_ticks in (axes.set_xticks, axes.set_yticks):
                    set_ticks([-1, 0, 1], ["−1", "0", "1"])
            _draw_head(axes, name)
        _draw_legend(grid[0], emotions)


def plot_circle(stem: Path, centroids: Mapping[str, Sequence[Mapping]], *titles: str) -> None:
    """Angle and radius of the centroids, rotated and reflected onto Russell's words.

    ``centroids`` maps the head of a panel to what
    :func:`ser_brain.analysis.circumplex.order.centroids` returns.
    """
    with panels(stem, len(centroids), (2.9, 2.6), *titles, _per_row(centroids)) as grid:
        for axes, (name, found) in zip(grid, centroids.items(), strict=True):
            axes.set(xlim=(-1.55, 1.55), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            draw_circle(axes, zorder=2)
            known = [c for c in found if c["angle"]["value"] is not None]
            farthest = max((c["radius"] for c in known), default=1.0)
            for centroid in known:
                _draw_arm(axes, centroid, LONGEST * centroid["radius"] / farthest)
                if centroid["reference_deg"] is not None:
                    _draw_word(axes, centroid)
            _draw_head(axes, name, 36)


def _draw_arm(axes: Axes, centroid: Mapping, radius: float) -> None:
    """A line from the centre to the centroid, and an arc for the interval of its angle."""
    colour, marker = MARKS[centroid["emotion"]]
    angle = centroid["angle"]
    end = _polar_point(angle["value"], radius)
    axes.plot([0, end[0]], [0, end[1]], color=colour, linewidth=1.6)
    axes.plot(*end, marker, color=colour, markersize=8, markeredgecolor="white")
    if angle["low"] is not None:
        arc = np.linspace(angle["low"], angle["high"], 60)
        axes.plot(*_polar_point(arc, radius), color=colour, linewidth=3, alpha=0.35)


def _draw_word(axes: Axes, centroid: Mapping) -> None:
    """The word's place on the circle: hollow, and dashed where the place is assigned."""
    angle_deg, colour = centroid["reference_deg"], MARKS[centroid["emotion"]][0]
    dashes = "--" if centroid["source"] == "assigned" else "-"
    axes.plot(*_polar_point(angle_deg, np.array([0.94, 1.06])), dashes, color=colour)
    axes.plot(*_polar_point(angle_deg, 1.0), "o", mfc="white", mec=colour, markersize=6)
    x, y = _polar_point(angle_deg, 1.2)
    look = {"va": "center", "size": 8, "color": INK}
    if abs(x) < 0.4:
        axes.text(x, y, centroid["emotion"], ha="center", **look)
    else:
        ha = "left" if x > 0 else "right"
        axes.text(1.12 / 1.2 * x, y, centroid["emotion"], ha=ha, **look)


def _polar_point(angle_deg: np.ndarray | float, radius: np.ndarray | float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([radius * np.cos(angle), radius * np.sin(angle)])


def plot_scree(
    stem: Path, ratios: Mapping[str, np.ndarray], shares: Sequence[float], *titles: str
) -> None:
    """Explained-variance ratio of each component, and cumulated, of every model.

    ``ratios`` maps a model to ratio_R; ``shares`` are marked in the cumulative panel.
    """
    with panels(stem, 2, (3.5, 2.7), *titles) as (single, whole):
        for (name, ratio_R), (colour, dashes) in zip(ratios.items(), LINES, strict=False):
            number_R = np.arange(1, len(ratio_R) + 1)
            first = slice(SCREE_COMPONENTS)
            look = {"color": colour, "marker": "o", "markersize": 3, "label": cut(name, 40)}
            single.plot(number_R[first], ratio_R[first], dashes, **look)
            whole.plot(number_R, np.cumsum(ratio_R), dashes, color=colour)
        longest = max(2, *(len(ratio_R) for ratio_R in ratios.values()))
        for share in shares:
            whole.axhline(share, color=GREY, linewidth=0.8, linestyle=":")
            whole.text(longest * 1.05, share, f"{share:.0%}", va="center", size=7.5, color=GREY)
        single.set(xlabel="Component", ylabel="Explained-variance ratio", ylim=(0, None))
        single.xaxis.get_major_locator().set_params(integer=True)
        whole.set(xlabel="Components", ylabel="Cumulative ratio", ylim=(0, 1.02))
        whole.set(xscale="log", xlim=(1, longest))
        ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= longest]
        whole.set_xticks(ticks, map(str, ticks))
        whole.set_xticks([], minor=True)
        single.legend(loc="upper right", fontsize=7.5)


def plot_distances(
    stem: Path, matrices: Mapping[str, np.ndarray], emotions: Sequence[str], *titles: str
) -> None:
    """Distances between emotions, a panel per model, all on one scale.

    ``matrices`` maps a model to distances of shape (E, E).
    """
    highest = max(np.nanmax(matrix_EE) for matrix_EE in matrices.values())
    width_in = 1.35 + 0.5 * len(emotions)
    size_in = (width_in, width_in - 0.25)
    with panels(stem, len(matrices), size_in, *titles, _per_row(matrices)) as grid:
        for axes, (name, matrix_EE) in zip(grid, matrices.items(), strict=True):
            shown_EE = np.where(np.eye(len(emotions), dtype=bool), np.nan, matrix_EE)
            axes.imshow(shown_EE, cmap="Blues", vmin=0, vmax=highest)
            for (row, column), value in np.ndenumerate(shown_EE):
                if np.isfinite(value):
                    look = {"ha": "center", "va": "center", "size": 8}
                    look["color"] = "white" if value > 0.55 * highest else INK
                    axes.text(column, row, f"{value:.1f}", **look)
            places = range(len(emotions))
            axes.set_xticks(places, emotions, rotation=35, ha="right", rotation_mode="anchor")
            axes.set_yticks(places, emotions)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            _draw_head(axes, name, int(12 * width_in))


def plot_separability(
    stem: Path, results: Mapping[str, Mapping], ways: Mapping[str, str], *titles: str
) -> None:
    """AUC of arousal and valence with intervals, a panel for each way, a line per model.

    ``results`` maps a model to the results of
    :func:`ser_brain.analysis.circumplex.separability.separability`; ``ways`` a way to words.
    """
    height_in = 1.1 + 0.42 * len(results)
    with panels(stem, len(ways), (3.7, height_in), *titles) as grid:
        for axes, (way, words) in zip(grid, ways.items(), strict=True):
            for n, of_model in enumerate(reversed(results.values())):
                _draw_aucs(axes, n, of_model[way])
            axes.axvline(0.5, color=GREY, linewidth=1, linestyle="--")
            axes.set_yticks(range(len(results)), [])
            axes.set(xlim=(0.3, 1.03), ylim=(-0.6, len(results) - 0.4))
            axes.set(xlabel=f"AUC {words}")
        names = [textwrap.fill(name, 24) for name in reversed(results)]
        grid[0].set_yticks(range(len(names)), names, parse_math=False, size=8)
        grid[0].legend(**ABOVE)


def _draw_aucs(axes: Axes, n: int, found: Mapping[str, Mapping]) -> None:
    for axis, (colour, marker, offset) in AXIS_MARKS.items():
        auc, y = found[axis] and found[axis]["auc"], n + offset
        if auc is None or auc["value"] is None:
            continue
        if auc["low"] is not None:
            axes.plot([auc["low"], auc["high"]], [y, y], color=colour, linewidth=1.6)
        look = {"color": colour, "label": axis if n == 0 else None, "zorder": 3}
        axes.plot(auc["value"], y, marker, clip_on=False, **look)


def _per_row(named: Mapping) -> int:
    return 2 if len(named) == 4 else PANELS_PER_ROW  # four panels form a square


def _draw_points(
    axes: Axes, points_N2: np.ndarray, emotion_N: np.ndarray, emotions: Sequence[str]
) -> None:
    """All points, as one image, so that an SVG with many utterances stays small."""
    axes.set_rasterization_zorder(1.5)
    # In blocks of mixed order, so that no emotion hides another.
    order = np.random.default_rng(0).permutation(len(points_N2))
    alpha = float(np.clip(200 / len(points_N2), 0.08, 0.55))
    for block in np.array_split(order, min(12, len(order))):
        for n, emotion in enumerate(emotions):
            chosen = block[emotion_N[block] == n]
            colour, marker = MARKS[emotion]
            look = {"s": 11, "color": colour, "marker": marker, "alpha": alpha}
            axes.scatter(*points_N2[chosen].T, linewidths=0, zorder=1, **look)


def _draw_centroids(axes: Axes, means_E2: np.ndarray, emotions: Sequence[str]) -> None:
    for mean_2, emotion in zip(means_E2, emotions, strict=True):
        colour, marker = MARKS[emotion]
        look = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 1, "zorder": 6}
        axes.plot(*mean_2, marker, color=colour, **look)


def _draw_head(axes: Axes, name: str, characters: int = 34) -> None:
    axes.set_title(cut(name, characters), loc="left", size=9, color=INK, parse_math=False)


def _draw_legend(axes: Axes, emotions: Sequence[str]) -> None:
    """One legend below all panels."""
    handles = [
        Line2D([], [], color=MARKS[e][0], marker=MARKS[e][1], linestyle="", label=e)
        for e in emotions
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 6, int(axes.figure.get_figwidth() / LEGEND_IN)),
        fontsize=8,
        handletextpad=0.2,
    )
