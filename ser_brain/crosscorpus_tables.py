"""The tables of a cross-corpus matrix, and its text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.crosscorpus_legend import (
    DIFFERS,
    SYNTHETIC,
    TRAINED_ON,
    differs,
    legend,
    on_bold,
    warnings,
)
from ser_brain.metrics import LABEL_METRICS
from ser_brain.report_tables import metric_title
from ser_brain.run_comparison import SEEN
from ser_brain.tables import Table, to_text, value_text


def wide(matrix: Mapping) -> list[Table]:
    """A row per test set, every model's metrics side by side, as in study 1's table 5.5.

    Returns
    -------
    list of Table
        One for emotion classes and one for valence and arousal, as far as there are any.
    """
    caption = f"Models on test sets, with 95 % intervals.{on_bold(matrix)}"
    caption = " ".join([caption, *legend(matrix)])
    found = []
    for name, of_classes in (("crosscorpus_emotions", True), ("crosscorpus_values", False)):
        metrics = [m for m in matrix["metrics"] if (m in LABEL_METRICS) == of_classes]
        columns = [
            (label, metric)
            for label in matrix["models"]
            for metric in metrics
            if any(metric in _metrics(row, label) for row in matrix["test_sets"].values())
        ]
        rows = [
            [
                row_name(test_set, row),
                *_chances(row, of_classes),
                *[cell_of(row, *c) for c in columns],
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
    """One metric: a row per test set, a column per model, and which is best."""
    classes = metric in LABEL_METRICS
    rows = {
        name: row
        for name, row in matrix["test_sets"].items()
        if any(metric in cell["metrics"] for cell in row["cells"].values())
    }
    best = {
        name: ", ".join(label for label, c in row["cells"].items() if metric in c["best"])
        for name, row in rows.items()
    }
    any_best = ["Best"] if any(best.values()) else []
    first = ["Test set", "Chance"] if classes else ["Test set"]
    head = [*first, *matrix["models"], *any_best]
    table = Table(
        metric.replace(" ", "_"), f"{metric_title(metric)}, with 95 % intervals.", head
    )
    table.rows = [
        [
            row_name(name, row),
            *_chances(row, classes),
            *[cell_of(row, label, metric) for label in matrix["models"]],
            *[best[name] or None for _ in any_best],
        ]
        for name, row in rows.items()
    ]
    return table


def long(matrix: Mapping) -> Table:
    """A row per test set, model and metric: everything, for a machine."""
    head = (
        "Test set,Model,Protocol,Role,Synthetic,Utterances,Speakers,Chance,Metric,Value,Best,"
        "Difference to first model,p,p (Holm)"
    )
    table = Table("crosscorpus", "", head.split(","))
    for name, row in matrix["test_sets"].items():
        for label, cell in row["cells"].items():
            facts = [cell["protocol"], cell["role"], row["synthetic"], cell["utterances"]]
            chance = 1 / cell["classes_present"] if cell["classes_present"] else None
            for metric, value in cell["metrics"].items():
                test = cell["against_first"].get(metric, {})
                table.rows.append(
                    [
                        *[name, label, *facts, cell["speakers"]],
                        chance if metric in LABEL_METRICS else 0.0,
                        *[metric_title(metric), value, metric in cell["best"]],
                        *[test.get("difference"), test.get("p"), test.get("p_holm")],
                    ]
                )
    return table


def to_lines(matrix: Mapping) -> str:
    """The matrix for a terminal, a table per metric."""
    parts = []
    for metric in matrix["metrics"]:
        table = by_metric(matrix, metric)
        parts.append(f"{table.caption}\n\n{to_text(table)}")
    return "\n\n".join([*parts, "\n".join([*legend(matrix), *warnings(matrix)])])


def _metrics(row: Mapping, label: str) -> Mapping:
    return row["cells"][label]["metrics"] if label in row["cells"] else {}


def row_name(name: str, row: Mapping) -> str:
    """A test set's name with its mark."""
    return f"{name}{SYNTHETIC}" if row["synthetic"] else name


def _chances(row: Mapping, of_classes: bool) -> list:
    """The cell for chance, if any; several where models were judged on different classes."""
    if not of_classes:
        return []
    if len(row["chance"]) > 1:
        return [", ".join(value_text(chance) for chance in row["chance"])]
    return row["chance"] or [None]


def cell_of(row: Mapping, label: str, metric: str) -> dict | None:
    """A result as a table shows it, with its marks."""
    value = _metrics(row, label).get(metric)
    if value is None:
        return None
    cell = row["cells"][label]
    test = cell["against_first"].get(metric)
    marks = DIFFERS if test and differs(test) else ""
    if cell["role"] == SEEN:
        marks += TRAINED_ON
    return {**value, "best": metric in cell["best"], "marks": marks}
