"""What a model cannot do, as its results show it. Every sentence is computed."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.audit import not_compared, unknown_in
from ser_brain.model_card.estimates import estimates, reported
from ser_brain.model_card.facts import CardFacts
from ser_brain.model_card.heard import CLIPS, NOTHING
from ser_brain.model_card.languages import language_name
from ser_brain.pages import SAYS_NOTHING
from ser_brain.report_tables import metric_title
from ser_brain.splits import absence
from ser_brain.tables import cell_text, value_text

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
