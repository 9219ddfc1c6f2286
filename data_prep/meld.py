"""MELD: multimodal EmotionLines, dialogues of the series Friends (English, rated).

Poria, Hazarika, Majumder, Naik, Cambria, Mihalcea (2019), "MELD: a multimodal multi-party
dataset for emotion recognition in conversations", ACL. The label is the majority of three
people, whose votes are not published. The clips are videos; extract their sound first, in the
folder that has the tables:

    find . -name 'dia*_utt*.mp4' -exec sh -c \\
        'ffmpeg -n -i "$1" -vn -ac 1 -ar 16000 "${1%.mp4}.wav"' _ {} \\;

Numbers of dialogues start again in each split, so that a clip is known by its split's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import Named, labelled, rows_of
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
CARD = CorpusCard(
    name="meld",
    title="Multimodal EmotionLines Dataset (MELD)",
    version="1",
    licence="GPL-3.0 (labels); the clips are of a television series",
    citation="Poria et al. (2019), MELD, ACL",
    languages=("eng",),
    style="acted, a television series with laughter",
    emotions=EMOTIONS,
    sources=("consensus",),
    layout="train_splits/dia0_utt0.wav ..., dev_splits_complete/, "
    "output_repeated_splits_test/ and {train,dev,test}_sent_emo.csv; extract the sound of the "
    "videos first: ffmpeg -i dia0_utt0.mp4 -vn -ac 1 -ar 16000 dia0_utt0.wav (for all of them "
    "at once: python -m data_prep meld --help)",
    expected={"utterances": 13706},
    known_bad={
        "train_dia125_utt3": "the video is damaged in every copy",
        "dev_dia110_utt7": "the video is missing in every copy",
    },
    notes="48 kHz in the videos, with music and laughter. Some clips are cut wrongly and last "
    "for minutes. 6,434 clips are neutral, 358 fear. The official split shares the six main "
    "speakers. Lines of several people at once have no speaker. Files final_videos_test... in "
    "the test folder are not read.",
    url="https://affective-meld.github.io/",
)
# The nearest folder that names a split; a folder of audio may be between it and the clips.
FILES = re.compile(r"[^/]*(train|dev|test)[^/]*/(?:[^/]+/)?dia(\d+)_utt(\d+)", re.IGNORECASE)
LABEL_FILES = ("train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv")
UNUSED = ("*.mp4", "*.csv", "*.txt", "*.md", "*.pkl", "*.tar.gz")
NEEDED = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
SPLITS = {"train": "train", "dev": "valid", "test": "test"}
GENDER = dict.fromkeys(("Monica", "Phoebe", "Rachel"), "female")
GENDER |= dict.fromkeys(("Chandler", "Joey", "Ross"), "male")
SEVERAL = re.compile(r"\b(and|all|both|everyone|everybody|others|guys)\b|[,/&]", re.IGNORECASE)


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every line of a dialogue."""
    rows = {
        f"{split}_dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}": row
        for split in SPLITS
        for row in rows_of(data_folder, (f"{split}_sent_emo.csv",), NEEDED)
    }
    for found in labelled(data_folder, FILES, rows, _name, CARD.known_bad):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        name, who, raw = _name(named), row["Speaker"], row["Emotion"].lower()
        yield Utterance(
            name,
            named.path,
            {"consensus": annotation(CARD.emotion(raw), raw, sentiment=row["Sentiment"])},
            speaker=None if SEVERAL.search(who) else who or None,
            gender=GENDER.get(who),
            group=name.rpartition("_")[0],
            split=SPLITS[name.partition("_")[0]],
            text=row["Utterance"].replace("\x92", "'") or None,
        )


def _name(named: Named) -> str:
    split, dialogue, utterance = named.match.groups()
    return f"{split.lower()}_dia{int(dialogue)}_utt{int(utterance)}"
