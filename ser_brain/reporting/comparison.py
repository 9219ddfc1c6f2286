"""Comparisons as people read them: two runs in a terminal, several runs on one page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ser_brain.core.files import RECORD, read_json, write_json, write_text
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
    compare_predictions,
    correct_primaries,
    full_name,
    pair_predictions,
    training_notes,
)
from ser_brain.evaluation.crosscorpus import TESTED, cross
from ser_brain.evaluation.evaluate import RESAMPLES
from ser_brain.evaluation.metrics import ALL_METRICS
from ser_brain.evaluation.runs import Run, read_run
from ser_brain.reporting.crosscorpus import (
    by_metric,
    legend,
    on_bold,
    protocols,
    to_lines,
    warnings,
    write_matrix,
)
from ser_brain.reporting.html import (
    SAYS_NOTHING,
    ReportFigure,
    downloads,
    inlined,
    render,
    rewritten,
)
from ser_brain.reporting.plots.classification import confusion
from ser_brain.reporting.report_tables import metric_title

SHOWN = 5
BETTER = {"higher": "", "lower": ", lower is better", "zero": ", 0 is best"}
HOW_TO_READ = (
    "Primary metrics are fixed in advance; their p (Holm) is corrected for all of them. All "
    "other metrics are exploratory: among so many, some differ by chance. Intervals and p "
    "describe other speakers like these, not another training of either model."
)


def comparison_lines(compared: Mapping) -> str:
    """The result of :func:`ser_brain.evaluation.compare.compare_runs`, for a terminal."""
    lines = [f"{said} ({compared[side]['folder']})" for side, said in _sides(compared).items()]
    lines += compared["notes"]
    if compared["not_shared"]:
        lines.append(f"Predicted by only one of them: {', '.join(compared['not_shared'])}.")
    for comparison in compared["test_sets"].values():
        lines += ["", *_lines_of(comparison)]
    return "\n".join([*lines, "", HOW_TO_READ])


def _sides(compared: Mapping) -> dict[str, str]:
    """What A and B are."""
    runs = {side: compared[side] for side in ("a", "b")}
    return {s: f"{s.upper()}: {run['label']}, {run['protocol']}" for s, run in runs.items()}


def _lines_of(comparison: Mapping) -> list[str]:
    lines = [f"{comparison['test_set']}: {comparison['both']:,} utterances of both"]
    if comparison["predictions"] > comparison["both"]:
        lines[0] += f", {comparison['predictions']:,} predictions of each"
    if comparison["only_a"] or comparison["only_b"]:
        lines[0] += f" ({comparison['only_a']:,} only of A, {comparison['only_b']:,} only of B)"
    if comparison["synthetic"]:
        lines.append(f"Synthetic speech: {SAYS_NOTHING}")
    if not comparison["tasks"]:
        return [*lines, "Nothing to compare: there are no labels for what both predict."]
    lines += ["", to_text(metrics(comparison)), ""]
    lines += dict.fromkeys(drawn(task) for task in comparison["tasks"].values())
    answers = comparison["answers"]
    if answers:
        counts = [f"{n:,} {kind}" for kind, n in answers["counts"].items() if n]
        counts.insert(0, f"{answers['same']:,} the same")
        lines.append(f"Answers from A to B: {', '.join(counts)}.")
        table = changed(comparison)
        more = len(table.rows) - SHOWN
        table.rows = table.rows[:SHOWN]
        lines += ["", to_text(table)] if table.rows else []
        if more > 0:
            lines.append(f"... and {more:,} more: --json shows all, --out writes all.")
    return lines


def metrics(comparison: Mapping) -> Table:
    """Every metric of two models on one test set, the primary one of each task first."""
    head = ["Metric", "A", "B", "B − A", "p", "p (Holm)"]
    caption = (
        "B − A with its 95 % interval, and p of a permutation test that swaps whole speakers."
    )
    table = Table("comparison", caption, head)
    for task, found in comparison["tasks"].items():
        primary = found["primary"]
        for name in sorted(found["metrics"], key=lambda name, first=primary: name != first):
            metric = found["metrics"][name]
            title = metric_title(full_name(task, name)) + BETTER[ALL_METRICS[name].better]
            values = [metric["a"], metric["b"], metric["difference"]]
            ps = [p_value(metric["p"]), p_value(metric.get("p_holm"))]
            table.rows.append([f"{title}, primary" if name == primary else title, *values, *ps])
    return table


def drawn(task: Mapping) -> str:
    """What the intervals and p of a task are based on."""
    found = task["drawn"]
    plural = "s" if found["count"] > 1 else ""
    text = f"{task['n']:,} labelled utterances, resampled and swapped by {found['count']:,} "
    return " ".join([f"{text}{found['unit']}{plural}.", *found["notes"]])


def changed(comparison: Mapping) -> Table:
    """Every utterance that the two models answer differently."""
    head = ["Utterance", "Speaker", "True", "A", "B", "Change"]
    keys = ["id", "speaker", "emotion", "a", "b", "change"]
    rows = [[line[key] for key in keys] for line in comparison["answers"]["changed"]]
    return Table("changed_answers", "Answers that differ.", head, rows)


def file_tables(compared: Mapping) -> list[Table]:
    """The tables of all test sets for files; their captions say what A and B are."""
    found = compared["test_sets"]
    answered = {name: changed(each) for name, each in found.items() if each["answers"]}
    tables = [stack({name: metrics(each) for name, each in found.items()}, "Test set")]
    tables += [stack(answered, "Test set")] if answered else []
    for table in tables:
        table.caption += "".join(f" {said}." for said in _sides(compared).values())
    return tables


def write_comparison(
    folders: Sequence[Path], out: Path, resamples: int = RESAMPLES
) -> tuple[Path, dict]:
    """Compare several runs, the others with the first, and write one page with its files.

    The page and its numbers: ``matrix``, see :func:`ser_brain.evaluation.crosscorpus.cross`;
    ``pairs``, see :func:`compare_pairs`; ``training``: pair -> how their training data differ;
    ``runs``: label -> how the run was made.
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


