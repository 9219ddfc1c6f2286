"""The report of several runs: one page, and its numbers and pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ser_brain.core.files import write_json, write_text
from ser_brain.core.tables import (
    Table,
    p_value,
    stack,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
    value_text,
)
from ser_brain.evaluation.compare import (
    LOST,
    SEEN,
    WON,
    compare,
    correct_primaries,
    full_name,
    pair,
    training_notes,
)
from ser_brain.evaluation.crosscorpus import TESTED, cross
from ser_brain.evaluation.evaluate import RESAMPLES
from ser_brain.evaluation.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS
from ser_brain.evaluation.runs import Run, origin_of, read_run, versions
from ser_brain.reporting.crosscorpus import (
    by_metric,
    legend,
    on_bold,
    protocols,
    to_lines,
    warnings,
    write_matrix,
)
from ser_brain.reporting.html import SAYS_NOTHING, ReportFigure, inlined, render, rewritten
from ser_brain.reporting.plots.classification import confusion
from ser_brain.reporting.report_tables import metric_title

SHOWN = 5
BETTER = {"higher": "", "lower": ", lower is better", "zero": ", 0 is best"}
HOW_TO_READ = (
    "Primary metrics are fixed beforehand; their p (Holm) is corrected for all of them. All "
    "other metrics are exploratory: of so many, some differ by luck. Intervals and p say what "
    "would hold for other speakers like these, not for another training of either model."
)


def metrics(comparison: Mapping) -> Table:
    """Every metric of two models on one test set, the primary one of each task first."""
    head = ["Metric", "A", "B", "B − A", "p", "p (Holm)"]
    caption = "B − A with its 95 % interval, and p of a test that swaps whole speakers."
    table = Table("comparison", caption, head)
    for task, found in comparison["tasks"].items():
        primary = found["primary"]
        for name in sorted(found["metrics"], key=lambda name, first=primary: name != first):
            metric = found["metrics"][name]
            better = BETTER[(LABEL_METRICS | SCORE_METRICS | VALUE_METRICS)[name].better]
            title = metric_title(full_name(task, name)) + better
            table.rows.append(
                [
                    f"{title}, primary" if name == primary else title,
                    metric["a"],
                    metric["b"],
                    metric["difference"],
                    p_value(metric["p"]),
                    p_value(metric.get("p_holm")),
                ]
            )
    return table


def changed(comparison: Mapping) -> Table:
    """Every utterance that the two models answer differently."""
    head = ["Utterance", "Speaker", "True", "A", "B", "Change"]
    keys = ["id", "speaker", "emotion", "a", "b", "change"]
    rows = [[line[key] for key in keys] for line in comparison["answers"]["changed"]]
    return Table("changed_answers", "Answers that differ.", head, rows)


def pairs(comparisons: Sequence[Mapping], protocols: str) -> Table:
    """The primary metrics of every two models on every test set.

    Parameters
    ----------
    comparisons : sequence of mapping
        See :func:`ser_brain.reporting.comparison.compare_pairs`.
    protocols : str
        Those of the models, for the caption.
    """
    head = "Test set,A,B,Metric,B − A,p,p (Holm),Lost,Won"
    count = sum(len(comparison["tasks"]) for comparison in comparisons)
    caption = (
        "Every two models on the same utterances: B − A with its 95 % interval, and p of a "
        f"test that swaps whole speakers, also after Holm's correction for all {count} tests. "
        f"Lost: right by A and wrong by B; won: the reverse. {protocols}"
    ).rstrip()
    table = Table("pairs", caption, head.split(","))
    for comparison in comparisons:
        for task, found in comparison["tasks"].items():
            metric = found["metrics"][found["primary"]]
            counts = comparison["answers"]["counts"] if task == "emotion" else {}
            table.rows.append(
                [
                    *[comparison["test_set"], comparison["a"], comparison["b"]],
                    metric_title(full_name(task, found["primary"])),
                    metric["difference"],
                    *[p_value(metric["p"]), p_value(metric["p_holm"])],
                    *[counts.get(LOST), counts.get(WON)],
                ]
            )
    return table


def whole(compared: Mapping) -> list[Table]:
    """The tables of all test sets, as they are written to files, with who is A and B."""
    sides = [
        f"{side.upper()}: {compared[side]['label']}, {compared[side]['protocol']}."
        for side in ("a", "b")
    ]
    found = compared["test_sets"]
    by_kind = [
        {name: metrics(comparison) for name, comparison in found.items()},
        {
            name: changed(comparison)
            for name, comparison in found.items()
            if comparison["answers"]
        },
    ]
    tables = [stack(of_sets, "Test set") for of_sets in by_kind if of_sets]
    for table in tables:
        table.caption = " ".join([table.caption, *sides])
    return tables


def comparison_lines(compared: Mapping) -> str:
    """What :func:`ser_brain.evaluation.compare.compare_runs` found, for a terminal."""
    lines = [
        f"{side.upper()}: {run['label']}, {run['protocol']} ({run['folder']})"
        for side, run in (("a", compared["a"]), ("b", compared["b"]))
    ]
    lines += compared["notes"]
    if compared["not_shared"]:
        lines.append(f"Predicted by one of them only: {', '.join(compared['not_shared'])}.")
    for comparison in compared["test_sets"].values():
        lines += ["", *_lines_of(comparison)]
    return "\n".join([*lines, "", HOW_TO_READ])


def _lines_of(comparison: Mapping) -> list[str]:
    name = comparison["test_set"]
    lines = [f"{name}: {comparison['both']:,} utterances of both"]
    if comparison["predictions"] > comparison["both"]:
        lines[0] += f", {comparison['predictions']:,} predictions of each"
    if comparison["only_a"] or comparison["only_b"]:
        lines[0] += f" ({comparison['only_a']:,} only of A, {comparison['only_b']:,} only of B)"
    if comparison["synthetic"]:
        lines.append(f"Synthetic speech: {SAYS_NOTHING}")
    if not comparison["tasks"]:
        return [*lines, "Nothing to compare: no label of what both predict."]
    lines += ["", to_text(metrics(comparison)), ""]
    lines += dict.fromkeys(drawn(task) for task in comparison["tasks"].values())
    if comparison["answers"]:
        lines += _answers(comparison)
    return lines


def drawn(task: Mapping) -> str:
    """What intervals and p of a task rest on."""
    found = task["drawn"]
    plural = "s" if found["count"] > 1 else ""
    text = f"{task['n']:,} labelled utterances, drawn and swapped by {found['count']:,} "
    return " ".join([f"{text}{found['unit']}{plural}.", *found["notes"]])


def _answers(comparison: Mapping) -> list[str]:
    answers = comparison["answers"]
    counts = [f"{n:,} {kind}" for kind, n in answers["counts"].items() if n]
    table = changed(comparison)
    total = len(table.rows)
    counts = ", ".join([f"{answers['same']:,} the same", *counts])
    lines = [f"Answers from A to B: {counts}."]
    if total:
        table.rows = table.rows[:SHOWN]
        lines += ["", to_text(table)]
    if total > SHOWN:
        lines.append(f"... and {total - SHOWN:,} more: --json shows all, --out writes them.")
    return lines


def heat_maps(
    folder: Path, drawn: Mapping[str, Sequence[str]], matrix: Mapping
) -> list[ReportFigure]:
    """The heat maps that :func:`ser_brain.reporting.crosscorpus.write_matrix` drew."""
    found = []
    for name, metrics in drawn.items():
        names = " and ".join(metric_title(metric) for metric in metrics)
        size = f"{len(matrix['models'])} models on {len(matrix['test_sets'])} test sets"
        caption = f"{names} by colour: white at chance or below, darkest at 1."
        alt = f"Heat map of {names}, {size}. The tables of the summary have the same numbers."
        found.append(inlined(folder / name, caption, alt))
    return found


def confusions(folder: Path, matrix: Mapping) -> dict[str, ReportFigure]:
    """Test set -> the confusion matrices of all models side by side.

    Of models with other classes than the first one's, none is drawn.
    """
    found = {}
    for name, row in matrix["test_sets"].items():
        judged = {
            label: cell for label, cell in row["cells"].items() if "uar" in cell["metrics"]
        }
        emotions = next((cell["emotions"] for cell in judged.values()), None)
        counts = {
            label: np.array(cell["confusion"])
            for label, cell in judged.items()
            if cell["emotions"] == emotions
        }
        if counts:
            stem, heading = folder / f"{name}-confusion", f"Confusion on {name}"
            confusion(stem, counts, emotions, heading, _subtitle(matrix, row))
            spoken = "; ".join(
                f"{label}: UAR {value_text(judged[label]['metrics']['uar'])}"
                for label in counts
            )
            found[name] = inlined(
                stem,
                f"{name}: percent of each true class (colour) and counts.",
                f"Confusion matrices of {name}, a panel per model. {spoken}.",
            )
    return found


def _subtitle(matrix: Mapping, row: Mapping) -> str:
    return f"{protocols(matrix)} SYNTHETIC SPEECH" if row["synthetic"] else protocols(matrix)


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
        ``matrix``: see :func:`ser_brain.evaluation.crosscorpus.cross`; ``pairs``: see
        :func:`compare_pairs`; ``training``: how fair each match is; ``runs``: label -> see
        :func:`ser_brain.evaluation.runs.origin_of`.

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
    tested = pairs(results["pairs"], protocols(matrix))
    for suffix, written in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex)):
        write_text(folder / f"{tested.name}.{suffix}", written(tested))
    page = render(
        "comparison.html",
        results=results,
        headline=[by_metric(matrix, m) for m in matrix["metrics"] if m in TESTED],
        others=[by_metric(matrix, m) for m in matrix["metrics"] if m not in TESTED],
        legend=[on_bold(matrix), *legend(matrix)],
        warnings=warnings(matrix),
        heat_maps=heat_maps(folder, write_matrix(folder, matrix), matrix),
        pairs=tested,
        how_to_read=HOW_TO_READ,
        confusions=confusions(folder, matrix),
        versions=versions(results["runs"]),
    )
    write_text(folder / "index.html", page)


def compare_pairs(runs: Mapping[str, Run], matrix: Mapping, resamples: int) -> list[dict]:
    """Every two models on every test set that neither was trained on, corrected together.

    Returns
    -------
    list of dict
        See :func:`ser_brain.evaluation.compare.compare`; with the labels ``a`` and ``b``, and
        of the answers only how many changed.
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
    table = pairs(results["pairs"], "")
    parts = [to_lines(results["matrix"])]  # Says the protocols.
    if table.rows:
        parts.append(f"{table.caption}\n\n{to_text(table)}")
    return "\n\n".join(parts)
