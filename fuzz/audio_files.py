"""Audio: headers and samples of WAV, RF64, FLAC, OGG, MP3 and AIFF, inspected, read and cut."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from fuzz import _mutations
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.inference import waveform
from ser_brain.inference.inputs import Input
from ser_brain.inference.segments import Segmentation, segments

KINDS = {
    "a.wav": ("WAV", "PCM_16"),
    "b.wav": ("WAV", "PCM_U8"),
    "c.wav": ("WAV", "PCM_24"),
    "d.wav": ("WAVEX", "FLOAT"),
    "e.wav": ("RF64", "DOUBLE"),
    "f.wav": ("WAV", "MS_ADPCM"),
    "g.wav": ("WAV", "ULAW"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "a.aiff": ("AIFF", "PCM_16"),
}
RATE_HZ = 16_000
HEADER = 64  # bytes in which damage does most


class StandIn:
    """The parts of a recogniser that ``segments`` uses, without a network."""

    sample_rate_hz, min_samples, max_samples = RATE_HZ, 400, 30 * RATE_HZ

    def prepare(self, samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, list[str]]:
        """Like ``EmotionRecognizer.prepare``."""
        return waveform.prepare(samples, rate_hz, RATE_HZ, self.min_samples, self.max_samples)


@cache
def sound(kind: str) -> bytes:
    """A third of a second of stereo noise."""
    samples = np.random.default_rng(0).normal(0, 0.1, (RATE_HZ // 3, 2))
    content = io.BytesIO()
    form, subtype = KINDS[kind]
    soundfile.write(content, samples, RATE_HZ, format=form, subtype=subtype)
    return content.getvalue()


def valid() -> list[dict[str, bytes]]:
    """A file of each kind."""
    return [{kind: sound(kind)} for kind in KINDS]


def mutated(case: Mapping[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Damage the header, or any byte; sometimes rename the file to another suffix."""
    ((name, data),) = case.items()
    if rng.random() < 0.1:
        name = rng.choice(sorted(KINDS))
    if rng.random() < 0.6:
        head = _mutations.content(data[:HEADER], rng)
        return {name: head + data[HEADER:]}
    return {name: _mutations.content(data, rng)}


def generated():
    """WAV headers with any numbers, before samples of any length."""
    from hypothesis import strategies as st

    def u(bits: int, *often: int) -> st.SearchStrategy[int]:
        return st.sampled_from(often) | st.integers(0, 2**bits - 1)

    def wav(form, channels, rate_hz, per_second, block, bits, said, tail) -> dict[str, bytes]:
        fmt = struct.pack("<HHIIHH", form, channels, rate_hz, per_second, block, bits)
        body = sound("a.wav")[44:2000] + tail
        chunks = b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", said)
        return {"a.wav": b"RIFF" + struct.pack("<I", len(body) + 36) + b"WAVE" + chunks + body}

    return st.builds(
        wav,
        u(16, 1, 3, 6, 7, 0xFFFE),
        u(16, 1, 2, 8),
        u(32, 8000, 16_000, 192_000),
        u(32, 32_000),
        u(16, 1, 2, 4),
        u(16, 8, 16, 24, 32, 64),
        u(32, 1956, 0xFFFFFFFF, 0x7FFFF000),
        st.binary(max_size=16),
    )


def try_case(folder: Path) -> None:
    """Read the file as data preparation, training and ``ser predict`` do."""
    path = next(folder.iterdir(), folder / "missing.wav")
    refusals = []
    for use in (_prepare, _train, _predict, _predict_windows, _recognise):
        try:
            use(path)
        except (SERError, audio.AudioProblem) as refusal:
            refusals.append(str(refusal))
    if refusals:
        raise SERError("; ".join(refusals))


def _prepare(path: Path) -> None:
    facts = audio.inspect(path)
    if not (facts.frames > 0 and facts.sample_rate_hz > 0):
        raise ValueError(f"{facts} is no sound")
    samples, _ = audio.read(path)
    if len(samples) != facts.frames:
        raise ValueError(f"{len(samples)} samples where the header says {facts.frames}")


def _train(path: Path) -> None:
    audio.read(path, 0.1, 0.2)
    audio.read(path, 0.3, None)


def _predict(path: Path) -> None:
    list(segments(path, StandIn(), Segmentation()))


def _predict_windows(path: Path) -> None:
    list(segments(path, StandIn(), Segmentation(0.2, 0.1)))


def _recognise(path: Path) -> None:
    waveform.prepare(*Input(path.name, path).read(60.0), RATE_HZ, 400)
