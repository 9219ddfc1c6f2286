"""Maps of a set: in its components, by angle, placed on Russell's plane.

Axes: N utterances, E emotions, 2 = the plane's axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.circumplex import reference
from ser_brain.circumplex.analysis import Analysis
from ser_brain.circumplex.gaussians import covariances, moments
from ser_brain.plots import circumplex, circumplex_circle, circumplex_placed
from ser_brain.report_picture import ReportFigure, inlined
from ser_brain.tables import cell_text

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
    targets_E2 = reference.targets(emotions)
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
