"""nEMO: Polish emotional speech (acted, ninety sentences).

Christop (2024), "nEMO: dataset of emotional speech in Polish", LREC-COLING. Nine actors say
sentences with the sounds of Polish in six emotions; a listener checked each clip. A table has
the labels, texts, genders and ages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import labelled, rows_of
from data_prep.common.table_cells import KNOWN
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}
CARD = CorpusCard(
    name="nemo",
    title="nEMO, emotional speech in Polish",
    version="1",
    licence="CC BY-NC-SA 4.0",
    citation="Christop (2024), nEMO: dataset of emotional speech in Polish, LREC-COLING",
    languages=("pol",),
    style="acted, ninety fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="samples/WR0_surprised_64.wav ..., or in any folders, and data.tsv",
    expected={"utterances": 4481, "speakers": 9},
    notes="24 kHz. Cells of data.tsv may begin or end with blanks, which are ignored.",
    url="https://github.com/amu-cai/nEMO",
)
FILES = re.compile(rf"[A-Z0-9]+_({'|'.join(EMOTIONS)})_\d+", re.IGNORECASE)
LABEL_FILES = ("data.tsv",)
UNUSED = ("*.md", "LICENSE*", ".git*")
NEEDED = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording that the table labels."""
    rows = _rows(data_folder)
    for found in labelled(data_folder, FILES, rows):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        emotion = row["emotion"].lower()
        yield Utterance(
            named.stem,
            named.path,
            {"intended": annotation(CARD.emotion(emotion), row["emotion"])},
            speaker=row["speaker_id"],
            gender=KNOWN["gender"].get(row["gender"].lower()),
            text=row["raw_text"] or None,
        )


def speakers(data_folder: Path) -> dict[str, dict[str, object]]:
    """Gender and age of the actors."""
    return {
        row["speaker_id"]: {
            "gender": KNOWN["gender"].get(row["gender"].lower()),
            "age": int(row["age"]) if row["age"].isdecimal() else None,
        }
        for row in _rows(data_folder).values()
    }


def _rows(data_folder: Path) -> dict[str, dict[str, str]]:
    rows = rows_of(data_folder, LABEL_FILES, NEEDED)
    return {row["file_id"].removesuffix(".wav"): row for row in rows}
