"""TESS: Toronto emotional speech set (English, acted, two women).

Pichora-Fuller, Dupuis (2020), "Toronto emotional speech set (TESS)", University of Toronto.
A younger and an older woman say "Say the word ..." with 200 words in seven emotions. File names
are actress_word_emotion. With two speakers, no split of speakers into training, validation and
test is possible: test on one of the women, or on other corpora.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
CARD = CorpusCard(
    name="tess",
    title="Toronto Emotional Speech Set (TESS)",
    version="1",
    licence="CC BY-NC-ND 4.0",
    citation="Pichora-Fuller and Dupuis (2020), TESS, University of Toronto Dataverse",
    languages=("eng",),
    style="acted, 200 words in one carrier phrase",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="OAF_angry/OAF_back_angry.wav ..., or in any folders",
    expected={
        "utterances": 2800,
        "speakers": 2,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 400)},
    },
    notes="Two speakers: no split by speaker is possible. Surprise is pleasant (ps). "
    "24,414 Hz, one file at 96 kHz. A name of every copy begins with OA_ for OAF_.",
    url="https://doi.org/10.5683/SP2/E8H2MF",
)
FILES = re.compile(rf"(OAF?|YAF)_([a-z]+)_({'|'.join(EMOTIONS)})", re.IGNORECASE)
LABEL_FILES = ()
AGE = {"OAF": 64, "YAF": 26}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    actress, word, emotion = named.match.groups()
    speaker = "YAF" if actress.upper() == "YAF" else "OAF"
    text = word.lower()
    return utterance(CARD, named, emotion.lower(), speaker=speaker, gender="female", text=text)


def speakers(data_folder: Path) -> dict[str, dict[str, object]]:
    """Ages of the two women."""
    return {speaker: {"gender": "female", "age": age} for speaker, age in AGE.items()}
