"""The figures of a circumplex report, with captions and text alternatives.

Axes: N utterances, E emotions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ser_brain.analysis.circumplex.analysis import Analysis
from ser_brain.analysis.circumplex.angles import AXES, reference_points
from ser_brain.analysis.circumplex.components import SHARES
from ser_brain.analysis.circumplex.distances import covariances, moments
from ser_brain.analysis.circumplex.plots import (
    Scatter,
    plot_circle,
    plot_components,
    plot_distances,
    plot_placed,
    plot_scree,
    plot_separability,
)
from ser_brain.analysis.circumplex.procrustes import pool
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.core.tables import cell_text
from ser_brain.reporting.html import ReportFigure, inlined

PANELS = 5  # parts or models side by side; the tables have all of them


def draw_figures(
    folder: Path, analyses: Mapping[str, Analysis]
) -> dict[str, list[ReportFigure]]:
    """Draw every figure of one test set, by section of the page.

    Parameters
    ----------
    folder : Path
        Where to write; files are named ``<set>-<figure>``.
    analyses : mapping
        Model -> its analysis of the set; the run first.
    """
    figures = _Figures(folder, dict(list(analyses.items())[:PANELS]))
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
        self.results = self.run.results
        self.name = self.results["test_set"]
        self.subtitle = f"{self.results['protocol']}; fitted on {self.results['fitted_on']}"
        if self.results["synthetic"]:
            self.subtitle += "; SYNTHETIC SPEECH"

    def write(
        self, what: str, plot: Callable, *content, title: str, caption: str, alt: str
    ) -> ReportFigure:
        """Draw a figure and read it back for the page."""
        stem = self.folder / f"{self.name}-{what}"
        plot(stem, *content, title, self.subtitle)
        return inlined(stem, caption, alt)

    def components(self) -> list[ReportFigure]:
        """Every part of the run in its first two components, and one part of every model."""
        parts = self.results["parts"]
        heads = {part: f"{self.label}, {part}" for part in parts[:PANELS]}
        if len(parts) == 1:
            heads = {parts[0]: self.label}
        of_all = f"; the first {PANELS} of {len(parts)} parts" if len(parts) > PANELS else ""
        shown = [
            (
                "parts",
                {head: _scatter(self.run, part) for part, head in heads.items()},
                f"{self.name} in the first two components",
                f"Utterances, centroids and ellipses that hold 80 % of each Gaussian{of_all}.",
            )
        ]
        if len(self.analyses) > 1:
            part = parts[0]
            scatters = {model: _scatter(a, part) for model, a in self.analyses.items()}
            title = f"{self.name}, {part}, as each model sees it"
            caption = f"The same utterances ({part}) in the components of each model."
            shown.append(("models", scatters, title, caption))
        return [
            self.write(
                what, plot_components, scatters, self.run.reduced.emotions,
                title=title, caption=caption,
                alt=f"Scatter plots: {', '.join(scatters)}. Distances are in the table.",
            )
            for what, scatters, title, caption in shown
        ]  # fmt: skip

    def circle(self) -> list[ReportFigure]:
        """Angles of every model; none where too few emotions have a reference."""
        known = [c for c in self.results["centroids"] if c["angle"]["value"] is not None]
        if not known:
            return []
        angles = ", ".join(f"{c['emotion']} {c['angle']['value']:.0f}°" for c in known)
        figure = self.write(
            "circle",
            plot_circle,
            {model: analysis.results["centroids"] for model, analysis in self.analyses.items()},
            title=f"Angles on {self.name}, beside Russell's",
            caption="Centroids by angle and radius, rotated and reflected onto Russell's words "
            "(hollow marks; dashed: assigned). Arcs: 95 % intervals.",
            alt=f"Polar plot. Angles of {self.label}: {angles}.",
        )
        return [figure]

    def placed(self) -> list[ReportFigure]:
        """Placed points of every model; none where a model cannot be placed."""
        emotions = self.run.reduced.emotions
        points = {model: pool(a.reduced, a.placed) for model, a in self.analyses.items()}
        if any(len(set(cloud.emotion_N)) < len(emotions) for cloud in points.values()):
            return []
        error = cell_text(self.results["placement"]["mean_error"])
        figure = self.write(
            "placed",
            plot_placed,
            points,
            emotions,
            reference_points(emotions),
            title=f"{self.name} placed on Russell's plane",
            caption="Utterances of all parts, placed by fits on other speakers. A line ties "
            "each centroid to its word's place (hollow).",
            alt=f"Placed points. Mean angular error of {self.label}: {error} degrees.",
        )
        return [figure]

    def scree(self) -> ReportFigure:
        """Explained variance of every model."""
        ratios = {model: _mean_ratio(analysis) for model, analysis in self.analyses.items()}
        shares = "; ".join(
            f"{model}: {ratio_R[:3].sum():.0%} in three components"
            for model, ratio_R in ratios.items()
        )
        return self.write(
            "scree",
            plot_scree,
            ratios,
            SHARES,
            title=f"Variance explained on {self.results['fitted_on']}",
            caption="Explained-variance ratio of each component, and cumulated; mean over the "
            "parts.",
            alt=f"Scree plot. {shares}.",
        )

    def distances(self) -> ReportFigure:
        """Mahalanobis distances of every model."""
        pairs = self.results["distances"]["pairs"]
        far, near = (" and ".join(pair["between"]) for pair in (pairs[0], pairs[-1]))
        return self.write(
            "distances",
            plot_distances,
            {model: _distance_matrix(analysis) for model, analysis in self.analyses.items()},
            self.run.reduced.emotions,
            title=f"Mahalanobis distances on {self.name}",
            caption="Mahalanobis distances under the covariance that all emotions share; means "
            "over the parts.",
            alt=f"Heat map of distances. The farthest are {far}, the nearest {near}.",
        )

    def separability(self) -> ReportFigure:
        """AUC of both axes of every model."""
        aucs = "; ".join(
            f"{axis} {cell_text(found['auc'])}"
            for axis, found in self.results["separability"]["map"].items()
            if axis in AXES and found
        )
        return self.write(
            "separability",
            plot_separability,
            {model: a.results["separability"] for model, a in self.analyses.items()},
            WAYS,
            title=f"How well each axis separates {self.name}",
            caption="AUC of the high against the low side of each axis, with 95 % intervals.",
            alt=f"AUC of {self.label} on the map: {aucs}.",
        )


def _scatter(analysis: Analysis, part: str) -> Scatter:
    reduced = analysis.reduced
    points_N2, emotion_N = reduced.points(part)[:, :2], reduced.test.clouds[part].emotion_N
    of_plane = moments(points_N2, emotion_N, len(reduced.emotions))
    first, second = reduced.reductions[part].ratio_R[:2].tolist()
    gaussians = of_plane.means_XEk, covariances(of_plane)[0]
    return Scatter(points_N2, emotion_N, *gaussians, (first, second))


def _mean_ratio(analysis: Analysis) -> np.ndarray:
    """Mean over the parts, of as many components as all of them have."""
    ratios = [reduction.ratio_R for reduction in analysis.reduced.reductions.values()]
    size = min(map(len, ratios))
    return np.mean([ratio_R[:size] for ratio_R in ratios], axis=0)


def _distance_matrix(analysis: Analysis) -> np.ndarray:
    emotions = analysis.reduced.emotions
    matrix_EE = np.zeros((len(emotions), len(emotions)))
    for pair in analysis.results["distances"]["pairs"]:
        i, j = (emotions.index(emotion) for emotion in pair["between"])
        matrix_EE[i, j] = matrix_EE[j, i] = pair["shared"]["value"]
    return matrix_EE
