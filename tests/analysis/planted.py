"""Made-up spaces whose geometry is known, for the tests of the circumplex analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ser_brain.analysis.circumplex.data import Cloud, EmbeddingSet
from ser_brain.analysis.circumplex.distances import ReducedSet, reduce_sets
from ser_brain.analysis.circumplex.order import reference_points
from ser_brain.core.files import write_json
from ser_brain.evaluation.predictions import write_predictions

FOUR = ["anger", "happiness", "sadness", "neutral"]
FIVE = ["anger", "happiness", "sadness", "boredom", "calm"]
SEVEN = ["anger", "happiness", "excitement", "fear", "sadness", "boredom", "calm"]


def circle(emotions: list[str], radius: float = 3.0) -> np.ndarray:
    """The emotions' words on Russell's circle, shape (E, 2)."""
    return radius * reference_points(emotions)


def rotation(size: int, seed: int = 0) -> np.ndarray:
    """A random orthogonal matrix (it may reflect)."""
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return matrix


def points(
    means_E2: np.ndarray,
    per_emotion: int,
    speakers: int,
    size: int = 8,
    noise: float = 1.0,
    voices: float = 0.0,
    seed: int = 0,
    turn_DD: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Gaussian clusters about given means, in a rotated space of more dimensions.

    Each speaker has ``per_emotion`` clips of each emotion; their voice shifts them all.
    """
    rng = np.random.default_rng(seed)
    emotions = len(means_E2)
    emotion_N = np.tile(np.repeat(np.arange(emotions), per_emotion), speakers)
    speaker_N = np.repeat(np.arange(speakers), emotions * per_emotion)
    points_ND = rng.normal(scale=noise, size=(len(emotion_N), size))
    points_ND[:, :2] += means_E2[emotion_N]
    points_ND += rng.normal(scale=voices, size=(speakers, size))[speaker_N]
    turned_ND = points_ND @ (rotation(size) if turn_DD is None else turn_DD)
    return turned_ND, emotion_N, [f"s{speaker}" for speaker in speaker_N]


def cloud(
    points_ND: np.ndarray,
    emotion_N: np.ndarray,
    speakers: list[str],
    prefix: str = "",
    true_va_N2: np.ndarray | None = None,
    duration_N: np.ndarray | None = None,
) -> Cloud:
    """A cloud of what :func:`points` returns."""
    unknown_N2 = np.full((len(points_ND), 2), np.nan)
    return Cloud(
        points_ND,
        emotion_N,
        np.array([f"{prefix}{n}" for n in range(len(points_ND))]),
        np.array([f"{prefix}{speaker}" for speaker in speakers], dtype=object),
        unknown_N2 if true_va_N2 is None else true_va_N2,
        unknown_N2[:, 0] if duration_N is None else duration_N,
    )


def embedding_set(
    clouds: dict[str, Cloud], emotions: list[str], name: str = "planted", role: str = "test"
) -> EmbeddingSet:
    """A set of clouds."""
    return EmbeddingSet(name, role, f"{name}/seed 1", False, emotions, clouds, {})


def reduced(
    clouds: dict[str, Cloud], emotions: list[str], space: str = "embedding"
) -> ReducedSet:
    """A set of clouds in three components, fitted on itself."""
    return reduce_sets({"planted": embedding_set(clouds, emotions)}, space, 3)["planted"]


def write_run(
    folder: Path,
    of_points: tuple,
    emotions: list[str],
    test_set: str = "planted",
    scores: bool = False,
    ids: list[str] | None = None,
    **card,
) -> Path:
    """Write points as the embeddings of a run folder, as ``ser embed`` does."""
    points_ND, emotion_N, speakers = of_points
    rows = [
        {
            "id": ids[n] if ids else f"{test_set}_{n}",
            "corpus": test_set,
            "speaker": speaker,
            "emotion": emotions[emotion],
            "valence": None,
            "arousal": None,
        }
        for n, (emotion, speaker) in enumerate(zip(emotion_N.tolist(), speakers, strict=True))
    ]
    if scores:
        for row, (valence, arousal) in zip(rows, points_ND[:, :2].tolist(), strict=True):
            row |= {"predicted_valence": valence, "predicted_arousal": arousal}
    facts = {
        "role": "test",
        "emotions": emotions,
        "va_range": [-1, 1],
        "protocol": f"untuned on {test_set}",
        "experiment": "untuned",
        "encoder": "tiny",
        "seed": 1,
        **card,
    }
    write_predictions(folder / "predictions", test_set, rows, points_ND, facts, scores=scores)
    return folder


def write_folds(folder: Path, parts: dict[str, Path]) -> Path:
    """Name the parts of a folds folder."""
    write_json(folder / "folds.json", {"parts": {k: p.name for k, p in parts.items()}})
    return folder
