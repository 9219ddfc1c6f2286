"""The tables of a report, from the results of an evaluation.

``test_sets`` is everywhere a mapping: test set -> what
:func:`ser_brain.evaluation.evaluate.evaluate` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ser_brain.core.tables import Table
from ser_brain.data.labels import DIMENSIONS, listed
from ser_brain.evaluation.metrics import (
    ALL_METRICS,
    SCORE_METRICS,
    VALUE_METRICS,
    of_dimensions,
)

COMPARED = ("wa", "uar", "macro_f1", *of_dimensions("ccc", "mae"))
SHOWN_VALUES = ("ccc", "pearson", "rmse", "mae", "mean_error")


def file_tables(test_sets: Mapping[str, Mapping], parts: Sequence[str]) -> dict[str, Table]:
    """The tables that are written to files: name -> the rows of all test sets."""
    tables: dict[str, Table] = {}
    for test_set, evaluation in test_sets.items():
        for name, caption, head, rows in _contents(evaluation, parts):
            table = tables.setdefault(name, Table(name, caption, ["Test set", *head]))
            table.rows += [[test_set, *row] for row in rows]
    return tables


Content = tuple[str, str, list[str], list[list]]


def _contents(evaluation: Mapping, parts: Sequence[str]) -> Iterator[Content]:
    """Name, caption, head and rows of every table of one test set."""
    if "parts" in evaluation:
        found = evaluation["parts"]  # some parts may lack this test set
        caption = f"Each of the {noun_of(parts)}, with mean and standard deviation (n − 1)."
        caption = " ".join(filter(None, [caption, repeats_note(evaluation)]))
        rows = [
            [metric_title(metric), spread["mean"], spread["std"]]
            + [found[part][metric] if part in found else None for part in parts]
            for metric, spread in evaluation["spread"].items()
        ]
        yield "parts", caption, ["Metric", "Mean", "SD", *parts], rows
    result, dimensions = evaluation["classification"], evaluation["regression"] or {}
    if result and result["n"]:
        yield from _of_classes(result)
    if any(found["n"] for found in dimensions.values()):
        yield _of_values(dimensions, evaluation["va_range"])
    if evaluation["groups"]:
        yield from _of_groups(evaluation["groups"])


def _of_classes(result: Mapping) -> Iterator[Content]:
    rows = [[metric_title(name), metric] for name, metric in result["metrics"].items()]
    yield "classification", "Emotion classes.", ["Metric", "Value"], rows
    emotions = [line["emotion"] for line in result["per_class"]]
    rows = [
        [true, predicted, count]
        for true, counts in zip(emotions, result["confusion"], strict=True)
        for predicted, count in zip(emotions, counts, strict=True)
    ]
    yield "confusion", "Confusion.", ["True", "Predicted", "Utterances"], rows
    caption = (
        "Per class. Over-prediction is predicted / true: above 1, the class is predicted more "
        "often than it occurs."
    )
    head = ["Emotion", "True", "Predicted", "Over-prediction", "Precision", "Recall", "F1"]
    keys = "emotion support predicted over_prediction precision recall f1".split()
    yield (
        "per_class",
        caption,
        head,
        [[line[key] for key in keys] for line in result["per_class"]],
    )
    if "calibrated" in result:
        after = result["calibrated"]["metrics"]
        rows = [[metric_title(name), result["metrics"][name], after[name]] for name in after]
        caption = (
            "Probabilities before and after temperature scaling, which changes no decision."
        )
        yield "calibration", caption, ["Metric", "Before", "After"], rows


def _of_values(dimensions: Mapping, va_range: Sequence[float]) -> Content:
    """Every metric in the units of the ratings and, where these differ, on [-1, 1]."""
    names = [name.capitalize() for name in dimensions]
    scaled = tuple(va_range) != (-1, 1)
    rows = []
    for name, metric in VALUE_METRICS.items():
        keys = ["metrics"]
        if scaled:
            keys.append("unit_scale_metrics" if metric.unit_power else "metrics")
        values = [found[key][name] for key in keys for found in dimensions.values()]
        rows.append([metric.title, *values])
    head = ["Metric", *names, *(f"{name} on [-1, 1]" for name in names if scaled)]
    caption = f"{listed(names).capitalize()}; errors are predicted − true."
    return "regression", caption, head, rows


def _of_groups(groups: Mapping[str, Mapping]) -> Iterator[Content]:
    rows, gaps = [], []
    for grouping, result in groups.items():
        for name, level in result["levels"].items():
            facts = [grouping, name, level["utterances"], level["speakers"]]
            rows += [[*facts, metric_title(m), value] for m, value in level["metrics"].items()]
        for metric, gap in result["gaps"].items():
            gaps.append([grouping, metric_title(metric), gap["highest"], gap["lowest"], gap])
    head = ["Grouping", "Group", "Utterances", "Speakers", "Metric", "Value"]
    yield "groups", "Groups.", head, rows
    head = ["Grouping", "Metric", "Highest", "Lowest", "Largest gap"]
    yield "gaps", "Largest gaps between groups.", head, gaps


def dimensions_of(test_sets: Mapping[str, Mapping]) -> list[str]:
    """What the model predicts of valence, arousal and dominance."""
    found = {name for e in test_sets.values() for name in e["regression"] or ()}
    return [name for name in DIMENSIONS if name in found]


def labelled(test_sets: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """The evaluations of classes on test sets that have labels of them."""
    return {
        name: evaluation
        for name, evaluation in test_sets.items()
        if evaluation["classification"] and evaluation["classification"]["n"]
    }


def metric_title(metric: str) -> str:
    """Heading of a metric: ``UAR``, or ``CCC valence`` for ``valence ccc``."""
    *dimension, name = metric.split()
    return " ".join([ALL_METRICS[name].title, *dimension])


def repeats_note(evaluation: Mapping) -> str:
    """A sentence where parts repeat others, as those of a probe with several seeds do."""
    count, repeats = len(evaluation.get("parts", ())), len(evaluation.get("repeats", ()))
    if not repeats:
        return ""
    return (
        f"{repeats} of {count} parts repeat the predictions of others: the seed changes "
        "nothing in this model. Mean and standard deviation count each once."
    )


def noun_of(parts: Sequence[str]) -> str:
    """What the parts of a run are: folds, seeds, or runs where they differ in both."""
    for noun in ("fold", "seed"):
        if all(part.removeprefix(f"{noun} ").isdigit() for part in parts):
            return f"{noun}s"
    return "runs"


def temperature_text(temperature: float | Sequence[float]) -> str:
    """One temperature, or the lowest and highest of several models: ``1.20 to 2.10``."""
    ends = temperature if isinstance(temperature, Sequence) else [temperature]
    return " to ".join(f"{end:.2f}" for end in ends)


def on_temperatures(temperatures: Iterable[float | Sequence[float]]) -> str:
    """Where these were fitted, as sentences."""
    found = "after temperature scaling, fitted on validation data."
    if any(1 in (t if isinstance(t, Sequence) else [t]) for t in temperatures):
        found += (
            " Where it is exactly 1, none was fitted: inner folds of training speakers have "
            "calibrated the model, or a head was adapted that was calibrated before."
        )
    return found


def further_metrics(test_sets: Mapping[str, Mapping]) -> Table:
    """The metrics of classes and probabilities that the summary lacks, a row per test set."""
    names = ["weighted_f1", *SCORE_METRICS]
    results = {name: e["classification"] for name, e in labelled(test_sets).items()}
    caption = "Weighted F1 and quality of the probabilities (NLL, Brier, ECE: lower is better)."
    table = Table("further_metrics", caption, ["Test set"])
    table.head += map(metric_title, names)
    table.over = ["", "", *["As trained"] * len(SCORE_METRICS)]
    calibrated = any("calibrated" in result for result in results.values())
    if calibrated:
        found = [r["calibrated"]["temperature"] for r in results.values() if "calibrated" in r]
        table.detail = (
            f"Calibrated: {on_temperatures(found)} It changes no decision. A temperature above "
            "1 means that the model was overconfident."
        )
        table.head += ["Temperature", *map(metric_title, SCORE_METRICS)]
        table.over += ["Calibrated"] * (1 + len(SCORE_METRICS))
    for test_set, result in results.items():
        row = [test_set, *(result["metrics"][name] for name in names)]
        if "calibrated" in result:
            after = result["calibrated"]
            row += [temperature_text(after["temperature"]), *after["metrics"].values()]
        elif calibrated:
            row += [None] * (1 + len(SCORE_METRICS))
        table.rows.append(row)
    return table


def values(test_sets: Mapping[str, Mapping]) -> Table:
    """The main metrics of the dimensions, a row per test set and dimension."""
    rows, scales = [], {}
    for name, evaluation in test_sets.items():
        for dimension, found in (evaluation["regression"] or {}).items():
            if found["n"]:
                scales["{:g} to {:g}".format(*evaluation["va_range"])] = None
                metrics = [found["metrics"][metric] for metric in SHOWN_VALUES]
                rows.append([name, dimension, found["n"], *metrics])
    caption = (
        f"{listed(dimensions_of(test_sets)).capitalize()} on the scale {', '.join(scales)}; "
        "errors are predicted − true."
    )
    titles = [metric_title(metric) for metric in SHOWN_VALUES]
    head = ["Test set", "Dimension", "Utterances", *titles]
    return Table("values", caption, head, rows)


def of_grouping(name: str, result: Mapping) -> list[Table]:
    """The tables of one grouping as a page shows them; none where no group has a label."""
    shown = [
        metric
        for metric in COMPARED
        if any(
            level["metrics"].get(metric, {}).get("value") is not None
            for level in result["levels"].values()
        )
    ]
    make = _speakers if name == "speaker" else _groups
    return make(name, result, shown) if shown else []


def _groups(name: str, result: Mapping, shown: Sequence[str]) -> list[Table]:
    """A row per metric, a column per group, and the largest gap."""
    levels = result["levels"]
    sizes = [
        f"{level} (n = {found['utterances']:,}, {found['speakers']:,} "
        f"speaker{'' if found['speakers'] == 1 else 's'})"
        for level, found in levels.items()
    ]
    unknown = result["unknown"]
    caption = f"By {name}{f'; unknown for {unknown:,} utterances' if unknown else ''}."
    table = Table(f"by_{name}", caption, ["Metric", *sizes, "Largest gap", "Between"])
    for metric in shown:
        gap = result["gaps"].get(metric)
        cells = [level["metrics"].get(metric) for level in levels.values()]
        between = f"{gap['highest']} over {gap['lowest']}" if gap else None
        table.rows.append([metric_title(metric), *cells, gap, between])
    if all("per_class" in level for level in levels.values()):
        for classes in zip(*(level["per_class"] for level in levels.values()), strict=True):
            ratios = [line["over_prediction"] for line in classes]
            title = f"Predicted / true, {classes[0]['emotion']}"
            table.rows.append([title, *ratios, None, None])
    return [table]


def _speakers(name: str, result: Mapping, shown: Sequence[str]) -> list[Table]:
    """The largest gaps, and a row per speaker, sorted by the first metric."""
    levels, gaps = result["levels"], result["gaps"]
    caption = (
        f"Largest gaps between speakers. With few utterances each, the extremes of "
        f"{len(levels):,} speakers are far apart by chance alone."
    )
    widest = Table("speaker_gaps", caption, ["Metric", "Highest", "Lowest", "Largest gap"])
    widest.rows = [
        [metric_title(m), gaps[m]["highest"], gaps[m]["lowest"], gaps[m]]
        for m in shown
        if m in gaps
    ]
    classes = ["Classes"] if any(x.get("classes_present") for x in levels.values()) else []
    head = ["Speaker", "Gender", "Utterances", *classes, *map(metric_title, shown)]
    caption = "By speaker. Intervals resample the utterances of the speaker."
    table = Table(f"by_{name}", caption, head)
    for speaker in in_order(levels, shown[0]):
        level = levels[speaker]
        facts = [speaker, level["gender"] or "unknown", level["utterances"]]
        facts += [level["classes_present"] for _ in classes]
        table.rows.append([*facts, *(level["metrics"][metric] for metric in shown)])
    return [each for each in (widest, table) if each.rows]


def in_order(levels: Mapping[str, Mapping], metric: str) -> list[str]:
    """Names of groups by a metric, the lowest first, those without it last."""
    values = {name: level["metrics"][metric]["value"] for name, level in levels.items()}
    return sorted(levels, key=lambda name: (values[name] is None, values[name] or 0.0, name))
