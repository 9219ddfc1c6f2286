"""Emozionalmente: Italian emotional speech of a crowd (acted, five votes a clip).

Catania, Wilke, Garzotto (2025), "Emozionalmente: a crowdsourced corpus of simulated emotional
speech in Italian", IEEE Trans. Audio, Speech and Language Processing. 431 people said eighteen
sentences in six emotions and neutrally, on their own devices; five others heard each
clip. Since 2025 there is an official split of speakers; the names of its files,
metadata/split/{train,dev,test}.csv, are assumed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import labelled, rows_of
from data_prep.common.table_cells import KNOWN
from ser_brain.data.labels import annotation, majority
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutrality": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
CARD = CorpusCard(
    name="emozionalmente",
    title="Emozionalmente",
    version="1",
    licence="CC BY 4.0",
    citation="Catania et al. (2025), Emozionalmente, IEEE TASLP",
    languages=("ita",),
    style="acted by amateurs, eighteen fixed sentences; crowd-rated",
    emotions=EMOTIONS,
    sources=("intended", "consensus"),
    layout="audio/1.wav ..., or in any folders, and metadata/samples.csv, users.csv, "
    "evaluations.csv (optional metadata/split/train.csv, dev.csv, test.csv)",
    expected={
        "utterances": 6902,
        "speakers": 431,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 986)},
    },
    notes="16 kHz, 150 clips at 44.1 kHz. Consensus is the majority of the votes, none in a "
    "tie. bad_audio counts the listeners who found the recording bad.",
    url="https://zenodo.org/records/12616095 (first version: 6569824)",
)
FILES = re.compile(r"\d+")
SPLITS = {"train.csv": "train", "dev.csv": "valid", "test.csv": "test"}
LABEL_FILES = ("samples.csv", "users.csv", "evaluations.csv", *SPLITS)
UNUSED = ("*.md", "*.txt", "*.pdf")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every clip with its five votes."""
    people, ratings = speakers(data_folder), _ratings(data_folder)
    needed = ("file_name", "sentence", "actor", "emotion_expressed")
    rows = {_stem(row): row for row in rows_of(data_folder, LABEL_FILES[:1], needed)}
    splits = {
        _stem(row): split
        for table, split in SPLITS.items()
        for row in rows_of(data_folder, (table,), needed[:1])
    }
    for found in labelled(data_folder, FILES, rows):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        raw, actor = row["emotion_expressed"], row["actor"]
        labels = {"intended": annotation(CARD.emotion(raw), raw)}
        if ratings.get(named.stem):
            heard, bad = zip(*ratings[named.stem], strict=True)
            votes = dict(Counter(heard).most_common())
            labels["consensus"] = annotation(majority(votes), votes=votes, bad_audio=sum(bad))
        yield Utterance(
            named.stem,
            named.path,
            labels,
            speaker=actor,
            gender=people.get(actor, {}).get("gender"),
            split=splits.get(named.stem),
            text=row["sentence"] or None,
        )


def speakers(data_folder: Path) -> dict[str, dict[str, object]]:
    """Gender, age and mother tongue of the actors."""
    actors = {row["actor"] for row in rows_of(data_folder, LABEL_FILES[:1], ("actor",))}
    return {
        row["username"]: {
            "gender": KNOWN["gender"].get(row["gender"].lower()),
            "age": int(row["age"]) if row["age"].isdecimal() else None,
            "mother_tongue": row.get("mother_tongue") or None,
        }
        for row in rows_of(data_folder, ("users.csv",), ("username", "gender", "age"))
        if row["username"] in actors
    }


def _ratings(data_folder: Path) -> dict[str, list[tuple[str, bool]]]:
    """Clip -> the emotion that each listener heard, and whether the audio was bad."""
    found: dict[str, list[tuple[str, bool]]] = {}
    needed = ("file_name", "emotion_recognized")
    for row in rows_of(data_folder, ("evaluations.csv",), needed):
        heard = CARD.emotion(row["emotion_recognized"])
        found.setdefault(_stem(row), []).append((heard, row.get("audio_quality") == "bad"))
    return found


def _stem(row: dict[str, str]) -> str:
    return Path(row["file_name"]).stem
