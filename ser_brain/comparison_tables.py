"""The tables of a comparison of two runs, and its text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.changed_answers import LOST, WON
from ser_brain.comparison import full_name
from ser_brain.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS
from ser_brain.pages import SAYS_NOTHING
from ser_brain.report_tables import metric_title
from ser_brain.tables import Table, p_value, stack, to_text

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
        See :func:`ser_brain.comparison_report.compare_pairs`.
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


def to_lines(compared: Mapping) -> str:
    """What :func:`ser_brain.run_comparison.compare_runs` found, for a terminal."""
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
