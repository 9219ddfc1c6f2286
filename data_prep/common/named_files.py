"""Files that are known by their names, in whatever folders a copy of a corpus keeps them.

Copies of one corpus differ in their folders: the official archive, one flat folder, an archive
unpacked into a folder of its own name, everything twice. Their file names do not differ. A
corpus whose ``FILES`` is a regular expression is found in all of these.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from data_prep.common.table_columns import read_table, require_columns
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

T = TypeVar("T")
DEPTH = 7  # folders below the data folder that are searched; also ends a loop of links


class Named(NamedTuple):
    """An audio file whose name follows a pattern."""

    path: str  # relative to the data folder
    match: re.Match  # of the end of the path without its suffix

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.path.rpartition("/")[2].rpartition(".")[0]


def every_file(folder: Path, depth: int = DEPTH) -> Iterator[str]:
    """Relative paths of the files in a folder, those in fewer folders first, then by name.

    Hidden folders and files are left out, and so is ``__MACOSX``.
    """
    level = [""]
    for _ in range(depth + 1):
        below, files = [], []
        for inside in level:
            try:
                entries = list(os.scandir(folder / inside))
            except OSError:  # without permission: reported among the strays
                continue
            for entry in entries:
                if entry.name.startswith((".", "__MACOSX")):
                    continue
                path = f"{inside}{entry.name}"
                if entry.is_dir():
                    below.append(f"{path}/")
                else:
                    files.append(path)
        yield from sorted(files)
        level = sorted(below)


def named_files(
    folder: Path, pattern: re.Pattern, depth: int = DEPTH
) -> Iterator[Named | Problem]:
    """Every audio file whose path ends with the pattern, once; its further copies as problems.

    A second file with the same name and size is harmless. With another size it may be another
    recording: nobody can tell which of the two is meant, so it counts as damage.

    Parameters
    ----------
    pattern : re.Pattern
        Of the whole name without its suffix, and with ``/`` of the folders above it.
    """
    ends = re.compile(rf"(?:.*/)?({pattern.pattern})", pattern.flags)
    first: dict[str, str] = {}
    for path in every_file(folder, depth):
        stem, _, suffix = path.rpartition(".")
        if f".{suffix.lower()}" not in audio.SUFFIXES or not (match := ends.fullmatch(stem)):
            continue
        name = match[1].casefold()
        if name not in first:
            first[name] = path
            yield Named(path, pattern.fullmatch(match[1]))
        elif _size(folder / path) == _size(folder / first[name]):
            yield Problem("second copy of a file", path, harmless=True)
        else:
            yield Problem(f"another file with the name of {first[name]}", path)


def by_name(
    folder: Path, pattern: re.Pattern, read: Callable[[Named], Utterance | Problem]
) -> Iterator[Utterance | Problem]:
    """The utterances of a corpus whose file names tell everything; ``read`` makes one."""
    for found in named_files(folder, pattern):
        yield found if isinstance(found, Problem) else read(found)


def utterance(
    card: CorpusCard, named: Named, raw: str, intensity: str | None = None, **facts: object
) -> Utterance:
    """The utterance of a file whose name tells the emotion, from the card's first source."""
    label = annotation(card.emotion(raw), raw, intensity=intensity)
    return Utterance(named.stem, named.path, {card.sources[0]: label}, **facts)


def audio_paths(folder: Path, pattern: re.Pattern) -> list[Path]:
    """The files of :func:`named_files` and their copies, for the fingerprint."""
    return sorted(folder / found.path for found in named_files(folder, pattern))


def has_more(folder: Path, than: Path, pattern: re.Pattern, depth: int = 4) -> bool:
    """Whether a folder has recordings of a corpus that one of its subfolders lacks."""

    def names(where: Path) -> Iterator[str]:
        found = named_files(where, pattern, depth)
        return (one.match[0].casefold() for one in found if isinstance(one, Named))

    there = set(names(than))
    return any(name not in there for name in names(folder))


def label_files(folder: Path, *names: str) -> list[Path]:
    """Files with one of these names (in any case) in any folder, the outermost first."""
    wanted = {name.lower() for name in names}
    there = every_file(folder)
    return [folder / path for path in there if path.rpartition("/")[2].lower() in wanted]


def rows_of(folder: Path, names: Iterable[str], needed: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a label table that is somewhere in the data folder under one of its names.

    Two tables with the same content are one. Without a table there are no rows.

    Raises
    ------
    SERError
        Where tables differ, or lack one of the ``needed`` columns.
    """
    found = label_files(folder, *names)
    if not found:
        return []
    if len({path.read_bytes() for path in found}) > 1:
        listed = " and ".join(str(path.relative_to(folder)) for path in found)
        raise SERError(f"{folder} has label tables that differ: {listed}. Keep one of them.")
    columns, rows = read_table(found[0])
    require_columns(found[0], columns, needed)
    return list(rows.values())


def lines_of(path: Path, delimiter: str = ",") -> Iterator[list[str]]:
    """The lines of a table one by one, for tables that are too large to keep."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            yield from reader
        except csv.Error as error:
            raise SERError(f"{path}, line {reader.line_num}: {error}.") from error


def labelled(
    folder: Path,
    pattern: re.Pattern,
    rows: Mapping[str, T],
    key: Callable[[Named], str] = lambda named: named.stem,
    known_bad: Iterable[str] = (),
) -> Iterator[tuple[Named, T] | Problem]:
    """Join audio files with the rows of a table; what lacks the other is a problem.

    Without rows or without files there is nothing: this is no copy of the corpus.
    ``known_bad`` are keys of recordings that every copy lacks.
    """
    if not rows:
        return
    seen = set()
    for named in named_files(folder, pattern):
        if isinstance(named, Problem):
            yield named
        elif key(named) in rows:
            seen.add(key(named))
            yield named, rows[key(named)]
        else:
            yield Problem("without a label", named.path)
    if seen:
        for name in rows:
            if name not in seen:
                yield Problem("missing", name, harmless=name in known_bad)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
