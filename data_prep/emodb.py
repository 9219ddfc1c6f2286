"""Emo-DB: the Berlin database of emotional speech (German, acted).

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss (2005), "A database of German emotional speech",
Interspeech. File names are speaker(2) text(3) emotion(1) version(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep import matching
from ser_brain.labels import annotation
from ser_brain.manifest import CorpusCard, Problem, Utterance

CARD = CorpusCard(
    name="emodb",
    title="Berlin Database of Emotional Speech (Emo-DB)",
    version="1",
    licence="free to use with citation",
    citation="Burkhardt et al. (2005), A database of German emotional speech, Interspeech",
    languages=("deu",),
    style="acted, ten fixed sentences",
    emotions={
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "T": "sadness",
        "N": "neutral",
    },
    sources=("intended",),
    layout="wav/03a01Fa.wav ... (optional erkennung.txt)",
    sample_rates_hz=(16000,),
    expected={"utterances": 535, "speakers": 10},
)
FILES = ("wav/*",)
LABEL_FILES = ("erkennung.txt",)

MALE = {"03", "10", "11", "12", "15"}
FEMALE = {"08", "09", "13", "14", "16"}
NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every file of ``wav/``, labelled by its name."""
    recognition = read_recognition(data_folder / "erkennung.txt")
    for path in matching(data_folder, FILES):
        relative = path.relative_to(data_folder).as_posix()
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() != ".wav":
            yield Problem("stray", relative, harmless=True)
            continue
        speaker, text, code = match.groups()
        gender = "male" if speaker in MALE else "female" if speaker in FEMALE else None
        label = annotation(CARD.emotions[code], code, **recognition.get(path.stem, {}))
        yield Utterance(
            name=path.stem,
            path=relative,
            speaker=speaker,
            gender=gender,
            text=text,
            labels={"intended": label},
        )


def read_recognition(path: Path) -> dict[str, dict[str, float]]:
    """To be written."""
    return {}
