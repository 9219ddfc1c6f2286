"""What cached features are named after: a front end, and the audio of a clip."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping

from ser_brain import audio, resampling
from ser_brain.encoders import masking
from ser_brain.encoders.base import Encoder
from ser_brain.errors import SERError
from ser_brain.feature_file import SUFFIX
from ser_brain.files import sha256_of

FORMAT = 1
BEHIND_THE_FRONT = ("name", "freeze", "layer")  # settings that do not reach it


def front_digest(encoder: Encoder) -> str:
    """SHA-256 over what decides what a front end gives: weights, settings, code, device."""
    # A GPU rounds otherwise: what one device computed is not given to another kind.
    device = next(encoder.parameters()).device.type
    facts = f"{FORMAT} {resampling.RESAMPLER} {encoder.sample_rate_hz} {device}"
    digest = hashlib.sha256(facts.encode())
    modules = (*map(inspect.getmodule, type(encoder).__mro__), masking, resampling, audio)
    for module in modules:
        if module.__name__.startswith("ser_brain."):
            digest.update(inspect.getsource(module).encode())
    settings = encoder.settings()
    kept = {key: settings[key] for key in settings if key not in BEHIND_THE_FRONT}
    kept["config"] = {k: v for k, v in kept.get("config", {}).items() if "drop" not in k}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for module in encoder.front_modules():
        for name, tensor in module.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def audio_names(rows: Mapping[str, dict]) -> dict[str, str]:
    """Utterance -> file name that stands for its audio: content of the file, and which part.

    Raises
    ------
    SERError
        If an audio file cannot be read.
    """
    content: dict[str, str] = {}
    names = {}
    for utterance_id, row in rows.items():
        wav = row["wav"]
        if wav not in content:
            try:
                content[wav] = sha256_of(wav)
            except OSError as error:
                problem = f"Cannot use {wav}: {error.strerror}. Prepare the corpus again."
                raise SERError(problem) from None
        part = f"{content[wav]} {row['start']} {row['stop']}"
        names[utterance_id] = hashlib.sha256(part.encode()).hexdigest()[:32] + SUFFIX
    return names
