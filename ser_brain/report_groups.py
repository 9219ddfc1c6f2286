"""The tables of groups: genders, languages, corpora, speakers."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.report_tables import metric_title
from ser_brain.tables import Table

COMPARED = ("wa", "uar", "macro_f1", "valence ccc", "arousal ccc", "valence mae", "arousal mae")


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
    """How far the two extremes lie apart, of every grouping and metric."""
    rows = [
        [grouping, metric_title(metric), gap["highest"], gap["lowest"], gap]
        for grouping, result in found.items()
        for metric, gap in result["gaps"].items()
    ]
    head = ["Grouping", "Metric", "Highest", "Lowest", "Largest gap"]
    return Table("gaps", "Largest gaps between groups.", head, rows)


def of_grouping(name: str, result: Mapping) -> list[Table]:
    """The tables of one grouping; none where no group has a label."""
    tables = [grouping(name, result)]
    if name == "speaker":
        tables = [speaker_gaps(result), speakers(result)]
    return [table for table in tables if table.rows]


def grouping(name: str, result: Mapping) -> Table:
    """One grouping: a row per metric, a column per group, and the largest gap."""
    levels = result["levels"]
    sizes = [
        f"{level} (n = {found['utterances']:,}, {_speakers(found['speakers'])})"
        for level, found in levels.items()
    ]
    table = Table(f"by_{name}", f"By {name}", ["Metric", *sizes, "Largest gap", "Between"])
    for metric in _shown(levels):
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
        table.caption += f"; unknown of {result['unknown']:,} utterances"
    table.caption += "."
    return table


def speakers(result: Mapping) -> Table:
    """A row per speaker, in the order of the first metric, the lowest first."""
    levels = result["levels"]
    shown = _shown(levels)
    table = Table("by_speaker", "By speaker; intervals draw utterances of the speaker.", [])
    labelled = any(level.get("classes_present") for level in levels.values())
    table.head = ["Speaker", "Gender", "Utterances", *(["Classes"] if labelled else [])]
    table.head += [metric_title(metric) for metric in shown]
    for name in in_order(levels, shown[0]) if shown else []:
        level = levels[name]
        facts = [name, level["gender"] or "unknown", level["utterances"]]
        facts += [level["classes_present"]] if labelled else []
        table.rows.append([*facts, *(level["metrics"][metric] for metric in shown)])
    return table


def speaker_gaps(result: Mapping) -> Table:
    """How far the two extremes of the speakers lie apart, for each metric."""
    caption = (
        f"Largest gaps between speakers. The extremes of {len(result['levels']):,} lie far "
        "apart by chance alone where each has few utterances."
    )
    table = Table("speaker_gaps", caption, ["Metric", "Highest", "Lowest", "Largest gap"])
    for metric in _shown(result["levels"]):
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


def _speakers(count: int) -> str:
    return f"{count:,} speaker" if count == 1 else f"{count:,} speakers"


def _shown(levels: Mapping[str, Mapping]) -> list[str]:
    """Which metrics are compared: those that any group has."""
    return [
        metric
        for metric in COMPARED
        if any(
            level["metrics"].get(metric, {}).get("value") is not None
            for level in levels.values()
        )
    ]
