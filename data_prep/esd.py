"""ESD: emotional speech dataset (English and Mandarin Chinese, acted).

Zhou, Sisman, Liu, Li (2021), "Seen and unseen emotional style transfer for voice conversion
with a new emotional speech dataset", ICASSP. Ten speakers of each language say the same 350
sentences in five emotions. File names are speaker_number, with 350 numbers for each emotion.
One layout has folders of an official split, which shares speakers and sentences; the
other has none, and its clips no split.

Two lists of the English speakers' genders agree on eight; 0012 and 0019 are left unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.named_files import label_files, named_files
from ser_brain.core.files import read_text
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

# In the order of the numbers.
EMOTIONS = {
    "Neutral": "neutral",
    "Angry": "anger",
    "Happy": "happiness",
    "Sad": "sadness",
    "Surprise": "surprise",
}
SENTENCES = 350
SPEAKERS = [f"{number:04}" for number in range(1, 21)]
CARD = CorpusCard(
    name="esd",
    title="Emotional Speech Dataset (ESD)",
    version="1",
    licence="research use; signed agreement",
    citation="Zhou et al. (2021), Seen and unseen emotional style transfer, ICASSP",
    languages=("zho", "eng"),
    style="acted, 350 fixed sentences",
    emotions=EMOTIONS,
    sources=("intended",),
    layout="0011/Angry/0011_000351.wav ..., or with train, evaluation and test below the "
    "emotions, or in any folders; transcripts 0011/0011.txt",
    expected={
        "utterances": 35000,
        "speakers": 20,
        "emotions": {"intended": dict.fromkeys(EMOTIONS.values(), 7000)},
    },
    notes="16 kHz. Speakers 0001 to 0010 speak Chinese, 0011 to 0020 English. The official "
    "split shares speakers and sentences. All say the same sentences in all emotions.",
    url="https://github.com/HLTSingapore/Emotional-Speech-Data",
)
FILES = re.compile(r"(00[01]\d|0020)_(\d{6})")
LABEL_FILES = tuple(f"{speaker}.txt" for speaker in SPEAKERS)
UNUSED = ("*.txt", "*.md", "*.pdf")
GENDER = dict.fromkeys("0001 0002 0003 0007 0009 0015 0016 0017 0018".split(), "female")
GENDER |= dict.fromkeys("0004 0005 0006 0008 0010 0011 0013 0014 0020".split(), "male")
SPLITS = {"train": "train", "evaluation": "valid", "test": "test"}
FOLDERS = {emotion.lower(): emotion for emotion in EMOTIONS}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording; its number tells the emotion, and a folder must not contradict it."""
    texts = _texts(data_folder)
    for named in named_files(data_folder, FILES):
        if isinstance(named, Problem):
            yield named
            continue
        speaker, number = named.match.groups()
        place = (int(number) - 1) // SENTENCES
        if speaker not in SPEAKERS or not 0 <= place < len(EMOTIONS):
            yield Problem("number of no emotion", named.path)
            continue
        raw = list(EMOTIONS)[place]
        folders = [part.lower() for part in named.path.split("/")[:-1]]
        stated = next((FOLDERS[part] for part in reversed(folders) if part in FOLDERS), raw)
        if stated != raw:
            yield Problem(f"numbered as {raw} in a folder of {stated}", named.path)
            continue
        language = "zho" if speaker <= "0010" else "eng"
        code = f"{language} sentence {(int(number) - 1) % SENTENCES + 1}"
        yield Utterance(
            named.stem,
            named.path,
            {"intended": annotation(EMOTIONS[raw], raw)},
            speaker=speaker,
            gender=GENDER.get(speaker),
            language=language,
            split=SPLITS.get(folders[-1]) if folders else None,
            text=texts.get(named.stem, code),
        )


def _texts(data_folder: Path) -> dict[str, str]:
    """Clip -> sentence, from the lines ``clip <tab> sentence <tab> emotion``."""
    lines = [
        line.split("\t")
        for path in label_files(data_folder, *LABEL_FILES)
        for line in read_text(path, "utf-8-sig", errors="replace").splitlines()
    ]
    return {line[0].strip(): line[1].strip() for line in lines if len(line) > 1}
