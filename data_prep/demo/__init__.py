"""The demo corpus: English, German and Persian sentences acted by eSpeak NG.

It is synthetic: no person speaks in it, and a score on it says nothing about accuracy on
people. With it every recipe and test runs at once, without a download.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_prep.demo import render, script
from data_prep.demo.acting import SCALE
from data_prep.demo.render import LABELS, SAMPLE_RATE_HZ
from data_prep.demo.script import EMOTIONS
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Utterance

CARD = CorpusCard(
    name="demo",
    title="Demo corpus (synthetic: spoken by eSpeak NG)",
    version="1",
    licence="recordings: free to use; eSpeak NG, which speaks them: GPL-3.0-or-later",
    citation="eSpeak NG 1.52, https://github.com/espeak-ng/espeak-ng",
    languages=("eng", "deu", "fas"),
    style="synthetic speech, acted through rate, pitch, range, level and pauses",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="eng/eng_s01/eng_s01_t03_ang.wav ... clips.json",
    vad_scale=SCALE,
    sample_rates_hz=(SAMPLE_RATE_HZ,),
    expected={"utterances": 1200, "speakers": 50},
    synthetic=True,
    notes="Synthetic speech: no person speaks here, and no result on it says anything about "
    "accuracy on people. How the three languages differ in their acting is made up.",
)

# The demo trains on one language and tests on the two others.
LINES = (
    {"use": "train", "where": {"language": "eng"}},
    {"use": "test", "where": {"language": "deu"}},
    {"use": "test", "where": {"language": "fas"}},
)
FILES = ("*/*/*.wav",)
LABEL_FILES = (LABELS,)


def default_folder() -> Path:
    """The corpus in the user's cache, rendered there the first time (under a minute)."""
    return render.rendered()


def speakers(data_folder: Path) -> dict[str, dict[str, object]]:
    """Accents of the voices, of which English has several."""
    return {
        voice.name: {"accent": voice.voice.partition("+")[0]} for voice in script.speakers()
    }


def utterances(data_folder: Path) -> Iterator[Utterance]:
    """Every clip that ``clips.json`` lists."""
    labels_file = data_folder / LABELS
    if not labels_file.is_file():
        raise SERError(
            f"No finished demo corpus at {data_folder} (no {labels_file.name}); "
            "remove --data_folder, and it is rendered into the cache."
        )
    labels = read_json(labels_file, "demo labels")
    for name, clip in labels.items():
        vad = {"valence": clip["valence"], "arousal": clip["arousal"]}
        yield Utterance(
            name=name,
            path=clip["path"],
            speaker=clip["speaker"],
            gender=clip["gender"],
            language=clip["language"],
            text=clip["text"],
            labels={"intended": annotation(clip["emotion"], clip["raw"], vad=vad)},
        )
