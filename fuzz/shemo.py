"""ShEMO: both editions of its labels, and file names."""

from __future__ import annotations

import json
from pathlib import Path

from fuzz._corpora import NAMES, prepare_and_label, write_audio
from fuzz._strategies import dumped, like, lines_like

ITEMS = [
    {
        "id": "M01A01",
        "gender": "m",
        "emotion": "angry",
        "transcript": "\ufeffفرانسه؟",
        "ipa": "f",
    },
    {"id": "F01N05", "gender": "f", "emotion": "neutral", "transcript": None},
]
EDITION = {"M01A01": {"emotion": "sad", "transcript": "x"}, "F01N05": {"emotion": "happy"}}
AUDIO = b"male/M01A01.wav\nfemale/F01N05.wav"


def valid() -> list[dict[str, bytes]]:
    """Two clips that both editions label."""
    first, second = (json.dumps(c, ensure_ascii=False).encode() for c in (ITEMS, EDITION))
    return [
        {"data/shemo.json": first, NAMES: AUDIO},
        {"data/modified_shemo.json": second, NAMES: AUDIO},
    ]


def generated():
    """Either edition with any value in place of any part."""
    from hypothesis import strategies as st

    names = lines_like(AUDIO)
    return st.one_of(
        st.fixed_dictionaries({"data/shemo.json": like(ITEMS).map(dumped), NAMES: names}),
        st.fixed_dictionaries(
            {"data/modified_shemo.json": like(EDITION).map(dumped), NAMES: names}
        ),
    )


def try_case(folder: Path) -> None:
    """Prepare the corpus and label it."""
    prepare_and_label("shemo", write_audio(folder, 22050))
