"""The figures of a circumplex report, with words for who cannot see them.

Axes: N utterances, E emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.analysis.circumplex import angles
from ser_brain.analysis.circumplex import (
    plots as circumplex,
)
from ser_brain.analysis.circumplex import (
    plots as circumplex_circle,
)
from ser_brain.analysis.circumplex import plots as circumplex_numbers
from ser_brain.analysis.circumplex import (
    plots as circumplex_placed,
)
from ser_brain.analysis.circumplex.analysis import Analysis
from ser_brain.analysis.circumplex.components import SHARES
from ser_brain.analysis.circumplex.distances import covariances, moments
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.core.tables import cell_text
from ser_brain.reporting.html import ReportFigure, inlined

PANELS = 5  # parts or models side by side; more are in the tables


def stem_of(folder: Path, analyses: Mapping[str, Analysis], what: str) -> Path:
    """Where a figure of a set is written, without suffix."""
    return folder / f"{first_of(analyses).results['test_set']}-{what}"


def first_of(analyses: Mapping[str, Analysis]) -> Analysis:
    """That of the run; baselines follow."""
    return next(iter(analyses.values()))


def subtitle_of(results: Mapping) -> str:
    """The protocol, and where speech is synthetic, that it is."""
    words = f"{results['protocol']}; fitted on {results['fitted_on']}"
    return f"{words}; SYNTHETIC SPEECH" if results["synthetic"] else words


def components(folder: Path, analyses: Mapping[str, Analysis]) -> list[ReportFigure]:
    """Every part of the run in its first two components, and one part in every model's."""
    run, name = first_of(analyses), first_of(analyses).results["test_set"]
    label, parts = next(iter(analyses)), run.results["parts"]
    part = parts[0]
    named = {part: label} if len(parts) == 1 else {p: f"{label}, {p}" for p in parts[:PANELS]}
    drawn = {"parts": {title: _scatter(run, p) for p, title in named.items()}}
    if len(analyses) > 1:
        drawn["models"] = {label: _scatter(a, part) for label, a in analyses.items()}
    titles = {
        "parts": f"{name} in the first two components",
        "models": f"{name}, {part}, as each model sees it",
    }
    captions = {
        "parts": "Utterances, centroids and ellipses that hold 80 % of each Gaussian"
        f"{_of_all(len(parts))}.",
        "models": f"The same utterances ({part}) in the components of each model.",
    }
    found = []
    for what, scatters in drawn.items():
        stem = stem_of(folder, analyses, what)
        circumplex.components(
            stem, scatters, run.found.emotions, titles[what], subtitle_of(run.results)
        )
        alt = f"Scatter plots: {', '.join(scatters)}. Distances are in the table."
        found.append(inlined(stem, captions[what], alt))
    return found


def _of_all(parts: int) -> str:
    return f"; the first {PANELS} of {parts} parts" if parts > PANELS else ""


def _scatter(analysis: Analysis, part: str) -> circumplex.Scatter:
    found = analysis.found
    points_N2 = found.reduced(part)[:, :2]
    emotion_N = found.judged.clouds[part].emotion_N
    of_plane = moments(points_N2, emotion_N, len(found.emotions))
    ratio_R = found.reductions[part].ratio_R
    return circumplex.Scatter(
        points_N2,
        emotion_N,
        of_plane.means_XEk,
        covariances(of_plane)[0],
        (float(ratio_R[0]), float(ratio_R[1])),
    )


def circle(folder: Path, analyses: Mapping[str, Analysis]) -> list[ReportFigure]:
    """Angles of every model; none where too few emotions have a reference."""
    run = first_of(analyses)
    centroids = {label: analysis.results["centroids"] for label, analysis in analyses.items()}
    known = [c for c in run.results["centroids"] if c["angle"]["value"] is not None]
    if not known:
        return []
    stem = stem_of(folder, analyses, "circle")
    title = f"Angles on {run.results['test_set']}, beside Russell's"
    circumplex_circle.circle(stem, centroids, title, subtitle_of(run.results))
    spoken = ", ".join(f"{c['emotion']} {c['angle']['value']:.0f}°" for c in known)
    return [
        inlined(
            stem,
            "Centroids by angle and radius, rotated and reflected onto Russell's words (hollow "
            "marks; dashed: assigned). Arcs: 95 % intervals.",
            f"Polar plot. Angles of {next(iter(analyses))}: {spoken}.",
        )
    ]


