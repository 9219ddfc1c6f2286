"""Rendering the demo corpus: one clip to samples, and many into a folder.

The same seed gives the same bytes on one platform: every random number depends on the seed and
on the names of clip and speaker, and not on the order or on which other clips are rendered.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from data_prep.demo.acting import Habits, Performance, generator, habits_of, perform
from data_prep.demo.espeak import SAMPLE_RATE_HZ as ESPEAK_RATE_HZ
from data_prep.demo.espeak import Prosody, Synthesizer, library_digest
from data_prep.demo.script import DICTIONARIES, EMOTIONS, Clip, clips
from ser_brain.core.errors import SERError
from ser_brain.core.files import cache_folder, read_json, write_json
from ser_brain.core.log import get_logger, with_progress

SEED = 1980
SAMPLE_RATE_HZ = 16000

# 22,050 Hz -> 16,000 Hz with scipy.signal.resample_poly and its Kaiser window. A longer vocal
# tract is a larger UP, which lowers all formants and the pitch; a faster rate makes up for it.
UP, DOWN = 320, 441
LABELS = "clips.json"  # written last: a folder without it was never finished
ESPEAK_VOLUME = 60  # some voices clip at eSpeak's 100; the level is set afterwards
PITCH_ST = (-5.4, -3.4, 0.0, 4.3, 8.8)  # measured on eSpeak NG 1.52, voice m3, at
PITCH = (0, 25, 50, 75, 99)
QUIET = 0.01  # of the peak; quieter samples before and after a phrase are trimmed
EDGE_S = (0.05, 0.20)
PEAK = 0.98


def render_clip(
    espeak: Synthesizer, clip: Clip, habits: Habits, performance: Performance, seed: int
) -> np.ndarray:
    """Speak one clip: samples (S,) at 16 kHz, full scale 1, whatever was rendered before."""
    espeak.restart()
    draw = generator(seed, "sound", clip.name)
    phrases = []
    texts = (clip.phrases[0] + ",", clip.phrases[1] + ".")
    for text, rate_wpm, pitch_st in zip(
        texts, performance.rates_wpm, performance.pitches_st, strict=True
    ):
        prosody = Prosody(
            rate_wpm=int(np.clip(round(rate_wpm * habits.tract), 80, 450)),
            pitch=round(float(np.interp(pitch_st, PITCH_ST, PITCH))),
            range=int(np.clip(round(performance.range), 0, 99)),
            volume=ESPEAK_VOLUME,
        )
        phrases.append(_trimmed(espeak.say(clip.speaker.voice, text, prosody)))
    before_s, after_s = draw.uniform(*EDGE_S, size=2)
    gaps_s = (before_s, performance.pause_s, after_s)
    before, pause, after = (np.zeros(round(gap_s * ESPEAK_RATE_HZ)) for gap_s in gaps_s)
    speech = np.concatenate([before, phrases[0], pause, phrases[1], after])
    speech = scipy.signal.resample_poly(speech, round(UP * habits.tract), DOWN)
    speech = scipy.signal.lfilter([1.0, habits.microphone], [1.0], speech)
    speech *= 10 ** (performance.level_db / 20) / np.sqrt(np.mean(speech**2))
    room = scipy.signal.lfilter([1.0], [1.0, -0.9], draw.standard_normal(len(speech)))
    speech += room / room.std() * 10 ** (habits.room_db / 20)
    return speech * min(1.0, PEAK / np.abs(speech).max())


def _trimmed(samples: np.ndarray) -> np.ndarray:
    samples = samples.astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def render(folder: Path, script: Iterable[Clip], seed: int = SEED) -> None:
    """Render clips into a folder; ``clips.json`` is written last."""
    script = list(script)
    labels = {}
    with Synthesizer(tuple(DICTIONARIES.values())) as espeak:
        for clip in with_progress(script, "demo: speaking", "clips", len(script)):
            habits = habits_of(clip.speaker, seed)
            performance = perform(clip, habits, seed)
            samples = render_clip(espeak, clip, habits, performance, seed)
            path = folder / clip.speaker.language / clip.speaker.name / f"{clip.name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = _wav(samples)
            path.write_bytes(content)
            labels[clip.name] = {
                "path": path.relative_to(folder).as_posix(),
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "speaker": clip.speaker.name,
                "gender": clip.speaker.gender,
                "language": clip.speaker.language,
                "text": clip.text,
                "phrases": list(clip.phrases),
                "raw": clip.code,
                "emotion": EMOTIONS[clip.code],
                "valence": performance.valence,
                "arousal": performance.arousal,
            }
    write_json(folder / LABELS, labels)


def _wav(samples: np.ndarray) -> bytes:
    """A WAV file in memory, so that a full disk raises an OSError with its reason."""
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return content.getvalue()


logger = get_logger(__name__)
# Raise this with a change of the code that changes a clip: the corpus is then rendered again.
FORMAT_VERSION = 1
ABANDONED_S = 3600  # an unfinished folder of this age was left by a killed process


def version() -> str:
    """Twelve hexadecimal digits over the versions of this code and of eSpeak NG."""
    return hashlib.sha256(f"{FORMAT_VERSION} {library_digest()}".encode()).hexdigest()[:12]


def is_whole(folder: Path) -> bool:
    """Whether a folder holds every clip that its ``clips.json`` lists, by size."""
    if not (folder / LABELS).is_file():
        return False
    try:
        labels = read_json(folder / LABELS, "demo labels")
        return all((folder / c["path"]).stat().st_size == c["bytes"] for c in labels.values())
    except (SERError, OSError, KeyError, TypeError):
        return False


def rendered() -> Path:
    """The folder of the demo corpus in the user's cache; rendered if it is missing or damaged.

    A folder is renamed to its final name when it is complete. So an unfinished one is never
    used, and of two runs at once the second to finish uses the folder of the first.
    """
    cache = cache_folder()
    folder = cache / f"demo-{version()}"
    if is_whole(folder):
        return folder
    logger.info(f"demo: rendering once into {folder}.")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        temporary = Path(tempfile.mkdtemp(prefix=".demo-", dir=cache))
        try:
            render(temporary, clips(SEED))
            temporary.chmod(0o755)
            _move(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise SERError(
            f"Cannot write the demo corpus to {cache}: {error.strerror or error}. It needs "
            "100 MB there; free some, or set SER_CACHE to another folder."
        ) from error
    return folder


def _move(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if is_whole(folder):
            return  # another run was first; its folder has the same bytes
        if not folder.exists():
            raise
        logger.warning(f"demo: {folder} was damaged; rendered again.")
        shutil.rmtree(folder)
        temporary.rename(folder)


def _remove_abandoned(cache: Path) -> None:
    for left in cache.glob(".demo-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