def compare_pairs(runs: Mapping[str, Run], matrix: Mapping, resamples: int) -> list[dict]:
    """Compare every two models on every test set on which neither was trained.

    See :func:`ser_brain.evaluation.compare.compare_predictions`; with the labels ``a`` and
    ``b``, and only counts of the changed answers. p is corrected for all pairs together.
    """
    found = []
    for name, row in matrix["test_sets"].items():
        unseen = [label for label, cell in row["cells"].items() if cell["role"] != SEEN]
        judged = {label: runs[label].pooled(name) for label in unseen}
        for one, other in combinations(unseen, 2):
            if set(judged[one].ids) & set(judged[other].ids):
                paired = pair_predictions(judged[one], judged[other], (one, other))
                comparison = compare_predictions(paired, resamples)
                if comparison["answers"]:
                    del comparison["answers"]["changed"]  # `ser compare` lists them.
                found.append({"a": one, "b": other, **comparison})
    correct_primaries(found)
    return found


def origin_of(run: Run, page_folder: Path) -> dict:
    """How a run and each of its parts was made, and where it is relative to a page."""
    records = {
        name: read_json(part / RECORD, "run description")
        for name, part in run.parts.items()
        if (part / RECORD).is_file()
    }
    report = run.folder / "report" / "index.html"
    return {
        "protocol": run.protocol,
        "encoder": run.first.card.get("encoder"),
        "folder": os.path.relpath(run.folder, page_folder),
        "report": os.path.relpath(report, page_folder) if report.is_file() else None,
        "commands": {name: record.get("command") for name, record in records.items()},
        "commits": sorted({r["commit"] for r in records.values() if r.get("commit")}),
        "versions": {name: record.get("versions") or {} for name, record in records.items()},
    }


def versions(origins: Mapping[str, Mapping]) -> Table:
    """A row per package, a column per run; several versions where its parts differ."""
    by_run = {label: list(origin["versions"].values()) for label, origin in origins.items()}
    packages = dict.fromkeys(
        name for parts in by_run.values() for part in parts for name in part
    )
    table = Table("versions", "Versions of packages.", ["Package", *by_run])
    for package in packages:
        found = [
            dict.fromkeys(str(part[package]) for part in parts if package in part)
            for parts in by_run.values()
        ]
        table.rows.append([package, *[", ".join(each) or None for each in found]])
    return table


