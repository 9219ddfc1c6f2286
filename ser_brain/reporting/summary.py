"""The summary of a run: headline numbers, chance level and a verdict in plain English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.core.tables import Table, cell_text, to_text
from ser_brain.data.labels import listed
from ser_brain.evaluation.compare import SEEN
from ser_brain.evaluation.evaluate import NO_INTERVAL
from ser_brain.evaluation.metrics import LABEL_METRICS
from ser_brain.evaluation.runs import merge_protocols
from ser_brain.reporting.crosscorpus import adapted, on_adapted
from ser_brain.reporting.html import SAYS_NOTHING
from ser_brain.reporting.report_tables import dimensions_of, labelled, repeats_note

HEADLINE_LABELS = ("wa", "uar", "macro_f1")
NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}


def summary(test_sets: Mapping[str, Mapping]) -> Table:
    """The headline numbers, a row per test set."""
    labels = HEADLINE_LABELS if any(e["classification"] for e in test_sets.values()) else ()
    dimensions = dimensions_of(test_sets)
    head = ["Test set", *(LABEL_METRICS[name].title for name in labels)]
    head += [*(["Chance UAR"] if labels else []), *(f"CCC {name}" for name in dimensions)]
    head += ["Utterances", "Speakers", "Role"]
    table = Table("summary", "Results per test set, with 95 % intervals.", head)
    for name, evaluation in test_sets.items():
        counts, regression = evaluation["counts"], evaluation["regression"]
        classification = evaluation["classification"]
        row = [name]
        row += [classification["metrics"][key] if classification else None for key in labels]
        row += [chance(classification)] if labels else []
        row += [regression[key]["metrics"]["ccc"] if regression else None for key in dimensions]
        row += [counts["utterances"], counts["speakers"] or None, evaluation["role"]]
        table.rows.append(row)
    return table


def chance(classification: Mapping | None) -> float | None:
    """UAR of guessing: one divided by the number of classes that occur in the test set."""
    present = classification["classes_present"] if classification else 0
    return 1 / present if present else None


def verdict(test_sets: Mapping[str, Mapping]) -> list[str]:
    """Say of each task whether the model does better than chance, a sentence each.

    It does if the whole interval of UAR is above chance, or that of CCC above 0. Test sets
    on which the model was trained, and those of a single speaker or class, have no verdict.
    """
    unseen = {name: e for name, e in test_sets.items() if e["role"] != SEEN}
    classes = {
        name: (_of_speakers(e, e["classification"], "uar"), chance(e["classification"]))
        for name, e in labelled(unseen).items()
    }
    sentences = {"Emotion classes": _judge(classes, "UAR", len(unseen))}
    of_values: dict[str, list[str]] = {}  # sentence -> dimensions
    for dimension in dimensions_of(unseen):
        rated = {
            name: (_of_speakers(evaluation, evaluation["regression"][dimension], "ccc"), 0.0)
            for name, evaluation in unseen.items()
            if evaluation["regression"] and evaluation["regression"][dimension]["n"]
        }
        of_values.setdefault(_judge(rated, "CCC", len(unseen)), []).append(dimension)
    sentences |= {listed(names).capitalize(): said for said, names in of_values.items()}
    return [f"{task}: {sentence}." for task, sentence in sentences.items() if sentence]


def _of_speakers(evaluation: Mapping, result: Mapping, metric: str) -> Mapping:
    """An estimate, without its interval where it is of the clips of a single speaker."""
    all_known = not evaluation["counts"]["without_speaker"]
    single = all_known and result["drawn"]["unit"] == "utterance"
    return {**result["metrics"][metric], **(NO_INTERVAL if single else {})}


def _judge(results: Mapping[str, tuple], metric: str, test_sets: int) -> str:
    """Results: test set -> (estimate, chance); ``test_sets``: how many there are in all."""
    groups: dict[tuple[str, str | None], list[str]] = {}  # kind, reason -> test sets
    for name, (estimate, level) in results.items():
        reason = None
        if level == 1:  # there is only one class to guess, so nothing is above chance
            kind, reason = "no verdict", "a single class"
        elif estimate["low"] is None:
            kind, reason = "no verdict", "too few speakers"
        elif estimate["low"] > level:
            kind = "above chance"
        else:
            kind = "below chance" if estimate["high"] < level else "no better than chance"
        groups.setdefault((kind, reason), []).append(name)
    clauses = []
    for (kind, reason), names in groups.items():
        levels = sorted(results[name][1] for name in names)
        level = " to ".join(dict.fromkeys(f"{end:.3g}" for end in (levels[0], levels[-1])))
        verb = "include" if kind == "no better than chance" else "exclude"
        if not reason and len(names) > 1:
            reason = f"the 95 % intervals of {metric} {verb} {level}"
        elif not reason:
            reason = f"the 95 % interval of {metric} {verb}s {level}"
        clauses.append(f"{kind} on {_name_sets(names, test_sets)} ({reason})")
    return "; ".join(clauses)


def _name_sets(names: Sequence[str], total: int) -> str:
    if len(names) < total or total == 1:
        return listed(names)
    if total == 2:
        return "both test sets"
    return f"all {NUMBERS.get(total, total)} test sets"


def protocol_of_all(test_sets: Mapping[str, Mapping]) -> str:
    """The protocols of all test sets as one line."""
    return merge_protocols([evaluation["protocol"] for evaluation in test_sets.values()])


def summary_text(results: Mapping) -> str:
    """What ``write_report`` returns as text for a terminal, a column per test set."""
    test_sets = results["test_sets"]
    table = summary(test_sets)
    columns = [table.head, *([cell_text(cell) for cell in row] for row in table.rows)]
    head, *rows = (list(line) for line in zip(*columns, strict=True))
    lines = [protocol_of_all(test_sets), ""]
    lines += [to_text(Table("summary", "", head, rows)), "", *verdict(test_sets)]
    lines += [f"{name} is excluded: {why}." for name, why in results["incomplete"].items()]
    notes = {name: repeats_note(evaluation) for name, evaluation in test_sets.items()}
    lines += [f"{name}: {note}" for name, note in notes.items() if note]
    synthetic = [name for name, evaluation in test_sets.items() if evaluation["synthetic"]]
    if synthetic:
        lines.append(f"Synthetic speech ({', '.join(synthetic)}): {SAYS_NOTHING}")
    if results.get("adapted"):
        table = adapted(results["adapted"])
        lines += ["", table.caption, "", to_text(table), *on_adapted(results["adapted"]), ""]
    return "\n".join(lines)
