"""Made-up predictions with the shape of real ones, for the tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ser_brain.evaluation.predictions import (
    SHA256,
    LabelledPredictions,
    card_path,
    read_predictions,
    write_predictions,
)

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]


def card(**changes) -> dict:
    """A prediction card."""
    return {
        "role": "test",
        "emotions": EMOTIONS,
        "va_range": [1, 5],
        "protocol": "fake/speaker-5fold/intended/4-class/seed 1",
        "experiment": "multiobjective",
        "seed": 1,
        "encoder": "tiny",
        "synthetic": False,
        "notes": "",
        **changes,
    }


def rows(
    count: int,
    kind: str = "multiobjective",
    seed: int = 0,
    speakers: int = 6,
    rated: bool = True,
    labelled: bool = True,
) -> list[dict]:
    """Rows of a model that is often right."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        true, speaker = int(rng.integers(len(EMOTIONS))), int(rng.integers(speakers))
        scores = rng.normal(size=len(EMOTIONS))
        scores[true] += 1.5
        log_probs = scores - np.log(np.exp(scores).sum())
        valence, arousal = rng.uniform(1, 5, 2).round(1)
        row = {
            "id": f"fake_{i:04d}",
            "corpus": "fake",
            "speaker": f"fake_{speaker}",
            "gender": "female" if speaker % 2 else "male",
            "language": "deu",
            "text": "a",
            "duration": 1.5,
            "label_source": "intended",
            "emotion": EMOTIONS[true] if labelled else None,
            "valence": float(valence) if rated else None,
            "arousal": float(arousal) if rated else None,
        }
        if kind != "regression":
            row["log_probabilities"] = dict(zip(EMOTIONS, log_probs.tolist(), strict=True))
            row["predicted_emotion"] = EMOTIONS[int(log_probs.argmax())]
        if kind != "classification":
            row["predicted_valence"] = float(valence + rng.normal(0, 0.5))
            row["predicted_arousal"] = float(arousal + rng.normal(0, 0.5))
        found.append(row)
    return found


def write(folder: Path, test_set: str = "fake", some_rows=None, **changes) -> Path:
    """Write a test set of a run folder; the ``.jsonl``."""
    some_rows = rows(60) if some_rows is None else some_rows
    embeddings_ND = np.zeros((len(some_rows), 3), dtype=np.float32)
    return write_predictions(
        folder / "predictions", test_set, some_rows, embeddings_ND, card(**changes)
    )


def read(
    folder: Path, some_rows=None, test_set: str = "fake", **changes
) -> LabelledPredictions:
    """Write a test set and read it."""
    return read_predictions(write(folder, test_set, some_rows, **changes))


def answered(row: dict, emotion: str) -> dict:
    """The row of a model that answers with an emotion."""
    scores = {e: float(np.log(0.7 if e == emotion else 0.1)) for e in EMOTIONS}
    return {**row, "predicted_emotion": emotion, "log_probabilities": scores}


def edited(path: Path, text: str) -> None:
    """Write other rows into a predictions file, as a user does who means it."""
    path.write_text(text)
    kept = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps({k: v for k, v in kept.items() if k != SHA256}))
