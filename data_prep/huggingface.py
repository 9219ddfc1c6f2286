"""Hugging Face datasets: any folder of Parquet shards with an Audio column.

Shards are read row by row; no code of a dataset is run and nothing is downloaded. Names of
ClassLabel columns become their words. A shard's name tells its split (train-00000-of-00002).
Audio that is inside the shards is written to the folder audio/ beside them.

    python -m data_prep huggingface --name mine --data_folder dataset --emotion_column label \\
        --manifest_folder manifests
"""

from __future__ import annotations

import argparse
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import soundfile

from data_prep.common.convert import FACTS, audio_of, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import as_text, columns_of, text_of
from ser_brain.core.errors import SERError, one_line
from ser_brain.core.files import atomic_path
from ser_brain.core.tables import require_package
from ser_brain.data import audio
from ser_brain.data.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow as pa

SHARD = re.compile(r"(?:.*/)?(train|validation|valid|dev|test)\b[^/]*\.parquet")
SPLITS = {"validation": "valid", "dev": "valid"}
AUDIO = "audio"  # folder for what is inside the shards
BATCH = 256  # rows in memory at once
SHARD_BYTES = 400 << 20
SUFFIXES = {"WAV": ".wav", "FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3", "AIFF": ".aiff"}


def read(data_folder: Path, audio_column: str | None = None, **_: object) -> Rows:
    """A row for each utterance of every shard; writes the audio that shards contain."""
    require_package("pyarrow", "parquet", "A dataset of Parquet shards")
    shards = sorted(p for p in data_folder.rglob("*.parquet") if not p.name.startswith("."))
    if not shards:
        raise SERError(f"No *.parquet under {data_folder}; expected the shards of a dataset.")
    # Ours have a column of splits: shards call utterances without a split train.
    named = not (data_folder / FACTS).is_file()
    rows = [row for shard in shards for row in _rows(shard, data_folder, audio_column, named)]
    columns = columns_of(rows)
    known = {"path": "path", **({"id": "id"} if "id" in columns else {})}
    facts, labels = read_facts(data_folder / FACTS), [*shards, data_folder / FACTS]
    return Rows(data_folder, columns, as_text(rows, columns), labels, known, facts)


def _rows(
    shard: Path, data_folder: Path, audio_column: str | None, named: bool
) -> Iterator[dict]:
    """The rows of a shard; ``named``: its name tells the split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    relative = shard.relative_to(data_folder).as_posix()
    split = SHARD.fullmatch(relative)
    try:
        with pq.ParquetFile(shard) as file:
            names, column = _features(file.schema_arrow, audio_column, shard)
            number = 0
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    sound = row.pop(column)
                    for name, words in names.items():
                        code = row[name]
                        row[name] = None if code is None or code < 0 else words[code]
                    if named and split and "split" not in row:
                        row["split"] = SPLITS.get(split[1], split[1])
                    place = _place(sound, data_folder, shard.stem, number)
                    yield {k: v for k, v in row.items() if v is not None} | {"path": place}
                    number += 1
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        why = one_line(f"{type(error).__name__}: {error}")
        raise SERError(f"Cannot read {shard} ({why}).") from error


def _features(
    schema: pa.Schema, asked: str | None, shard: Path
) -> tuple[dict[str, list[str]], str]:
    """Words of the ClassLabel columns, and the column of audio."""
    metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = metadata.get("info", {}).get("features", {})
    kinds = {name: f.get("_type") for name, f in features.items() if isinstance(f, dict)}
    words = {n: features[n]["names"] for n, kind in kinds.items() if kind == "ClassLabel"}
    sounds = [n for n, kind in kinds.items() if kind == "Audio"]
    sounds = [asked] if asked else sounds or [n for n in schema.names if n == AUDIO]
    if len(sounds) != 1 or sounds[0] not in schema.names:
        has = ", ".join(schema.names)
        raise SERError(
            f"{shard} has {len(sounds)} columns of audio; name one with --audio_column. Its "
            f"columns are: {has}."
        )
    return words, sounds[0]


def _place(sound: object, data_folder: Path, shard: str, number: int) -> str | None:
    """The file of a row, relative to the data folder; written where the shard contains it."""
    if isinstance(sound, str) or not isinstance(sound, Mapping):
        return sound
    content, path = sound.get("bytes"), sound.get("path")
    if content is None:
        return path
    named = PurePosixPath((path or "").replace("\\", "/")).name
    suffix = PurePosixPath(named).suffix
    if suffix.lower() not in audio.SUFFIXES:
        try:
            suffix = SUFFIXES.get(soundfile.info(io.BytesIO(content)).format, ".wav")
        except soundfile.SoundFileError:
            suffix = ".wav"  # the preparation names what is wrong with it
    # Numbered: rows of one dataset often have the same name inside.
    stem = re.sub(r"[^\w.-]", "_", PurePosixPath(named).stem)[:80] or "row"
    place = f"{AUDIO}/{shard}-{number:06d}-{stem}{suffix}"
    there = data_folder / place
    if not (there.is_file() and there.stat().st_size == len(content)):
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(content)  # a file that was cut short has another size the next time
    return place


FORMAT = Described(read, "train-00000-of-00001.parquet ... with a column of audio")
utterances, card = FORMAT.utterances, FORMAT.card
described, files = FORMAT.described, FORMAT.files


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    what = "column of audio (default: the one of type Audio, or audio)"
    group.add_argument("--audio_column", metavar="COLUMN", help=what)
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write Parquet shards that hold the audio; ``load_dataset(OUT)`` gives an Audio column."""
    require_package("pyarrow", "parquet", "A dataset of Parquet shards")
    paths = audio_of(data_folder, manifest)
    cut = sum("start" in row or "stop" in row for row in rows)
    columns = [c for c in columns_of(rows) if c not in ("path", "start", "stop")]
    by_split: dict[str, list[Mapping]] = {}
    for row in rows:
        by_split.setdefault(row.get("split", "train"), []).append(row)
    for split, found in by_split.items():
        _write_split(out / "data", split, found, columns, paths)
    return [f"where {cut} utterances are in their files: each is a file now"] if cut else []


