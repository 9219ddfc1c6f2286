"""The circumplex report: one page, and its numbers as JSON, CSV, Markdown and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ser_brain.analysis.circumplex import (
    analysis,
    figures,
    tables,
)
from ser_brain.analysis.circumplex import (
    tables as circle_tables,
)
from ser_brain.analysis.circumplex import (
    tables as stability,
)
from ser_brain.analysis.circumplex.analysis import Analysis, analyse
from ser_brain.analysis.circumplex.components import SHARES
from ser_brain.analysis.circumplex.data import Model, baseline_models, read_models
from ser_brain.analysis.circumplex.plots import MARKS
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import Table, stack, to_csv, to_markdown
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import LEVEL
from ser_brain.reporting.html import render, rewritten

MOST_POINTS = 2_000  # the page stays light
DIGITS = 4
SCRIPTS = ("page.js", "scatter3d.js")


def space_of(analysis: Analysis) -> dict | None:
    """The first part's points in three components; None where there are fewer.

    Returns
    -------
    dict or None
        ``data`` (what the script reads), ``part``, ``shares``, ``utterances`` and how many of
        them are ``drawn``.
    """
    found = analysis.found
    part = analysis.results["parts"][0]
    points_Nk, emotion_N = found.reduced(part), found.judged.clouds[part].emotion_N
    if points_Nk.shape[1] < 3:
        return None
    rows = np.arange(len(points_Nk))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    size = np.abs(points_Nk[:, :3]).max()
    shown = np.round(points_Nk[rows, :3] / size, DIGITS).tolist()
    return {
        "data": {
            "emotions": [
                {"name": e, "colour": MARKS[e][0], "marker": MARKS[e][1]}
                for e in found.emotions
            ],
            "points": [[*p, n] for p, n in zip(shown, emotion_N[rows].tolist(), strict=True)],
        },
        "part": part,
        "shares": f"{found.reductions[part].ratio_R[:3].sum():.0%}",
        "utterances": len(points_Nk),
        "drawn": len(rows),
    }


# What each section of a set's page shows.
SECTIONS = {
    "components": (tables.variance,),
    "distances": (tables.distances,),
    "circle": (circle_tables.centroids, circle_tables.order),
    "placement": (tables.placement, tables.ratings),
    "separability": (tables.separability,),
}


def write_circumplex(
    run_folder: str | Path,
    out: str | Path,
    baselines: Sequence[str | Path] = (),
    space: str = "embedding",
    test_sets: Sequence[str] = (),
    components: int = 3,
) -> dict:
    """Analyse a run, beside baselines, and write the report.

    Parameters
    ----------
    run_folder : str or Path
        A run folder, a folds folder, or a folder of ``ser embed``.
    out : str or Path
        The report's folder.
    baselines : sequence of str or Path
        The same, judged on the run's utterances.
    space : {"embedding", "va"}
    test_sets : sequence of str
        Sets to judge, in this order; all where empty. The first is fitted on where the run
        holds no embeddings of what it was trained on.
    components : int

    Returns
    -------
    dict
        What ``results.json`` holds.

    Raises
    ------
    SERError
        If a folder holds nothing to analyse, or a set cannot be.
    """
    if components < 1:
        raise SERError(f"Bad --components {components}; expected 1 or more.")
    run = read_run(run_folder, embeddings=True, scores=space == "va")
    models = read_models(run, space, test_sets)
    first = models[0]
    for folder in baselines:
        baseline = read_run(folder, embeddings=True, scores=space == "va")
        models += baseline_models(first, baseline, space)
    analyses = {
        label: analyse(model.sets, space, components, analysis.RESAMPLES, analysis.PERMUTATIONS)
        for label, model in _labelled(models).items()
    }
    results = {
        "run": run.record,
        "space": space,
        "components": components,
        "bootstrap": {"resamples": analysis.RESAMPLES, "seed": analysis.SEED, "level": LEVEL},
        "permutations": analysis.PERMUTATIONS,
        "models": {
            label: {name: a.results for name, a in of_model.items()}
            for label, of_model in analyses.items()
        },
    }
    with rewritten(Path(out)) as folder:
        content = _content(folder, analyses, results)
        _write_tables(folder, analyses, content)
        write_json(folder / "results.json", results)
        page = render("circumplex.html", scripts=SCRIPTS, **content)
        write_text(folder / "index.html", page)
    return results


def _labelled(models: Sequence[Model]) -> dict[str, Model]:
    """Models by their label, told apart where two are alike."""
    labelled: dict[str, Model] = {}
    for model in models:
        label, count = model.label, 1
        while label in labelled:
            count += 1
            label = f"{model.label} ({count})"
        labelled[label] = model
    return labelled


def _content(
    folder: Path, analyses: Mapping[str, Mapping[str, Analysis]], results: Mapping
) -> dict:
    """What the page shows; its figures are written to the folder."""
    label, run = next(iter(analyses.items()))
    sets = {name: a.results for name, a in run.items()}
    emotions = dict.fromkeys(e for found in sets.values() for e in found["emotions"])
    return {
        "label": label,
        "results": results,
        "sets": sets,
        "shares": SHARES,
        "summary": stability.summary(results["models"]),
        "comparison": stability.comparison(analyses) if len(analyses) > 1 else None,
        "stability": stability.stability(results["models"]),
        "reference": circle_tables.reference(list(emotions)),
        "order_words": {name: circle_tables.order_words(found) for name, found in sets.items()},
        "tables": {
            name: {
                section: [table for table in (make(found) for make in makers) if table.rows]
                for section, makers in SECTIONS.items()
            }
            for name, found in sets.items()
        },
        "spaces": {name: space_of(analysis) for name, analysis in run.items()},
        "figures": {
            name: figures.of_set(
                folder, {model: of_model[name] for model, of_model in analyses.items()}
            )
            for name in sets
        },
    }


def _write_tables(
    folder: Path, analyses: Mapping[str, Mapping[str, Analysis]], content: Mapping
) -> None:
    """Every table as CSV and Markdown, all models and sets in one file."""
    whole: list[Table] = [content["summary"], content["stability"], content["reference"]]
    if content["comparison"] is not None:
        whole.append(content["comparison"])
    makers = [make for of_section in SECTIONS.values() for make in of_section]
    for make in [*makers, circle_tables.angles_of_parts]:
        of_models = {
            label: stack({name: make(a.results) for name, a in of_model.items()}, "Test set")
            for label, of_model in analyses.items()
        }
        whole.append(stack(of_models, "Model"))
    protocols = dict.fromkeys(found["protocol"] for found in content["sets"].values())
    for table in whole:
        if table.rows:
            captioned = f"{table.caption} Protocol: {' + '.join(protocols)}."
            table = replace(table, caption=captioned)
            write_text(folder / f"{table.name}.csv", to_csv(table))
            write_text(folder / f"{table.name}.md", to_markdown(table))
