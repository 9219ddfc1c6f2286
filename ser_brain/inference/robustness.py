"""Robustness: the same clips as other recording chains would have recorded them.

Every condition is fixed. What is random in it, such as the noise, depends on the utterance's id
alone, so a repetition gives the same numbers, and a condition at several strengths has the
same noise at each.

Shapes: S samples, mono float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.augmentation import TALKERS, Augmentation
from ser_brain.data.corpora import Target
from ser_brain.data.distortions import fitted
from ser_brain.data.labelling import CorpusData
from ser_brain.evaluation.robustness import CLEAN
from ser_brain.inference.judge import SEED, judge_model, waveform
from ser_brain.inference.recognizer import EmotionRecognizer

logger = get_logger(__name__)


@dataclass(frozen=True)
class Condition:
    """One distortion of every clip at one strength."""

    name: str  # of its folder
    distortion: str
    strength: float
    unit: str
    augment: Mapping = field(default_factory=dict)  # the setting ``augment`` of the recipes
    silence_s: float = 0.0  # before the clip, and behind it


def _noise(kind: str, snr_db: float) -> dict:
    return {"noise": {"probability": 1, "snr_db": [snr_db, snr_db], "kinds": [kind]}}


def _gain(gain_db: float) -> dict:
    return {"gain": {"probability": 1, "gain_db": [gain_db, gain_db]}}


def _speed(factor: float) -> dict:
    return {"speed": {"probability": 1, "factor": [factor, factor]}}


def _room(rt60_s: float, direct_db: float) -> dict:
    ranges = {"rt60_s": [rt60_s, rt60_s], "direct_db": [direct_db, direct_db]}
    return {"reverb": {"probability": 1, **ranges}}


TELEPHONE = {"telephone": {"probability": 1, "band_hz": [300, 3400], "codecs": ["mulaw"]}}
OPUS = {"codec": {"probability": 1, "codecs": ["opus"]}}
SNR = "dB SNR"
CONDITIONS = (
    Condition("white_20db", "white noise", 20, SNR, _noise("white", 20)),
    Condition("white_10db", "white noise", 10, SNR, _noise("white", 10)),
    Condition("white_0db", "white noise", 0, SNR, _noise("white", 0)),
    Condition("babble_10db", "babble", 10, SNR, _noise("babble", 10)),
    Condition("telephone", "telephone", 3400, "Hz, mu-law", TELEPHONE),
    Condition("opus", "Opus", 24, "kbit/s at most", OPUS),
    Condition("gain_minus_20db", "gain", -20, "dB", _gain(-20)),
    Condition("gain_plus_6db", "gain", 6, "dB", _gain(6)),
    Condition("speed_minus_3", "speed and pitch", -3, "%", _speed(0.97)),
    Condition("speed_plus_3", "speed and pitch", 3, "%", _speed(1.03)),
    Condition("silence_1s", "silence around", 1, "s", silence_s=1.0),
    Condition("room_small", "room", 0.3, "s reverberation", _room(0.3, 6)),
    Condition("room_large", "room", 1.0, "s reverberation", _room(1.0, -3)),
)


def judge_conditions(
    recognizer: EmotionRecognizer,
    targets: Sequence[Target],
    out: Path,
    classes: Sequence[str] = (),
) -> list[Path]:
    """Score corpora as they are and under every condition.

    Parameters
    ----------
    recognizer, targets, classes
        See :func:`ser_brain.inference.judge.judge_model`.
    out : Path
        Gets a folder of predictions for each condition, and ``clean``.

    Returns
    -------
    list of Path
        The folders.

    Raises
    ------
    SERError
        Also for a corpus too small to make babble of.
    """
    logger.info(f"{len(CONDITIONS) + 1} passes over every clip, the first as it is")
    folders = [judge_model(recognizer, targets, out / CLEAN, classes)]
    for number, condition in enumerate(CONDITIONS, 1):
        logger.info(f"condition {number} of {len(CONDITIONS)}: {condition.name}")
        change = partial(_changes, condition, recognizer)
        facts = {
            "condition": {
                "name": condition.name,
                "distortion": condition.distortion,
                "strength": condition.strength,
                "unit": condition.unit,
            }
        }
        place = out / condition.name
        folders.append(judge_model(recognizer, targets, place, classes, change, facts))
    return folders


def _changes(
    condition: Condition, recognizer: EmotionRecognizer, data: CorpusData
) -> Callable[[str, np.ndarray], np.ndarray]:
    rate_hz = recognizer.sample_rate_hz
    limits = recognizer.min_samples, recognizer.max_samples
    clips = {i: partial(waveform, row, rate_hz) for i, row in data.rows.items()}
    if len(clips) <= TALKERS[1]:
        raise SERError(
            f"{data.name} has {len(clips)} utterances to judge; babble needs more than "
            f"{TALKERS[1]}. Choose more of them."
        )
    augmentation = Augmentation(condition.augment, SEED, rate_hz, limits, clips)
    silence_S = np.zeros(round(condition.silence_s * rate_hz), np.float32)

    def changed(utterance_id: str, samples_S: np.ndarray) -> np.ndarray:
        # Full scale is where a recording is cut off; a clip already beyond it stays.
        most = max(1.0, float(np.abs(samples_S).max()))
        samples_S = augmentation.view(samples_S, utterance_id, 1)
        if "gain" in condition.augment:
            samples_S = np.clip(samples_S, -most, most)
        samples_S = np.concatenate([silence_S, samples_S, silence_S])
        longest = recognizer.max_samples
        return samples_S if longest is None else fitted(samples_S, min(len(samples_S), longest))

    return changed
