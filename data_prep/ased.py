"""ASED: Amharic speech emotion dataset (acted, 65 speakers).

Retta, Almekhlafi, Sutcliffe, Mhamed, Ali, Feng (2023), "A new Amharic speech emotion dataset
and classification benchmark", ACM TALLIP 22(1). Native speakers of four dialects say sentences
in four emotions and neutrally; eight judges agreed on the clips. File names are
emotion-sentence-repetition-sex-speaker; that 01 is female follows another preparation of the
corpus.
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
    licence="open, no licence named",
    citation="Retta et al. (2023), A new Amharic speech emotion dataset, ACM TALLIP 22(1)",
    languages=("amh",),
    style="acted, fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="05Angry/a5-02-01-01-33.wav ..., or in any folders",
    expected={"utterances": 2474, "speakers": 65},
    notes="16 kHz. Each emotion has sentences of its own: the text tells the label, and a "
    "model may recognise the sentence instead of the emotion.",
    url="https://github.com/Ethio2021/ASED_V1",
)
FILES = re.compile(r"([nfhsa])\d-(\d\d)-(\d\d)-(\d\d)-(\d\d)", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.md", "*.txt", "*.pdf")
GENDER = {"01": "female", "02": "male"}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    emotion, sentence, _, sex, speaker = named.match.groups()
    emotion, gender = emotion.lower(), GENDER.get(sex)
    text = f"{emotion}-{sentence}"
    return utterance(CARD, named, emotion, speaker=speaker, gender=gender, text=text)
