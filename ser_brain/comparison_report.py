"""The report of several runs: one page, and its numbers and pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from ser_brain import comparison_figures, comparison_tables
from ser_brain.comparison import compare
from ser_brain.crosscorpus import TESTED, cross
from ser_brain.crosscorpus_files import write_matrix
from ser_brain.crosscorpus_legend import legend, on_bold, protocols, warnings
from ser_brain.crosscorpus_tables import by_metric, to_lines
from ser_brain.evaluation import RESAMPLES
from ser_brain.files import write_json, write_text
from ser_brain.latex import to_latex
from ser_brain.pages import render
from ser_brain.pairing import pair
from ser_brain.report_folder import rewritten
from ser_brain.run_comparison import SEEN, correct_primaries, training_notes
from ser_brain.run_origin import origin_of, versions
from ser_brain.runs import Run, read_run
from ser_brain.tables import to_csv, to_markdown, to_text


def write_comparison(
    folders: Sequence[Path], out: Path, resamples: int = RESAMPLES
) -> tuple[Path, dict]:
    """Compare several runs and write one page.

    Parameters
    ----------
    folders : sequence of Path
        Runs or folds; the first is what the matrix tests the others against.
    out : Path
        Where to write ``index.html``, ``results.json``, the tables and the figures.
    resamples : int
        Bootstrap resamples behind each interval.

    Returns
    -------
    page : Path
    results : dict
        ``matrix``: see :func:`ser_brain.crosscorpus.cross`; ``pairs``: see
        :func:`compare_pairs`; ``training``: how fair each match is; ``runs``: label -> see
        :func:`ser_brain.run_origin.origin_of`.

    Raises
    ------
    SERError
        If a run has no predictions, or runs cannot be compared.
    """
    runs = [read_run(folder) for folder in folders]
    matrix = cross(runs, resamples)
    by_label = dict(zip(matrix["models"], runs, strict=True))
    results = {
        "matrix": matrix,
        "pairs": compare_pairs(by_label, matrix, resamples),
        "training": {
            f"{one}, {other}": training_notes(by_label[one], by_label[other])
            for one, other in combinations(by_label, 2)
        },
        "runs": {label: origin_of(run, out) for label, run in by_label.items()},
    }
    with rewritten(out) as new:
        _write(new, results)
    return out / "index.html", results


def _write(folder: Path, results: Mapping) -> None:
    matrix = results["matrix"]
    write_json(folder / "results.json", results)
    tested = comparison_tables.pairs(results["pairs"], protocols(matrix))
    for suffix, written in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex)):
        write_text(folder / f"{tested.name}.{suffix}", written(tested))
    page = render(
        "comparison.html",
        results=results,
        headline=[by_metric(matrix, m) for m in matrix["metrics"] if m in TESTED],
        others=[by_metric(matrix, m) for m in matrix["metrics"] if m not in TESTED],
        legend=[on_bold(matrix), *legend(matrix)],
        warnings=warnings(matrix),
        heat_maps=comparison_figures.heat_maps(folder, write_matrix(folder, matrix), matrix),
        pairs=tested,
        how_to_read=comparison_tables.HOW_TO_READ,
        confusions=comparison_figures.confusions(folder, matrix),
        versions=versions(results["runs"]),
    )
    write_text(folder / "index.html", page)


def compare_pairs(runs: Mapping[str, Run], matrix: Mapping, resamples: int) -> list[dict]:
    """Every two models on every test set that neither was trained on, corrected together.

    Returns
    -------
    list of dict
        See :func:`ser_brain.comparison.compare`; with the labels ``a`` and ``b``, and of the
        answers only how many changed.
    """
    found = []
    for name, row in matrix["test_sets"].items():
        unseen = [label for label, cell in row["cells"].items() if cell["role"] != SEEN]
        judged = {label: runs[label].pooled(name) for label in unseen}
        for one, other in combinations(unseen, 2):
            if set(judged[one].ids) & set(judged[other].ids):
                both = pair(judged[one], judged[other], (one, other))
                comparison = compare(both, resamples)
                if comparison["answers"]:
                    del comparison["answers"]["changed"]  # `ser compare` lists them.
                found.append({"a": one, "b": other, **comparison})
    correct_primaries(found)
    return found


def comparison_text(results: Mapping) -> str:
    """The matrix and the tested pairs, for a terminal."""
    table = comparison_tables.pairs(results["pairs"], "")
    parts = [to_lines(results["matrix"])]  # Says the protocols.
    if table.rows:
        parts.append(f"{table.caption}\n\n{to_text(table)}")
    return "\n\n".join(parts)
