"""MSP-Podcast: turns of podcasts (English, natural, rated).

Lotfian, Busso (2019), "Building naturalistic emotionally balanced speech corpus by retrieving
emotional speech from existing podcast recordings", IEEE Trans. Affective Computing 10(4). Five
or more people rated each turn. Their votes are read from labels_detailed.json or .csv, if it is
there. Both are as other preparations of the corpus read them: an object of raters by file,
and rows of file, rater, emotion and more, in cells or with semicolons. Transcripts are not
read: no sentence is said twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.msp import CODES, cells_of, consensus, number, voted
from data_prep.common.named_files import label_files, labelled, lines_of, rows_of
from data_prep.common.table_cells import KNOWN
from ser_brain.core.errors import bad_value
from ser_brain.core.files import read_json
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

CARD = CorpusCard(
    name="msp_podcast",
    title="MSP-Podcast",
    version="any; the corpus grows (1.7: 62,140 clips, 1.8: 73,042)",
    licence="academic licence; signed agreement",
    citation="Lotfian and Busso (2019), Building naturalistic emotionally balanced speech "
    "corpus, IEEE Transactions on Affective Computing 10(4)",
    languages=("eng",),
    style="natural, cut from podcasts; crowd-rated",
    emotions={code: emotion for code, emotion in CODES.items() if emotion},
    sources=("consensus",),
    layout="Audios/MSP-PODCAST_0001_0008.wav ..., or in any folders, and "
    "Labels/labels_consensus.csv (optional Labels/labels_detailed.json or .csv, with "
    "every vote)",
    vad_scale=(1, 7),
    notes="16 kHz, one file stereo at 44.1 kHz. Clips of unknown speakers have no speaker: a "
    "split by speaker leaves them out. Three test sets are one split, test; the label's "
    "partition tells which. Test3 has no public labels.",
    url="https://lab-msp.com/MSP/MSP-Podcast.html",
)
FILES = re.compile(r"MSP-PODCAST(_\d+)+", re.IGNORECASE)
TABLES = ("labels_consensus.csv", "labels_concensus.csv")  # both spellings are published
VOTES = ("labels_detailed.json", "labels_detailed.csv")
LABEL_FILES = (*TABLES, *VOTES)
UNUSED = ("*.txt", "*.csv", "*.json", "*.pdf", "Transcripts", "ForceAligned", "Labels")
NEEDED = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
RATINGS = {"valence": "EmoVal", "arousal": "EmoAct", "dominance": "EmoDom"}
SPLITS = {"train": "train", "development": "valid", "validation": "valid"}
SPLITS |= dict.fromkeys(("test", "test1", "test2", "test3"), "test")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every turn of the table of consensus labels."""
    table = rows_of(data_folder, TABLES, NEEDED)
    rows = {row["FileName"].removesuffix(".wav"): row for row in table}
    votes = _votes(data_folder)
    for found in labelled(data_folder, FILES, rows):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        code, partition = row["EmoClass"], row["Split_Set"]
        for what, value, known in (
            ("EmoClass", code, {**CODES, "": None}),
            ("Split_Set", partition.lower(), SPLITS),
        ):
            if value not in known:
                raise bad_value(f"{what} of {named.stem}", value, known)
        vad = {dimension: number(row[column]) for dimension, column in RATINGS.items()}
        label = consensus(code, votes.get(named.stem), vad, partition=partition)
        yield Utterance(
            named.stem,
            named.path,
            {"consensus": label},
            speaker=None if row["SpkrID"].lower() in ("", "unknown") else row["SpkrID"],
            gender=KNOWN["gender"].get(row["Gender"].lower()),
            split=SPLITS[partition.lower()],
        )


def _votes(data_folder: Path) -> dict[str, Counter]:
    """Clip -> emotion -> number of raters. A table has a row for each of 600,000 ratings."""
    votes: dict[str, Counter] = {}
    for path in label_files(data_folder, *VOTES)[:1]:
        for name, word in _words(path):
            stem = name.removesuffix(".wav")
            if FILES.fullmatch(stem) and word:
                votes.setdefault(stem, Counter())[voted(word)] += 1
    return votes


def _words(path: Path) -> Iterator[tuple[str, str]]:
    """Clip and emotion of each rating."""
    if path.suffix.lower() == ".csv":
        for row in lines_of(path):
            name, _, word, *_ = [*cells_of(row), "", "", ""]
            yield name, word
    else:
        for name, rated in read_json(path, "ratings").items():
            for rating in rated.get("Workers", rated.values()):
                yield name, str(rating.get("EmoClass_Major", ""))