def _write(folder: Path, results: Mapping) -> None:
    matrix = results["matrix"]
    write_json(folder / "results.json", results)
    tested = pairs(results["pairs"], protocols(matrix))
    for suffix, written in (("csv", to_csv), ("md", to_markdown), ("tex", to_latex)):
        write_text(folder / f"{tested.name}.{suffix}", written(tested))
    content = {
        "headline": [by_metric(matrix, m) for m in matrix["metrics"] if m in TESTED],
        "others": [by_metric(matrix, m) for m in matrix["metrics"] if m not in TESTED],
        "legend": [on_bold(matrix), *legend(matrix)],
        "warnings": warnings(matrix),
        "heat_maps": _heat_maps(folder, matrix),
        "pairs": tested,
        "how_to_read": HOW_TO_READ,
        "confusions": _confusions(folder, matrix),
        "versions": versions(results["runs"]),
    }
    page = render("comparison.html", results=results, files=downloads(folder), **content)
    write_text(folder / "index.html", page)


def pairs(comparisons: Sequence[Mapping], protocols: str) -> Table:
    """The primary metrics of what :func:`compare_pairs` found."""
    head = "Test set,A,B,Metric,B − A,p,p (Holm),Lost,Won"
    count = sum(len(comparison["tasks"]) for comparison in comparisons)
    counted = "the 1 test" if count == 1 else f"all {count} tests"
    caption = (
        "Every two models on the same utterances: B − A with its 95 % interval, and p of a "
        "permutation test that swaps whole speakers, also after Holm's correction for "
        f"{counted}. Lost: A was right and B is wrong; won: the reverse. {protocols}"
    ).rstrip()
    table = Table("pairs", caption, head.split(","))
    for comparison in comparisons:
        for task, found in comparison["tasks"].items():
            metric = found["metrics"][found["primary"]]
            counts = comparison["answers"]["counts"] if task == "emotion" else {}
            row = [comparison["test_set"], comparison["a"], comparison["b"]]
            row += [metric_title(full_name(task, found["primary"])), metric["difference"]]
            row += [p_value(metric["p"]), p_value(metric["p_holm"])]
            table.rows.append([*row, counts.get(LOST), counts.get(WON)])
    return table


def _heat_maps(folder: Path, matrix: Mapping) -> list[ReportFigure]:
    found = []
    size = f"{len(matrix['models'])} models on {len(matrix['test_sets'])} test sets"
    for name, metrics in write_matrix(folder, matrix).items():
        names = " and ".join(map(metric_title, metrics))
        caption = f"{names} by colour: white at chance or below, darkest at 1."
        alt = f"Heat map of {names}, {size}. The tables of the summary have the same numbers."
        found.append(inlined(folder / name, caption, alt))
    return found


def _confusions(folder: Path, matrix: Mapping) -> list[ReportFigure]:
    """For each test set, the confusion matrices of all models with the classes of the first."""
    found = []
    for name, row in matrix["test_sets"].items():
        judged = {label: c for label, c in row["cells"].items() if "uar" in c["metrics"]}
        emotions = next((cell["emotions"] for cell in judged.values()), None)
        alike = {label: c for label, c in judged.items() if c["emotions"] == emotions}
        if alike:
            stem, title = folder / f"{name}-confusion", f"Confusion on {name}"
            words = protocols(matrix) + (" SYNTHETIC SPEECH" if row["synthetic"] else "")
            counts = {label: np.array(cell["confusion"]) for label, cell in alike.items()}
            confusion(stem, counts, emotions, title, words)
            uars = (f"{m}: UAR {value_text(c['metrics']['uar'])}" for m, c in alike.items())
            alt = f"Confusion matrices of {name}, a panel per model. {'; '.join(uars)}."
            caption = f"{name}: percent of each true class (colour) and counts."
            found.append(inlined(stem, caption, alt))
    return found


def comparison_text(results: Mapping) -> str:
    """The matrix and the tested pairs, for a terminal."""
    table = pairs(results["pairs"], "")
    parts = [to_lines(results["matrix"])]  # It names the protocols.
    if table.rows:
        parts.append(f"{table.caption}\n\n{to_text(table)}")
    return "\n\n".join(parts)
