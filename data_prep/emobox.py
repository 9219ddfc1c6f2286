"""EmoBox: any corpus with EmoBox's fold files (fold_N/NAME_train_fold_N.jsonl, label_map.json).

The fold becomes the official split. EmoBox names no speakers; --speakers takes them from a
manifest of the same corpus, and tells whether training and test share any. Many of its folds
do: the log and the card say so.

    python -m data_prep emobox --name aesdd_fold1 --data_folder EmoBox --source data/aesdd \\
        --fold 1 --manifest_folder manifests --speakers manifests/aesdd.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from data_prep.common.convert import FACTS, audio_of, header_facts, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import as_text, columns_of
from data_prep.lhotse import local_path
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.core.log import get_logger
from ser_brain.core.tables import read_table
from ser_brain.data.manifest import Manifest, read_manifest

logger = get_logger(__name__)
PARTS = ("train", "valid", "test")
NATIVE = {"key", "dataset", "wav", "type", "sample_rate", "num_frame", "task", "length", "emo"}
NATIVE |= {"channel", "start_time", "end_time"}

# The published folds, compared with the speakers that the file names tell.
SHARED = "training and test share speakers"
DISJOINT = "training and test have different speakers"
VERDICTS = {
    **dict.fromkeys("aesdd ased asvpesd cremad emodb emovdb enterface".split(), SHARED),
    **dict.fromkeys("shemo tess turevdb urdu".split(), SHARED),
    **dict.fromkeys(
        "cafe casia emovo iemocap jlcorpus ravdess savee subesco".split(), DISJOINT
    ),
}


def read(
    data_folder: Path,
    source: str | None = None,
    fold: int = 1,
    speakers: str | None = None,
    **_: object,
) -> Rows:
    """A row for each utterance of a fold; without folds, of the whole corpus."""
    folder = data_folder / (source or "")
    files = {
        part: path for part in PARTS for path in folder.glob(f"fold_{fold}/*_{part}_*.jsonl")
    }
    if not files:
        folds = sorted(p.name for p in folder.glob("fold_*"))
        whole = [] if folds else sorted(folder.glob("*.jsonl"))
        if len(whole) != 1:
            found = f"found: {', '.join(folds)}" if folds else "name its folder with --source"
            raise SERError(f"No fold_{fold}/*_train_fold_{fold}.jsonl in {folder}; {found}.")
        files = {None: whole[0]}
    map_file = folder / "label_map.json"
    words = read_json(map_file, "EmoBox label map") if map_file.is_file() else {}
    known = _people(speakers)
    rows = [
        _row(one, part, words, folder, data_folder, known)
        for part, path in files.items()
        for one in read_table(path).rows.values()
    ]
    columns = columns_of(rows)
    facts = read_facts(folder / FACTS)
    verdict = _verdict(rows, folder.name)
    logger.info(f"{folder.name}, fold {fold}: {verdict}.")
    facts["notes"] = f"EmoBox fold {fold}: {verdict}. {facts.get('notes', '')}".strip()
    labels = [
        *files.values(),
        map_file,
        folder / FACTS,
        *([Path(speakers)] if speakers else []),
    ]
    return Rows(folder, columns, as_text(rows, columns), labels, {"id": "id"}, facts)


def _row(
    one: Mapping,
    part: str | None,
    words: Mapping[str, str],
    folder: Path,
    data_folder: Path,
    people: Mapping[str, Mapping],
) -> dict:
    if not {"key", "wav", "emo"} <= one.keys():
        raise SERError(f"Bad line in {folder}: found {', '.join(one)}; expected key, wav, emo.")
    person = people.get(PurePath(one["wav"]).stem, {})
    row = {"id": one["key"], "path": local_path(one["wav"], folder, data_folder), "split": part}
    row |= {"start": one.get("start_time"), "stop": one.get("end_time"), **person}
    own = {key: value for key, value in one.items() if key not in NATIVE}
    if not any(column.endswith(".emotion") for column in own):
        own["emotion"] = words.get(str(one["emo"]), one["emo"])
    return {key: value for key, value in (row | own).items() if value is not None}


def _people(manifest: str | None) -> dict[str, dict]:
    """File name without suffix -> speaker, gender and text, from a manifest."""
    if manifest is None:
        return {}
    found = read_manifest(manifest)
    prefix = f"{found.card.get('name')}_"
    return {
        PurePath(entry["wav"]).stem: {
            "speaker": entry["speaker"] and entry["speaker"].removeprefix(prefix),
            "gender": entry["gender"],
            "text": entry["text"],
        }
        for entry in found.entries.values()
    }


def _verdict(rows: Sequence[Mapping], corpus: str) -> str:
    """Whether the speakers of training are in the test set as well."""
    parts = {
        part: {r["speaker"] for r in rows if r.get("split") == part and r.get("speaker")}
        for part in PARTS
    }
    if parts["train"] and parts["test"]:
        both = parts["train"] & parts["test"]
        if both:
            return f"{SHARED} ({len(both)} of the {len(parts['test'])} of the test set)"
        return DISJOINT
    known = VERDICTS.get(corpus)
    return (
        f"{known} (published folds)" if known else "whether its parts share speakers is unknown"
    )


FORMAT = Described(read, "EmoBox's data/NAME (as --source) and the audio files")
utterances, card = FORMAT.utterances, FORMAT.card
described, files = FORMAT.described, FORMAT.files


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    add = group.add_argument
    add("--source", metavar="DIR", help="EmoBox's folder data/NAME (default: the data folder)")
    add("--fold", type=int, metavar="N", help="which fold (default: 1)")
    add("--speakers", metavar="MANIFEST", help="take speakers from this manifest, by file name")
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write the whole corpus, and its official split as fold 1; the audio stays."""
    audio_of(data_folder, manifest)
    name, source = manifest.card["name"], manifest.card["default_source"]
    lines: dict[str | None, list[str]] = {}
    emotions = set()
    for row, entry in zip(rows, manifest.entries.values(), strict=True):
        frames, rate_hz = header_facts(data_folder, entry)
        emotion = row.get(f"{source}.emotion")
        emotions.add(emotion)
        record = {"key": row["id"], "dataset": name, "wav": row["path"], "type": "raw"}
        record |= {"sample_rate": rate_hz, "num_frame": frames, "task": "category"}
        record |= {"length": entry["duration"], "emo": emotion, "channel": 1}
        times = {"start_time": row.get("start"), "end_time": row.get("stop")}
        record |= {key: value for key, value in times.items() if value is not None}
        known = ("id", "path", "start", "stop", "split")
        record |= {key: value for key, value in row.items() if key not in known}
        lines.setdefault(row.get("split"), []).append(json.dumps(record, ensure_ascii=False))
    write_json(out / "label_map.json", {e: e for e in sorted(emotions - {None})})
    every = [line for part in lines.values() for line in part]
    write_text(out / f"{name}.jsonl", "\n".join(every) + "\n")
    unsplit = len(lines.pop(None, []))
    for part, found in lines.items():
        write_text(out / "fold_1" / f"{name}_{part}_fold_1.jsonl", "\n".join(found) + "\n")
    if lines and unsplit:
        return [f"{unsplit} utterances outside the split: only {name}.jsonl has them"]
    return []
