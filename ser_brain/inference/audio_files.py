"""The files ``ser predict`` is given: paths, patterns, folders, paths on standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.inference.inputs import SUFFIXES, below, kinds, no_audio
from ser_brain.log import get_logger

logger = get_logger(__name__)

STDIN = "-"


def audio_files(inputs: Sequence[str], stdin: Iterable[str] = ()) -> list[Path]:
    """Every file that the inputs name, each once, in the order of the inputs.

    Parameters
    ----------
    inputs : sequence of str
        A file (taken whatever its suffix; one that is missing is reported with those that
        cannot be read), a folder (every audio file below it, in order of names), a pattern
        such as ``'clips/**/*.flac'`` (every audio file it matches, or below a folder it
        matches), or ``-`` for paths on standard input.
    stdin : iterable of str
        Lines, each a file or a folder.

    Raises
    ------
    SERError
        If a folder or a pattern leads to no audio, or nothing is named.
    """
    found = [path for text in inputs for path in _named(text, stdin)]
    if not found:
        raise SERError("No path on standard input; expected one a line.")
    return list(dict.fromkeys(found))


def _named(text: str, stdin: Iterable[str]) -> Iterator[Path]:
    if text == STDIN:
        lines = (line.rstrip("\r\n") for line in stdin)
        for line in filter(None, lines):
            yield from _file_or_folder(Path(line))
    elif glob.has_magic(text) and not os.path.lexists(text):
        matches = map(Path, sorted(glob.glob(text, recursive=True)))
        found = [file for match in matches for file in below(match)]
        yield from _audio_of(found, f"the pattern {text!r}")
    else:
        yield from _file_or_folder(Path(text))


def _file_or_folder(path: Path) -> Iterable[Path]:
    return _audio_of(below(path), f"the folder {path}") if path.is_dir() else [path]


def _audio_of(files: Sequence[Path], where: str) -> list[Path]:
    """Those with a suffix of audio; the others are counted."""
    audio = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not audio:
        raise no_audio(where, files)
    others = [file for file in files if file.suffix.lower() not in SUFFIXES]
    if others:
        logger.info(f"Files in {where} that are passed over by their suffix: {kinds(others)}.")
    return audio
