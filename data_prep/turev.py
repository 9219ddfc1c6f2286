"""TurEV-DB: Turkish emotional voice database (acted, single words).

Canpolat, Ormanoglu, Zeyrek (2020), "Turkish emotion voice database (TurEV-DB)", SLTU-CCURL.
Six amateurs say words in four emotions. File names are speaker_emotion_word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {"kz": "anger", "sk": "calm", "mt": "happiness", "hl": "sadness"}
CARD = CorpusCard(
    name="turev",
    title="Turkish Emotional Voice Database (TurEV-DB)",
    version="1",
    licence="open, no licence named",
    citation="Canpolat et al. (2020), TurEV-DB, SLTU-CCURL",
    languages=("tur",),
    style="acted, single words",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="Sound Source/Angry/1157_kz_word.wav ..., or in any folders",
    expected={"utterances": 1735, "speakers": 6},
    notes="Calm is a class of its own and not neutral; merge the two only if you mean to. "
    "Genders are not documented by number.",
    url="https://github.com/Xeonen/TurEV-DB",
)
FILES = re.compile(r"(\d{4})_(kz|sk|mt|hl)_(.+)", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.md", "*.txt", "*.csv", "*.pdf", "*.py", "*.ipynb", "Model Output for Test Data")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every word, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    speaker, emotion, word = named.match.groups()
    return utterance(CARD, named, emotion.lower(), speaker=speaker, text=word.lower())
