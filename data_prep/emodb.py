"""Emo-DB: the Berlin database of emotional speech (German, acted).

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss (2005), "A database of German emotional speech",
Interspeech. File names are speaker(2) text(3) emotion(1) version(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep import audio_files
from ser_brain.core.files import read_text
from ser_brain.core.log import get_logger
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

logger = get_logger(__name__)

COUNTS = dict(anger=127, boredom=81, neutral=79, happiness=71, fear=69, sadness=62, disgust=46)
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
    layout="wav/03a01Fa.wav ..., or all in one folder (optional erkennung.txt)",
    sample_rates_hz=(16000,),
    expected={"utterances": 535, "speakers": 10, "emotions": {"intended": COUNTS}},
    url="http://emodb.bilderbar.info",
)
FILES = ("wav/*",)
LABEL_FILES = ("erkennung.txt",)
SECOND_EDITION = "listener_judgements.txt"  # a file that only it has
UNUSED = ("lablaut", "labsilb", "silb", "erklaerung.txt")

MALE = {"03", "10", "11", "12", "15"}
FEMALE = {"08", "09", "13", "14", "16"}
NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]")
RECOGNITION = re.compile(r"(\S+?)(?:\.wav)?\s+([\d.,]+)(?:\s+([\d.,]+))?", re.IGNORECASE)


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every file of ``wav/``, or of a flat copy, labelled by its name."""
    if (data_folder / SECOND_EDITION).is_file():
        logger.warning(f"{data_folder} is Emo-DB 2.0; prepare it as emodb2.")
    recognition = {}
    for item in read_recognition(data_folder / "erkennung.txt"):
        if isinstance(item, Problem):
            yield item
        else:
            recognition[item[0]] = item[1]
    for path in audio_files(data_folder, FILES):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() != ".wav":
            continue
        speaker, text, code = match.groups()
        gender = "male" if speaker in MALE else "female" if speaker in FEMALE else None
        label = annotation(CARD.emotions[code], code, **recognition.get(path.stem, {}))
        yield Utterance(
            name=path.stem,
            path=path.relative_to(data_folder).as_posix(),
            speaker=speaker,
            gender=gender,
            text=text,
            labels={"intended": label},
        )


def read_recognition(path: Path) -> Iterator[tuple[str, dict[str, float]] | Problem]:
    """Read the listening test: the share of 20 listeners who recognised the emotion.

    ``erkennung.txt`` is in Latin-1, with decimal commas and per cent; one line per file has its
    name, ``erkannt`` (recognised) and ``natuerlich`` (found natural). Gives an utterance's name
    with its ``recognition_rate`` and ``naturalness`` in [0, 1].
    """
    if not path.is_file():
        return
    lines = read_text(path, "latin-1").replace("\xa0", " ").splitlines()
    for number, line in enumerate(lines, start=1):
        first = line.split()[:1]
        if not first or first[0].lower().startswith(("satz", "sample")):
            continue
        match = RECOGNITION.match(line.strip())
        try:
            name, *rates = match.groups() if match else ("",)
            rates = [float(rate.replace(",", ".")) / 100 for rate in rates if rate]
        except ValueError:
            rates = []
        if not rates or not all(0 <= rate <= 1 for rate in rates):
            yield Problem("unreadable recognition rate", f"{path.name}:{number}", harmless=True)
            continue
        keys = ("recognition_rate", "naturalness")
        yield name, {key: round(rate, 6) for key, rate in zip(keys, rates, strict=False)}


def speakers(data_folder: Path) -> dict[str, dict[str, int]]:
    """Ages of the ten speakers, from the database's documentation."""
    ages = (31, 34, 21, 32, 26, 30, 32, 35, 25, 31)
    return {
        speaker: {"age": age} for speaker, age in zip(sorted(MALE | FEMALE), ages, strict=True)
    }
