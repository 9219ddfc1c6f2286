"""The metadata of a model card, from which the hub lists a model, and ``.eval_results/``."""

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
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.publishing.card_facts import UNDETERMINED, CardFacts, hub_code, reported
from ser_brain.publishing.train_test_overlap import NO_OVERLAP
from ser_brain.reporting.report_tables import metric_title

EVAL_RESULTS = ".eval_results"
TASK = "audio-classification"
TEST = "test"  # the split of a test set without overlap
OTHER = "other"  # the hub's word for a licence that it has no name for; the card explains
TAGS = ("speech-emotion-recognition", "emotion-recognition", "speech", "audio", "ser-recipes")

# The hub's name of each metric that a card reports, and the values it can take.
HUB_METRICS = {
    "uar": "recall",
    "wa": "accuracy",
    "macro_f1": "f1",
    **dict.fromkeys(of_dimensions("ccc"), "ccc"),
}
RANGES = {"recall": (0, 1), "accuracy": (0, 1), "f1": (0, 1), "ccc": (-1, 1)}


def metadata(facts: CardFacts, licence: str, onnx: bool) -> ModelCardData:
    """The metadata of a card.

    Parameters
    ----------
    facts : CardFacts
    licence : str
        The hub's name of the model's licence.
    onnx : bool
        Whether the folder contains ``model.onnx``.
    """
    results = _model_index(facts)
    base = facts.config.card["base_encoder"]
    tags = [*TAGS]
    tags += ["-".join(facts.config.dimensions)] if facts.config.va_range else []
    tags += ["onnx"] if onnx else []
    tags += ["synthetic-data"] if facts.synthetic else []
    other = licence == OTHER
    return ModelCardData(
        license=licence,
        license_name="see-the-model-card" if other else None,
        license_link="README.md" if other else None,
        language=list(dict.fromkeys(map(hub_code, facts.languages))) or [UNDETERMINED],
        library_name="speechbrain",
        pipeline_tag=TASK,
        base_model=base if HUB_ID.fullmatch(base) else None,
        tags=tags,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=facts.config.name,
        eval_results=results,
    )


def require_licence(licence: str) -> None:
    """Stop at a licence that does not have the form of the hub's names."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
        raise SERError(
            f"Bad licence {licence!r}; expected the hub's name of a licence, such as "
            "cc-by-4.0, apache-2.0 or other."
        )


def _model_index(facts: CardFacts) -> list[EvalResult]:
    """Every reported value of every test set, with its interval and protocol."""
    return [
        EvalResult(
            task_type=TASK,
            task_name="Speech emotion recognition",
            dataset_type=name,
            dataset_name=_title(facts, name),
            dataset_split=TEST
            if facts.overlap[name] == NO_OVERLAP
            else f"overlaps with training: {facts.overlap[name]}",
            dataset_args={
                "protocol": evaluation["protocol"],
                "clips": evaluation["counts"]["utterances"],
                "speakers": evaluation["counts"]["speakers"],
                "synthetic": evaluation["synthetic"],
            },
            metric_type=HUB_METRICS[metric],
            metric_name=metric_title(metric),
            metric_value=found["value"],
            metric_args=None
            if found["low"] is None
            else {"low": found["low"], "high": found["high"], "level": 0.95},
        )
        for name, evaluation in facts.test_sets.items()
        for metric, found in reported(evaluation).items()
    ]


def _title(facts: CardFacts, name: str) -> str:
    title = facts.splits.get("corpora", {}).get(name, {}).get("title") or name
    title = title if title == name else f"{title} [{name}]"
    overlap = facts.overlap[name]
    return title if overlap == NO_OVERLAP else f"{title}, OVERLAPS WITH TRAINING: {overlap}"


def write_eval_results(folder: Path, facts: CardFacts) -> None:
    """Write one file for each test set that does not overlap with the training data."""
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
        if entries and facts.overlap[name] == NO_OVERLAP:
            text = yaml.safe_dump(
                eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True
            )
            write_text(folder / EVAL_RESULTS / f"{name}.yaml", text)


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


def read_eval_results(path: Path) -> list[EvalResultEntry]:
    """Read one file of ``.eval_results``; a SERError if the hub could not read it."""
    try:
        return parse_eval_result_entries(
            yaml.safe_load(read_text(path, largest=LARGEST_SETTINGS))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SERError(
            f"{EVAL_RESULTS}/{path.name} is not a list of results ({error!r})"
        ) from error
