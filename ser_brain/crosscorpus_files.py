"""The files of a cross-corpus matrix: tables for papers and machines, and heat maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ser_brain.crosscorpus import TESTED
from ser_brain.crosscorpus_legend import legend, on_bold
from ser_brain.crosscorpus_tables import cell_of, long, row_name, wide
from ser_brain.files import write_json, write_text
from ser_brain.latex import to_latex
from ser_brain.plots.matrix import heat_map
from ser_brain.report_tables import metric_title
from ser_brain.tables import to_csv, to_markdown, value_text


def write_matrix(folder: Path, matrix: Mapping) -> dict[str, list[str]]:
    """Write ``crosscorpus.json``, ``.csv`` (every digit), ``.md``, ``.tex`` and heat maps.

    Parameters
    ----------
    folder : Path
        Where to write.
    matrix : mapping
        See :func:`ser_brain.crosscorpus.cross`.

    Returns
    -------
    dict
        Heat map (file name without suffix) -> the metrics it shows: one of emotion classes
        (UAR) and one of values (CCC), as far as there are any.
    """
    stem = folder / "crosscorpus"
    tables = wide(matrix)
    write_json(f"{stem}.json", matrix)
    write_text(f"{stem}.csv", to_csv(long(matrix)))
    write_text(f"{stem}.md", "\n".join(map(to_markdown, tables)))
    write_text(f"{stem}.tex", "\n".join(map(to_latex, tables)))
    tested = [metric for metric in matrix["metrics"] if metric in TESTED]
    drawn = {
        "crosscorpus_emotions": [metric for metric in tested if metric == "uar"],
        "crosscorpus_values": [metric for metric in tested if metric != "uar"],
    }
    drawn = {name: metrics for name, metrics in drawn.items() if metrics}
    for name, metrics in drawn.items():
        _draw(folder / name, matrix, metrics)
    return drawn


def _draw(stem: Path, matrix: Mapping, metrics: list[str]) -> None:
    """A heat map of the models and test sets that have one of the metrics."""

    def has(row: Mapping, label: str) -> bool:
        return label in row["cells"] and any(
            m in row["cells"][label]["metrics"] for m in metrics
        )

    rows = {
        name: row
        for name, row in matrix["test_sets"].items()
        if any(has(row, label) for label in matrix["models"])
    }
    models = [m for m in matrix["models"] if any(has(row, m) for row in rows.values())]
    names = [row_name(name, row) for name, row in rows.items()]
    chances, white, what = [0.0] * len(rows), "0", "CCC"
    if metrics == ["uar"]:
        chances, white, what = [max(row["chance"]) for row in rows.values()], "chance", "UAR"
        names = [
            f"{name}\nchance {value_text(chance)}"
            for name, chance in zip(names, chances, strict=True)
        ]
    heat_map(
        stem,
        {
            metric_title(metric): [
                [cell_of(row, m, metric) for m in models] for row in rows.values()
            ]
            for metric in metrics
        },
        names,
        models,
        chances,
        f"{what} of models on test sets",
        " ".join([f"White: {white} or below; darkest: 1.{on_bold(matrix)}", *legend(matrix)]),
    )
