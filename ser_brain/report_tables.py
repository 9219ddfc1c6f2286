"""The tables of a report, from the results of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS
from ser_brain.tables import Table

HEADLINE_LABELS = ("wa", "uar", "macro_f1")


def summary(test_sets: Mapping[str, Mapping]) -> Table:
    """The headline: one line per test set."""
    label_names = [
        n for n in HEADLINE_LABELS if any(e["classification"] for e in test_sets.values())
    ]
    dimensions = [
        d for d in ("valence", "arousal") if any(e["regression"] for e in test_sets.values())
    ]
    head = ["Test set", *[LABEL_METRICS[name].title for name in label_names]]
    head += [
        *[f"CCC {dimension}" for dimension in dimensions],
        "Utterances",
        "Speakers",
        "Role",
    ]
    table = Table("summary", "Results per test set, with 95 % intervals.", head)
    for name, evaluation in test_sets.items():
        counts = evaluation["counts"]
        classification, regression = evaluation["classification"], evaluation["regression"]
        row = [name]
        row += [classification["metrics"][n] if classification else None for n in label_names]
        row += [regression[d]["metrics"]["ccc"] if regression else None for d in dimensions]
        row += [counts["utterances"], counts["speakers"] or None, evaluation["role"]]
        table.rows.append(row)
    return table


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


def parts(evaluation: Mapping, names: Sequence[str]) -> Table:
    """Every fold or seed by itself, beside their mean and standard deviation.

    Parameters
    ----------
    evaluation : mapping
        With ``parts`` and ``spread``.
    names : sequence of str
        Parts of the run, of which this test set may have some.
    """
    found = evaluation["parts"]
    rows = [
        [metric_title(metric), spread["mean"], spread["std"]]
        + [found[name][metric] if name in found else None for name in names]
        for metric, spread in evaluation["spread"].items()
    ]
    caption = (
        f"Each of the {noun_of(names)} by itself; mean and standard deviation (n − 1) over "
        f"{len(found)}."
    )
    return Table("parts", caption, ["Metric", "Mean", "SD", *names], rows)


def emotions(evaluation: Mapping) -> list[Table]:
    """The tables of predicted classes on a test set."""
    result, counts = evaluation["classification"], evaluation["counts"]
    several = counts["predictions"] > counts["utterances"]
    tables = [classification(result, "predictions" if several else "utterances")]
    if "calibrated" in result:
        tables.append(calibration(result))
    return [*tables, per_class(result)]


def classification(result: Mapping, judged: str = "utterances") -> Table:
    """Label and probability metrics of what was judged: utterances or predictions."""
    detail = f"{result['n']:,} {judged} with one of the classes."
    rows = [[metric_title(name), metric] for name, metric in result["metrics"].items()]
    return Table("classification", "Emotion classes.", ["Metric", "Value"], rows, detail)


def calibration(result: Mapping) -> Table:
    """Probability metrics before and after temperature scaling."""
    after = result["calibrated"]["metrics"]
    rows = [[metric_title(name), result["metrics"][name], after[name]] for name in after]
    caption = "Probabilities before and after temperature scaling, which changes no decision."
    detail = (
        f"Temperature {temperature_text(result['calibrated']['temperature'])}, fitted on "
        "validation data; above 1 the model was too sure."
    )
    return Table("calibration", caption, ["Metric", "Before", "After"], rows, detail)


def temperature_text(temperature: float | Sequence[float]) -> str:
    """One temperature, or the lowest and highest of several models.

    Examples
    --------
    >>> temperature_text(1.834), temperature_text([1.2, 2.1])
    ('1.83', '1.20 to 2.10')
    """
    ends = temperature if isinstance(temperature, Sequence) else [temperature]
    return " to ".join(f"{end:.2f}" for end in ends)


def per_class(result: Mapping) -> Table:
    """Precision, recall, F1 and over-prediction of every class."""
    head = ["Emotion", "True", "Predicted", "Over-prediction", "Precision", "Recall", "F1"]
    keys = ["emotion", "support", "predicted", "over_prediction", "precision", "recall", "f1"]
    caption = "Per class. Over-prediction = predicted / true; 1 is even-handed."
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


def regression(result: Mapping, va_range: list[float]) -> Table:
    """Metrics of valence and arousal, in the units of the ratings and on [-1, 1]."""
    low, high = va_range
    counts = ", ".join(f"{name} {found['n']:,}" for name, found in result.items())
    caption = "Valence and arousal; errors are predicted − true."
    detail = f"Scale {low:g} to {high:g}. Rated utterances: {counts}."
    outside = sum(found["outside_range"] for found in result.values())
    if outside:
        detail += f" {outside:,} true values lie outside the scale."
    head = ["Metric", *[name.capitalize() for name in result]]
    scaled = (low, high) != (-1, 1)
    if scaled:
        head += [f"{name.capitalize()} on [-1, 1]" for name in result]
    table = Table("regression", caption, head, detail=detail)
    for name, metric in VALUE_METRICS.items():
        row = [metric.title, *[found["metrics"][name] for found in result.values()]]
        if scaled:
            of = "unit_scale_metrics" if metric.unit_power else "metrics"
            row += [found[of][name] for found in result.values()]
        table.rows.append(row)
    return table
