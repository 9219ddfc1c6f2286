"""Manifests and their cards, up to labelled rows and splits."""

from __future__ import annotations

import json
from pathlib import Path

from fuzz._strategies import dumped, like
from ser_brain.data.audit import shared_facts
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.labelling import NEEDED, LabelChoice, label_corpus
from ser_brain.data.leakage import entries_of, read_manifests
from ser_brain.data.manifest import read_manifest
from ser_brain.data.splits import SplitSetting, split

EMOTIONS = ("anger", "neutral")
CARD = {
    "name": "made",
    "title": "Made up",
    "default_source": "intended",
    "sources": ["intended", "rated_voice"],
    "vad_scale": [1.0, 5.0],
    "languages": ["eng"],
    "left_out": {"silent": ["b.wav"]},
    "same_audio": [["made_0", "made_1"]],
}


def entry(number: int) -> dict:
    """One of twelve utterances, two by each speaker."""
    emotion = EMOTIONS[number % 2]
    return {
        "wav": f"{{data_root}}/a {number}{{{{}}}}.wav",
        "start": None if number % 3 else 0.5,
        "stop": None if number % 3 else 1.5,
        "duration": 1.0 + number / 8,
        "sample_rate": 16000,
        "corpus": "made",
        "speaker": f"made_{number // 2}",
        "gender": "female",
        "language": "eng",
        "group": f"made_{number // 4}",
        "split": None,
        "text": f"text {number % 2}",
        "labels": {
            "intended": {
                "emotion": emotion,
                "raw": emotion[0],
                "vad": {"valence": 2.5, "arousal": None},
            }
        },
    }


ENTRIES = {f"made_{number}": entry(number) for number in range(12)}


def valid() -> list[dict[str, bytes]]:
    """Twelve utterances of six speakers."""
    documents = {"made.json": ENTRIES, "made.card.json": CARD}
    return [{name: json.dumps(what).encode() for name, what in documents.items()}]


def generated():
    """Any value in place of any part of the card and of an entry."""
    from hypothesis import strategies as st

    def entries(one: object) -> bytes:
        return dumped({**ENTRIES, "made_3": one})

    return st.fixed_dictionaries(
        {
            "made.json": like(ENTRIES["made_3"]).map(entries) | like({}).map(dumped),
            "made.card.json": like(CARD).map(dumped),
        }
    )


def try_case(folder: Path) -> None:
    """Read, label and split it; compare the parts; use its ids as a list."""
    manifest = folder / "made.json"
    choice = LabelChoice(EMOTIONS, {}, (-1, 1), "corpus", "emotion")
    data = label_corpus(read_manifest(manifest, NEEDED), folder, CorpusSetting("made"), choice)
    data.facts()
    for protocol in ("random", "group"):
        parts = split(data.rows, SplitSetting(protocol, 1))
        train, test = ({i: data.rows[i] for i in parts[part]} for part in ("train", "test"))
        shared_facts(train, test)
    entries_of(str(manifest), read_manifests([manifest], []))
