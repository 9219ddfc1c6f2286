"""The tables of a report, from the results of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.core.tables import Table
from ser_brain.data.audit import FIELDS, not_compared, unknown_in
from ser_brain.data.splits import absence
from ser_brain.evaluation.metrics import LABEL_METRICS, SCORE_METRICS, VALUE_METRICS

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


FACTS = {
    "version": "Version",
    "licence": "Licence",
    "citation": "Citation",
    "languages": "Languages",
    "style": "Style",
    "fingerprint": "Fingerprint",
    "notes": "Notes",
}
USES = {"train": "train, validate, test", "test": "test only"}


def corpora(splits: Mapping[str, Mapping]) -> list[dict]:
    """Each corpus once: ``title``, ``synthetic``, ``facts`` and ``findings``, in words.

    Parameters
    ----------
    splits : mapping
        ``splits.json`` of the run, or of every fold or seed. A corpus may stand in it under
        several names, e.g. by language.
    """
    found = []
    for name, card in _described(splits).items():
        corpus = {
            "title": card.get("title") or name,
            "synthetic": bool(card.get("synthetic")),
            "facts": {
                title: _words(card[key]) for key, title in FACTS.items() if card.get(key)
            },
            "findings": findings(card),
        }
        if corpus not in found:
            found.append(corpus)
    return found


def _described(splits: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """Name in the experiment -> what is known of the corpus."""
    return {name: card for s in splits.values() for name, card in s.get("corpora", {}).items()}


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def findings(card: Mapping) -> list[str]:
    """What the preparation of a corpus found, in words; silent on what it did not look for.

    Examples
    --------
    >>> findings({"damaged": {"unreadable": 2}, "same_audio": 0})
    ['Left out by the preparation: 2 unreadable.', 'No two utterances have the same audio.']
    """
    said = []
    if card.get("damaged") is not None:
        counts = [f"{count:,} {kind}" for kind, count in card["damaged"].items()]
        said.append(
            f"Left out by the preparation: {', '.join(counts)}."
            if counts
            else "The preparation found no damaged, missing or stray file."
        )
    if card.get("same_audio") is not None:
        groups = card["same_audio"]
        said.append(
            f"Groups of utterances with the same audio: {groups:,}."
            if groups
            else "No two utterances have the same audio."
        )
    if card.get("known_bad"):
        broken = [f"{name} ({reason})" for name, reason in card["known_bad"].items()]
        said.append(f"Known to be broken in every copy: {', '.join(broken)}.")
    return said


def tables(splits: Mapping[str, Mapping]) -> list[Table]:
    """The tables of corpora and split."""
    return [used(splits), split_sizes(splits), audit(splits)]


def used(splits: Mapping[str, Mapping]) -> Table:
    """What the experiment takes of each corpus and what it leaves out, by name."""
    described = _described(splits)
    names = dict.fromkeys(name for s in splits.values() for name in s.get("left_out", {}))
    table = Table("data", "What the experiment uses of each corpus.", [])
    table.head = ["Name", "Corpus", "Used to", "Labels", "Utterances", "Left out"]
    for name in described | names:
        card = described.get(name, {})
        counts = [s["left_out"][name] for s in splits.values() if name in s.get("left_out", {})]
        use = USES.get(card.get("use"), card.get("use"))
        facts = [card.get("title"), use, card.get("label_source"), card.get("utterances")]
        table.rows.append([name, *facts, _left_out(counts)])
    return table


def _left_out(counts: Sequence[Mapping[str, int]]) -> str | None:
    """How many for which reason; where parts differ, from the fewest to the most."""
    reasons = dict.fromkeys(reason for part in counts for reason in part)
    said = []
    for reason in reasons:
        found = sorted({part.get(reason, 0) for part in counts})
        ends = dict.fromkeys([found[0], found[-1]])
        said.append(f"{' to '.join(f'{count:,}' for count in ends)} {reason}")
    return ", ".join(said) or None


def split_sizes(splits: Mapping[str, Mapping]) -> Table:
    """Utterances in each part of the split, a column for each fold or seed."""
    sizes = {name: _sizes(split) for name, split in splits.items()}
    parts = dict.fromkeys(part for found in sizes.values() for part in found)
    head = ["Part", *(sizes if len(sizes) > 1 else ["Utterances"])]
    rows = [[part, *(found.get(part) for found in sizes.values())] for part in parts]
    return Table("split", "Utterances per part.", head, rows)


def _sizes(split: Mapping) -> dict[str, int]:
    parts = {name: split[name] for name in ("train", "valid", "test") if name in split}
    parts |= {f"test: {name}": ids for name, ids in (split.get("tests") or {}).items()}
    return {name: len(ids) for name, ids in parts.items()}


def audit(splits: Mapping[str, Mapping]) -> Table:
    """What the parts of the split share, added up over folds or seeds."""
    audits = [split.get("audit") or {} for split in splits.values()]
    kinds = list(dict.fromkeys(kind for a in audits for found in a.values() for kind in found))
    rows = []
    for pair in dict.fromkeys(pair for a in audits for pair in a):
        results = [a[pair] for a in audits if pair in a]
        rows.append([pair, *(_total([r.get(kind) for r in results]) for kind in kinds)])
    caption = "Shared between the parts of the split; 0 is what a test of generalisation needs."
    if len(audits) > 1:
        caption += f" Added up over {len(audits)} {noun_of(list(splits))}."
    if unknown := not_audited(splits):
        caption += f" {unknown[0].upper()}{unknown[1:]}."
    return Table("audit", caption, ["Parts", *[kind.capitalize() for kind in kinds]], rows)


def not_audited(splits: Mapping[str, Mapping], kinds: Sequence[str] = tuple(FIELDS)) -> str:
    """What the audits of a run or its parts could not compare, in words; empty if nothing."""
    of_parts = [unknown_in(split.get("audit") or {}) for split in splits.values()]
    return not_compared({k: max((found[k] for found in of_parts), default=0) for k in kinds})


def _total(found: Sequence[Mapping | int | None]) -> int | str | None:
    """Sum of counts that stand alone or beside examples; None where none was taken.

    Where something could not be compared, the sum is of what is known, and says so.
    """
    counts = [_count(one) for one in found]
    known = [count for count in counts if count is not None]
    if any(sum(one.get("unknown", ())) for one in found if isinstance(one, Mapping)):
        return f"{sum(known):,} known"
    return sum(known) if known else None


def _count(found: Mapping | int | None) -> int | None:
    return found.get("count") if isinstance(found, Mapping) else found


def absent(splits: Mapping[str, Mapping]) -> list[str]:
    """Classes without an utterance in validation or, of one of several parts, in a test set."""
    several = len(splits) > 1
    return [
        f"{name}: {absence(part, classes)}" if several else absence(part, classes)
        for name, split in splits.items()
        for part, classes in (split.get("absent") or {}).items()
        if several or part == "valid"  # a test set of its own says so itself
    ]


def known_speakers(splits: Mapping[str, Mapping]) -> list[str]:
    """Test parts whose speakers the model was trained on, e.g. by a random split."""
    names = [
        pair.removeprefix("train-")
        for split in splits.values()
        for pair, result in (split.get("audit") or {}).items()
        if pair.startswith("train-")
        and pair != "train-valid"
        and _count(result.get("speakers"))
    ]
    return list(dict.fromkeys(names))
