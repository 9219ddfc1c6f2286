"""audformat: any database of the audformat specification (db.yaml and its tables), or of audb.

All tables with labels are joined by file and segment. The splits of tables, and what the scheme
of speakers says of gender, language, age and accent, are read. Needs the package audformat;
--database downloads with the package audb.

    python -m data_prep audformat --name mine --data_folder database --manifest_folder manifests
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.common.convert import FACTS, audio_of, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import as_text, cell_of, columns_of
from ser_brain.core.errors import SERError, bad_value, one_line
from ser_brain.core.tables import require_package
from ser_brain.data.labels import DIMENSIONS, LABEL_SOURCES
from ser_brain.data.manifest import Manifest

if TYPE_CHECKING:
    import audformat

SPLITS = {"train": "train", "dev": "valid", "test": "test"}
PERSON = ("gender", "language", "age", "accent")  # what a scheme of speakers may say of each


def read(
    data_folder: Path,
    tables: str | Sequence[str] = (),
    database: str | None = None,
    database_version: str | None = None,
    **_: object,
) -> Rows:
    """A row for each file or segment that a table names."""
    require_package("audformat", "audformat", "A database of audformat")
    import audformat

    if database and not (data_folder / "db.yaml").is_file():
        require_package("audb", "audformat", f"--database {database}")
        import audb

        audb.load_to(str(data_folder), database, version=database_version)
    if not (data_folder / "db.yaml").is_file():
        raise SERError(f"No db.yaml in {data_folder}; expected a database of audformat.")
    try:
        db = audformat.Database.load(str(data_folder))
        chosen = _chosen(db, [tables] if isinstance(tables, str) else tables)
        found: dict[tuple, dict] = {}
        for name in chosen:
            _join(found, db, name)
    except SERError:
        raise
    except Exception as error:  # of any kind: it is somebody else's parser
        why = one_line(f"{type(error).__name__}: {error}")
        raise SERError(f"Cannot read the database {data_folder} ({why}).") from error
    rows = list(found.values())
    columns = columns_of(rows)
    labels = sorted(p for p in (*data_folder.glob("db.*"), data_folder / FACTS) if p.is_file())
    known = {"path": "path", **({"id": "id"} if "id" in columns else {})}
    facts = {**_header(db), **read_facts(data_folder / FACTS)}
    return Rows(data_folder, columns, as_text(rows, columns), labels, known, facts)


def _chosen(db: audformat.Database, asked: Sequence[str]) -> list[str]:
    for name in asked:
        if name not in db.tables:
            raise bad_value("table of the database", name, db.tables)
    return list(asked or db.tables)


def _join(found: dict[tuple, dict], db: audformat.Database, name: str) -> None:
    """Add the columns of one table to the rows; what an earlier table said stays."""
    table = db.tables[name]
    frame = table.get()
    split = db.splits[table.split_id].type if table.split_id else None
    people = _people(db, table)
    names = [*frame.columns]
    for index, *cells in frame.itertuples(name=None):
        file, *times = index if isinstance(index, tuple) else (index,)
        key = (str(file), *(_seconds(at) for at in times))
        row = found.setdefault(key, {"path": key[0]})
        if len(key) == 3 and (key[1] or key[2] is not None):
            row |= {what: at for what, at in zip(("start", "stop"), key[1:], strict=True) if at}
            row.setdefault("start", 0.0)
        said = {name: _plain(cell) for name, cell in zip(names, cells, strict=True)}
        said |= {"split": SPLITS.get(split, split)}
        about = people.get(said.get("speaker"), {})
        said |= {what: fact for what, fact in about.items() if what not in names}
        for what, value in said.items():
            if value is not None:
                row.setdefault(what, value)


def _seconds(at: object) -> float | None:
    return None if at != at else round(at.total_seconds(), 9)  # NaT is not itself


def _plain(cell: object) -> object:
    import pandas as pd

    if pd.isna(cell):
        return None
    return cell.item() if hasattr(cell, "item") else cell


def _people(db: audformat.Database, table: audformat.Table) -> dict[str, dict]:
    """Speaker -> what the scheme of the column ``speaker`` says of each."""
    column = table.columns.get("speaker") if "speaker" in table.columns else None
    labels = db.schemes[column.scheme_id].labels if column and column.scheme_id else None
    if not isinstance(labels, Mapping):
        return {}
    return {
        speaker: {key: str(about[key]) for key in PERSON if about.get(key)}
        for speaker, about in labels.items()
        if isinstance(about, Mapping)
    }


def _header(db: audformat.Database) -> dict:
    """What the header says that a card has."""
    facts = {"licence": db.license and str(db.license), "citation": db.source}
    facts["title"] = (db.description or "").strip().partition("\n")[0] or db.name
    facts["languages"] = tuple(db.languages or ())
    scales = {
        (float(scheme.minimum), float(scheme.maximum))
        for name, scheme in db.schemes.items()
        if name in DIMENSIONS and None not in (scheme.minimum, scheme.maximum)
    }
    if len(scales) == 1:
        (facts["vad_scale"],) = scales
    return {key: value for key, value in facts.items() if value}


FORMAT = Described(read, "db.yaml, the tables db.*.csv or db.*.parquet, and the audio files")
utterances, card = FORMAT.utterances, FORMAT.card
described, files, speakers = FORMAT.described, FORMAT.files, FORMAT.speakers


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    add = group.add_argument
    add("--tables", nargs="+", metavar="TABLE", help="tables to join (default: all)")
    add("--database", metavar="NAME", help="download it with audb into an empty data folder")
    add("--database_version", metavar="VERSION", help="of --database (default: the latest)")
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write db.yaml, a table for each split, and the audio (linked where that is possible)."""
    require_package("audformat", "audformat", "A database of audformat")
    import audformat
    import pandas as pd

    card = manifest.card
    for relative, path in audio_of(data_folder, manifest).items():
        place = out / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(path.resolve(), place)
            except OSError:  # another disk
                shutil.copyfile(path, place)
    db = audformat.Database(
        card["name"],
        source=card.get("citation") or "",
        usage=audformat.define.Usage.UNRESTRICTED,
        languages=list(card.get("languages") or ()),
        description=card.get("title"),
        license=card.get("licence"),
    )
    columns = [c for c in columns_of(rows) if c not in ("path", "start", "stop", "split")]
    _schemes(db, rows, columns, card)
    by_split: dict[str, list[Mapping]] = {}
    for row in rows:
        by_split.setdefault(row.get("split", ""), []).append(row)
    cut = any("start" in row or "stop" in row for row in rows)
    for split, found in by_split.items():
        paths = [row["path"] for row in found]
        if cut:
            starts = [pd.Timedelta(row.get("start", 0.0), "s") for row in found]
            ends = [pd.Timedelta(r["stop"], "s") if "stop" in r else pd.NaT for r in found]
            index = audformat.segmented_index(paths, starts, ends)
        else:
            index = audformat.filewise_index(paths)
        kind = {ours: theirs for theirs, ours in SPLITS.items()}.get(split)
        if kind:
            db.splits[kind] = audformat.Split(kind)
        table = db[f"utterances.{split}" if split else "utterances"] = audformat.Table(
            index, split_id=kind
        )
        for column in columns:
            source, _, what = column.rpartition(".")
            scheme = column if column in db.schemes else what if what in db.schemes else None
            rater = source if source in db.raters else None
            table[column] = audformat.Column(scheme_id=scheme, rater_id=rater)
            table[column].set([cell_of(row.get(column)) for row in found])
    db.save(str(out), storage_format="csv")
    return []


