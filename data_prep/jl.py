"""JL-Corpus: New Zealand English in ten emotions (acted).

James, Tian, Watson (2018), "An open source emotional speech corpus for human robot interaction
applications", Interspeech. Two women and two men say sentences in five primary emotions
and in five secondary ones, which robots need. File names are speaker_emotion_sentence_take,
where a sentence is a number and the letter of a session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, by_name, utterance
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

PRIMARY = {
    "angry": "anger",
    "sad": "sadness",
    "neutral": "neutral",
    "happy": "happiness",
    "excited": "excitement",
}
SECONDARY = ("anxious", "apologetic", "assertive", "concerned", "encouraging")
EMOTIONS = {**PRIMARY, **{emotion: emotion for emotion in SECONDARY}}
CARD = CorpusCard(
    name="jl",
    title="JL-Corpus, New Zealand English",
    version="1",
    licence="CC0 1.0",
    citation="James et al. (2018), An open source emotional speech corpus, Interspeech",
    languages=("eng",),
    style="acted, fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/male1_angry_10a_1.wav ..., "
    "or in any folders",
    expected={
        "utterances": 2400,
        "speakers": 4,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 240)},
    },
    own_emotions=SECONDARY,
    notes="44.1 kHz. The five secondary emotions are classes of this corpus's own. The text is "
    "the number of a sentence; the text files beside the audio are not read.",
    url="https://www.kaggle.com/datasets/tli725/jl-corpus",
)
FILES = re.compile(rf"((fe)?male[12])_({'|'.join(EMOTIONS)})_(\d+)[a-z]?_\d+", re.IGNORECASE)
LABEL_FILES = ()
UNUSED = ("*.txt", "*.TextGrid", "*.csv", "*.docx", "*.pdf")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, described by its name."""
    return by_name(data_folder, FILES, _utterance)


def _utterance(named: Named) -> Utterance:
    speaker, _, emotion, sentence = named.match.groups()
    speaker, gender = speaker.lower(), speaker.lower()[:-1]
    facts = {"speaker": speaker, "gender": gender, "text": sentence}
    return utterance(CARD, named, emotion.lower(), **facts)
