"""RAVDESS: Ryerson audio-visual database of emotional speech and song (English, acted).

Livingstone, Russo (2018), "The Ryerson audio-visual database of emotional speech and song",
PLoS ONE 13(5). 24 actors say two sentences in eight emotions, each twice and (all but neutral)
normally and strongly. File names are modality-channel-emotion-intensity-sentence-repetition-
actor; modality 03 is sound alone, channel 02 is song, which is left out. A common copy holds
everything twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
CARD = CorpusCard(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)",
    version="1",
    licence="CC BY-NC-SA 4.0",
    citation="Livingstone and Russo (2018), RAVDESS, PLoS ONE 13(5)",
    languages=("eng",),
    style="acted, two fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="Actor_01/03-01-01-01-01-01-01.wav ..., in any folders",
    expected={
        "utterances": 1440,
        "speakers": 24,
        "emotions": {"intended": {**dict.fromkeys(EMOTIONS.values(), 192), "neutral": 96}},
    },
    notes="48 kHz. Normal intensity is written medium. Neutral has half as many clips, and no "
    "intensity.",
    url="https://zenodo.org/records/1188976 (Audio_Speech_Actors_01-24.zip)",
)
FILES = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-(0[12])-0[12]-(\d\d)")
LABEL_FILES = ()
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
INTENSITY = {"01": "medium", "02": "high"}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording of speech, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance | Problem:
    channel, emotion, intensity, sentence, actor = named.match.groups()
    if channel == "02":
        return Problem("song", named.path, harmless=True)
    return utterance(
        CARD,
        named,
        emotion,
        None if EMOTIONS[emotion] == "neutral" else INTENSITY[intensity],
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        text=SENTENCES[sentence],
    )