def _schemes(
    db: audformat.Database, rows: Sequence[Mapping], columns: Sequence[str], card: Mapping
) -> None:
    """Raters, and schemes of speakers, emotions and dimensions."""
    import audformat

    for source in LABEL_SOURCES:
        if any(column.startswith(f"{source}.") for column in columns):
            human = source not in ("intended",)
            db.raters[source] = audformat.Rater("human" if human else "other")
    people: dict[str, dict] = {}
    for row in rows:
        if "speaker" in row:
            about = {key: row[key] for key in PERSON if key in row}
            people.setdefault(row["speaker"], about)
    if people:
        db.schemes["speaker"] = audformat.Scheme("str", labels=people)
    emotions = sorted(
        {row[c] for row in rows for c in columns if c.endswith(".emotion") if c in row}
    )
    if emotions:
        db.schemes["emotion"] = audformat.Scheme("str", labels=emotions)
    low, high = card.get("vad_scale") or (None, None)
    for name in DIMENSIONS:
        if any(column.endswith(f".{name}") for column in columns):
            db.schemes[name] = audformat.Scheme("float", minimum=low, maximum=high)
    # Without a scheme, the code 07 would be read as a number.
    for column in (c for c in columns if c.rpartition(".")[2] not in db.schemes):
        kinds = {type(row[column]) for row in rows if column in row}
        kind = "int" if kinds == {int} else "float" if kinds <= {int, float} else "str"
        db.schemes[column] = audformat.Scheme(kind)
