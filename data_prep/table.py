"""Any corpus that a CSV file describes: one row per utterance, columns named by options.

The table needs a column of audio paths, and one of emotions or some of valence, arousal and
dominance. Columns that are called ``path``, ``emotion``, ``speaker`` ... need no option.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data_prep import corpora
from data_prep._csv import read_table, require_columns
from data_prep._table_emotions import emotions_of
from data_prep._table_rows import COLUMNS, Cells, language_code
from ser_brain.corpus_card import CorpusCard, Problem, Utterance
from ser_brain.errors import SERError, bad_value, nearest
from ser_brain.labels import DIMENSIONS, LABEL_SOURCES, annotation


def utterances(
    data_folder: Path,
    name: str,
    csv: str,
    path_column: str | None = None,
    emotion_column: str | None = None,
    valence_column: str | None = None,
    arousal_column: str | None = None,
    dominance_column: str | None = None,
    speaker_column: str | None = None,
    gender_column: str | None = None,
    language_column: str | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    text_column: str | None = None,
    start_column: str | None = None,
    stop_column: str | None = None,
    emotion_map: Mapping[str, str | None] | None = None,
    vad_scale: Sequence[float] | None = None,
    label_source: str = "intended",
    language: str | None = None,
    title: str | None = None,
    licence: str | None = None,
) -> Iterator[Utterance | Problem]:
    """Every row of the table. The parameters are the command's options (see its ``--help``)."""
    given = {key: value for key, value in locals().items() if key.endswith("_column")}
    path = _csv_path(data_folder, csv)
    columns, rows = read_table(path)
    used = _used_columns(path, columns, given)
    if not used.keys() & {"emotion", *DIMENSIONS}:
        has = ", ".join(nearest("emotion", columns))
        raise SERError(
            f"{path} has no labels: no column is called emotion, valence or arousal. Its "
            f"columns are: {has}; name one with --emotion_column."
        )
    if used.keys() & set(DIMENSIONS) and vad_scale is None:
        raise SERError(
            f"{path} has {', '.join(d for d in DIMENSIONS if d in used)}; "
            "say on which scale with --vad_scale LOW HIGH."
        )
    cells = [Cells(row, used, path, line) for line, row in rows.items()]
    emotions = emotions_of([c.text("emotion") for c in cells], emotion_map or {}, path)
    for one, emotion in zip(cells, emotions, strict=True):
        relative = one.path(data_folder)
        if relative is None:
            yield Problem(*one.lost_path())
            continue
        vad = one.vad(vad_scale)
        yield Utterance(
            name=one.name(relative),
            path=relative,
            labels={
                label_source: annotation(
                    emotion, one.text("emotion"), **({"vad": vad} if vad else {})
                )
            },
            speaker=one.text("speaker"),
            gender=one.gender(),
            language=language_code(one.text("language")),
            group=one.text("group"),
            split=one.split(),
            text=one.text("text"),
            start=one.number("start"),
            stop=one.number("stop"),
        )


def card(
    name: str,
    csv: str,
    language: str | None = None,
    vad_scale: Sequence[float] | None = None,
    label_source: str = "intended",
    emotion_map: Mapping[str, str | None] | None = None,
    title: str | None = None,
    licence: str | None = None,
    **_: object,
) -> CorpusCard:
    """What the options say of the corpus."""
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
    )


def files(data_folder: Path, csv: str, **options: object) -> tuple[list[Path], list[Path]]:
    """The audio files that the table names, and the table."""
    path = _csv_path(data_folder, csv)
    columns, rows = read_table(path)
    given = {key: value for key, value in options.items() if key.endswith("_column")}
    used = {"path": _used_columns(path, columns, given)["path"]}
    found = {Cells(row, used, path, line).path(data_folder) for line, row in rows.items()}
    return sorted(data_folder / relative for relative in found if relative), [path]


def add_options(group: argparse._ArgumentGroup) -> None:
    """The options, named like the parameters of :func:`utterances`."""
    group.add_argument("--name", help="name of the corpus, first part of every id")
    group.add_argument("--csv", help="the table, relative to the data folder or absolute")
    for what, meaning in COLUMNS.items():
        group.add_argument(f"--{what}_column", metavar="COLUMN", help=f"{meaning} [{what}]")
    group.add_argument(
        "--emotion_map",
        nargs="+",
        metavar="RAW=EMOTION",
        action=_Pairs,
        help="what the table's codes mean, e.g. W=anger xx=none; everyday words (angry, sad "
        "...) need no entry",
    )
    group.add_argument(
        "--vad_scale",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="scale of valence, arousal and dominance, e.g. 1 5",
    )
    group.add_argument(
        "--label_source",
        metavar="SOURCE",
        help=f"where the labels come from: {', '.join(LABEL_SOURCES)} [intended]",
    )
    group.add_argument("--language", metavar="CODE", help="ISO 639-3, e.g. kor")
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


def _csv_path(data_folder: Path, csv: str) -> Path:
    path = data_folder / csv
    if not path.is_file():
        there = (
            sorted(p.name for p in path.parent.glob("*.[ct]sv")) if path.parent.is_dir() else []
        )
        found = f"; there are: {', '.join(nearest(path.name, there))}" if there else ""
        raise SERError(f"No table {path}{found}. Name it with --csv.")
    return path


def _used_columns(path: Path, columns: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """What -> column: those given, and those that are called what they are."""
    named = {key.removesuffix("_column"): column for key, column in given.items() if column}
    require_columns(path, columns, named.values())
    by_itself = {what: what for what in COLUMNS if what in columns}
    used = {**by_itself, **named}
    if "path" not in used:
        has = ", ".join(nearest("path", columns))
        raise SERError(
            f"{path} has no column called path; name the one with the audio files with "
            f"--path_column. Its columns are: {has}."
        )
    return used
