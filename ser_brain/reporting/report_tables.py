"""The tables of a report, from the results of an evaluation.

``test_sets`` is everywhere a mapping: test set -> what
:func:`ser_brain.evaluation.evaluate.evaluate` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.core.tables import Table, stack
from ser_brain.evaluation.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS

COMPARED = ("wa", "uar", "macro_f1", "valence ccc", "arousal ccc", "valence mae", "arousal mae")
SHOWN_VALUES = ("ccc", "pearson", "rmse", "mae", "mean_error")


def file_tables(test_sets: Mapping[str, Mapping], parts: Sequence[str]) -> dict[str, Table]:
    """The tables that are written to files: name -> the rows of all test sets.

    Parameters
    ----------
    test_sets : mapping
    parts : sequence of str
        Folds or seeds of the run.
    """
    by_name: dict[str, dict[str, Table]] = {}
    for test_set, evaluation in test_sets.items():
        found, regression = [], evaluation["regression"]
        if "parts" in evaluation:
            found.append(parts_table(evaluation, parts))
        if test_set in labelled(test_sets):
            result = evaluation["classification"]
            found += [classification(result), confusion(result), per_class(result)]
            found += [calibration(result)] if "calibrated" in result else []
        if regression and any(dimension["n"] for dimension in regression.values()):
            found.append(values_in_full(regression, evaluation["va_range"]))
        if evaluation["groups"]:
            found += [groups(evaluation["groups"]), gaps(evaluation["groups"])]
        for table in found:
            by_name.setdefault(table.name, {})[test_set] = table
    return {name: stack(of_sets, "Test set") for name, of_sets in by_name.items()}


def labelled(test_sets: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """The evaluations of classes on test sets that have labels of them."""
    return {
        name: evaluation
        for name, evaluation in test_sets.items()
        if evaluation["classification"] and evaluation["classification"]["n"]
    }


def metric_title(metric: str) -> str:
    """Heading of a metric.

    Examples
    --------
    >>> metric_title("uar"), metric_title("valence ccc")
    ('UAR', 'CCC valence')
    """
    *dimension, name = metric.split()
    titles = VALUE_METRICS if dimension else LABEL_METRICS | SCORE_METRICS
    return " ".join([titles[name].title, *dimension])


def noun_of(parts: Sequence[str]) -> str:
    """What the parts of a run are: folds, seeds, or runs where they differ in both.

    Examples
    --------
    >>> noun_of(["fold 1", "fold 2"]), noun_of(["seed 1 fold 1", "seed 2 fold 1"])
    ('folds', 'runs')
    """
    for noun in ("fold", "seed"):
        if all(part.removeprefix(f"{noun} ").isdigit() for part in parts):
            return f"{noun}s"
    return "runs"


def parts_table(evaluation: Mapping, names: Sequence[str]) -> Table:
    """The metrics of every fold or seed, with mean and standard deviation.

    Parameters
    ----------
    evaluation : mapping
        With ``parts`` and ``spread``.
    names : sequence of str
        All parts of the run; some may lack this test set.
    """
    found = evaluation["parts"]
    rows = [
        [metric_title(metric), spread["mean"], spread["std"]]
        + [found[name][metric] if name in found else None for name in names]
        for metric, spread in evaluation["spread"].items()
    ]
    caption = f"Each of the {noun_of(names)}, with mean and standard deviation (n − 1)."
    return Table("parts", caption, ["Metric", "Mean", "SD", *names], rows)


def classification(result: Mapping) -> Table:
    """Every metric of the classes."""
    rows = [[metric_title(name), metric] for name, metric in result["metrics"].items()]
    return Table("classification", "Emotion classes.", ["Metric", "Value"], rows)


def calibration(result: Mapping) -> Table:
    """Probability metrics before and after temperature scaling."""
    after = result["calibrated"]["metrics"]
    rows = [[metric_title(name), result["metrics"][name], after[name]] for name in after]
    caption = "Probabilities before and after temperature scaling, which changes no decision."
    return Table("calibration", caption, ["Metric", "Before", "After"], rows)


def temperature_text(temperature: float | Sequence[float]) -> str:
    """One temperature, or the lowest and highest of several models.

    Examples
    --------
    >>> temperature_text(1.834), temperature_text([1.2, 2.1])
    ('1.83', '1.20 to 2.10')
    """
    ends = temperature if isinstance(temperature, Sequence) else [temperature]
    return " to ".join(f"{end:.2f}" for end in ends)


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
        table.detail = (
            "Calibrated: after temperature scaling, fitted on validation data. It changes no "
            "decision. A temperature above 1 means that the model was overconfident."
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


def per_class(result: Mapping) -> Table:
    """Precision, recall, F1 and over-prediction of every class."""
    head = ["Emotion", "True", "Predicted", "Over-prediction", "Precision", "Recall", "F1"]
    keys = ["emotion", "support", "predicted", "over_prediction", "precision", "recall", "f1"]
    caption = (
        "Per class. Over-prediction is predicted / true: above 1, the class is predicted more "
        "often than it occurs."
    )
    return Table(
        "per_class", caption, head, [[line[k] for k in keys] for line in result["per_class"]]
    )


def confusion(result: Mapping) -> Table:
    """Counts of every true and predicted emotion, in long form."""
    emotions = [line["emotion"] for line in result["per_class"]]
    rows = [
        [true, predicted, result["confusion"][i][j]]
        for i, true in enumerate(emotions)
        for j, predicted in enumerate(emotions)
    ]
    return Table("confusion", "Confusion.", ["True", "Predicted", "Utterances"], rows)


def values(test_sets: Mapping[str, Mapping]) -> Table:
    """The main metrics of valence and arousal, a row per test set and dimension."""
    rows, scales = [], {}
    for name, evaluation in test_sets.items():
        for dimension, found in (evaluation["regression"] or {}).items():
            if found["n"]:
                scales["{:g} to {:g}".format(*evaluation["va_range"])] = None
                metrics = [found["metrics"][metric] for metric in SHOWN_VALUES]
                rows.append([name, dimension, found["n"], *metrics])
    caption = (
        f"Valence and arousal on the scale {', '.join(scales)}; errors are predicted − true."
    )
    head = [
        "Test set",
        "Dimension",
        "Utterances",
        *(VALUE_METRICS[m].title for m in SHOWN_VALUES),
    ]
    return Table("values", caption, head, rows)


def values_in_full(result: Mapping, va_range: Sequence[float]) -> Table:
    """Every metric of valence and arousal, in the units of the ratings and on [-1, 1]."""
    caption = "Valence and arousal; errors are predicted − true."
    head = ["Metric", *[name.capitalize() for name in result]]
    scaled = tuple(va_range) != (-1, 1)
    if scaled:
        head += [f"{name.capitalize()} on [-1, 1]" for name in result]
    table = Table("regression", caption, head)
    for name, metric in VALUE_METRICS.items():
        row = [metric.title, *[found["metrics"][name] for found in result.values()]]
        if scaled:
            key = "unit_scale_metrics" if metric.unit_power else "metrics"
            row += [found[key][name] for found in result.values()]
        table.rows.append(row)
    return table


def groups(found: Mapping[str, Mapping]) -> Table:
    """Every metric of every group, in long form."""
    rows = [
        [grouping, name, level["utterances"], level["speakers"], metric_title(metric), value]
        for grouping, result in found.items()
        for name, level in result["levels"].items()
        for metric, value in level["metrics"].items()
    ]
    head = ["Grouping", "Group", "Utterances", "Speakers", "Metric", "Value"]
    return Table("groups", "Groups.", head, rows)


def gaps(found: Mapping[str, Mapping]) -> Table:
    """The gap between the two extreme groups, of every grouping and metric."""
    rows = [
        [grouping, metric_title(metric), gap["highest"], gap["lowest"], gap]
        for grouping, result in found.items()
        for metric, gap in result["gaps"].items()
    ]
    head = ["Grouping", "Metric", "Highest", "Lowest", "Largest gap"]
    return Table("gaps", "Largest gaps between groups.", head, rows)


def of_grouping(name: str, result: Mapping) -> list[Table]:
    """The tables of one grouping as a page shows them; none where no group has a label."""
    tables = [_grouping(name, result)]
    if name == "speaker":
        tables = [_speaker_gaps(result), _speakers(result)]
    return [table for table in tables if table.rows]


def _grouping(name: str, result: Mapping) -> Table:
    """A row per metric, a column per group, and the largest gap."""
    levels = result["levels"]
    sizes = [
        f"{level} (n = {found['utterances']:,}, {found['speakers']:,} "
        f"speaker{'' if found['speakers'] == 1 else 's'})"
        for level, found in levels.items()
    ]
    table = Table(f"by_{name}", f"By {name}", ["Metric", *sizes, "Largest gap", "Between"])
    for metric in _compared(levels):
        gap = result["gaps"].get(metric)
        cells = [level["metrics"].get(metric) for level in levels.values()]
        between = f"{gap['highest']} over {gap['lowest']}" if gap else None
        table.rows.append([metric_title(metric), *cells, gap, between])
    if table.rows and all("per_class" in level for level in levels.values()):
        for classes in zip(*(level["per_class"] for level in levels.values()), strict=True):
            ratios = [line["over_prediction"] for line in classes]
            title = f"Predicted / true, {classes[0]['emotion']}"
            table.rows.append([title, *ratios, None, None])
    if result["unknown"]:
        table.caption += f"; unknown for {result['unknown']:,} utterances"
    table.caption += "."
    return table


def _speakers(result: Mapping) -> Table:
    """A row per speaker, sorted by the first metric, the lowest first."""
    levels = result["levels"]
    shown = _compared(levels)
    caption = "By speaker. Intervals resample the utterances of the speaker."
    table = Table("by_speaker", caption, [])
    labelled = any(level.get("classes_present") for level in levels.values())
    table.head = ["Speaker", "Gender", "Utterances", *(["Classes"] if labelled else [])]
    table.head += [metric_title(metric) for metric in shown]
    for name in in_order(levels, shown[0]) if shown else []:
        level = levels[name]
        facts = [name, level["gender"] or "unknown", level["utterances"]]
        facts += [level["classes_present"]] if labelled else []
        table.rows.append([*facts, *(level["metrics"][metric] for metric in shown)])
    return table


def _speaker_gaps(result: Mapping) -> Table:
    caption = (
        f"Largest gaps between speakers. With few utterances each, the extremes of "
        f"{len(result['levels']):,} speakers are far apart by chance alone."
    )
    table = Table("speaker_gaps", caption, ["Metric", "Highest", "Lowest", "Largest gap"])
    for metric in _compared(result["levels"]):
        gap = result["gaps"].get(metric)
        if gap:
            table.rows.append([metric_title(metric), gap["highest"], gap["lowest"], gap])
    return table


def in_order(levels: Mapping[str, Mapping], metric: str) -> list[str]:
    """Names of groups by a metric, the lowest first, those without it last."""

    def key(name: str) -> tuple:
        value = levels[name]["metrics"][metric]["value"]
        return value is None, value or 0.0, name

    return sorted(levels, key=key)


def _compared(levels: Mapping[str, Mapping]) -> list[str]:
    """The metrics shown for groups: those of ``COMPARED`` that any group has."""
    return [
        metric
        for metric in COMPARED
        if any(
            level["metrics"].get(metric, {}).get("value") is not None
            for level in levels.values()
        )
    ]