def _write_split(
    folder: Path,
    split: str,
    rows: Sequence[Mapping],
    columns: Sequence[str],
    paths: Mapping[str, Path],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {column: _kind(rows, column) for column in columns}
    sound = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    features = {"audio": {"_type": "Audio"}}
    features |= {c: {"dtype": str(t), "_type": "Value"} for c, t in kinds.items()}
    schema = pa.schema([("audio", sound), *kinds.items()])
    info = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = schema.with_metadata(info)
    total = sum(paths[row["path"]].stat().st_size for row in rows)
    count = max(1, -(-total // SHARD_BYTES))
    size = -(-len(rows) // count)
    for shard in range(count):
        part = rows[shard * size : (shard + 1) * size]
        hub = SPLITS_OF_HUB.get(split, split)
        with atomic_path(folder / f"{hub}-{shard:05d}-of-{count:05d}.parquet") as temporary:
            with pq.ParquetWriter(temporary, schema) as writer:
                for first in range(0, len(part), BATCH):
                    some = part[first : first + BATCH]
                    cells = {c: [_cell(r.get(c), kinds[c]) for r in some] for c in columns}
                    cells["audio"] = [_sound(row, paths[row["path"]]) for row in some]
                    writer.write_table(pa.table(cells, schema=schema))


SPLITS_OF_HUB = {"valid": "validation"}


def _kind(rows: Sequence[Mapping], column: str) -> pa.DataType:
    import pyarrow as pa

    kinds = {type(row[column]) for row in rows if column in row}
    return (
        pa.int64() if kinds == {int} else pa.float64() if kinds <= {int, float} else pa.string()
    )


def _cell(value: object, kind: pa.DataType) -> object:
    return text_of(value) if str(kind) == "string" and value is not None else value


def _sound(row: Mapping, path: Path) -> dict:
    """The file as it is; of a part of a file, that part as 16-bit FLAC of the same rate."""
    if "start" not in row and "stop" not in row:
        return {"bytes": path.read_bytes(), "path": path.name}
    try:
        samples, rate_hz = audio.read(path, row.get("start"), row.get("stop"))
    except audio.AudioProblem as problem:
        raise SERError(f"Cannot read {path}: {problem}.") from None
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format="FLAC")
    return {"bytes": content.getvalue(), "path": f"{row['id'].replace('/', '_')}.flac"}
