"""Any corpus with a table: CSV or JSON lines, one row per utterance.

The table needs a column of audio paths, and columns of emotions or of valence, arousal and
dominance. Columns with a common name (path or file, emotion or label, start and end ...) need
no option. The log lists the columns that are read and those that are not.

    python -m data_prep table --name mine --csv labels.csv --data_folder corpora/mine \\
        --manifest_folder manifests --emotion_map W=anger F=happiness
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data_prep import corpora
from data_prep.common.table_cells import CODED, Cells, language_code, meanings_of
from data_prep.common.table_columns import COLUMNS, read_table, used_columns
from ser_brain.core.errors import SERError, bad_value, nearest
from ser_brain.core.log import get_logger
from ser_brain.data.labels import DIMENSIONS, LABEL_SOURCES, annotation, require_own_emotions
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

logger = get_logger(__name__)
TABLE = re.compile(r"\.([ct]sv|jsonl?|txt|xlsx?)(\.gz)?$")


def utterances(
    data_folder: Path,
    name: str,
    csv: str,
    own_emotions: str | Sequence[str] = (),
    vad_scale: Sequence[float] | None = None,
    label_source: str = "intended",
    **options: object,
) -> Iterator[Utterance | Problem]:
    """Every row of the table. The options are the command's (see its ``--help``)."""
    path, columns, rows, used = _read(data_folder, csv, **options)
    rated = [dimension for dimension in DIMENSIONS if dimension in used]
    if not rated and "emotion" not in used:
        has = ", ".join(nearest("emotion", columns))
        raise SERError(
            f"{path} has no labels: no column is called emotion, valence or arousal. Its "
            f"columns are: {has}. Name one with --emotion_column."
        )
    if rated and vad_scale is None:
        raise SERError(
            f"{path} has {', '.join(rated)}; give their scale with --vad_scale LOW HIGH, or "
            f"ignore them with --ignore_columns {' '.join(used[each] for each in rated)}."
        )
    cells = [Cells(row, used, path, line) for line, row in rows.items()]
    own = _listed(own_emotions)
    meant = {what: _meant(what, cells, options.get(f"{what}_map"), path, own) for what in CODED}
    endless = 0
    for one, *codes in zip(cells, *meant.values(), strict=True):
        said = dict(zip(meant, codes, strict=True))
        relative = one.path(data_folder)
        if isinstance(relative, Problem):
            yield relative
            continue
        vad = one.vad(vad_scale)
        start, stop = one.part()
        endless += start is not None and stop is None
        yield Utterance(
            name=one.name(relative),
            path=relative,
            labels={
                label_source: annotation(
                    said["emotion"],
                    one.code("emotion") if said["emotion"] else one.text("emotion"),
                    **({"vad": vad} if vad else {}),
                )
            },
            speaker=one.text("speaker"),
            gender=said["gender"],
            language=said["language"],
            group=one.text("group"),
            split=said["split"],
            text=one.text("text"),
            start=start,
            stop=stop,
        )
    if endless:
        logger.warning(
            f"{name}: {endless} utterances have a start and no stop; they end with their files."
        )


def card(
    name: str,
    csv: str,
    language: str | None = None,
    vad_scale: Sequence[float] | None = None,
    label_source: str = "intended",
    emotion_map: Mapping[str, str | None] | None = None,
    own_emotions: str | Sequence[str] = (),
    title: str | None = None,
    licence: str | None = None,
    **_: object,
) -> CorpusCard:
    """The card, as the options describe the corpus."""
    if not name.isidentifier() or name in corpora():
        raise SERError(
            f"Bad name {name!r}; expected letters, digits and _, like my_corpus, and none of "
            f"{', '.join(corpora())}."
        )
    if label_source not in LABEL_SOURCES:
        raise bad_value("label_source", label_source, LABEL_SOURCES)
    if vad_scale is not None and not (len(vad_scale) == 2 and vad_scale[0] < vad_scale[1]):
        raise SERError(f"Bad vad_scale {vad_scale}; expected two numbers LOW HIGH, like 1 5.")
    return CorpusCard(
        name=name,
        title=title or name,
        version="not stated",
        licence=licence or "not stated",
        citation="not stated",
        languages=(language_code(language),) if language else (),
        style="not stated",
        emotions={raw: e for raw, e in (emotion_map or {}).items() if e},
        sources=(label_source,),
        layout=f"{csv} and the audio files it names",
        vad_scale=tuple(map(float, vad_scale)) if vad_scale is not None else None,
        own_emotions=require_own_emotions(_listed(own_emotions), "--own_emotions"),
    )


