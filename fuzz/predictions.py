"""Predictions: rows, embeddings, cards, and folders of runs and folds, up to the evaluation."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from fuzz import _mutations
from fuzz._strategies import dumped, like
from ser_brain.evaluation.evaluate import score
from ser_brain.evaluation.runs import read_run

EMOTIONS = ["anger", "sadness", "neutral"]
CARD = {
    "test_set": "made",
    "role": "test",
    "emotions": EMOTIONS,
    "va_range": [1, 5],
    "protocol": "made/speaker-5fold-fold1/intended/3-class/seed 1",
    "experiment": "multiobjective",
    "seed": 1,
    "encoder": "compact",
    "synthetic": False,
    "notes": "",
    "temperature": 1.5,
}
FOLDS = {"parts": {"fold 1": "1", "fold 2": "2"}, "protocol": "speaker"}
SPLITS = {"train": ["a"], "valid": ["b"], "tests": {"made": ["made_0"]}}
PARTS = ("1", "2")


def row(number: int) -> dict:
    """The prediction of one utterance."""
    probs = np.array([0.2, 0.3, 0.5])[[number % 3, (number + 1) % 3, (number + 2) % 3]]
    log_probs = np.log(probs)
    return {
        "id": f"made_{number}",
        "corpus": "made",
        "speaker": f"made_{number // 3}",
        "gender": "female" if number % 2 else "male",
        "language": "deu",
        "text": "a",
        "duration": 1.5,
        "label_source": "intended",
        "emotion": EMOTIONS[number % 3],
        "predicted_emotion": EMOTIONS[int(probs.argmax())],
        "log_probabilities": dict(zip(EMOTIONS, map(float, log_probs), strict=True)),
        "valence": 2.0 + number % 3,
        "arousal": None if number == 4 else 3.0 - number % 2,
        "predicted_valence": 2.5,
        "predicted_arousal": 3.0 + number / 10,
    }


@cache
def embeddings(first: int) -> bytes:
    """Those of the nine rows of a part."""
    content = io.BytesIO()
    ids = np.array([f"made_{number}" for number in range(first, first + 9)])
    np.savez(content, ids=ids, embeddings=np.zeros((9, 4), np.float32))
    return content.getvalue()


@cache
def sound() -> dict[str, bytes]:
    """A folder of two folds with nine rows each."""
    case = {"folds.json": json.dumps(FOLDS).encode()}
    for place, part in enumerate(PARTS):
        rows = [row(9 * place + number) for number in range(9)]
        stem = f"{part}/predictions/made"
        case[f"{stem}.jsonl"] = b"".join(dumped(r) + b"\n" for r in rows)
        case[f"{stem}.npz"] = embeddings(9 * place)
        case[f"{stem}.card.json"] = json.dumps(CARD).encode()
        case[f"{part}/splits.json"] = json.dumps(SPLITS).encode()
        case[f"{part}/run.json"] = b'{"command": "train.py"}'
    return case


def valid() -> list[dict[str, bytes]]:
    """The folds, and one of them alone."""
    alone = {k: v for k, v in sound().items() if k.startswith("1/")}
    return [sound(), {k.removeprefix("1/"): v for k, v in alone.items()}]


def mutated(case: Mapping[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Like any case, but the arrays of embeddings are damaged more often than the archive."""
    archive = next((name for name in case if name.endswith(".npz")), None)
    if archive is None or rng.random() > 0.2:
        return _mutations.mutated(case, rng)
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(case[archive])) as old,
        zipfile.ZipFile(content, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            head = _mutations.content(data[:128], rng) if rng.random() < 0.5 else data[:128]
            new.writestr(name, head + data[128:])
    return {**case, archive: content.getvalue()}


def generated():
    """Any value in place of any part of the card and of a row."""
    from hypothesis import strategies as st

    whole = valid()[1]

    def with_row(one: object) -> bytes:
        return b"".join(dumped(r) + b"\n" for r in [*map(row, range(8)), one])

    return st.fixed_dictionaries(
        {
            **{name: st.just(data) for name, data in whole.items() if name.endswith(".npz")},
            "predictions/made.jsonl": like(row(8)).map(with_row),
            "predictions/made.card.json": like(CARD).map(dumped),
            "splits.json": like(SPLITS).map(dumped),
        }
    )


def try_case(folder: Path) -> None:
    """Read the run, with and without embeddings, and evaluate it."""
    read_run(folder, embeddings=True)
    run = read_run(folder)
    for test_set in run.test_sets:
        scores = score(run.pooled(test_set), 0, np.random.default_rng(0))
        json.dumps(scores.metrics(), allow_nan=False)
