"""EMOVO: Italian emotional speech (acted, fourteen sentences).

Costantini, Iaderola, Paoloni, Todisco (2014), "EMOVO corpus: an Italian emotional speech
database", LREC. Six actors say fourteen sentences in six emotions and neutrally. File names are
emotion-speaker-sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "neu": "neutral",
    "dis": "disgust",
    "gio": "happiness",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
CARD = CorpusCard(
    name="emovo",
    title="EMOVO, Italian emotional speech",
    version="1",
    licence="not stated; research use",
    citation="Costantini et al. (2014), EMOVO corpus, LREC",
    languages=("ita",),
    style="acted, fourteen fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="f1/gio-f1-b2.wav ..., or in any folders",
    expected={
        "utterances": 588,
        "speakers": 6,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 84)},
    },
    notes="48 kHz; some copies are at 16 kHz. The sentences are b1-b3, d1-d2, l1-l4 and n1-n5.",
    url="http://voice.fub.it/activities/corpora/emovo/index.html",
)
FILES = re.compile(r"(neu|dis|gio|pau|rab|sor|tri)-([fm]\d)-([bdln]\d)", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("documents", "*.txt", "*.pdf")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    emotion, speaker, sentence = (part.lower() for part in named.match.groups())
    gender = "female" if speaker[0] == "f" else "male"
    return utterance(CARD, named, emotion, speaker=speaker, gender=gender, text=sentence)
