"""Any corpus with a table: CSV, JSON lines, a workbook or Parquet, one row per utterance.

The table needs a column of audio paths, and columns of emotions or of valence, arousal and
dominance. Columns with a common name (path or file, emotion or label, start and end ...) need
no option. The log lists the columns that are read and those that are not. With --rater_column
there is one row per rater, and the votes are counted. Of a table that ser predict wrote, the
answers are labels of the source teacher, and the probabilities its votes.

    python -m data_prep table --name mine --csv labels.csv --data_folder corpora/mine \\
        --manifest_folder manifests --emotion_map W=anger F=happiness
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data_prep.common.convert import FACTS_SUFFIX, read_facts
from data_prep.common.described import Described, Rows
from data_prep.common.flat import cell_of, columns_of, teacher_columns
from data_prep.common.table_columns import read_table
from ser_brain.core.errors import SERError, bad_value, nearest
from ser_brain.core.files import atomic_path, write_text
from ser_brain.core.tables import csv_text, require_package
from ser_brain.data.manifest import CorpusCard, Manifest, Problem, Utterance

TABLE = re.compile(r"\.([ct]sv|jsonl?|txt|xlsx?|parquet)(\.gz)?$")


def read(data_folder: Path, csv: str, **_: object) -> Rows:
    """The table as it is."""
    path = data_folder / csv
    if not path.is_file():
        there = [p.name for p in path.parent.glob("*") if TABLE.search(p.name)]
        found = f"; found: {', '.join(nearest(path.name, there))}" if there else ""
        raise SERError(f"No table {path}{found}. Name it with --csv.")
    columns, rows = read_table(path)
    ours = teacher_columns(columns)
    columns = [ours.get(column, column) for column in columns]
    rows = {n: {ours.get(c, c): cell for c, cell in row.items()} for n, row in rows.items()}
    facts = Path(f"{path}{FACTS_SUFFIX}")
    known = {"id": "id"} if facts.is_file() and "id" in columns else {}  # one of ours
    return Rows(path, columns, rows, [path, facts], known, read_facts(facts))


FORMAT = Described(read, "{csv} and the audio files it names")
described = FORMAT.described


def utterances(
    data_folder: Path, name: str, csv: str, **options: object
) -> Iterator[Utterance | Problem]:
    """Every row of the table. The options are the command's (see its ``--help``)."""
    return FORMAT.utterances(data_folder, name, csv=csv, **options)


def card(name: str, csv: str, **options: object) -> CorpusCard:
    """The card, as the options describe the corpus."""
    return FORMAT.card(name, csv=csv, **options)


def files(
    data_folder: Path, name: str, csv: str, **options: object
) -> tuple[list[Path], list[Path]]:
    """The audio files that the table names, and the table; logs which columns are read."""
    return FORMAT.files(data_folder, name, csv=csv, **options)


def speakers(
    data_folder: Path, name: str, csv: str, **options: object
) -> dict[str, dict[str, object]]:
    """Age and accent of the speakers, where the table says them."""
    return FORMAT.speakers(data_folder, csv=csv, **options)


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    csv = "the table, relative to the data folder or absolute; CSV and JSON lines also as .gz"
    group.add_argument("--csv", help=csv)
    FORMAT.add_options(group)


def write(
    out: Path, rows: Sequence[Mapping], manifest: Manifest, data_folder: Path
) -> list[str]:
    """Write .csv, .jsonl (also .gz), .xlsx or .parquet."""
    kind = TABLE.search(out.name)
    kind = kind[1] if kind else ""
    if kind not in WRITERS:
        raise bad_value("--out of a table", out.name, [f"NAME.{each}" for each in WRITERS])
    WRITERS[kind](out, rows, columns_of(rows))
    numbers = (v for row in rows for v in row.values() if isinstance(v, float))
    if kind == "xlsx" and any(float(f"{number:.16g}") != number for number in numbers):
        return ["the 17th digit of numbers"]
    return []


def _csv(out: Path, rows: Sequence[Mapping], columns: Sequence[str]) -> None:
    cells = [[cell_of(row.get(column)) for column in columns] for row in rows]
    _text(out, csv_text([columns, *cells]))


def _jsonl(out: Path, rows: Sequence[Mapping], _: Sequence[str]) -> None:
    _text(out, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _text(out: Path, text: str) -> None:
    if out.suffix != ".gz":
        write_text(out, text)
        return
    with atomic_path(out) as temporary:
        Path(temporary).write_bytes(gzip.compress(text.encode(), mtime=0))


def _xlsx(out: Path, rows: Sequence[Mapping], columns: Sequence[str]) -> None:
    require_package("openpyxl", "xlsx", f"{out.name} is a workbook")
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("utterances")
    for line in [columns, *([cell_of(row.get(column)) for column in columns] for row in rows)]:
        sheet.append(list(line))
    with atomic_path(out) as temporary:
        book.save(temporary)


def _parquet(out: Path, rows: Sequence[Mapping], columns: Sequence[str]) -> None:
    require_package("pyarrow", "parquet", f"{out.name} is a Parquet file")
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = {column: [cell_of(row.get(column)) for row in rows] for column in columns}
    with atomic_path(out) as temporary:
        pq.write_table(pa.table(cells), temporary)


WRITERS = {"csv": _csv, "jsonl": _jsonl, "xlsx": _xlsx, "parquet": _parquet}
