"""The analysis of models' spaces, and its report: a page, JSON, CSV, Markdown and figures.

Axes: N utterances, E emotions, U utterances of all parts, B resamples, P permutations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr

from ser_brain.analysis.circumplex import tables
from ser_brain.analysis.circumplex.data import (
    Draws,
    baseline_models,
    draw,
    mean_over_parts,
    read_models,
)
from ser_brain.analysis.circumplex.distances import (
    ReducedSet,
    components_for,
    moments_of_labels,
    moments_of_parts,
    pairwise_distances,
    reduce_sets,
    resampled_moments,
)
from ser_brain.analysis.circumplex.order import (
    Arrangement,
    arrange,
    centroids,
    order_test,
    permuted_labels,
)
from ser_brain.analysis.circumplex.plots import MARKS, draw_figures
from ser_brain.analysis.circumplex.procrustes import place_points, placement_error
from ser_brain.analysis.circumplex.separability import separability
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import stack, to_csv, to_markdown
from ser_brain.evaluation.metrics import number
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import LEVEL
from ser_brain.reporting.html import render, rewritten

RESAMPLES = 1000
PERMUTATIONS = 1000
SEED = 1
MOST_POINTS = 2_000  # in the interactive scatter plot, to keep the page small

# The tables in each section of a set's page.
SECTIONS = {
    "components": (tables.variance,),
    "distances": (tables.distances,),
    "circle": (tables.centroids, tables.order),
    "placement": (tables.placement, tables.ratings),
    "separability": (tables.separability,),
}


@dataclass(frozen=True)
class Analysis:
    """The analysis of one model on one test set."""

    reduced: ReducedSet
    results: dict  # JSON types
    placed: dict[str, np.ndarray]  # part -> placed points (N, 2)
    draws: Draws  # the same for every model of a set
    drawn: dict[str, np.ndarray]  # headline -> its value on every resample


Analyses = Mapping[str, Mapping[str, Analysis]]  # model -> test set -> analysis; the run first


def write_circumplex(
    run_folder: str | Path,
    out: str | Path,
    baselines: Sequence[str | Path] = (),
    space: str = "embedding",
    test_sets: Sequence[str] = (),
    components: int = 3,
) -> dict:
    """Analyse a run, next to baselines, and write the report; returns ``results.json``.

    Parameters
    ----------
    run_folder : str or Path
        A run folder, a folds folder, or a folder of ``ser embed``.
    out : str or Path
        The report's folder.
    baselines : sequence of str or Path
        Further runs, analysed on the run's utterances.
    space : {"embedding", "va"}
    test_sets : sequence of str
        Sets to analyse, in this order; all where empty. The first is fitted on where the run
        holds no embeddings of its training set.
    components : int
        k, the dimensions in which Gaussians are fitted and from which points are placed.
    """
    if components < 1:
        raise SERError(f"Bad --components {components}; expected 1 or more.")
    run = read_run(run_folder, embeddings=True, scores=space == "va")
    models = read_models(run, space, test_sets)
    judged_sets = models[0][1]
    for folder in baselines:
        baseline = read_run(folder, embeddings=True, scores=space == "va")
        models += baseline_models(judged_sets, baseline, space)
    analyses: dict[str, dict[str, Analysis]] = {}
    for name, sets in models:
        label, count = name, 1
        while label in analyses:
            count += 1
            label = f"{name} ({count})"
        analyses[label] = {
            of: analyse(reduced, space)
            for of, reduced in reduce_sets(sets, space, components).items()
        }
    results = {
        "run": run.record,
        "space": space,
        "components": components,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "level": LEVEL},
        "permutations": PERMUTATIONS,
        "models": {
            label: {name: a.results for name, a in of_sets.items()}
            for label, of_sets in analyses.items()
        },
    }
    with rewritten(Path(out)) as folder:
        content = _content(folder, analyses, results)
        _write_tables(folder, content)
        write_json(folder / "results.json", results)
        page = render("circumplex.html", scripts=("page.js", "scatter3d.js"), **content)
        write_text(folder / "index.html", page)
    return results


def analyse(reduced: ReducedSet, space: str) -> Analysis:
    """Analyse one model on one test set."""
    # One seed for every model, so that compared models are drawn alike. The order of the calls
    # that use the generator is part of the results: do not change it.
    rng = np.random.default_rng(SEED)
    draws = draw(reduced.test.clouds.values(), RESAMPLES, rng)
    permuted = _permuted(reduced, rng)
    of_parts, resampled = moments_of_parts(reduced), resampled_moments(reduced, draws)
    distances, mean_B = pairwise_distances(reduced.emotions, of_parts, resampled, draws)
    placed = place_points(reduced, space)
    axes, drawn = separability(reduced, placed, draws, rng)
    arranged = {part: arrange(moments) for part, moments in of_parts.items()}
    order = {
        name: order_test(reduced.emotions, arranged, permuted, as_calm, rng)
        for name, as_calm in (("words", False), ("neutral_as_calm", True))
    }
    # Mean shared distance under permuted labels.
    distance_PEE = mean_over_parts(one.distance_XEE for one in permuted.values())
    first, second = np.triu_indices(distance_PEE.shape[-1], 1)
    chance = number(distance_PEE[:, first, second].mean())
    results = {
        **_facts(reduced, draws),
        "variance": _variance(reduced),
        "distances": {**distances, "chance": chance},
        "centroids": centroids(reduced.emotions, of_parts, resampled, draws),
        "order": order,
        "placement": placement_error(reduced, placed, space, draws),
        "separability": axes,
    }
    return Analysis(reduced, results, placed, draws, {"distance": mean_B, **drawn})


def _permuted(reduced: ReducedSet, rng: np.random.Generator) -> dict[str, Arrangement]:
    """Every part under permuted labels; an utterance has the same label in every part."""
    clouds = reduced.test.clouds
    known = {
        i: (emotion, speaker)
        for cloud in clouds.values()
        for i, emotion, speaker in zip(
            cloud.id_N, cloud.emotion_N, cloud.speaker_N, strict=True
        )
    }
    emotions, speakers = zip(*known.values(), strict=True)
    labels_PU = permuted_labels(np.array(emotions), speakers, PERMUTATIONS, rng)
    place = {i: n for n, i in enumerate(known)}
    arranged = {}
    for part, cloud in clouds.items():
        labels_PN = labels_PU[:, [place[i] for i in cloud.id_N]]
        moments_P = moments_of_labels(reduced.points(part), labels_PN, len(reduced.emotions))
        arranged[part] = arrange(moments_P)
    return arranged


def _facts(reduced: ReducedSet, draws: Draws) -> dict:
    test = reduced.test
    emotion_N = np.concatenate([cloud.emotion_N for cloud in test.clouds.values()])
    counts = np.bincount(emotion_N, minlength=len(test.emotions))
    return {
        "test_set": test.name,
        "protocol": test.protocol,
        "synthetic": test.synthetic,
        "emotions": test.emotions,
        "points": dict(zip(test.emotions, counts.tolist(), strict=True)),
        "utterances": len(draws.number),
        "speakers": draws.clusters.count if draws.clusters.unit == "speaker" else None,
        "parts": list(test.clouds),
        "left_out": test.skipped,
        "fitted_on": reduced.fitted_on.name,
        "interval_note": draws.clusters.note,
    }


def _variance(reduced: ReducedSet) -> dict:
    """Explained variance of every part's fit, and how much of the test set it explains."""
    return {
        part: {
            "ratio": reduction.ratio_R.tolist(),
            "components_for": components_for(reduction.ratio_R),
            "components": len(reduction.components_kD),
            "share": float(reduction.ratio_R[: len(reduction.components_kD)].sum()),
            "share_of_judged": reduction.share(reduced.test.clouds[part].points_ND),
            "length_correlation": _length_correlation(reduced, part),
        }
        for part, reduction in reduced.reductions.items()
    }


