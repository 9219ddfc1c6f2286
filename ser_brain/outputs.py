"""From what the model said to a predictions file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.experiment import ExperimentData
from ser_brain.predictions import write_predictions

FACTS = ("corpus", "speaker", "gender", "language", "text", "duration", "label_source")


def write_test_set(
    folder: Path, name: str, outputs: Sequence[Mapping], data: ExperimentData, hparams: Mapping
) -> Path:
    """Write the predictions of one test set, with the card that says what they are.

    Parameters
    ----------
    folder : Path
        The run folder.
    name : str
        The test set.
    outputs : sequence of mapping
        Of :meth:`ser_brain.brain.SERBrain.run_on`.
    data : ExperimentData
    hparams : mapping
        The experiment's settings.
    """
    card = {
        "role": "test",
        "protocol": data.protocol,
        "synthetic": data.synthetic(name),
        "encoder": hparams["encoder"].name,
        **{key: hparams[key] for key in ("experiment", "seed", "emotions", "va_range")},
    }
    rows = prediction_rows(outputs, data.tests[name], hparams["emotions"])
    embeddings_ND = np.stack([output["embedding"] for output in outputs])
    return write_predictions(folder / "predictions", name, rows, embeddings_ND, card)


def prediction_rows(
    outputs: Sequence[Mapping], rows: Mapping[str, dict], emotions: Sequence[str]
) -> list[dict]:
    """Join what a corpus says of each utterance with what the model said.

    Parameters
    ----------
    outputs : sequence of mapping
        Of :meth:`ser_brain.brain.SERBrain.run_on`.
    rows : mapping
        id -> row.
    emotions : sequence of str
        The classes, in the order of the model's outputs.

    Returns
    -------
    list of dict
        Rows for :func:`ser_brain.predictions.write_predictions`.
    """
    return [_prediction_row(output, rows[output["id"]], emotions) for output in outputs]


def _prediction_row(output: Mapping, row: Mapping, emotions: Sequence[str]) -> dict:
    joined = {
        "id": output["id"],
        **{key: row[key] for key in FACTS},
        "emotion": row["emotion"],
        "valence": row["valence"],
        "arousal": row["arousal"],
    }
    if "log_probabilities" in output:
        log_probs = [float(value) for value in output["log_probabilities"]]
        joined["log_probabilities"] = dict(zip(emotions, log_probs, strict=True))
        joined["predicted_emotion"] = emotions[log_probs.index(max(log_probs))]
    if "valence_arousal" in output:
        valence, arousal = (float(value) for value in output["valence_arousal"])
        joined["predicted_valence"], joined["predicted_arousal"] = valence, arousal
    return joined
