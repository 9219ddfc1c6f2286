"""The tables of a report, from the results of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.groups import COMPARED
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


def classification(result: Mapping) -> Table:
    """Label and probability metrics."""
    names = LABEL_METRICS | SCORE_METRICS
    detail = f"{result['n']:,} utterances with one of the classes."
    rows = [[names[name].title, metric] for name, metric in result["metrics"].items()]
    return Table("classification", "Emotion classes.", ["Metric", "Value"], rows, detail)


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


def _title(metric: str) -> str:
    """Heading of ``uar`` or ``valence ccc``."""
    *dimension, name = metric.split()
    title = (VALUE_METRICS if dimension else LABEL_METRICS)[name].title
    return " ".join([title, *dimension])


def groups(found: Mapping[str, Mapping]) -> Table:
    """Metrics of every gender, language and corpus, in long form."""
    rows = [
        [grouping, name, level["utterances"], level["speakers"], _title(metric), value]
        for grouping, result in found.items()
        for name, level in result["levels"].items()
        for metric, value in level["metrics"].items()
    ]
    head = ["Grouping", "Group", "Utterances", "Speakers", "Metric", "Value"]
    return Table("groups", "Groups.", head, rows)


def grouping(name: str, result: Mapping) -> Table:
    """One grouping: a row per metric, a column per group, and the largest gap."""
    levels = result["levels"]
    sizes = [
        f"{level} (n = {found['utterances']:,}, {found['speakers']} speakers)"
        for level, found in levels.items()
    ]
    shown = [
        metric
        for metric in COMPARED
        if any(
            level["metrics"].get(metric, {}).get("value") is not None
            for level in levels.values()
        )
    ]
    rows = []
    for metric in shown:
        gap = result["gaps"].get(metric)
        cells = [level["metrics"].get(metric) for level in levels.values()]
        rows.append(
            [
                _title(metric),
                *cells,
                gap,
                f"{gap['highest']} over {gap['lowest']}" if gap else None,
            ]
        )
    caption = f"By {name}"
    if result["unknown"]:
        caption += f"; unknown of {result['unknown']:,} utterances"
    return Table(
        f"by_{name}", f"{caption}.", ["Metric", *sizes, "Largest gap", "Between"], rows
    )


def audit(splits: Mapping) -> Table:
    """What the parts of the split share; a count may stand alone or with examples."""
    audits = splits.get("audit") or {}
    kinds = list(dict.fromkeys(kind for result in audits.values() for kind in result))
    rows = []
    for pair, result in audits.items():
        rows.append([pair, *[_count(result.get(kind)) for kind in kinds]])
    caption = "Shared between the parts of the split; 0 is what a test of generalisation needs."
    return Table("audit", caption, ["Parts", *[kind.capitalize() for kind in kinds]], rows)


def known_speakers(splits: Mapping) -> list[str]:
    """Test parts whose speakers the model was trained on, e.g. by a random split."""
    return [
        pair.removeprefix("train-")
        for pair, result in (splits.get("audit") or {}).items()
        if pair.startswith("train-")
        and pair != "train-valid"
        and _count(result.get("speakers"))
    ]


def _count(found: Mapping | int | None) -> int | None:
    """A count that stands alone or beside examples."""
    return found.get("count") if isinstance(found, Mapping) else found


def split_sizes(splits: Mapping) -> Table:
    """Utterances in each part of the split."""
    parts = {name: splits[name] for name in ("train", "valid", "test") if name in splits}
    parts |= {f"test: {name}": ids for name, ids in (splits.get("tests") or {}).items()}
    rows = [[name, len(ids)] for name, ids in parts.items()]
    return Table("split", "Utterances per part.", ["Part", "Utterances"], rows)
