"""The circumplex report: one page, and its numbers as JSON, CSV, Markdown and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ser_brain.analysis.circumplex import analysis, tables
from ser_brain.analysis.circumplex.analysis import Analysis, analyse
from ser_brain.analysis.circumplex.components import SHARES
from ser_brain.analysis.circumplex.data import baseline_models, read_models
from ser_brain.analysis.circumplex.figures import draw_figures
from ser_brain.analysis.circumplex.plots import MARKS
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import stack, to_csv, to_markdown
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import LEVEL
from ser_brain.reporting.html import render, rewritten

# The tables in each section of a set's page.
SECTIONS = {
    "components": (tables.variance,),
    "distances": (tables.distances,),
    "circle": (tables.centroids, tables.order),
    "placement": (tables.placement, tables.ratings),
    "separability": (tables.separability,),
}
MOST_POINTS = 2_000  # in the interactive scatter plot, to keep the page small

Analyses = Mapping[str, Mapping[str, Analysis]]  # model -> test set -> analysis; the run first


def write_circumplex(
    run_folder: str | Path,
    out: str | Path,
    baselines: Sequence[str | Path] = (),
    space: str = "embedding",
    test_sets: Sequence[str] = (),
    components: int = 3,
) -> dict:
    """Analyse a run, next to baselines, and write the report.

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

    Returns
    -------
    dict
        The content of ``results.json``.

    Raises
    ------
    SERError
        If a folder or a set cannot be analysed.
    """
    if components < 1:
        raise SERError(f"Bad --components {components}; expected 1 or more.")
    run = read_run(run_folder, embeddings=True, scores=space == "va")
    models = read_models(run, space, test_sets)
    first = models[0]
    for folder in baselines:
        baseline = read_run(folder, embeddings=True, scores=space == "va")
        models += baseline_models(first, baseline, space)
    analyses: dict[str, dict[str, Analysis]] = {}
    for model in models:
        label, count = model.label, 1
        while label in analyses:
            count += 1
            label = f"{model.label} ({count})"
        analyses[label] = analyse(
            model.sets, space, components, analysis.RESAMPLES, analysis.PERMUTATIONS
        )
    results = {
        "run": run.record,
        "space": space,
        "components": components,
        "bootstrap": {"resamples": analysis.RESAMPLES, "seed": analysis.SEED, "level": LEVEL},
        "permutations": analysis.PERMUTATIONS,
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


def _content(folder: Path, analyses: Analyses, results: Mapping) -> dict:
    """What the page shows; its figures are written to the folder."""
    label, run = next(iter(analyses.items()))
    sets = {name: a.results for name, a in run.items()}
    emotions = dict.fromkeys(e for found in sets.values() for e in found["emotions"])
    return {
        "label": label,
        "results": results,
        "sets": sets,
        "shares": SHARES,
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
        "scatters": {name: scatter3d(a) for name, a in run.items()},
        "figures": {
            name: draw_figures(folder, {model: of[name] for model, of in analyses.items()})
            for name in sets
        },
    }


def scatter3d(of_set: Analysis) -> dict | None:
    """The first part's points in three components; None where there are fewer.

    Returns
    -------
    dict or None
        ``data`` (what scatter3d.js reads), ``part``, ``shares``, ``utterances`` and how many
        of them are ``drawn``.
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
    written = [content["summary"], content["stability"], content["reference"]]
    if content["comparison"] is not None:
        written.append(content["comparison"])
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
