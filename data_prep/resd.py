"""RESD: Russian emotional speech dialogues (acted).

Aniemore (2022), "Russian emotional speech dialogs (RESD)". Two actors voice a dialogue, each
with one emotion. File names begin with the number of the dialogue, which is the group. The
corpus names no speakers: no split by speaker can be had. The official split takes turns of the
same dialogues for training and test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data_prep.common.named_files import Named, labelled, rows_of
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

BASIC = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
CARD = CorpusCard(
    name="resd",
    title="Russian Emotional Speech Dialogs (RESD)",
    version="1",
    licence="MIT",
    citation="Aniemore (2022), Russian Emotional Speech Dialogs",
    languages=("rus",),
    style="acted dialogues",
    emotions={emotion: emotion for emotion in (*BASIC, "enthusiasm")},
    sources=("intended",),
    layout="train/neutral_fear_27/27_neutral_fear_n_100.wav ..., test/... and train.csv, "
    "test.csv (path, emotion)",
    expected={"utterances": 1396},
    own_emotions=("enthusiasm",),
    notes="16 and 44.1 kHz. No speakers are named: no split by speaker is possible. The "
    "official split shares dialogues; a split by group keeps them apart, but not the actors.",
    url="https://huggingface.co/datasets/Aniemore/resd",
)
FILES = re.compile(r"(train|test)/(?:[^/]+/)?((\d+)_)?[^/]+", re.IGNORECASE)
LABEL_FILES = ("train.csv", "test.csv")
UNUSED = ("*.md", "*.json", "*.txt", ".git*")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every turn of the two tables."""
    rows = {
        f"{split}/{PurePosixPath(row['path']).stem}": row
        for split in ("train", "test")
        for row in rows_of(data_folder, (f"{split}.csv",), ("path", "emotion"))
    }
    for found in labelled(data_folder, FILES, rows, _key):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        raw, split, group = row["emotion"], named.match[1].lower(), named.match[3]
        labels = {"intended": annotation(CARD.emotion(raw), raw)}
        name = f"{split}_{named.stem}"
        yield Utterance(name, named.path, labels, group=group, split=split)


def _key(named: Named) -> str:
    return f"{named.match[1].lower()}/{named.stem}"
