"""What a model cannot do, as its results show it. Every sentence is computed."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.core.tables import Table, cell_text, value_text
from ser_brain.data.audit import not_compared, unknown_in
from ser_brain.data.splits import absence
from ser_brain.publishing.card_facts import (
    CLIPS,
    NOTHING,
    REPORTED,
    CardFacts,
    Recipe,
    estimates,
    language_name,
    reported,
)
from ser_brain.reporting.html import SAYS_NOTHING
from ser_brain.reporting.report_tables import metric_title

# An expected calibration error that is worth a warning.
POORLY_CALIBRATED = 0.1

# What is compared between corpora.
COMPARED = ("uar", "valence ccc", "arousal ccc")

# Said of a class that is predicted this many times as often as it occurs.
OVER_PREDICTED = 2


def limits(facts: CardFacts, detailed: list[str]) -> list[str]:
    """Sentences for the card.

    Parameters
    ----------
    facts : CardFacts
    detailed : list of str
        The test sets of which something is said one by one.
    """
    tests = [name for name in detailed if facts.heard[name] != CLIPS]
    said = [*_data(facts), *_unvalidated(facts)]
    for name in tests:
        said += _of_test_set(name, facts.test_sets[name])
        said += _same_texts(name, facts)
    return [*said, *_fall(facts, tests), *_values(facts), *_audio(facts)]


def _data(facts: CardFacts) -> list[str]:
    said = []
    if facts.synthetic:
        said.append(f"It was trained on synthetic speech: {SAYS_NOTHING}")
    styles = {c.get("style") for c in facts.corpora.values()} - {None, "", "not stated"}
    if styles:
        said.append(f"The speech that it was trained on: {'; '.join(sorted(styles))}.")
    tests = {n: e for n, e in facts.test_sets.items() if facts.heard[n] != CLIPS}
    synthetic = [name for name, evaluation in tests.items() if evaluation["synthetic"]]
    if synthetic:
        said.append(f"Test sets of synthetic speech: {_list(synthetic)}.")
    tested = {code for e in tests.values() for code in e["counts"]["languages"]} - {"none"}
    if tested:
        names = _list(sorted({language_name(code) for code in tested}))
        said.append(f"It was tested in {names}; nothing is known of other languages.")
    if facts.config.emotions:
        classes = len(facts.config.emotions)
        said.append(
            f"It always answers with one of its {classes} classes: other emotions, mixed ones, "
            "music and noise get one of them too."
        )
    return said


def _unvalidated(facts: CardFacts) -> list[str]:
    """Classes that the choice of the epoch knew nothing of."""
    absent = facts.splits.get("absent", {}).get("valid")
    return [absence("valid", absent)] if absent else []


def _list(words: list[str]) -> str:
    """Words as a sentence lists them.

    Examples
    --------
    >>> _list(["a"]), _list(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _of_test_set(name: str, evaluation: Mapping) -> list[str]:
    said = list(evaluation["absent"])
    result = evaluation["classification"]
    if result and result["classes_present"] > 1:
        said += _classes(name, evaluation, result)
    return said + [f"{name}: {note}" for note in evaluation["interval_notes"]]


def _classes(name: str, evaluation: Mapping, result: Mapping) -> list[str]:
    said, chance = [], 1 / result["classes_present"]
    uar = estimates(evaluation)["uar"]
    if uar["low"] is not None and uar["low"] <= chance:
        said.append(
            f"On {name} it cannot be told from guessing: UAR {cell_text(uar)}, chance "
            f"{chance:.3f}."
        )
    lost = [_lost(result, i) for i, c in enumerate(result["per_class"]) if _below(c, chance)]
    if lost:
        said.append(
            f"On {name}, classes found less often than by chance ({chance:.0%}): "
            f"{'; '.join(lost)}."
        )
    too_often = [
        f"{c['emotion']} ({c['over_prediction']:.1f} times as often as it occurs)"
        for c in result["per_class"]
        if (c["over_prediction"] or 0) >= OVER_PREDICTED
    ]
    if too_often:
        said.append(f"On {name} it says too often: {', '.join(too_often)}.")
    ece = result.get("calibrated", result)["metrics"]["ece"]["value"]
    if ece >= POORLY_CALIBRATED:
        said.append(
            f"On {name} its probabilities miss how often it is right by {ece:.3f} on average "
            "(ECE): do not read them as chances."
        )
    outside = evaluation["counts"]["outside_classes"]
    if outside:
        counts = ", ".join(f"{emotion} ({count:,})" for emotion, count in outside.items())
        said.append(
            f"Left out of the classes' numbers on {name}, being none of them: {counts}."
        )
    return said


def _below(line: Mapping, chance: float) -> bool:
    return line["recall"] is not None and line["recall"] < chance


def _lost(result: Mapping, place: int) -> str:
    """A class that is hardly found, and what is said of it instead."""
    line, counts = result["per_class"][place], result["confusion"][place]
    others = [(count, i) for i, count in enumerate(counts) if i != place]
    most, other = max(others)
    instead = result["per_class"][other]["emotion"]
    return (
        f"{line['emotion']} ({line['recall']:.0%} of {line['support']:,}; "
        f"{most / line['support']:.0%} are called {instead})"
    )


def _same_texts(name: str, facts: CardFacts) -> list[str]:
    pair = f"train-{name}"
    audit = facts.splits.get("audit", {}).get(pair)
    if not audit:
        return []
    said = []
    if shared := audit["texts"]["count"]:
        said.append(
            f"{shared:,} texts of {name} were also said in training; new words may go worse."
        )
    if unknown := not_compared({"texts": unknown_in({pair: audit})["texts"]}):
        said.append(f"{name} and training, {unknown}.")
    return said


def _fall(facts: CardFacts, tests: list[str]) -> list[str]:
    """How much less it is worth on corpora that it was not trained on."""
    values = {
        name: ", ".join(
            f"{metric_title(metric)} {value_text(found)}"
            for metric, found in reported(facts.test_sets[name]).items()
            if metric in COMPARED
        )
        for name in tests
        if facts.heard[name] == NOTHING
    }
    home = [f"{words} ({n})" for n, words in values.items() if words and n in facts.corpora]
    away = [f"{words} ({n})" for n, words in values.items() if words and n not in facts.corpora]
    if not (home and away):
        return []
    return [
        f"On new speakers of a corpus that it was trained on: {'; '.join(home)}. On corpora "
        f"that it was not trained on: {'; '.join(away)}. Expect the latter of recordings of "
        "your own."
    ]


def _values(facts: CardFacts) -> list[str]:
    if facts.config.va_range is None:
        return []
    low, high = facts.config.va_range
    said = [f"Valence and arousal are on a scale from {low:g} to {high:g}, not clipped to it."]
    if facts.config.card["vad_source"] == "prototypes":
        said.append(
            "No person rated valence or arousal here: in training and tests each clip has its "
            "emotion's point on Russell's circumplex. Their numbers say how well that point is "
            "met, not how well a person's rating is."
        )
    regressions = [e["regression"] for e in facts.test_sets.values() if e["regression"]]
    if not any(found["n"] for regression in regressions for found in regression.values()):
        said.append("Valence and arousal: not measured, no test set has ratings.")
    return said


def _audio(facts: CardFacts) -> list[str]:
    rate_hz = facts.config.sample_rate_hz
    said = [
        f"It hears mono at {rate_hz:,} Hz and resamples other rates. Telephone speech and "
        "other low rates lack a part of what it was trained on."
    ]
    if facts.durations_s:
        low, high = facts.durations_s
        said.append(
            f"It was tested on clips of {low:.1f} to {high:.1f} s. Shorter ones are a guess; "
            "cut longer recordings into windows (ser predict --window)."
        )
    return said


FIRST_COLUMN = "Test set"
NOT_A_TEST = " – NOT A TEST"  # behind the name of one whose clips were trained on


def results(facts: CardFacts) -> Table:
    """One row per test set."""
    shown = _shown(facts.test_sets)
    caption = "95 % intervals draw whole speakers, where there are five or more."
    head = [FIRST_COLUMN, "Languages", "Clips", "Speakers", "Heard in training"]
    table = Table("results", caption, [*head, *map(metric_title, shown)])
    for name, evaluation in facts.test_sets.items():
        counts, found = evaluation["counts"], estimates(evaluation)
        heard = facts.heard[name]
        row = [f"{name}{NOT_A_TEST if heard == CLIPS else ''}", _languages(counts)]
        row += [counts["utterances"], counts["speakers"] or None, heard]
        table.rows.append([*row, *(found.get(metric) for metric in shown)])
    return table


def recipe(found: Recipe) -> Table:
    """Pooled over the parts, and how far those lie apart."""
    several = len(found.parts) > 1
    caption = "95 % intervals draw whole speakers."
    if several:
        caption = (
            f"Pooled: the predictions of all {len(found.parts)} {found.noun} judged together; "
            f"mean and standard deviation (n − 1) are over the {found.noun}. {caption}"
        )
    head = ["Test set", "Clips", "Speakers", "Heard in training", "Metric"]
    head += ["Pooled", "Mean", "SD"] if several else ["Value"]
    table = Table("recipe", caption, head)
    for name, evaluation in found.test_sets.items():
        counts, values = evaluation["counts"], reported(evaluation)
        facts = [name, counts["utterances"], counts["speakers"] or None, found.heard[name]]
        for metric, value in values.items():
            row = [*facts, metric_title(metric), value]
            if several:
                spread = evaluation["spread"][metric]
                row += [spread["mean"], spread["std"]]
            table.rows.append(row)
    return table


def gaps(test_sets: Mapping[str, Mapping]) -> Table:
    """Of every test set and grouping, the two groups that lie furthest apart."""
    caption = (
        "The best and the worst group. Of many speakers with few clips each, two lie far apart "
        "by chance alone; speakers are not named."
    )
    head = ["Test set", "Groups by", "Metric", "Best", "Worst", "Gap"]
    table = Table("gaps", caption, head)
    for name, evaluation in test_sets.items():
        classes = "uar" in reported(evaluation)
        metrics = ["uar"] if classes else ["valence ccc", "arousal ccc"]
        for grouping, found in evaluation["groups"].items():
            for metric in metrics:
                gap = found["gaps"].get(metric)
                if gap:
                    groups = f"{grouping} ({len(found['levels']):,})"
                    row = [name, groups, metric_title(metric)]
                    table.rows.append([*row, *_gap(grouping, found["levels"], metric, gap)])
    return table


def calibration(test_sets: Mapping[str, Mapping]) -> Table:
    """How sure the model is beside how often it is right, before and after the temperature."""
    caption = "ECE: mean gap between confidence and accuracy; NLL: ln(classes) is chance."
    head = ["Test set", "ECE before", "ECE after", "NLL before", "NLL after"]
    table = Table("calibration", caption, head)
    for name, evaluation in test_sets.items():
        result = evaluation["classification"]
        if result and result["n"] and "calibrated" in result:
            before, after = result["metrics"], result["calibrated"]["metrics"]
            pairs = [
                each[metric]["value"] for metric in ("ece", "nll") for each in (before, after)
            ]
            table.rows.append([name, *pairs])
    return table


def versions(facts: CardFacts) -> Table:
    """Packages at training and at export."""
    trained = facts.config.card["versions"]["trained_with"]
    exported = facts.config.card["versions"]["exported_with"]
    table = Table("versions", "", ["Package", "Trained with", "Exported with"])
    for package in sorted(trained.keys() | exported.keys()):
        table.rows.append([package, trained.get(package), exported.get(package)])
    return table


def _shown(test_sets: Mapping[str, Mapping]) -> list[str]:
    """Of what is reported, that which any test set has."""
    known = {metric for evaluation in test_sets.values() for metric in reported(evaluation)}
    return [metric for metric in REPORTED if metric in known]


def _languages(counts: Mapping) -> str:
    return ", ".join(language_name(code) for code in counts["languages"])


def _gap(grouping: str, levels: Mapping, metric: str, gap: Mapping) -> list:
    ends = [gap["highest"], gap["lowest"]]
    values = [levels[end]["metrics"][metric]["value"] for end in ends]
    cells = values
    if grouping != "speaker":
        cells = [
            f"{value:.3f} {end} ({levels[end]['utterances']:,} clips)"
            for value, end in zip(values, ends, strict=True)
        ]
    return [*cells, gap]
