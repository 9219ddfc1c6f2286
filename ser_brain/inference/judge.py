"""Judge what is no run of ours: exported and published models, and anybody's answers.

Predictions are written as those of a run, so every command that judges runs takes them.

Axes: C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import inside
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import get_logger, with_progress
from ser_brain.data.corpora import Target, is_of
from ser_brain.data.dataset import load_signal, require_files, require_lengths
from ser_brain.data.labelling import (
    CorpusData,
    LabelChoice,
    drawn_name,
    label_target,
    protocol_on,
)
from ser_brain.data.labels import VALENCE_AROUSAL, stated
from ser_brain.data.manifest import SHA256
from ser_brain.evaluation.answers import outputs_of
from ser_brain.evaluation.predictions import write_predictions
from ser_brain.inference.predict import score_all
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.training.predict_corpus import prediction_rows

logger = get_logger(__name__)
MERGED = {"excitement": "happiness"}  # as hparams/base.yaml; unless a model tells them apart
UNRATED = (1.0, 5.0)  # a scale for predictions without dimensions
CHUNK = 200  # clips in memory
SEED = 1  # of drawing balanced sets and of intervals
Change = Callable[[CorpusData], Callable[[str, np.ndarray], np.ndarray]]


def judge_model(
    recognizer: EmotionRecognizer,
    targets: Sequence[Target],
    out: str | Path,
    classes: Sequence[str] = (),
    change: Change | None = None,
    facts: Mapping | None = None,
) -> Path:
    """Score corpora with a model, and write its predictions.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    targets : sequence of Target
    out : str or Path
        A folder, which becomes one that ``ser report``, ``compare`` ... read.
    classes : sequence of str, optional
        The classes to choose among; the probabilities of others are left out, and the rest
        sums to one. All of the model's by default.
    change : callable, optional
        What befalls a clip before it is scored. (corpus) -> ((id, waveform) -> waveform).
    facts : mapping, optional
        More of the prediction card.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SERError
        For a class that the model lacks, or a corpus that cannot be read or scored.
    """
    for emotion in classes:
        if emotion not in recognizer.emotions:
            raise bad_value("class", emotion, recognizer.emotions)
    emotions = list(classes or recognizer.emotions)
    places = [recognizer.emotions.index(emotion) for emotion in emotions]
    dimensions = recognizer.dimensions or VALENCE_AROUSAL
    choice = _choice(emotions, recognizer.va_range or UNRATED, dimensions)
    limits = recognizer.min_samples, recognizer.max_samples, recognizer.sample_rate_hz
    learned = set(recognizer.card.get("training_data", {}).get("corpora", {}))
    card = {"encoder": recognizer.name, "experiment": recognizer.name, "model": recognizer.card}
    card = {**card, "emotions": emotions, "va_range": [*choice.va_range], **stated(dimensions)}
    card |= facts or {}
    with held(Path(out) / NAME, Path(out)):
        for target in targets:
            data, manifest = label_target(target, choice, SEED)
            require_files(data.rows)
            require_lengths(data.rows, *limits)
            outputs = []
            for output in _scored(recognizer, data, change):
                if places:
                    output["log_probabilities"] = log_softmax(
                        output["log_probabilities"][places]
                    )
                outputs.append(output)
            rows = prediction_rows(outputs, data.rows, card)
            embeddings_ND = np.stack([output["embedding"] for output in outputs])
            notes = []
            if len(emotions) < len(recognizer.emotions):
                notes.append(
                    f"{len(emotions)} of the model's {len(recognizer.emotions)} classes"
                )
            if is_of(data.card["name"], learned):
                notes.append(f"the model was trained on {data.card['name']}")
            known = {**card, SHA256: manifest.sha256}
            _write(out, rows, embeddings_ND, data, target, known, notes)
    return Path(out)


def judge_answers(
    path: Path,
    name: str,
    target: Target,
    out: str | Path,
    classes: Sequence[str],
    labels: Mapping[str, str],
    va_range: Sequence[float] = UNRATED,
) -> dict:
    """Write a table of answers as predictions; see :mod:`ser_brain.evaluation.answers`.

    Parameters
    ----------
    path : Path
    name : str
        Who answered, for tables and figures.
    target : Target
    out, classes
        See :func:`judge_model`.
    labels : mapping
        Words of the table -> classes.
    va_range : sequence of float
        Scale of the answered valence and arousal.

    Returns
    -------
    dict
        How many answers there are, are missing, are no class, and are of other utterances.
    """
    choice = _choice(classes, va_range, VALENCE_AROUSAL)
    data, manifest = label_target(target, choice, SEED)
    answers, emotions, counts = outputs_of(path, data, classes, labels)
    facts = {"emotions": emotions, "va_range": [*va_range]}
    joined = prediction_rows([{"id": row["id"]} for row in answers], data.rows, facts)
    rows = [{**fact, **answer} for fact, answer in zip(joined, answers, strict=True)]
    wrong = counts["missing"] + counts["refused"]
    notes = [f"{wrong} of {len(rows)} without an answer, counted as wrong"] if wrong else []
    card = {"encoder": name, "experiment": name, "answers": counts, **facts}
    card[SHA256] = manifest.sha256
    with held(Path(out) / NAME, Path(out)):
        _write(out, rows, None, data, target, card, notes)
    return counts


def _choice(
    emotions: Sequence[str], va_range: Sequence[float], dimensions: Sequence[str]
) -> LabelChoice:
    merged = {a: b for a, b in MERGED.items() if a not in emotions and b in emotions}
    required = "emotion" if emotions else "vad"
    scale = (float(va_range[0]), float(va_range[1]))
    return LabelChoice(list(emotions), merged, scale, "corpus", required, dimensions)


def _scored(
    recognizer: EmotionRecognizer, data: CorpusData, change: Change | None
) -> Iterator[dict]:
    """The scores of every utterance, as a Brain gives them."""
    ids = list(data.rows)
    changed = change(data) if change else lambda _, samples_S: samples_S
    chunks = [ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK)]
    logger.info(f"{recognizer.name}: scoring {len(ids):,} utterances of {data.name}")
    for chunk in with_progress(chunks, data.name, f"chunks of {CHUNK}", len(chunks)):
        waveforms = [
            changed(i, waveform(data.rows[i], recognizer.sample_rate_hz)) for i in chunk
        ]
        for i, scores in zip(chunk, score_all(recognizer, waveforms), strict=True):
            output = {"id": i, "embedding": scores.embedding}
            if scores.log_probabilities is not None:
                output["log_probabilities"] = scores.log_probabilities
            if scores.valence_arousal is not None:
                output["valence_arousal"] = scores.valence_arousal
            yield output


def waveform(row: Mapping, rate_hz: int) -> np.ndarray:
    """Load the clip of a labelled row: mono, shape (S,), float32."""
    place = row["wav"], row.get("start"), row.get("stop")
    return load_signal(*place, rate_hz, row.get("duration")).numpy().astype(np.float32)


def _write(
    out: str | Path,
    rows: list[dict],
    embeddings_ND: np.ndarray | None,
    data: CorpusData,
    target: Target,
    card: Mapping,
    notes: Sequence[str],
) -> None:
    card = {
        **card,
        "role": "test",
        "seed": SEED,
        "protocol": protocol_on(card["experiment"], data, target),
        "synthetic": bool(data.card.get("synthetic")),
        "label_source": data.label_source,
        **({"notes": "; ".join(notes)} if notes else {}),
    }
    for note in notes:
        logger.warning(f"{data.name}: {note}.")
    folder = inside(Path(out), "predictions")
    if (Path(out) / "hyperparams.yaml").exists():
        raise SERError(f"{out} is a run of ours; choose another --out.")
    write_predictions(folder, drawn_name(data, target), rows, embeddings_ND, card)
