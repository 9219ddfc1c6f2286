"""Dusha: requests to a voice assistant and podcasts (Russian, crowd-rated).

Kondratenko, Sokolov, Karpov, Kutuzov, Savushkin, Minkin (2022), "Large raw emotional dataset
with aggregation mechanism", arXiv 2212.12266. A crowd acts out requests in four emotions;
podcasts are natural. Every rater's vote is in raw_*.tsv or .jsonl. The sound of the
podcasts is not published: they are prepared where a copy has it.

Assumed: source_id is the speaker, also of podcasts; rows with a golden_emo, which test the
raters, count as votes like the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.common.named_files import Named, label_files, labelled, lines_of, named_files
from data_prep.common.table_columns import require_columns
from ser_brain.core.files import parse_json_line
from ser_brain.data.labels import annotation, majority
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "angry": "anger",
    "sad": "sadness",
    "neutral": "neutral",
    "positive": "happiness",
    "other": "other",
}
CARD = CorpusCard(
    name="dusha",
    title="Dusha",
    version="1",
    licence="of its own, like CC BY-SA (attribution, share alike)",
    citation="Kondratenko et al. (2022), Large raw emotional dataset with aggregation "
    "mechanism, arXiv:2212.12266",
    languages=("rus",),
    style="acted requests of a crowd, and natural podcasts; crowd-rated",
    emotions=EMOTIONS,
    sources=("consensus", "intended"),
    layout="crowd_train/wavs/HASH.wav ... and crowd_train/raw_crowd_train.tsv (or .jsonl), the "
    "same in crowd_test; optional podcast_train and podcast_test",
    expected={"utterances": 201850, "speakers": 2068},
    notes="16 kHz. Counts are those of the crowd part; podcasts are 102,113 clips more. "
    "positive is written happiness. Consensus is the majority of the votes, none in a tie; the "
    "authors weigh raters instead. The intended emotion is what the speaker was asked to act.",
    url="https://github.com/salute-developers/golos/tree/master/dusha",
)
FILES = re.compile(r"(crowd|podcast)_(train|test)/(?:[^/]+/)?[0-9a-f]{16,}", re.IGNORECASE)
PARTS = [f"{domain}_{split}" for domain in ("crowd", "podcast") for split in ("train", "test")]
LABEL_FILES = tuple(f"raw_{part}.{suffix}" for part in PARTS for suffix in ("tsv", "jsonl"))
UNUSED = ("*.npy", "*.md", "*.txt", "features", "processed_dataset*", "*.tsv", "*.jsonl")
NEEDED = ("hash_id", "annotator_emo", "speaker_text", "speaker_emo", "source_id")


@dataclass
class Clip:
    """What the rows of a clip say."""

    speaker: str | None
    text: str | None
    asked: str | None  # the emotion to act
    votes: Counter = field(default_factory=Counter)


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every clip with its votes."""
    for found in labelled(data_folder, FILES, _clips(data_folder), _key):
        if isinstance(found, Problem):
            yield found
            continue
        named, clip = found
        votes = {CARD.emotion(raw): count for raw, count in clip.votes.most_common()}
        labels = {"consensus": annotation(majority(votes), votes=votes)}
        if clip.asked:
            labels["intended"] = annotation(CARD.emotion(clip.asked), clip.asked)
        facts = {"speaker": clip.speaker, "text": clip.text}
        split = named.match[2].lower()
        yield Utterance(named.stem, named.path, labels, split=split, **facts)


def _key(named: Named) -> str:
    return f"{named.match[1]}_{named.match[2]}/{named.stem}".lower()


def _clips(data_folder: Path) -> dict[str, Clip]:
    """Part and name of a clip -> its facts and votes. The tables have over a million rows.

    A part without a folder of audio beside its table is left out: podcasts are published so.
    """
    clips: dict[str, Clip] = {}
    there = {_key(named).partition("/")[0] for named in _named(data_folder)}
    for path in label_files(data_folder, *LABEL_FILES):
        part = path.stem.lower().removeprefix("raw_")
        if part not in there:
            continue
        there.discard(part)  # the same table may be there as TSV and as JSON lines
        for row in _rows(path):
            name = f"{part}/{row['hash_id']}".lower()
            if name not in clips:
                domain = part.partition("_")[0]
                speaker = f"{domain}_{row['source_id']}" if row["source_id"] else None
                clips[name] = Clip(speaker, row["speaker_text"], row["speaker_emo"])
            if row["annotator_emo"]:
                clips[name].votes[row["annotator_emo"]] += 1
    return clips


def _named(data_folder: Path) -> Iterator[Named]:
    return (found for found in named_files(data_folder, FILES) if isinstance(found, Named))


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    """The cells that are read, row by row; None where blank."""
    if path.suffix == ".jsonl":
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = enumerate(file, start=1)
            yield from (_cells(parse_json_line(line, path, n)) for n, line in lines)
    else:
        lines = lines_of(path, "\t")
        head = next(lines, [])
        require_columns(path, head, NEEDED)
        yield from (_cells(dict(zip(head, line, strict=False))) for line in lines)


def _cells(row: dict[str, object]) -> dict[str, str | None]:
    cells = {key: str(row.get(key) or "").strip() for key in NEEDED}
    return {key: None if cell in ("", "nan") else cell for key, cell in cells.items()}
