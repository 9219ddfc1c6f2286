"""SUBESCO: SUST Bangla emotional speech corpus (acted, ten sentences).

Sultana, Rahman, Selim, Iqbal (2021), "SUST Bangla emotional speech corpus (SUBESCO)", PLoS ONE
16(4). Twenty actors say ten sentences five times in seven emotions. File names are
sex_number_name_S_sentence_EMOTION_take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "ANGRY": "anger",
    "DISGUST": "disgust",
    "FEAR": "fear",
    "HAPPY": "happiness",
    "NEUTRAL": "neutral",
    "SAD": "sadness",
    "SURPRISE": "surprise",
}
CARD = CorpusCard(
    name="subesco",
    title="SUST Bangla Emotional Speech Corpus (SUBESCO)",
    version="1",
    licence="CC BY 4.0",
    citation="Sultana et al. (2021), SUBESCO, PLoS ONE 16(4)",
    languages=("ben",),
    style="acted, ten fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="F_10_FAHMEE_S_6_FEAR_5.wav ..., in any folders",
    expected={
        "utterances": 7000,
        "speakers": 20,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 1000)},
    },
    notes="44.1 kHz, 2,445 clips at 48 kHz. Women and men are numbered separately, so that a "
    "speaker is sex and number.",
    url="https://zenodo.org/records/4526477",
)
FILES = re.compile(rf"([FM])_(\d\d)_[A-Z]+_S_(\d+)_({'|'.join(EMOTIONS)})_\d", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.txt", "*.md", "*.pdf")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    sex, number, sentence, emotion = (part.upper() for part in named.match.groups())
    gender = "female" if sex == "F" else "male"
    speaker, text = f"{sex}_{number}", f"S_{sentence}"
    return utterance(CARD, named, emotion, speaker=speaker, gender=gender, text=text)
