"""ASED: Amharic speech emotion dataset (acted, 65 speakers).

Retta, Almekhlafi, Sutcliffe, Mhamed, Ali, Feng (2023), "A new Amharic speech emotion dataset
and classification benchmark", ACM TALLIP 22(1). Native speakers of four dialects say sentences
in four emotions and neutrally; five or more of eight judges accepted each clip. File names are
emotion-sentence-repetition-sex-speaker. Each emotion has five sentences of its own, and two are
common to all; these are assumed to be 06 and 07.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "n": "neutral",
    "f": "fear",
    "h": "happiness",
    "s": "sadness",
    "a": "anger",
}
CARD = CorpusCard(
    name="ased",
    title="Amharic Speech Emotion Dataset (ASED)",
    version="1",
    licence="freely available, no licence named",
    citation="Retta et al. (2023), A new Amharic speech emotion dataset, ACM TALLIP 22(1)",
    languages=("amh",),
    style="acted, fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="05Angry/a5-02-01-01-33.wav ..., or in any folders",
    expected={"utterances": 2474, "speakers": 65},
    notes="16 kHz. Most sentences belong to one emotion: the text tells the label, and a "
    "model may recognise the sentence instead of the emotion.",
    url="https://github.com/Ethio2021/ASED_V1",
)
FILES = re.compile(r"([nfhsa])\d-(\d\d)-(\d\d)-(\d\d)-(\d\d)", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.md", "*.txt", "*.pdf")
COMMON = ("06", "07")
GENDER = {"01": "female", "02": "male"}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    emotion, sentence, _, sex, speaker = named.match.groups()
    emotion, gender = emotion.lower(), GENDER.get(sex)
    text = sentence if sentence in COMMON else f"{emotion}-{sentence}"
    return utterance(CARD, named, emotion, speaker=speaker, gender=gender, text=text)
