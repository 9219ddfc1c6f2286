"""Emotions in the first two components: points, Gaussians and centroids.

Axes: N utterances, E emotions, 2 = the plane's axes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Ellipse
from scipy.stats import chi2

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

# Colour and marker together tell an emotion; alike emotions share neither.
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
PANEL_IN = 2.75
LEGEND_IN = 1.2  # width of one entry


def per_row(named: Mapping) -> int:
    """Panels side by side: four stand two by two."""
    return 2 if len(named) == 4 else PANELS_PER_ROW


def draw_circle(axes: Axes) -> None:
    """Russell's circle with the axes of valence and arousal."""
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=GREY, linewidth=0.8, zorder=2))
    axes.plot([-1, 1], [0, 0], color=GREY, linewidth=0.5, zorder=2)
    axes.plot([0, 0], [-1, 1], color=GREY, linewidth=0.5, zorder=2)


def draw_points(
    axes: Axes, points_N2: np.ndarray, emotion_N: np.ndarray, emotions: Sequence[str]
) -> None:
    """All points in one mixed order, so that no emotion hides another; as one image."""
    axes.set_rasterization_zorder(1.5)
    order = np.random.default_rng(0).permutation(len(points_N2))
    alpha = float(np.clip(200 / len(points_N2), 0.08, 0.55))
    for block in np.array_split(order, min(12, len(order))):
        for n, emotion in enumerate(emotions):
            chosen = block[emotion_N[block] == n]
            colour, marker = MARKS[emotion]
            axes.scatter(
                *points_N2[chosen].T,
                s=11,
                color=colour,
                marker=marker,
                alpha=alpha,
                linewidths=0,
                zorder=1,
            )


def draw_centroids(axes: Axes, means_E2: np.ndarray, emotions: Sequence[str]) -> None:
    """A large mark for every emotion, above all else."""
    for n, emotion in enumerate(emotions):
        colour, marker = MARKS[emotion]
        axes.plot(
            *means_E2[n],
            marker,
            color=colour,
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1,
            zorder=6,
        )


def draw_head(axes: Axes, name: str) -> None:
    """The title of a panel."""
    axes.set_title(cut(name, 34), loc="left", size=9, color=INK, parse_math=False)


def draw_legend(axes: Axes, emotions: Sequence[str]) -> None:
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


ELLIPSE_SHARE = 0.8  # of a Gaussian's mass inside its ellipse


@dataclass(frozen=True)
class Scatter:
    """The points of one panel.

    Attributes
    ----------
    points_N2 : ndarray
    emotion_N : ndarray of int
    means_E2, covariances_E22 : ndarray
        Of each emotion's Gaussian.
    shares : (float, float)
        Of the variance of the fitted set, by the two axes.
    """

    points_N2: np.ndarray
    emotion_N: np.ndarray
    means_E2: np.ndarray
    covariances_E22: np.ndarray
    shares: tuple[float, float]


def components(
    stem: str | Path,
    scatters: Mapping[str, Scatter],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """First two components, with a Gaussian's ellipse and centroid per emotion; a panel each.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    scatters : mapping
        Panel title -> Scatter.
    emotions : sequence of str
    title, subtitle : str
    """
    size_in = (PANEL_IN, PANEL_IN)
    with panels(stem, len(scatters), size_in, title, subtitle, per_row(scatters)) as grid:
        for axes, (name, scatter) in zip(grid, scatters.items(), strict=True):
            draw_points(axes, scatter.points_N2, scatter.emotion_N, emotions)
            for n, emotion in enumerate(emotions):
                _ellipse(axes, scatter.means_E2[n], scatter.covariances_E22[n], emotion)
            draw_centroids(axes, scatter.means_E2, emotions)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set(
                xlabel=f"Component 1 ({scatter.shares[0]:.0%})",
                ylabel=f"Component 2 ({scatter.shares[1]:.0%})",
            )
            draw_head(axes, name)
        draw_legend(grid[0], emotions)


def _ellipse(axes: Axes, mean_2: np.ndarray, covariance_22: np.ndarray, emotion: str) -> None:
    variances, directions = np.linalg.eigh(covariance_22)
    height, width = 2 * np.sqrt(np.maximum(variances, 0) * chi2.ppf(ELLIPSE_SHARE, 2))
    angle_deg = np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))
    axes.add_patch(
        Ellipse(
            mean_2,
            width,
            height,
            angle=angle_deg,
            fill=False,
            edgecolor=MARKS[emotion][0],
            linewidth=1.4,
            zorder=3,
        )
    )


