"""CaFE: Canadian French emotional speech (acted, six sentences).

Gournay, Lahaie, Lefebvre (2018), "A Canadian French emotional speech dataset", ACM Multimedia
Systems. Twelve actors say six sentences in six emotions at two intensities, and neutrally. File
names are actor-emotion-intensity-sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "C": "anger",
    "D": "disgust",
    "J": "happiness",
    "N": "neutral",
    "P": "fear",
    "S": "surprise",
    "T": "sadness",
}
CARD = CorpusCard(
    name="cafe",
    title="Canadian French Emotional speech dataset (CaFE)",
    version="1",
    licence="CC BY-NC-SA 4.0",
    citation="Gournay et al. (2018), A Canadian French emotional speech dataset, MMSys",
    languages=("fra",),
    style="acted, six fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="Peur/Fort/12-P-2-5.wav ..., Neutre/01-N-1-1.wav ..., or in any folders",
    expected={
        "utterances": 936,
        "speakers": 12,
        "emotions": {"intended": {**dict.fromkeys(EMOTIONS.values(), 144), "neutral": 72}},
    },
    notes="48 kHz; the original archive has 192 kHz. Neutral has no intensity. That actors "
    "with odd numbers are men follows other preparations of the corpus.",
    url="https://zenodo.org/records/1478765",
)
FILES = re.compile(r"(\d\d)-([CDJNPST])-([12])-([1-6])")
LABEL_FILES = ()
UNUSED = ("*.txt", "*.md", "*.pdf")
INTENSITY = {"1": "low", "2": "high"}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    actor, emotion, intensity, sentence = named.match.groups()
    return utterance(
        CARD,
        named,
        emotion,
        None if emotion == "N" else INTENSITY[intensity],
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        text=sentence,
    )
