"""The figures of a circumplex report, with captions and text alternatives.

Axes: N utterances, E emotions, R components, 2 = the axes of the plane.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import chi2

from ser_brain.analysis.circumplex.distances import SHARES, covariances, moments
from ser_brain.analysis.circumplex.order import AXES, reference_points
from ser_brain.analysis.circumplex.procrustes import pool
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.analysis.plots import draw_circle, ellipse
from ser_brain.core.tables import cell_text
from ser_brain.reporting.html import ReportFigure, inlined
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

if TYPE_CHECKING:
    from ser_brain.analysis.circumplex.report import Analysis

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
MOST_PANELS = 5  # parts or models side by side; the tables have all of them
ELLIPSE_SHARE = 0.8  # of a Gaussian's mass inside its ellipse
PANEL_IN = 2.75
LEGEND_IN = 1.2  # width of one entry
SCREE_COMPONENTS = 20  # shown one by one
LONGEST = 0.86  # radius at which the farthest centroid of a circle is drawn

# Axis -> colour, marker, and how far above a model's line it is drawn.
AXIS_MARKS = {"arousal": (BLUE, "o", 0.16), "valence": (ORANGE, "s", -0.16)}


def draw_figures(
    folder: Path, analyses: Mapping[str, Analysis]
) -> dict[str, list[ReportFigure]]:
    """Draw every figure of one test set, by section of the page.

    Files are named ``<set>-<figure>``. ``analyses`` maps each model to its analysis of the
    set, the run first.
    """
    figures = _Figures(folder, dict(list(analyses.items())[:MOST_PANELS]))
    return {
        "components": [figures.scree(), *figures.components()],
        "distances": [figures.distances()],
        "circle": figures.circle(),
        "placement": figures.placed(),
        "separability": [figures.separability()],
    }


class _Figures:
    """Draws the figures of one test set."""

    def __init__(self, folder: Path, analyses: Mapping[str, Analysis]):
        self.folder, self.analyses = folder, analyses
        self.label, self.run = next(iter(analyses.items()))  # baselines follow
        self.results, self.emotions = self.run.results, self.run.reduced.emotions
        self.name = self.results["test_set"]
        self.subtitle = f"{self.results['protocol']}; fitted on {self.results['fitted_on']}"
        if self.results["synthetic"]:
            self.subtitle += "; SYNTHETIC SPEECH"

    def stem(self, what: str) -> Path:
        return self.folder / f"{self.name}-{what}"

    def panels(
        self, what: str, count: int, size_in: tuple[float, float], title: str
    ) -> AbstractContextManager[list[Axes]]:
        per_row = 2 if count == 4 else PANELS_PER_ROW  # four panels form a square
        return panels(self.stem(what), count, size_in, title, self.subtitle, per_row)

    def scree(self) -> ReportFigure:
        """Explained-variance ratio of each component, and cumulated, of every model."""
        ratios = {}
        for model, analysis in self.analyses.items():
            each = [found.ratio_R for found in analysis.reduced.reductions.values()]
            size = min(map(len, each))  # as many components as all parts have
            ratios[model] = np.mean([ratio_R[:size] for ratio_R in each], axis=0)
        title = f"Variance explained on {self.results['fitted_on']}"
        with self.panels("scree", 2, (3.5, 2.7), title) as (single, whole):
            for (name, ratio_R), (colour, dashes) in zip(ratios.items(), LINES, strict=False):
                number_R = np.arange(1, len(ratio_R) + 1)
                first = slice(SCREE_COMPONENTS)
                look = {"color": colour, "marker": "o", "markersize": 3, "label": cut(name, 40)}
                single.plot(number_R[first], ratio_R[first], dashes, **look)
                whole.plot(number_R, np.cumsum(ratio_R), dashes, color=colour)
            longest = max(2, *(len(ratio_R) for ratio_R in ratios.values()))
            look = {"va": "center", "size": 7.5, "color": GREY}
            for share in SHARES:
                whole.axhline(share, color=GREY, linewidth=0.8, linestyle=":")
                whole.text(longest * 1.05, share, f"{share:.0%}", **look)
            single.set(xlabel="Component", ylabel="Explained-variance ratio", ylim=(0, None))
            single.xaxis.get_major_locator().set_params(integer=True)
            whole.set(xlabel="Components", ylabel="Cumulative ratio", ylim=(0, 1.02))
            whole.set(xscale="log", xlim=(1, longest))
            ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= longest]
            whole.set_xticks(ticks, map(str, ticks))
            whole.set_xticks([], minor=True)
            single.legend(loc="upper right", fontsize=7.5)
        shares = [f"{m}: {r[:3].sum():.0%} in three components" for m, r in ratios.items()]
        return inlined(
            self.stem("scree"),
            "Explained-variance ratio of each component, and cumulated; mean over the parts.",
            f"Scree plot. {'; '.join(shares)}.",
        )

    def components(self) -> Iterator[ReportFigure]:
        """Every part of the run in its first two components, and one part of every model."""
        parts = self.results["parts"]
        shown = {f"{self.label}, {part}": (self.run, part) for part in parts[:MOST_PANELS]}
        if len(parts) == 1:
            shown = {self.label: (self.run, parts[0])}
        of_all = ""
        if len(parts) > MOST_PANELS:
            of_all = f"; the first {MOST_PANELS} of {len(parts)} parts"
        caption = f"Utterances, centroids and ellipses that hold 80 % of each Gaussian{of_all}."
        title = f"{self.name} in the first two components"
        yield self._scatters("parts", shown, title, caption)
        if len(self.analyses) > 1:
            shown = {model: (analysis, parts[0]) for model, analysis in self.analyses.items()}
            title = f"{self.name}, {parts[0]}, as each model sees it"
            caption = f"The same utterances ({parts[0]}) in the components of each model."
            yield self._scatters("models", shown, title, caption)

    def _scatters(
        self, what: str, shown: Mapping[str, tuple[Analysis, str]], title: str, caption: str
    ) -> ReportFigure:
        """A panel with points, centroids and ellipses for each model and part."""
        with self.panels(what, len(shown), (PANEL_IN, PANEL_IN), title) as grid:
            for axes, (name, (analysis, part)) in zip(grid, shown.items(), strict=True):
                reduced = analysis.reduced
                points_N2 = reduced.points(part)[:, :2]
                emotion_N = reduced.test.clouds[part].emotion_N
                _draw_points(axes, points_N2, emotion_N, self.emotions)
                of_plane = moments(points_N2, emotion_N, len(self.emotions))
                own_E22, _ = covariances(of_plane)
                squared_radius = chi2.ppf(ELLIPSE_SHARE, 2)
                for n, emotion in enumerate(self.emotions):
                    curve_K2 = ellipse(of_plane.means_XEk[n], own_E22[n], squared_radius)
                    axes.plot(*curve_K2.T, color=MARKS[emotion][0], linewidth=1.4, zorder=3)
                _draw_centroids(axes, of_plane.means_XEk, self.emotions)
                axes.set_aspect("equal", adjustable="datalim")
                first, second = reduced.reductions[part].ratio_R[:2].tolist()
                axes.set_xlabel(f"Component 1 ({first:.0%})")
                axes.set_ylabel(f"Component 2 ({second:.0%})")
                _draw_head(axes, name)
            _draw_legend(grid[0], self.emotions)
        alt = f"Scatter plots: {', '.join(shown)}. Distances are in the table."
        return inlined(self.stem(what), caption, alt)

    def distances(self) -> ReportFigure:
        """Mahalanobis distances between emotions, all models on one scale."""
        matrices = {m: _distance_matrix(a) for m, a in self.analyses.items()}
        highest = max(np.nanmax(matrix_EE) for matrix_EE in matrices.values())
        width_in = 1.35 + 0.5 * len(self.emotions)
        size_in = (width_in, width_in - 0.25)
        title = f"Mahalanobis distances on {self.name}"
        with self.panels("distances", len(matrices), size_in, title) as grid:
            for axes, (name, matrix_EE) in zip(grid, matrices.items(), strict=True):
                axes.imshow(matrix_EE, cmap="Blues", vmin=0, vmax=highest)
                for (row, column), value in np.ndenumerate(matrix_EE):
                    if np.isfinite(value):
                        look = {"ha": "center", "va": "center", "size": 8}
                        look["color"] = "white" if value > 0.55 * highest else INK
                        axes.text(column, row, f"{value:.1f}", **look)
                places, look = range(len(self.emotions)), {"rotation_mode": "anchor"}
                axes.set_xticks(places, self.emotions, rotation=35, ha="right", **look)
                axes.set_yticks(places, self.emotions)
                axes.tick_params(length=0)
                axes.spines[:].set_visible(False)
                _draw_head(axes, name, int(12 * width_in))
        pairs = self.results["distances"]["pairs"]
        far, near = (" and ".join(pair["between"]) for pair in (pairs[0], pairs[-1]))
        return inlined(
            self.stem("distances"),
            "Mahalanobis distances under the covariance that all emotions share; means over "
            "the parts.",
            f"Heat map of distances. The farthest are {far}, the nearest {near}.",
        )

    def circle(self) -> list[ReportFigure]:
        """Angle and radius of every model's centroids, rotated and reflected onto the words.

        Empty where too few emotions have a reference.
        """
        models = {
            model: [c for c in a.results["centroids"] if c["angle"]["value"] is not None]
            for model, a in self.analyses.items()
        }
        if not models[self.label]:
            return []
        title = f"Angles on {self.name}, beside Russell's"
        with self.panels("circle", len(models), (2.9, 2.6), title) as grid:
            for axes, (name, known) in zip(grid, models.items(), strict=True):
                axes.set(xlim=(-1.55, 1.55), ylim=(-1.4, 1.4), aspect="equal")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
                draw_circle(axes, zorder=2)
                farthest = max((centroid["radius"] for centroid in known), default=1.0)
                for centroid in known:
                    _draw_arm(axes, centroid, LONGEST * centroid["radius"] / farthest)
                    if centroid["reference_deg"] is not None:
                        _draw_word(axes, centroid)
                _draw_head(axes, name, 36)
        angles = [f"{c['emotion']} {c['angle']['value']:.0f}°" for c in models[self.label]]
        return [
            inlined(
                self.stem("circle"),
                "Centroids by angle and radius, rotated and reflected onto Russell's words "
                "(hollow marks; dashed: assigned). Arcs: 95 % intervals.",
                f"Polar plot. Angles of {self.label}: {', '.join(angles)}.",
            )
        ]

    def placed(self) -> list[ReportFigure]:
        """Placed points of every model, a line from each centroid to its word's place.

        Empty where a model cannot be placed.
        """
        emotions, targets_E2 = self.emotions, reference_points(self.emotions)
        clouds = {model: pool(a.reduced, a.placed) for model, a in self.analyses.items()}
        if any(len(set(cloud.emotion_N)) < len(emotions) for cloud in clouds.values()):
            return []
        size_in, title = (PANEL_IN + 0.1, PANEL_IN), f"{self.name} placed on Russell's plane"
        with self.panels("placed", len(clouds), size_in, title) as grid:
            for axes, (name, cloud) in zip(grid, clouds.items(), strict=True):
                points_N2, emotion_N = cloud.points_ND, cloud.emotion_N
                draw_circle(axes, zorder=2)
                _draw_points(axes, points_N2, emotion_N, emotions)
                means_E2 = np.stack(
                    [points_N2[emotion_N == n].mean(axis=0) for n in range(len(emotions))]
                )
                for n, emotion in enumerate(emotions):
                    colour = MARKS[emotion][0]
                    line_22 = np.stack([means_E2[n], targets_E2[n]])
                    axes.plot(*line_22.T, color=colour, linewidth=1.2, zorder=4)
                    axes.plot(*targets_E2[n], "o", mfc="white", mec=colour, zorder=5)
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
        error = cell_text(self.results["placement"]["mean_error"])
        return [
            inlined(
                self.stem("placed"),
                "Utterances of all parts, placed by fits on other speakers. A line ties each "
                "centroid to its word's place (hollow).",
                f"Placed points. Mean angular error of {self.label}: {error} degrees.",
            )
        ]

    def separability(self) -> ReportFigure:
        """AUC of both axes with intervals, a panel for each way, a line per model."""
        models = {model: a.results["separability"] for model, a in self.analyses.items()}
        size_in = (3.7, 1.1 + 0.42 * len(models))
        title = f"How well each axis separates {self.name}"
        with self.panels("separability", len(WAYS), size_in, title) as grid:
            for axes, (way, words) in zip(grid, WAYS.items(), strict=True):
                for n, of_model in enumerate(reversed(models.values())):
                    _draw_aucs(axes, n, of_model[way])
                axes.axvline(0.5, color=GREY, linewidth=1, linestyle="--")
                axes.set_yticks(range(len(models)), [])
                axes.set(xlim=(0.3, 1.03), ylim=(-0.6, len(models) - 0.4))
                axes.set(xlabel=f"AUC {words}")
            names = [textwrap.fill(name, 24) for name in reversed(models)]
            grid[0].set_yticks(range(len(names)), names, parse_math=False, size=8)
            if grid[0].get_legend_handles_labels()[0]:
                grid[0].legend(**ABOVE)
        found = self.results["separability"]["map"]
        aucs = [f"{axis} {cell_text(found[axis]['auc'])}" for axis in AXES if found[axis]]
        return inlined(
            self.stem("separability"),
            "AUC of the high against the low side of each axis, with 95 % intervals.",
            f"AUC of {self.label} on the map: {'; '.join(aucs)}.",
        )


def _distance_matrix(analysis: Analysis) -> np.ndarray:
    """Shared distances, (E, E); NaN of an emotion to itself."""
    emotions = analysis.reduced.emotions
    matrix_EE = np.full((len(emotions), len(emotions)), np.nan)
    for pair in analysis.results["distances"]["pairs"]:
        i, j = (emotions.index(emotion) for emotion in pair["between"])
        matrix_EE[i, j] = matrix_EE[j, i] = pair["shared"]["value"]
    return matrix_EE


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
    ha = "center"
    if abs(x) >= 0.4:
        x, ha = 1.12 / 1.2 * x, "left" if x > 0 else "right"
    axes.text(x, y, centroid["emotion"], ha=ha, va="center", size=8, color=INK)


def _polar_point(angle_deg: np.ndarray | float, radius: np.ndarray | float) -> np.ndarray:
    angle = np.radians(angle_deg)
    return np.array([radius * np.cos(angle), radius * np.sin(angle)])


def _draw_aucs(axes: Axes, n: int, found: Mapping[str, Mapping]) -> None:
    for axis, (colour, marker, offset) in AXIS_MARKS.items():
        auc, y = found[axis] and found[axis]["auc"], n + offset
        if auc is None or auc["value"] is None:
            continue
        if auc["low"] is not None:
            axes.plot([auc["low"], auc["high"]], [y, y], color=colour, linewidth=1.6)
        look = {"color": colour, "label": axis if n == 0 else None, "zorder": 3}
        axes.plot(auc["value"], y, marker, clip_on=False, **look)


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
    marks = {emotion: MARKS[emotion] for emotion in emotions}
    axes.figure.legend(
        handles=[
            Line2D([], [], color=colour, marker=marker, linestyle="", label=emotion)
            for emotion, (colour, marker) in marks.items()
        ],
        loc="outside lower center",
        ncols=min(len(emotions), 6, int(axes.figure.get_figwidth() / LEGEND_IN)),
        fontsize=8,
        handletextpad=0.2,
    )
