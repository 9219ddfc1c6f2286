"""Emo-DB: the listening test and file names."""

from __future__ import annotations

from pathlib import Path

from fuzz._corpora import NAMES, prepare_and_label, write_audio
from fuzz._strategies import lines_like

RECOGNITION = (
    "Satz\terkannt\tnatürlich\n03a01Fa.wav\t90,0\t85,5\n03a01Nc.wav 100,0 90\n08a01Wa\t75\n"
)
CLIPS = ("03a01Fa", "03a01Nc", "08a01Wa")


def valid() -> list[dict[str, bytes]]:
    """Three clips with their recognition rates."""
    names = "\n".join(f"wav/{clip}.wav" for clip in CLIPS).encode()
    return [{"data/erkennung.txt": RECOGNITION.encode("latin-1"), NAMES: names}]


def generated():
    """Lines of both files in any order, with other words in them."""
    from hypothesis import strategies as st

    return st.fixed_dictionaries({name: lines_like(data) for name, data in valid()[0].items()})


def try_case(folder: Path) -> None:
    """Prepare the corpus and label it."""
    prepare_and_label("emodb", write_audio(folder))
