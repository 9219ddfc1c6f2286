"""What lies in a data folder and belongs to nothing: named and counted, never fatal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from data_prep import Corpus
from data_prep._check import unread_format
from ser_brain.corpus_card import Problem

TO_CONVERT = {".m4a", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".wma", ".amr", ".aac"}
SYSTEM_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}


def strays(corpus: Corpus, folder: Path, known: Iterable[str], skip: Path) -> Iterator[Problem]:
    """Files and folders that no utterance, problem or label file accounts for.

    A folder that holds nothing known is one stray and is not looked into; so a data folder may
    stand beside anything, and a loop of links ends.

    Parameters
    ----------
    corpus : Corpus
    folder : Path
        The data folder.
    known : iterable of str
        Paths relative to it that are accounted for.
    skip : Path
        A folder that is ours, not the corpus's: the manifests may be written inside.
    """
    known = set(known)
    parents = {str(parent) for path in known for parent in PurePosixPath(path).parents}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for name in sorted(os.listdir(here)):
            path = here / name
            relative = path.relative_to(folder).as_posix()
            if relative in known or corpus.is_unused(relative):
                continue
            if relative in parents and _can_be_listed(path):
                waiting.append(path)
            elif os.path.realpath(path) != os.path.realpath(skip):
                yield _problem(path, relative)


def _can_be_listed(path: Path) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _problem(path: Path, relative: str) -> Problem:
    if path.name.startswith("._"):
        return Problem("macOS ._ file", relative, harmless=True)
    if path.name in SYSTEM_FILES:
        return Problem("system file", relative, harmless=True)
    if not os.path.isdir(path):
        unread = path.suffix.lower() in TO_CONVERT and unread_format(path)
        return Problem(unread or "stray file", relative, harmless=True)
    if not _can_be_listed(path):
        return Problem("folder without read permission", relative)
    return Problem("stray folder", relative, harmless=True)
