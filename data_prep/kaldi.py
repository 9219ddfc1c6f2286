"""Kaldi: any data directory with wav.scp, utt2spk, text, segments and utt2emo.

Every file utt2X is a column X: utt2emo, utt2lang, utt2intended.valence ... Commands (pipes) in
wav.scp are not run.

    python -m data_prep kaldi --name mine --data_folder corpora/mine --source data/train \\
        --manifest_folder manifests
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.common.convert import FACTS, audio_of, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import as_text, columns_of, text_of
from data_prep.lhotse import local_path
from ser_brain.core.errors import SERError
from ser_brain.core.files import require_text, write_text
from ser_brain.data.manifest import Manifest

COLUMNS = {"spk": "speaker", "lang": "language", "emo": "emotion"}  # of utt2X, else X
UNUSED = {"dur", "num_frames", "uniq"}
GENDERS = {"female": "f", "male": "m"}


def read(data_folder: Path, source: str | None = None, **_: object) -> Rows:
    """A row for each line of ``segments``, or else of ``wav.scp``."""
    folder = data_folder / (source or "")
    recordings = _pairs(folder / "wav.scp")
    for name, place in recordings.items():
        if place.endswith("|"):
            raise SERError(
                f"{folder / 'wav.scp'}: {name} is a command ({place}), and commands are not "
                "run. Convert the audio first, for instance with ffmpeg -i X X.wav."
            )
    segments = folder / "segments"
    if segments.is_file():
        parts = {utt: line.split() for utt, line in _pairs(segments).items()}
    else:
        parts = {name: [name] for name in recordings}
    tables = {p.name.removeprefix("utt2"): p for p in sorted(folder.glob("utt2*"))}
    tables = {COLUMNS.get(k, k): p for k, p in tables.items() if k not in UNUSED}
    if (folder / "text").is_file():
        tables["text"] = folder / "text"
    cells = {what: _pairs(path) for what, path in tables.items()}
    gender_file = folder / "spk2gender"
    genders = _pairs(gender_file) if gender_file.is_file() else {}
    rows = []
    for utt, (recording, *times) in parts.items():
        if recording not in recordings or len(times) not in (0, 2):
            raise SERError(f"Bad line of {utt} in {segments}; expected RECORDING START STOP.")
        row = {"id": utt, "path": local_path(recordings[recording], folder, data_folder)}
        row |= dict(zip(("start", "stop"), times, strict=False))
        row |= {what: said[utt] for what, said in cells.items() if utt in said}
        gender = genders.get(row.get("speaker", ""))
        rows.append(row if gender is None or "gender" in row else {**row, "gender": gender})
    # The speaker begins every name, as Kaldi asks for: then it is no part of it.
    if all("speaker" in row and row["id"].startswith(f"{row['speaker']}-") for row in rows):
        rows = [{**row, "id": row["id"].removeprefix(f"{row['speaker']}-")} for row in rows]
    elif all(row.get("speaker") == row["id"] for row in rows):  # how Kaldi writes "unknown"
        rows = [{k: v for k, v in row.items() if k != "speaker"} for row in rows]
    columns = columns_of(rows)
    every = (folder / "wav.scp", folder / FACTS, segments, gender_file, *tables.values())
    files = [path for path in every if path.is_file()]
    facts = read_facts(folder / FACTS)
    return Rows(folder, columns, as_text(rows, columns), files, {"id": "id"}, facts)


def _pairs(path: Path) -> dict[str, str]:
    """First word of each line -> the rest."""
    lines = require_text(path, f"Kaldi file {path.name}").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {name: rest[0].strip() if rest else "" for name, *rest in pairs}


FORMAT = Described(read, "wav.scp, utt2spk, utt2emo ... and the audio files")
utterances, card = FORMAT.utterances, FORMAT.card
described, files = FORMAT.described, FORMAT.files


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    group.add_argument(
        "--source", metavar="DIR", help="data directory (default: the data folder)"
    )
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write a data directory that ``utils/validate_data_dir.sh`` accepts; the audio stays."""
    paths = audio_of(data_folder, manifest)
    # Sorting by speaker must be sorting by utterance, so the speaker begins its name.
    spoken = all("speaker" in row for row in rows)
    names = [f"{row['speaker']}-{row['id']}" if spoken else row["id"] for row in rows]
    spaced = [name for name in names if name.split() != [name]]
    if spaced:
        raise SERError(
            f"Kaldi's names have no spaces, and {len(spaced)} have ({spaced[0]!r}); choose "
            "another format."
        )
    cut = any("start" in row or "stop" in row for row in rows)
    tables: dict[str, dict[str, str]] = {}
    for name, row, entry in zip(names, rows, manifest.entries.values(), strict=True):
        path = str(paths[row["path"]].resolve())
        if cut:
            recording = row["path"].replace(" ", "%20")
            start = row.get("start", 0.0)
            stop = row.get("stop", start + entry["duration"])
            tables.setdefault("wav.scp", {})[recording] = path
            tables.setdefault("segments", {})[name] = f"{recording} {start} {stop}"
        else:
            tables.setdefault("wav.scp", {})[name] = path
        tables.setdefault("utt2dur", {})[name] = str(entry["duration"])
        # Tools need a speaker of every utterance: an unknown one is the utterance itself.
        tables.setdefault("utt2spk", {})[name] = row["speaker"] if spoken else name
        if spoken and row.get("gender") in GENDERS:
            tables.setdefault("spk2gender", {})[row["speaker"]] = GENDERS[row["gender"]]
        for column, value in row.items():
            if column not in ("id", "path", "start", "stop", "speaker"):
                file = "text" if column == "text" else f"utt2{_file(column)}"
                tables.setdefault(file, {})[name] = text_of(value).replace("\n", " ")
    if "text" in tables:  # every utterance needs a line there
        tables["text"] = {name: tables["text"].get(name, "") for name in names}
    for file, lines in tables.items():
        written = sorted(f"{name} {value}".rstrip() for name, value in lines.items())
        write_text(out / file, "\n".join(written) + "\n")
    known = sum("speaker" in row for row in rows)
    return [] if spoken or not known else [f"{known} speakers, because others are unknown"]


def _file(column: str) -> str:
    return {what: code for code, what in COLUMNS.items()}.get(column, column)