def _length_correlation(reduced: ReducedSet, part: str) -> float | None:
    """|Pearson's r| of the first component and the durations; None where undefined."""
    duration_N = reduced.test.clouds[part].duration_N
    known_N = np.isfinite(duration_N)
    if known_N.sum() < 3 or not np.ptp(duration_N[known_N]):
        return None
    first_N = reduced.points(part)[known_N, 0]
    return number(abs(pearsonr(duration_N[known_N], first_N).statistic))


def _content(folder: Path, analyses: Analyses, results: Mapping) -> dict:
    """What the page shows; its figures are written to the folder."""
    label, run = next(iter(analyses.items()))
    sets = {name: a.results for name, a in run.items()}
    emotions = dict.fromkeys(e for found in sets.values() for e in found["emotions"])
    return {
        "label": label,
        "results": results,
        "sets": sets,
        "summary": tables.summary(results["models"]),
        "comparison": tables.comparison(analyses) if len(analyses) > 1 else None,
        "stability": tables.stability(results["models"]),
        "reference": tables.reference(list(emotions)),
        "order_words": {name: tables.order_words(found) for name, found in sets.items()},
        "tables": {
            name: {
                section: [table for table in (make(found) for make in makers) if table.rows]
                for section, makers in SECTIONS.items()
            }
            for name, found in sets.items()
        },
        "scatters": {name: _scatter3d(a) for name, a in run.items()},
        "figures": {
            name: draw_figures(folder, {model: of[name] for model, of in analyses.items()})
            for name in sets
        },
    }


def _scatter3d(of_set: Analysis) -> dict | None:
    """The first part's points in three components; None where there are fewer.

    ``data`` is what scatter3d.js reads.
    """
    reduced, part = of_set.reduced, of_set.results["parts"][0]
    points_Nk, emotion_N = reduced.points(part), reduced.test.clouds[part].emotion_N
    if points_Nk.shape[1] < 3:
        return None
    rows = np.arange(len(points_Nk))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    shown = np.round(points_Nk[rows, :3] / np.abs(points_Nk[:, :3]).max(), 4).tolist()
    return {
        "data": {
            "emotions": [
                {"name": e, "colour": MARKS[e][0], "marker": MARKS[e][1]}
                for e in reduced.emotions
            ],
            "points": [[*p, n] for p, n in zip(shown, emotion_N[rows].tolist(), strict=True)],
        },
        "part": part,
        "shares": f"{reduced.reductions[part].ratio_R[:3].sum():.0%}",
        "utterances": len(points_Nk),
        "drawn": len(rows),
    }


def _write_tables(folder: Path, content: Mapping) -> None:
    """Every table as CSV and Markdown, all models and sets in one file."""
    names = ("summary", "stability", "reference", "comparison")
    written = [content[name] for name in names if content[name] is not None]
    makers = [make for of_section in SECTIONS.values() for make in of_section]
    for make in [*makers, tables.angles_of_parts]:
        of_models = {
            label: stack({name: make(found) for name, found in of_sets.items()}, "Test set")
            for label, of_sets in content["results"]["models"].items()
        }
        written.append(stack(of_models, "Model"))
    protocols = dict.fromkeys(found["protocol"] for found in content["sets"].values())
    for table in written:
        if table.rows:
            caption = f"{table.caption} Protocol: {' + '.join(protocols)}."
            table = replace(table, caption=caption)
            write_text(folder / f"{table.name}.csv", to_csv(table))
            write_text(folder / f"{table.name}.md", to_markdown(table))
