"""The figures of a circumplex report, with words for who cannot see them.

Axes: N utterances, E emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ser_brain.circumplex import map_figures, reference
from ser_brain.circumplex.analysis import Analysis
from ser_brain.circumplex.axes import WAYS
from ser_brain.circumplex.map_figures import PANELS, first_of, stem_of, subtitle_of
from ser_brain.circumplex.reduction import SHARES
from ser_brain.plots import circumplex_numbers
from ser_brain.report_picture import ReportFigure, inlined
from ser_brain.tables import cell_text


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
        "components": [_scree(folder, shown), *map_figures.components(folder, shown)],
        "distances": [_distances(folder, shown)],
        "circle": map_figures.circle(folder, shown),
        "placement": map_figures.placed(folder, shown),
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
        if axis in reference.AXES and found
    )
    return inlined(
        stem,
        "AUC of the high against the low side of each axis, with 95 % intervals.",
        f"AUC of {next(iter(analyses))} on the map: {spoken}.",
    )
