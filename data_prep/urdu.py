"""URDU: clips of Urdu talk shows (natural).

Latif, Qayyum, Usman, Qadir (2018), "Cross lingual speech emotion recognition: Urdu vs. Western
languages", FIT. File names are speaker (SM or SF and a number), number of the speaker's clip,
and emotion with its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
CARD = CorpusCard(
    name="urdu",
    title="URDU, emotional speech from talk shows",
    version="1",
    licence="research use",
    citation="Latif et al. (2018), Cross lingual speech emotion recognition, FIT",
    languages=("urd",),
    style="natural, cut from talk shows",
    emotions=EMOTIONS,
    sources=("consensus",),
    layout="Angry/SM1_F19_A019.wav ..., or in any folders",
    expected={
        "utterances": 400,
        "speakers": 29,
        "emotions": {"consensus": dict.fromkeys(EMOTIONS.values(), 100)},
    },
    notes="44.1 kHz; some copies are at 16 kHz. Most speakers show one emotion only: a model "
    "may recognise the speaker instead. The label is of four annotators, without their votes. "
    "Its page counts 38 speakers; the names have 29.",
    url="https://github.com/siddiquelatif/URDU-Dataset",
)
FILES = re.compile(r"(S([FM])\d+)_F\d+_([AHNS])\d+", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.md", "*.txt")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every clip, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    speaker, sex, emotion = (part.upper() for part in named.match.groups())
    gender = "female" if sex == "F" else "male"
    return utterance(CARD, named, emotion, speaker=speaker, gender=gender)
