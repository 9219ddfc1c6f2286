"""The section "Limits" of a model card. Every sentence follows from data or results."""

from __future__ import annotations

from collections.abc import Mapping

from ser_brain.core.tables import cell_text, value_text
from ser_brain.data.audit import not_compared, unknown_in
from ser_brain.data.labels import listed
from ser_brain.data.splits import absence
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.publishing.card_facts import CardFacts, estimates, language_name, reported
from ser_brain.publishing.train_test_overlap import CLIPS, NO_OVERLAP
from ser_brain.reporting.html import SAYS_NOTHING
from ser_brain.reporting.report_tables import metric_title

POOR_ECE = 0.1  # a calibration error from which the card warns
OVER_PREDICTED = 2  # times as often as the class occurs


def limits(facts: CardFacts, detailed: list[str]) -> list[str]:
    """The sentences, in the order of the card.

    Parameters
    ----------
    facts : CardFacts
    detailed : list of str
        The test sets that get sentences of their own.
    """
    tests = [name for name in detailed if facts.overlap[name] != CLIPS]
    sentences = _about_data(facts)
    for name in tests:
        sentences += _about_test_set(name, facts.test_sets[name])
        sentences += _about_texts(name, facts)
    return [
        *sentences,
        *_about_other_corpora(facts, tests),
        *_about_values(facts),
        *_about_audio(facts),
    ]


def _about_data(facts: CardFacts) -> list[str]:
    sentences = []
    if facts.synthetic:
        sentences.append(f"It was trained on synthetic speech: {SAYS_NOTHING}")
    styles = {c.get("style") for c in facts.corpora.values()} - {None, "", "not stated"}
    if styles:
        sentences.append(f"Style of the training speech: {'; '.join(sorted(styles))}.")
    tests = {n: e for n, e in facts.test_sets.items() if facts.overlap[n] != CLIPS}
    synthetic = [name for name, evaluation in tests.items() if evaluation["synthetic"]]
    if synthetic:
        sentences.append(f"These test sets are synthetic speech: {', '.join(synthetic)}.")
    tested = {code for e in tests.values() for code in e["counts"]["languages"]} - {"none"}
    if tested:
        names = ", ".join(sorted({language_name(code) for code in tested}))
        sentences.append(
            f"Languages of the tests: {names}. Its performance in other languages is unknown."
        )
    if facts.config.emotions:
        sentences.append(
            f"It always chooses one of its {len(facts.config.emotions)} classes, even for "
            "other emotions, mixed emotions, music and noise."
        )
    absent = facts.splits.get("absent", {}).get("valid")
    return [*sentences, absence("valid", absent)] if absent else sentences


def _about_test_set(name: str, evaluation: Mapping) -> list[str]:
    sentences = list(evaluation["absent"])
    result = evaluation["classification"]
    if result and result["classes_present"] > 1:
        sentences += _about_classes(name, evaluation, result)
    return sentences + [f"{name}: {note}" for note in evaluation["interval_notes"]]


def _about_classes(name: str, evaluation: Mapping, result: Mapping) -> list[str]:
    sentences, chance = [], 1 / result["classes_present"]
    uar = estimates(evaluation)["uar"]
    if uar["low"] is not None and uar["low"] <= chance:
        sentences.append(
            f"On {name} it cannot be distinguished from guessing: UAR {cell_text(uar)}, chance "
            f"{chance:.3f}."
        )
    missed = [
        _missed(result, i)
        for i, line in enumerate(result["per_class"])
        if line["recall"] is not None and line["recall"] < chance
    ]
    if missed:
        sentences.append(
            f"On {name} it recognises these classes less often than chance ({chance:.0%}): "
            f"{'; '.join(missed)}."
        )
    too_often = [
        f"{line['emotion']} ({line['over_prediction']:.1f} times as often as it occurs)"
        for line in result["per_class"]
        if (line["over_prediction"] or 0) >= OVER_PREDICTED
    ]
    if too_often:
        sentences.append(f"On {name} it predicts too often: {', '.join(too_often)}.")
    ece = result.get("calibrated", result)["metrics"]["ece"]["value"]
    if ece >= POOR_ECE:
        sentences.append(
            f"On {name} its confidence differs from its accuracy by {ece:.3f} on average "
            "(ECE): do not read its probabilities as chances of being right."
        )
    outside = evaluation["counts"]["outside_classes"]
    if outside:
        counts = ", ".join(f"{emotion} ({count:,})" for emotion, count in outside.items())
        sentences.append(
            f"The class metrics on {name} exclude clips of other emotions: {counts}."
        )
    return sentences


