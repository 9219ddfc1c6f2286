"""ShEMO: Sharif emotional speech database (Persian, radio plays, rated).

Mohamad Nezami, Jamshid Lou, Karami (2019), "ShEMO: a large-scale validated database for Persian
speech emotion detection", Language Resources and Evaluation 53(1). Twelve people rated each
utterance; the label is their majority. File names are speaker(3) emotion(1) number(2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_prep import matching
from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import read_text
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "A": "anger",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "W": "surprise",
}
# The words of shemo.json and of the corrected edition (modified_shemo.json).
WORDS = {
    "angry": "anger",
    "fearful": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    **{emotion: emotion for emotion in EMOTIONS.values()},
}

CARD = CorpusCard(
    name="shemo",
    title="Sharif Emotional Speech Database (ShEMO)",
    version="1",
    licence="free for academic use with citation",
    citation="Mohamad Nezami et al. (2019), ShEMO, Language Resources and Evaluation 53(1)",
    languages=("fas",),
    style="semi-natural, cut from radio plays",
    emotions={**EMOTIONS, **WORDS},
    sources=("consensus",),
    layout="male/M01A01.wav ..., female/F01N05.wav ..., or all in one folder "
    "(optional shemo.json)",
    sample_rates_hz=(44100, 22050),
    expected={"utterances": 3000, "speakers": 87},
    url="https://github.com/mansourehk/ShEMO",
)
LABEL_EDITIONS = ("shemo.json", "modified_shemo.json")
FILES = ("*.wav", "male/*", "female/*")
LABEL_FILES = LABEL_EDITIONS
UNUSED = ("README*", "*.ort", "transcript*", "*/*.ort")

NAME = re.compile(r"([MF]\d\d)([AFHNSW])\d\d\d?")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every audio file, labelled by ``shemo.json`` if there is one, else by its name."""
    return labelled_by(data_folder, read_labels(data_folder))


def labelled_by(
    data_folder: Path, labelled: dict[str, dict[str, str]] | None
) -> Iterator[Utterance | Problem]:
    """Every audio file with its label; without labels, that of its name."""
    seen = set()
    for path in matching(data_folder, FILES):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() != ".wav":
            continue
        seen.add(path.stem)
        relative = path.relative_to(data_folder).as_posix()
        speaker, code = match.groups()
        said = {"emotion": code} if labelled is None else labelled.get(path.stem)
        if said is None:
            yield Problem("without a label", relative)
            continue
        yield Utterance(
            name=path.stem,
            path=relative,
            speaker=speaker,
            gender="female" if speaker[0] == "F" else "male",
            text=said.get("transcript"),
            labels={"consensus": annotation(CARD.emotions[said["emotion"]], said["emotion"])},
        )
    for name in sorted((labelled or {}).keys() - seen):
        yield Problem("missing", f"{name}.wav")


def read_labels(
    data_folder: Path, editions: Sequence[str] = LABEL_EDITIONS
) -> dict[str, dict[str, str]] | None:
    """Utterance name -> emotion and transcript, from ``shemo.json`` or its correction.

    Two formats are read: a list of objects with an ``id``, and an object by file name, in which
    the corrected edition gives the audio's original name as ``speech_name``. Without a file the
    result is None; two editions differ in some 300 labels, and are refused.
    """
    there = [data_folder / name for name in editions if (data_folder / name).is_file()]
    if not there:
        return None
    if len(there) > 1:
        raise SERError(
            f"Two editions of the labels in {data_folder}: {' and '.join(LABEL_EDITIONS)}. "
            "They differ: keep only the one to use; shemo_corrected takes the second."
        )
    try:
        content = json.loads(read_text(there[0], "utf-8-sig"))
        if not isinstance(content, list):
            content = [{"id": name, **item} for name, item in content.items()]
        return dict(_label(item, there[0]) for item in content)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise SERError(
            f"Cannot read {there[0]} ({type(error).__name__}: {error}); expected a list of "
            "objects with id, emotion and transcript, or an object of them by file name."
        ) from error


def _label(item: dict[str, str], path: Path) -> tuple[str, dict[str, str]]:
    name = (item.get("speech_name") or item["id"]).removesuffix(".wav")
    emotion = item["emotion"].strip().lower()
    if emotion not in WORDS:
        raise bad_value(f"emotion of {name} in {path.name}", item["emotion"], WORDS)
    text = (item.get("transcript") or "").replace("\ufeff", "").strip()
    return name, {"emotion": emotion, "transcript": text or None}
