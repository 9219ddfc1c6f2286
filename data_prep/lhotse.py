"""Lhotse: any corpus with a recordings and a supervisions manifest (.jsonl or .jsonl.gz).

Speaker, gender, language and text are those of the supervisions; labels are in their custom
fields (emotion, or SOURCE.emotion, SOURCE.valence ...). Nothing of Lhotse is needed.

    python -m data_prep lhotse --name mine --data_folder corpora/mine --source lhotse \\
        --manifest_folder manifests
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.common.convert import FACTS, audio_of, header_facts, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import as_text, columns_of
from ser_brain.core.errors import SERError
from ser_brain.core.files import atomic_path
from ser_brain.core.tables import read_table
from ser_brain.data.audio import CHANNELS, with_channel
from ser_brain.data.manifest import Manifest

RECORDINGS, SUPERVISIONS = "*recordings*.jsonl*", "*supervisions*.jsonl*"
OWN = ("speaker", "gender", "language", "text")  # fields of a supervision


def read(data_folder: Path, source: str | None = None, **_: object) -> Rows:
    """A row for each supervision."""
    folder = data_folder / (source or "")
    found = {what: sorted(folder.glob(what)) for what in (RECORDINGS, SUPERVISIONS)}
    for what, files in found.items():
        if not files:
            raise SERError(f"No {what} in {folder}; name their folder with --source.")
    lines = {w: [r for f in files for r in _records(f)] for w, files in found.items()}
    recordings = {one.get("id"): one for one in lines[RECORDINGS]}
    rows = [_row(one, recordings, folder, data_folder) for one in lines[SUPERVISIONS]]
    columns = columns_of(rows)
    facts = read_facts(folder / FACTS)
    files = [*found[RECORDINGS], *found[SUPERVISIONS], folder / FACTS]
    return Rows(folder, columns, as_text(rows, columns), files, {"id": "id"}, facts)


def _records(path: Path) -> list[dict]:
    return list(read_table(path).rows.values())


def _row(
    supervision: Mapping, recordings: Mapping[str, Mapping], folder: Path, data_folder: Path
) -> dict:
    try:
        recording = recordings[supervision["recording_id"]]
        (source,) = recording["sources"]
        start, length = float(supervision["start"]), float(supervision["duration"])
        whole = start == 0 and abs(length - recording["duration"]) < 1e-3
        kind, place = source["type"], source["source"]
        stereo = len(recording.get("channel_ids") or ()) == len(CHANNELS)
        side = CHANNELS[supervision.get("channel", 0)] if stereo else None
    except (LookupError, ValueError, TypeError) as error:
        raise SERError(
            f"Bad supervision {supervision.get('id')!r} in {folder} ({error!r}); expected a "
            "recording with one file as its source, a start, a duration, a channel."
        ) from error
    if kind != "file":
        raise SERError(f"Recording {recording['id']!r} is of type {kind}; only files are read.")
    row = {"id": supervision["id"], "path": local_path(place, folder, data_folder)}
    if side is not None:
        row["path"] = with_channel(row["path"], side)
    row |= {} if whole else {"start": start, "stop": round(start + length, 6)}
    row |= {key: supervision[key] for key in OWN if supervision.get(key)}
    return row | (supervision.get("custom") or {})


def local_path(path: str, folder: Path, data_folder: Path) -> str:
    """A path as its format writes it -> relative to the data folder.

    It may be absolute, or relative to the data folder or else to the format's own.
    """
    if not os.path.isabs(path) and not (data_folder / path).exists():
        path = str(folder / path)
    return os.path.relpath(data_folder / path, data_folder)


FORMAT = Described(read, "*recordings*.jsonl.gz, *supervisions*.jsonl.gz and the audio files")
utterances, card = FORMAT.utterances, FORMAT.card
described, files = FORMAT.described, FORMAT.files


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    where = "folder of the manifests (default: the data folder)"
    group.add_argument("--source", metavar="DIR", help=where)
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write ``recordings.jsonl.gz`` and ``supervisions.jsonl.gz``; the audio stays."""
    audio_of(data_folder, manifest)
    recordings, supervisions = {}, []
    for row, entry in zip(rows, manifest.entries.values(), strict=True):
        path = row["path"]
        if path not in recordings:
            frames, rate_hz = header_facts(data_folder, entry)
            source = {"type": "file", "channels": [0], "source": str(data_folder / path)}
            recordings[path] = {
                "id": path,
                "sources": [source],
                "sampling_rate": rate_hz,
                "num_samples": frames,
                "duration": frames / rate_hz,
                "channel_ids": [0],
            }
        custom = {
            k: v for k, v in row.items() if k not in ("id", "path", "start", "stop", *OWN)
        }
        supervisions.append(
            {
                "id": row["id"],
                "recording_id": path,
                "start": row.get("start", 0.0),
                "duration": entry["duration"],
                "channel": 0,
                **{key: row[key] for key in OWN if key in row},
                "custom": custom,
            }
        )
    for name, records in (("recordings", recordings.values()), ("supervisions", supervisions)):
        text = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
        with atomic_path(out / f"{name}.jsonl.gz") as temporary:
            Path(temporary).write_bytes(gzip.compress(text.encode(), mtime=0))
    return []