def files(
    data_folder: Path, name: str, csv: str, **options: object
) -> tuple[list[Path], list[Path]]:
    """The audio files that the table names, and the table; logs which columns are read."""
    path, columns, rows, used = _read(data_folder, csv, **options)
    read = ", ".join(w if w == column else f"{w} ({column})" for w, column in used.items())
    logger.info(f"{name}: {path.name}: columns read: {read}.")
    unused = [column or "(no name)" for column in columns if column not in used.values()]
    if unused:
        logger.warning(f"{name}: {path.name}: columns not used: {', '.join(unused)}.")
    found = {Cells(row, used, path, line).path(data_folder) for line, row in rows.items()}
    return sorted(data_folder / found for found in found if isinstance(found, str)), [path]


def add_options(group: argparse._ArgumentGroup) -> None:
    """What :func:`utterances` takes."""
    group.add_argument("--name", help="name of the corpus, first part of every id")
    csv = "the table, relative to the data folder or absolute: CSV or JSON lines, also .gz"
    group.add_argument("--csv", help=csv)
    for what, meaning in COLUMNS.items():
        group.add_argument(
            f"--{what}_column", metavar="COLUMN", help=f"{meaning} (default: {what})"
        )
    misleading = "columns whose names are misleading"
    group.add_argument("--ignore_columns", nargs="+", metavar="COLUMN", help=misleading)
    for what, example in CODED.items():
        group.add_argument(
            f"--{what}_map",
            nargs="+",
            metavar=f"RAW={what.upper()}",
            action=_Pairs,
            help=f"meaning of the table's {what} codes, such as {example}; everyday words need "
            "no entry",
        )
    group.add_argument(
        "--own_emotions",
        nargs="+",
        metavar="CLASS",
        help="classes beyond the known emotions, such as confusion interest",
    )
    scale = "scale of valence, arousal and dominance, such as 1 5"
    group.add_argument("--vad_scale", nargs=2, type=float, metavar=("LOW", "HIGH"), help=scale)
    source = f"where the labels come from: {', '.join(LABEL_SOURCES)} (default: intended)"
    group.add_argument("--label_source", metavar="SOURCE", help=source)
    group.add_argument("--language", metavar="CODE", help="ISO 639 code, such as kor")
    group.add_argument("--title", help="for the corpus card")
    group.add_argument("--licence", help="for the corpus card")


class _Pairs(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        pairs = {}
        for value in values:
            raw, equals, emotion = value.rpartition("=")
            if not equals or not raw:
                parser.error(f"bad {option_string} {value!r}; expected RAW=EMOTION")
            pairs[raw] = emotion
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest, None) or {}), **pairs})


def _read(
    data_folder: Path,
    csv: str,
    ignore_columns: str | Sequence[str] = (),
    **options: object,
) -> tuple[Path, list[str], dict[int, dict[str, str]], dict[str, str]]:
    """The table: its path, columns, rows by line, and the columns that are read."""
    path = data_folder / csv
    if not path.is_file():
        there = [p.name for p in path.parent.glob("*") if TABLE.search(p.name)]
        found = f"; found: {', '.join(nearest(path.name, there))}" if there else ""
        raise SERError(f"No table {path}{found}. Name it with --csv.")
    columns, rows = read_table(path)
    named = {what: options.get(f"{what}_column") for what in COLUMNS}
    asked = {what: column for what, column in named.items() if column}
    used = used_columns(path, columns, asked, _listed(ignore_columns))
    if "path" not in used:
        has = ", ".join(nearest("path", columns))
        raise SERError(
            f"{path} has no column called path; name the one with the audio files with "
            f"--path_column. Its columns are: {has}."
        )
    return path, columns, rows, used


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    """A list of names, of which YAML may give one alone."""
    return [names] if isinstance(names, str) else names


def _meant(
    what: str,
    cells: Sequence[Cells],
    given: Mapping[str, str | None] | None,
    table: Path,
    own_emotions: Sequence[str],
) -> list[str | None]:
    if given and not any(what in one.used for one in cells):
        raise SERError(
            f"{table} has no {what} column for --{what}_map; name it with --{what}_column."
        )
    codes = [one.code(what) for one in cells]
    return meanings_of(what, codes, given or {}, table, own_emotions)
