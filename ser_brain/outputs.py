"""From what the model said to a predictions file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.calibration import fit_temperature
from ser_brain.experiment import ExperimentData
from ser_brain.files import inside, read_json
from ser_brain.log import get_logger
from ser_brain.prediction_card import card_path
from ser_brain.predictions import read_predictions, write_predictions

logger = get_logger(__name__)

VALIDATION = "valid"
FACTS = ("corpus", "speaker", "gender", "language", "text", "duration", "label_source")


def model_facts(hparams: Mapping) -> dict:
    """What the card of every predictions file of a model says."""
    facts = {key: hparams[key] for key in ("experiment", "seed", "emotions", "va_range")}
    return {"encoder": hparams["encoder"].name, **facts}


def write_validation(
    folder: Path, outputs: Sequence[Mapping], data: ExperimentData, hparams: Mapping
) -> None:
    """Write the predictions on the validation set, and the temperature they call for.

    Checkpoints and temperature are chosen on them: they judge nothing.

    Parameters
    ----------
    folder : Path
        The run folder.
    outputs : sequence of mapping
        Of :meth:`ser_brain.brain.SERBrain.run_on`.
    data : ExperimentData
    hparams : mapping
        The experiment's settings.
    """
    card = {**model_facts(hparams), "role": VALIDATION, "protocol": data.protocol}
    path = write_outputs(folder, VALIDATION, outputs, data.valid, card)
    predictions = read_predictions(path, embeddings=False)
    if predictions.log_probs_NC is None:
        return
    temperature = fit_temperature(predictions.log_probs_NC, predictions.true_N)
    if temperature is not None:
        logger.info(f"temperature {temperature:.2f}, fitted on the validation set")
        card["temperature"] = temperature
        write_outputs(folder, VALIDATION, outputs, data.valid, card)


def temperature_of(folder: Path) -> dict:
    """The temperature of a run as its cards say it: ``{"temperature": 1.3}`` or ``{}``."""
    path = card_path(folder / "predictions" / f"{VALIDATION}.jsonl")
    card = read_json(path, "prediction card") if path.is_file() else {}
    return {"temperature": card["temperature"]} if "temperature" in card else {}


def write_test_set(
    folder: Path, name: str, outputs: Sequence[Mapping], data: ExperimentData, hparams: Mapping
) -> Path:
    """Write the predictions on one test set; parameters as :func:`write_validation`."""
    card = {
        **model_facts(hparams),
        **temperature_of(folder),
        "role": "test",
        "protocol": data.protocol,
        "synthetic": data.synthetic(name),
    }
    return write_outputs(folder, name, outputs, data.tests[name], card)


def write_outputs(
    folder: Path,
    name: str,
    outputs: Sequence[Mapping],
    rows: Mapping[str, dict],
    card: Mapping,
) -> Path:
    """Write what a model said of some utterances, with embeddings.

    Parameters
    ----------
    folder : Path
        The run folder.
    name : str
        Of the set.
    outputs : sequence of mapping
        Of :meth:`ser_brain.brain.SERBrain.run_on`.
    rows : mapping
        id -> row.
    card : mapping
        See :class:`ser_brain.predictions.Predictions`.
    """
    joined = prediction_rows(outputs, rows, card["emotions"])
    embeddings_ND = np.stack([output["embedding"] for output in outputs])
    return write_predictions(inside(folder, "predictions"), name, joined, embeddings_ND, card)


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
