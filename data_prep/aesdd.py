"""AESDD: acted emotional speech dynamic database (Greek).

Vryzas, Kotsakis, Liatsou, Dimoulas, Kalliris (2018), "Speech emotion recognition for
performance interaction", J. Audio Eng. Soc. 66(6). Five or six actors say nineteen sentences
and improvise one in five emotions. File names are emotion, sentence and (speaker).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"}
CARD = CorpusCard(
    name="aesdd",
    title="Acted Emotional Speech Dynamic Database (AESDD)",
    version="1, as extended after 2017",
    licence="none stated by the authors; a copy states CC BY 4.0",
    citation="Vryzas et al. (2018), Speech emotion recognition for performance interaction, "
    "J. Audio Eng. Soc. 66(6)",
    languages=("ell",),
    style="acted, nineteen fixed sentences and one improvised",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="anger/a03 (3).wav ..., or in any folders",
    expected={"utterances": 604, "speakers": 6},
    known_bad={"s05 (3)": "cannot be read in some copies"},
    notes="44.1 kHz. The database grows: copies have five or six speakers, and genders by "
    "number are not documented. Sentence 20 is improvised and differs by speaker.",
    url="http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/",
)
# A letter after the number is a further take.
FILES = re.compile(r"([adfhs])(\d\d)\s*\((\d)\)\s*[a-z]?\d?", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.txt", "*.md", "*.pdf")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    emotion, sentence, speaker = named.match.groups()
    text = sentence if sentence != "20" else None
    return utterance(CARD, named, emotion.lower(), speaker=speaker, text=text)
