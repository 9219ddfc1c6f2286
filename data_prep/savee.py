"""SAVEE: Surrey audio-visual expressed emotion (English, acted, four men).

Haq, Jackson (2010), "Multimodal emotion recognition", in: Machine Audition. Four men say
fifteen TIMIT sentences per emotion and thirty neutrally. File names are emotion and number; the
speaker is the folder, or in flat copies the first part of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
CARD = CorpusCard(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion (SAVEE)",
    version="1",
    licence="research use, after registration",
    citation="Haq and Jackson (2010), Multimodal emotion recognition, Machine Audition",
    languages=("eng",),
    style="acted, TIMIT sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="AudioData/DC/a01.wav ..., or DC_a01.wav ..., in any folders",
    expected={
        "utterances": 480,
        "speakers": 4,
        "emotions": {"intended": {**dict.fromkeys(EMOTIONS.values(), 60), "neutral": 120}},
    },
    notes="44.1 kHz, men only. The text is the code of a sentence, which all four men say; "
    "most sentences belong to one emotion, and the three that all share have a code for each.",
    url="http://kahlan.eps.surrey.ac.uk/savee/",
)
FILES = re.compile(r"(DC|JE|JK|KL)[/_]((sa|su|[adfhn])\d\d)", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.txt", "*.avi")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, named speaker_sentence in both layouts."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    speaker, sentence, emotion = named.match.groups()
    speaker, sentence, emotion = speaker.upper(), sentence.lower(), emotion.lower()
    labels = {"intended": annotation(CARD.emotions[emotion], emotion)}
    facts = {"speaker": speaker, "gender": "male", "text": sentence}
    return Utterance(f"{speaker}_{sentence}", named.path, labels, **facts)
