"""The card's metadata: what the hub files a model under."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from huggingface_hub import (
    EvalResult,
    EvalResultEntry,
    ModelCardData,
    eval_result_entries_to_yaml,
    parse_eval_result_entries,
)

from ser_brain.core.errors import SERError
from ser_brain.core.files import LARGEST_SETTINGS, read_text, write_text
from ser_brain.core.hub import HUB_ID
from ser_brain.publishing.card_facts import NOTHING, UNDETERMINED, CardFacts, hub_code, reported
from ser_brain.reporting.report_tables import metric_title

FOLDER = ".eval_results"
TASK = "audio-classification"
TEST = "test"

# The hub's name of each metric that a card reports, and the values it can take.
HUB_METRICS = {
    "uar": "recall",
    "wa": "accuracy",
    "macro_f1": "f1",
    "valence ccc": "ccc",
    "arousal ccc": "ccc",
}
RANGES = {"recall": (0, 1), "accuracy": (0, 1), "f1": (0, 1), "ccc": (-1, 1)}


def model_index(facts: CardFacts) -> list[EvalResult]:
    """Every reported value of every test set, with its interval and protocol."""
    return [
        EvalResult(
            task_type=TASK,
            task_name="Speech emotion recognition",
            dataset_type=name,
            dataset_name=_title(facts, name),
            dataset_split=_split(facts.heard[name]),
            dataset_args={
                "protocol": evaluation["protocol"],
                "clips": evaluation["counts"]["utterances"],
                "speakers": evaluation["counts"]["speakers"],
                "synthetic": evaluation["synthetic"],
            },
            metric_type=HUB_METRICS[metric],
            metric_name=metric_title(metric),
            metric_value=found["value"],
            metric_args=_interval(found),
        )
        for name, evaluation in facts.test_sets.items()
        for metric, found in reported(evaluation).items()
    ]


def write_eval_results(folder: Path, facts: CardFacts) -> None:
    """One file for each test set of which nothing was heard in training."""
    for name, evaluation in facts.test_sets.items():
        entries = [
            EvalResultEntry(
                dataset_id=name,
                task_id=metric_title(metric),
                value=found["value"],
                date=facts.record.get("started"),
                notes=_notes(facts, evaluation, found),
            )
            for metric, found in reported(evaluation).items()
        ]
        if entries and facts.heard[name] == NOTHING:
            text = yaml.safe_dump(
                eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True
            )
            write_text(folder / FOLDER / f"{name}.yaml", text)


def read_eval_results(path: Path) -> list[EvalResultEntry]:
    """Read one file of ``.eval_results``.

    Raises
    ------
    SERError
        If it is not what the hub expects there.
    """
    try:
        return parse_eval_result_entries(
            yaml.safe_load(read_text(path, largest=LARGEST_SETTINGS))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SERError(f"{FOLDER}/{path.name} is no list of results ({error!r})") from error


def _split(heard: str) -> str:
    return TEST if heard == NOTHING else f"heard in training: {heard}"


def _title(facts: CardFacts, name: str) -> str:
    title = facts.splits.get("corpora", {}).get(name, {}).get("title") or name
    title = title if title == name else f"{title} [{name}]"
    heard = facts.heard[name]
    return title if heard == NOTHING else f"{title}, HEARD IN TRAINING: {heard}"


def _interval(found: Mapping) -> dict | None:
    if found["low"] is None:
        return None
    return {"low": found["low"], "high": found["high"], "level": 0.95}


def _notes(facts: CardFacts, evaluation: Mapping, found: Mapping) -> str:
    counts = evaluation["counts"]
    notes = [f"protocol {evaluation['protocol']}", f"{counts['utterances']:,} clips"]
    if counts["speakers"]:
        notes.append(f"{counts['speakers']:,} speakers")
    if found["low"] is not None:
        notes.append(f"95 % interval {found['low']:.3f} to {found['high']:.3f}")
    if evaluation["synthetic"]:
        notes.append("synthetic speech")
    notes.append(f"trained on {', '.join(facts.corpora) or 'data not described'}")
    return ", ".join(notes)


LIBRARY = "speechbrain"

# The hub's word for a licence that it has no name for; the card then says which bind.
OTHER = "other"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
TAGS = ("speech-emotion-recognition", "emotion-recognition", "speech", "audio", "ser-recipes")


def require_licence(licence: str) -> None:
    """Stop at a licence that is no name of the hub's in form.

    Raises
    ------
    SERError
    """
    if not LICENCE.fullmatch(licence):
        raise SERError(
            f"Bad licence {licence!r}; expected the hub's name of one, such as cc-by-4.0, "
            "apache-2.0 or other."
        )


def metadata(facts: CardFacts, licence: str, onnx: bool) -> ModelCardData:
    """The metadata of a card.

    Parameters
    ----------
    facts : CardFacts
    licence : str
        Of the model, as the hub names it.
    onnx : bool
        Whether the folder holds ``model.onnx``.
    """
    results = model_index(facts)
    base = facts.config.card["base_encoder"]
    tags = [*TAGS]
    tags += ["valence-arousal"] if facts.config.va_range else []
    tags += ["onnx"] if onnx else []
    tags += ["synthetic-data"] if facts.synthetic else []
    other = licence == OTHER
    return ModelCardData(
        license=licence,
        license_name="see-the-model-card" if other else None,
        license_link="README.md" if other else None,
        language=list(dict.fromkeys(map(hub_code, facts.languages))) or [UNDETERMINED],
        library_name=LIBRARY,
        pipeline_tag=TASK,
        base_model=base if HUB_ID.fullmatch(base) else None,
        tags=tags,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=facts.config.name,
        eval_results=results,
    )
