"""The cross-corpus matrix as people read it: tables, heat maps, and text for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import (
    Table,
    cell_text,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
    value_text,
)
from ser_brain.evaluation.compare import SEEN
from ser_brain.evaluation.crosscorpus import TESTED
from ser_brain.evaluation.metrics import LABEL_METRICS
from ser_brain.evaluation.significance import ALPHA
from ser_brain.reporting.html import SAYS_NOTHING
from ser_brain.reporting.plots.classification import heat_map
from ser_brain.reporting.report_tables import metric_title

DIFFERS, TRAINED_ON, SYNTHETIC = "*", "†", "‡"
EMOTIONS, VALUES = "crosscorpus_emotions", "crosscorpus_values"
ADAPTED_NOTE = (
    "Each test set once more, by an emotion head that was adapted to the clips of that set, of "
    "which no label is used. All other results use no test clip."
)


def write_matrix(folder: Path, matrix: Mapping) -> dict[str, list[str]]:
    """Write ``crosscorpus.json``, ``.csv`` (every digit), ``.md``, ``.tex`` and heat maps.

    Heat map (file name without suffix) -> the metrics it shows: UAR for emotion classes, CCC
    for values, as far as the ``matrix`` has them.
    """
    stem = folder / "crosscorpus"
    tables = wide(matrix)
    write_json(f"{stem}.json", matrix)
    write_text(f"{stem}.csv", to_csv(long(matrix)))
    write_text(f"{stem}.md", "\n".join(map(to_markdown, tables)))
    write_text(f"{stem}.tex", "\n".join(map(to_latex, tables)))
    drawn: dict[str, list[str]] = {}
    for metric in matrix["metrics"]:
        if metric in TESTED:
            drawn.setdefault(EMOTIONS if metric == "uar" else VALUES, []).append(metric)
    for name, metrics in drawn.items():
        _draw(folder / name, matrix, metrics)
    return drawn


def wide(matrix: Mapping) -> list[Table]:
    """A row per test set, every model's metrics side by side, as in study 1's table 5.5.

    One table for emotion classes and one for valence and arousal, as far as there are any.
    """
    caption = f"Models on test sets, with 95 % intervals.{on_bold(matrix)}"
    caption = " ".join([caption, *legend(matrix)])
    found = []
    for name, of_classes in ((EMOTIONS, True), (VALUES, False)):
        columns = [
            (label, metric)
            for label in matrix["models"]
            for metric in matrix["metrics"]
            if (metric in LABEL_METRICS) == of_classes
            and any(_has(row, label, [metric]) for row in matrix["test_sets"].values())
        ]
        rows = [
            [
                row_name(test_set, row),
                *_chances(row, of_classes),
                *[cell_of(row, *column) for column in columns],
            ]
            for test_set, row in matrix["test_sets"].items()
        ]
        first = ["Test set", "Chance"] if of_classes else ["Test set"]
        head = [*first, *[metric_title(metric) for _, metric in columns]]
        over = [*[""] * len(first), *[label for label, _ in columns]]
        if columns:
            found.append(Table(name, caption, head, rows, over=over))
    return found


def by_metric(matrix: Mapping, metric: str) -> Table:
    """One metric: a row per test set, a column per model, and which is highest."""
    classes = metric in LABEL_METRICS
    head = ["Test set", *(["Chance"] if classes else []), *matrix["models"], "Highest"]
    caption = f"{metric_title(metric)}, with 95 % intervals."
    table = Table(metric.replace(" ", "_"), caption, head)
    for name, row in matrix["test_sets"].items():
        cells = [cell_of(row, label, metric) for label in matrix["models"]]
        best = [label for label, cell in row["cells"].items() if metric in cell["best"]]
        if any(cells):
            first = [row_name(name, row), *_chances(row, classes)]
            table.rows.append([*first, *cells, ", ".join(best) or None])
    if not any(row[-1] for row in table.rows):
        table.head, table.rows = table.head[:-1], [row[:-1] for row in table.rows]
    return table


def long(matrix: Mapping) -> Table:
    """A row per test set, model and metric: everything, for a machine."""
    head = (
        "Test set,Model,Protocol,Role,Synthetic,Utterances,Speakers,Chance,Metric,Value,"
        "Highest,Difference to first model,p,p (Holm)"
    )
    table = Table("crosscorpus", "", head.split(","))
    for name, row in matrix["test_sets"].items():
        for label, cell in row["cells"].items():
            facts = [cell["protocol"], cell["role"], row["synthetic"], cell["utterances"]]
            chance = 1 / cell["classes_present"] if cell["classes_present"] else None
            for metric, value in cell["metrics"].items():
                test = cell["against_first"].get(metric, {})
                found = [metric_title(metric), value, metric in cell["best"]]
                found += [test.get("difference"), test.get("p"), test.get("p_holm")]
                level = chance if metric in LABEL_METRICS else 0.0
                table.rows.append([name, label, *facts, cell["speakers"], level, *found])
    return table


def to_lines(matrix: Mapping) -> str:
    """The matrix for a terminal, a table per metric."""
    parts = []
    for metric in matrix["metrics"]:
        table = by_metric(matrix, metric)
        mean = "".join(f"\n{line}" for line in mean_lines(matrix, metric))
        parts.append(f"{table.caption}\n\n{to_text(table)}{mean}")
    return "\n\n".join([*parts, "\n".join([*legend(matrix), *warnings(matrix)])])


def mean_lines(matrix: Mapping, metric: str) -> list[str]:
    """Each model's mean over the test sets of all models, where there are several."""
    found = {label: of.get(metric) for label, of in matrix.get("mean", {}).items()}
    return [
        f"mean of the {len(mean['test_sets'])} test sets, {label}: {cell_text(mean)}"
        for label, mean in found.items()
        if mean
    ]