def _missed(result: Mapping, place: int) -> str:
    """A class with a low recall, and what is mostly predicted instead."""
    line, counts = result["per_class"][place], result["confusion"][place]
    most, other = max((count, i) for i, count in enumerate(counts) if i != place)
    instead = result["per_class"][other]["emotion"]
    return (
        f"{line['emotion']} ({line['recall']:.0%} of {line['support']:,}; "
        f"{most / line['support']:.0%} are predicted as {instead})"
    )


def _about_texts(name: str, facts: CardFacts) -> list[str]:
    pair = f"train-{name}"
    audit = facts.splits.get("audit", {}).get(pair)
    if not audit:
        return []
    sentences = []
    if shared := audit["texts"]["count"]:
        sentences.append(
            f"{shared:,} texts of {name} also occur in training; results on new texts may be "
            "lower."
        )
    if unknown := not_compared({"texts": unknown_in({pair: audit})["texts"]}):
        sentences.append(f"{name} and training, {unknown}.")
    return sentences


def _about_other_corpora(facts: CardFacts, tests: list[str]) -> list[str]:
    """How much worse it is on corpora that it was not trained on, or that nobody knows."""
    values = {
        name: ", ".join(
            f"{metric_title(metric)} {value_text(found)}"
            for metric, found in reported(facts.test_sets[name]).items()
            if metric in ("uar", *of_dimensions("ccc"))
        )
        for name in tests
        if facts.overlap[name] == NO_OVERLAP
    }
    home = [f"{words} ({n})" for n, words in values.items() if words and n in facts.corpora]
    away = [f"{words} ({n})" for n, words in values.items() if words and n not in facts.corpora]
    if not away and facts.config.emotions and len(facts.corpora) == 1:
        (corpus,) = facts.corpora
        return [
            f"It was trained on one corpus, {corpus}, and tested on no other: on your own "
            "recordings, expect it to be wrong more often than here, and than its "
            "probabilities say."
        ]
    if not (home and away):
        return []
    return [
        f"On new speakers of a training corpus: {'; '.join(home)}. On other corpora: "
        f"{'; '.join(away)}. Expect results like the latter on your own recordings."
    ]


def _about_values(facts: CardFacts) -> list[str]:
    if facts.config.va_range is None:
        return []
    low, high = facts.config.va_range
    names = facts.config.dimensions
    named, one = listed(names).capitalize(), len(names) == 1
    sentences = [
        f"{named} {'is' if one else 'are'} on a scale from {low:g} to {high:g}; predictions "
        "may exceed it."
    ]
    if facts.config.card["vad_source"] == "prototypes":
        sentences.append(
            f"Nobody rated {' or '.join(names)} here: in training and tests each clip has the "
            "point of its emotion on Russell's circumplex. The results measure agreement with "
            "that point, not with human ratings."
        )
    regressions = [e["regression"] for e in facts.test_sets.values() if e["regression"]]
    if not any(found["n"] for regression in regressions for found in regression.values()):
        sentences.append(
            f"{named} {'was' if one else 'were'} not evaluated: no test set has ratings."
        )
    return sentences


def _about_audio(facts: CardFacts) -> list[str]:
    sentences = [
        f"Its input is mono at {facts.config.sample_rate_hz:,} Hz; other rates are resampled. "
        "Telephone speech and other recordings at low rates lack frequencies that it was "
        "trained on."
    ]
    if facts.durations_s:
        low, high = facts.durations_s
        sentences.append(
            f"It was tested on clips of {low:.1f} to {high:.1f} s. Its answers on shorter "
            "clips are unreliable; cut longer recordings into windows (ser predict --window)."
        )
    return sentences