LONGEST = 0.86  # radius at which the farthest centroid is drawn
WORDS_AT = 1.2


def circle(
    stem: str | Path,
    centroids: Mapping[str, Sequence[Mapping]],
    title: str,
    subtitle: str,
) -> None:
    """Angle and radius of the emotions, rotated and reflected onto Russell's words.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    centroids : mapping
        Panel title -> centroids as ``circumplex.arrangement.centroids`` gives them.
    title, subtitle : str
    """
    with panels(stem, len(centroids), (2.9, 2.6), title, subtitle, per_row(centroids)) as grid:
        for axes, (name, found) in zip(grid, centroids.items(), strict=True):
            _panel(axes, [c for c in found if c["angle"]["value"] is not None])
            axes.set_title(cut(name, 36), loc="left", size=9, color=INK, parse_math=False)


def _panel(axes: Axes, found: Sequence[Mapping]) -> None:
    axes.set(xlim=(-1.55, 1.55), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    draw_circle(axes)
    farthest = max((centroid["radius"] for centroid in found), default=1.0)
    for centroid in found:
        colour, marker = MARKS[centroid["emotion"]]
        angle, radius = centroid["angle"], LONGEST * centroid["radius"] / farthest
        end = _at(angle["value"], radius)
        axes.plot([0, end[0]], [0, end[1]], color=colour, linewidth=1.6)
        axes.plot(*end, marker, color=colour, markersize=8, markeredgecolor="white")
        if angle["low"] is not None:
            arc = np.linspace(angle["low"], angle["high"], 60)
            axes.plot(*_at(arc, radius), color=colour, linewidth=3, alpha=0.35)
        if centroid["reference_deg"] is not None:
            _word(axes, centroid, colour)


def _word(axes: Axes, centroid: Mapping, colour: str) -> None:
    """The word's place on the circle; hollow, and dashed where the place is assigned."""
    angle_deg = centroid["reference_deg"]
    edge = "--" if centroid["source"] == "assigned" else "-"
    axes.plot(*_at(np.array([angle_deg] * 2), np.array([0.94, 1.06])), edge, color=colour)
    axes.plot(*_at(angle_deg, 1.0), "o", mfc="white", mec=colour, markersize=6)
    x, y = _at(angle_deg, WORDS_AT)
    side = "center" if abs(x) < 0.4 else "left" if x > 0 else "right"
    text = {"ha": side, "va": "center", "size": 8, "color": INK}
    axes.text(1.12 / WORDS_AT * x if side != "center" else x, y, centroid["emotion"], **text)


def _at(angle_deg: np.ndarray | float, radius: np.ndarray | float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([radius * np.cos(angle), radius * np.sin(angle)])


SHOWN = 20  # components of a scree plot

# Axis -> colour, marker, and how far above a model's line it is drawn.
AXIS_MARKS = {"arousal": (BLUE, "o", 0.16), "valence": (ORANGE, "s", -0.16)}


def scree(
    stem: str | Path,
    ratios: Mapping[str, np.ndarray],
    shares: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Explained-variance ratio of each component, and cumulated.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    ratios : mapping
        Model -> ratio_R.
    shares : sequence of float
        Marked in the cumulative panel.
    title, subtitle : str
    """
    with panels(stem, 2, (3.5, 2.7), title, subtitle) as (single, whole):
        longest = 2
        for (name, ratio_R), (colour, dashes) in zip(ratios.items(), LINES, strict=False):
            shown = ratio_R[:SHOWN]
            single.plot(
                np.arange(1, len(shown) + 1),
                shown,
                dashes,
                color=colour,
                marker="o",
                markersize=3,
                label=cut(name, 40),
            )
            whole.plot(np.arange(1, len(ratio_R) + 1), np.cumsum(ratio_R), dashes, color=colour)
            longest = max(longest, len(ratio_R))
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


def distances(
    stem: str | Path,
    matrices: Mapping[str, np.ndarray],
    emotions: Sequence[str],
    title: str,
    subtitle: str,
) -> None:
    """Distances between emotions, one panel per model, all on one scale.

    Parameters
    ----------
    matrices : mapping
        Model -> distances, shape (E, E).
    """
    highest = max(np.nanmax(matrix_EE) for matrix_EE in matrices.values())
    size_in = 1.35 + 0.5 * len(emotions)
    with panels(
        stem, len(matrices), (size_in, size_in - 0.25), title, subtitle, per_row(matrices)
    ) as grid:
        for axes, (name, matrix_EE) in zip(grid, matrices.items(), strict=True):
            shown_EE = np.where(np.eye(len(emotions), dtype=bool), np.nan, matrix_EE)
            axes.imshow(shown_EE, cmap="Blues", vmin=0, vmax=highest)
            for (row, column), value in np.ndenumerate(shown_EE):
                if np.isfinite(value):
                    colour = "white" if value > 0.55 * highest else INK
                    axes.text(
                        column,
                        row,
                        f"{value:.1f}",
                        ha="center",
                        va="center",
                        size=8,
                        color=colour,
                    )
            places = range(len(emotions))
            axes.set_xticks(places, emotions, rotation=35, ha="right", rotation_mode="anchor")
            axes.set_yticks(places, emotions)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(
                cut(name, int(12 * size_in)), loc="left", size=9, color=INK, parse_math=False
            )


def separability(
    stem: str | Path,
    results: Mapping[str, Mapping[str, Mapping]],
    ways: Mapping[str, str],
    title: str,
    subtitle: str,
) -> None:
    """AUC of arousal and valence with intervals, a panel for each way, a line per model.

    Parameters
    ----------
    results : mapping
        Model -> way -> as ``circumplex.axes.separability`` gives it.
    ways : mapping
        Way -> its words.
    """
    height_in = 1.1 + 0.42 * len(results)
    with panels(stem, len(ways), (3.7, height_in), title, subtitle) as grid:
        for axes, (way, words) in zip(grid, ways.items(), strict=True):
            for n, of_model in enumerate(reversed(results.values())):
                _aucs(axes, n, of_model[way])
            axes.axvline(0.5, color=GREY, linewidth=1, linestyle="--")
            axes.set_yticks(range(len(results)), [])
            axes.set(xlim=(0.3, 1.03), ylim=(-0.6, len(results) - 0.4))
            axes.set(xlabel=f"AUC {words}")
        names = [textwrap.fill(name, 24) for name in reversed(results)]
        grid[0].set_yticks(range(len(names)), names, parse_math=False, size=8)
        grid[0].legend(**ABOVE)


def _aucs(axes: Axes, n: int, found: Mapping[str, Mapping]) -> None:
    for axis, (colour, marker, offset) in AXIS_MARKS.items():
        if found[axis] is None or found[axis]["auc"]["value"] is None:
            continue
        auc, y = found[axis]["auc"], n + offset
        if auc["low"] is not None:
            axes.plot([auc["low"], auc["high"]], [y, y], color=colour, linewidth=1.6)
        label = axis if n == 0 else None
        axes.plot(auc["value"], y, marker, color=colour, label=label, clip_on=False, zorder=3)


def placed(
    stem: str | Path,
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    emotions: Sequence[str],
    targets_E2: np.ndarray,
    title: str,
    subtitle: str,
) -> None:
    """Points placed on the valence-arousal plane; a line ties each centroid to its word.

    Parameters
    ----------
    points : mapping
        Panel title -> (points_N2, emotion_N).
    targets_E2 : ndarray
        Where the emotions' words lie.
    """
    size_in = (PANEL_IN + 0.1, PANEL_IN)
    with panels(stem, len(points), size_in, title, subtitle, per_row(points)) as grid:
        for axes, (name, (points_N2, emotion_N)) in zip(grid, points.items(), strict=True):
            draw_circle(axes)
            draw_points(axes, points_N2, emotion_N, emotions)
            means_E2 = np.stack(
                [points_N2[emotion_N == n].mean(axis=0) for n in range(len(emotions))]
            )
            for n, emotion in enumerate(emotions):
                line = np.stack([means_E2[n], targets_E2[n]])
                axes.plot(*line.T, color=MARKS[emotion][0], linewidth=1.2, zorder=4)
                axes.plot(*targets_E2[n], "o", mfc="white", mec=MARKS[emotion][0], zorder=5)
            draw_centroids(axes, means_E2, emotions)
            reach = max(1.3, float(np.quantile(np.abs(points_N2), 0.99)) * 1.1)
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            axes.set(xlabel="Placed valence", ylabel="Placed arousal")
            axes.set_xticks([-1, 0, 1], ["−1", "0", "1"])
            axes.set_yticks([-1, 0, 1], ["−1", "0", "1"])
            draw_head(axes, name)
        draw_legend(grid[0], emotions)