def placed(folder: Path, analyses: Mapping[str, Analysis]) -> list[ReportFigure]:
    """Placed points of every model; none where a model cannot be placed."""
    run = first_of(analyses)
    points = {label: _all_placed(analysis) for label, analysis in analyses.items()}
    emotions = run.found.emotions
    if any(len(set(emotion_N)) < len(emotions) for _, emotion_N in points.values()):
        return []
    stem = stem_of(folder, analyses, "placed")
    title = f"{run.results['test_set']} placed on Russell's plane"
    targets_E2 = angles.targets(emotions)
    circumplex_placed.placed(
        stem, points, emotions, targets_E2, title, subtitle_of(run.results)
    )
    error = cell_text(run.results["placement"]["mean_error"])
    return [
        inlined(
            stem,
            "Utterances of speakers the placement was not fitted on, of all parts. A line ties "
            "each centroid to its word's place (hollow).",
            f"Placed points. Mean angular error of {next(iter(analyses))}: {error} degrees.",
        )
    ]


def _all_placed(analysis: Analysis) -> tuple[np.ndarray, np.ndarray]:
    clouds = analysis.found.judged.clouds
    points_N2 = np.concatenate([analysis.placed[part] for part in clouds])
    emotion_N = np.concatenate([cloud.emotion_N for cloud in clouds.values()])
    known_N = np.isfinite(points_N2).all(axis=1)
    return points_N2[known_N], emotion_N[known_N]


def of_set(folder: Path, analyses: Mapping[str, Analysis]) -> dict[str, list[ReportFigure]]:
    """Draw every figure of one set, by section of the page.

    Parameters
    ----------
    folder : Path
        Where to write; files are named ``<set>-<figure>``.
    analyses : mapping
        Model -> its analysis of the set; the run first.
    """
    shown = dict(list(analyses.items())[:PANELS])
    return {
        "components": [_scree(folder, shown), *components(folder, shown)],
        "distances": [_distances(folder, shown)],
        "circle": circle(folder, shown),
        "placement": placed(folder, shown),
        "separability": [_separability(folder, shown)],
    }


def _scree(folder: Path, analyses: Mapping[str, Analysis]) -> ReportFigure:
    ratios = {label: _mean_ratio(analysis) for label, analysis in analyses.items()}
    stem = stem_of(folder, analyses, "scree")
    run = first_of(analyses)
    name = run.results["fitted_on"]
    title = f"Variance explained on {name}"
    circumplex_numbers.scree(stem, ratios, SHARES, title, subtitle_of(run.results))
    spoken = "; ".join(
        f"{label}: {ratio_R[:3].sum():.0%} in three components"
        for label, ratio_R in ratios.items()
    )
    return inlined(
        stem,
        "Explained-variance ratio of each component and cumulated; mean over the parts.",
        f"Scree plot. {spoken}.",
    )


def _mean_ratio(analysis: Analysis) -> np.ndarray:
    """Mean over the parts, as far as all of them reach."""
    ratios = [reduction.ratio_R for reduction in analysis.found.reductions.values()]
    size = min(map(len, ratios))
    return np.mean([ratio_R[:size] for ratio_R in ratios], axis=0)


def _distances(folder: Path, analyses: Mapping[str, Analysis]) -> ReportFigure:
    run = first_of(analyses)
    matrices = {label: _matrix(analysis) for label, analysis in analyses.items()}
    stem = stem_of(folder, analyses, "distances")
    title = f"Mahalanobis distances on {run.results['test_set']}"
    circumplex_numbers.distances(
        stem, matrices, run.found.emotions, title, subtitle_of(run.results)
    )
    pairs = run.results["distances"]["pairs"]
    far, near = (" and ".join(pair["between"]) for pair in (pairs[0], pairs[-1]))
    return inlined(
        stem,
        "Mahalanobis distances under the covariance that all emotions share, as means over the "
        "parts.",
        f"Heat map of distances. The farthest are {far}, the nearest {near}.",
    )


def _matrix(analysis: Analysis) -> np.ndarray:
    emotions = analysis.found.emotions
    matrix_EE = np.zeros((len(emotions), len(emotions)))
    for pair in analysis.results["distances"]["pairs"]:
        i, j = (emotions.index(emotion) for emotion in pair["between"])
        matrix_EE[i, j] = matrix_EE[j, i] = pair["shared"]["value"]
    return matrix_EE


def _separability(folder: Path, analyses: Mapping[str, Analysis]) -> ReportFigure:
    run = first_of(analyses)
    results = {label: analysis.results["separability"] for label, analysis in analyses.items()}
    stem = stem_of(folder, analyses, "separability")
    title = f"How well each axis separates {run.results['test_set']}"
    circumplex_numbers.separability(stem, results, WAYS, title, subtitle_of(run.results))
    spoken = "; ".join(
        f"{axis} {cell_text(found['auc'])}"
        for axis, found in results[next(iter(analyses))]["map"].items()
        if axis in angles.AXES and found
    )
    return inlined(
        stem,
        "AUC of the high against the low side of each axis, with 95 % intervals.",
        f"AUC of {next(iter(analyses))} on the map: {spoken}.",
    )