def adapted(matrix: Mapping) -> Table:
    """What :func:`ser_brain.evaluation.crosscorpus.cross_adapted` found, as a table."""
    caption = f"UAR, with 95 % intervals. {ADAPTED_NOTE}"
    return replace(by_metric(matrix, "uar"), name="adapted", caption=caption)


def on_adapted(matrix: Mapping) -> list[str]:
    """What belongs to the table :func:`adapted`; its protocol is that of the run."""
    means = [f"{line}." for line in mean_lines(matrix, "uar")]
    return [*means, *legend(matrix)[:-1], *warnings(matrix)]


def legend(matrix: Mapping) -> list[str]:
    """The meaning of the marks that occur in the matrix, and the protocol."""
    rows = matrix["test_sets"]
    cells = [cell for row in rows.values() for cell in row["cells"].values()]
    found = []
    if matrix["tests"]:
        tests = [test for cell in cells for test in cell["against_first"].items()]
        names = ", ".join(dict.fromkeys(metric_title(name) for name, _ in tests))
        result = "No model differs"
        if any(differs(test) for _, test in tests):
            result = f"{DIFFERS} differs"
        several = matrix["tests"] != 1
        corrected = f"{matrix['tests']} tests, Holm's correction" if several else "1 test"
        found.append(
            f"{result} from {next(iter(matrix['models']))} in {names} (p < {ALPHA}; whole "
            f"speakers swapped, if several are known; {corrected})."
        )
    if any(cell["role"] == SEEN for cell in cells):
        found.append(
            f"{TRAINED_ON} trained on utterances of this set; neither bold nor tested."
        )
    if any(row["synthetic"] for row in rows.values()):
        found.append(f"{SYNTHETIC} synthetic speech: {SAYS_NOTHING}")
    return [*found, protocols(matrix)]


def differs(test: Mapping) -> bool:
    """Whether a model's test against the first one is significant."""
    return test["p_holm"] is not None and test["p_holm"] < ALPHA


def on_bold(matrix: Mapping) -> str:
    """The meaning of bold type, where there is any."""
    rows = matrix["test_sets"].values()
    any_best = any(cell["best"] for row in rows for cell in row["cells"].values())
    return " Bold: best of a row." if any_best else ""


def protocols(matrix: Mapping) -> str:
    """The protocol of all models, or of each."""
    found = defaultdict(list)
    for label, model in matrix["models"].items():
        found[model["protocol"]].append(label)
    if len(found) == 1:
        return f"Protocol: {next(iter(found))}."
    each = [f"{', '.join(labels)}: {protocol}" for protocol, labels in found.items()]
    return f"Protocols: {'; '.join(each)}."


def warnings(matrix: Mapping) -> list[str]:
    """Cautions for a reader of the matrix."""
    found = [
        f"{name} of {label} is excluded: {why}."
        for label, model in matrix["models"].items()
        for name, why in model["incomplete"].items()
    ]
    for name, row in matrix["test_sets"].items():
        if not row["same_utterances"]:
            found.append(f"{name}: the models have different utterances, so none is best.")
        for cell in row["cells"].values():
            of_tests = [
                n for test in cell["against_first"].values() for n in test["drawn"]["notes"]
            ]
            found += [f"{name}: {note}" for note in [*cell["notes"], *of_tests] if note]
    return list(dict.fromkeys(found))


def row_name(name: str, row: Mapping) -> str:
    """A test set's name with its mark."""
    return f"{name}{SYNTHETIC}" if row["synthetic"] else name


def cell_of(row: Mapping, label: str, metric: str) -> dict | None:
    """A result as a table shows it, with its marks."""
    if not _has(row, label, [metric]):
        return None
    cell = row["cells"][label]
    test = cell["against_first"].get(metric)
    marks = DIFFERS if test and differs(test) else ""
    if cell["role"] == SEEN:
        marks += TRAINED_ON
    return {**cell["metrics"][metric], "best": metric in cell["best"], "marks": marks}


def _has(row: Mapping, label: str, metrics: list[str]) -> bool:
    cell = row["cells"].get(label)
    return bool(cell) and any(metric in cell["metrics"] for metric in metrics)


def _chances(row: Mapping, of_classes: bool) -> list:
    """The cell for chance, if any; several where models were tested on different classes."""
    if not of_classes:
        return []
    if len(row["chance"]) > 1:
        return [", ".join(value_text(chance) for chance in row["chance"])]
    return row["chance"] or [None]


def _draw(stem: Path, matrix: Mapping, metrics: list[str]) -> None:
    """A heat map of the models and test sets that have one of the metrics."""
    rows = {
        name: row
        for name, row in matrix["test_sets"].items()
        if any(_has(row, label, metrics) for label in matrix["models"])
    }
    models = [
        m for m in matrix["models"] if any(_has(row, m, metrics) for row in rows.values())
    ]
    names = [row_name(name, row) for name, row in rows.items()]
    chances, white, what = [0.0] * len(rows), "0", "CCC"
    if metrics == ["uar"]:
        chances, white, what = [max(row["chance"]) for row in rows.values()], "chance", "UAR"
        names = [
            f"{name}\nchance {value_text(chance)}"
            for name, chance in zip(names, chances, strict=True)
        ]
    cells = {
        metric_title(metric): [
            [cell_of(row, m, metric) for m in models] for row in rows.values()
        ]
        for metric in metrics
    }
    white = f"White: {white} or below; darkest: 1.{on_bold(matrix)}"
    subtitle = " ".join([white, *legend(matrix)])
    heat_map(stem, cells, names, models, chances, f"{what} of models on test sets", subtitle)
