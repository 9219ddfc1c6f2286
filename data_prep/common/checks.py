"""Check utterances, recordings under several names, and files that nothing accounts for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.audio import AudioFacts
from ser_brain.data.duplicates import same_files
from ser_brain.data.labels import LABEL_SOURCES, require_in_scale
from ser_brain.data.manifest import CorpusCard, Problem, Utterance, entry_of

if TYPE_CHECKING:
    from data_prep import Corpus

logger = get_logger(__name__)

UNREADABLE = "unreadable: "  # how audio.inspect begins where it knows the format


def unread_format(path: Path) -> str | None:
    """The format of a recording that cannot be read, and how to convert it; else None."""
    try:
        audio.inspect(path)
    except audio.AudioProblem as problem:
        if str(problem).startswith(UNREADABLE):
            return str(problem).removeprefix(UNREADABLE)
    return None


def check_utterance(
    utterance: Utterance, card: CorpusCard, folder: Path
) -> tuple[dict, audio.AudioFacts] | Problem:
    """The manifest entry of an utterance with good audio and labels; else the problem."""
    try:
        utterance.path.encode()
        facts = audio.inspect(folder / utterance.path)
    except UnicodeEncodeError:
        return Problem("name that is not UTF-8", utterance.path)
    except audio.AudioProblem as problem:
        if utterance.name in card.known_bad:
            kind = f"known bad ({card.known_bad[utterance.name]})"
            return Problem(kind, utterance.path, harmless=True)
        return Problem(str(problem), utterance.path)
    if card.sample_rates_hz and facts.sample_rate_hz not in card.sample_rates_hz:
        expected = " or ".join(str(rate) for rate in card.sample_rates_hz)
        kind = f"wrong sample rate ({facts.sample_rate_hz} Hz, expected {expected})"
        return Problem(kind, utterance.path)
    start = utterance.start or 0.0
    stop = facts.duration_s if utterance.stop is None else utterance.stop
    if stop <= start and utterance.stop is not None:
        kind = "stop before its start" if stop < start else "without length"
        return Problem(kind, f"{utterance.path} {start:g}-{stop:g} s")
    if not 0 <= start < stop <= facts.duration_s + 1e-3:
        kind = f"cut outside its file ({facts.duration_s:.2f} s)"
        return Problem(kind, f"{utterance.path} {start:g}-{stop:g} s")
    _check_labels(utterance, card)
    return entry_of(utterance, card, stop - start, facts.sample_rate_hz), facts


def _check_labels(utterance: Utterance, card: CorpusCard) -> None:
    for source, label in utterance.labels.items():
        if source not in LABEL_SOURCES or source not in card.sources:
            raise bad_value(f"label source of {utterance.name}", source, card.sources)
        for name in (label["emotion"], *(label.get("votes") or ())):
            if name is not None and name not in card.vocabulary:
                raise bad_value(f"emotion of {utterance.name}", name, card.vocabulary)
        for dimension, value in (label.get("vad") or {}).items():
            if value is None:
                continue
            what = f"{card.name}: {dimension} of {utterance.name}"
            if card.vad_scale is None:
                raise SERError(f"{what} is given, but the card names no scale.")
            require_in_scale(value, card.vad_scale, what)


def same_audio(sound: Mapping[str, tuple[Path, AudioFacts]]) -> list[list[str]]:
    """Groups of utterances whose files are identical. None of them is skipped.

    Parameters
    ----------
    sound : mapping
        id -> path and facts. Only files with the same size and beginning are read.

    Returns
    -------
    list of list of str
        Ids that share a recording. Parts of one file do not count.
    """
    files: dict[Path, str] = {}
    for utterance_id, (path, _) in sound.items():
        files.setdefault(path, utterance_id)
    marks = {path: sound[utterance_id][1].mark for path, utterance_id in files.items()}
    found = [[files[path] for path in group] for group in same_files(marks)]
    if found:
        pairs = "; ".join(" = ".join(group) for group in found[:3])
        more = "; ..." if len(found) > 3 else ""
        logger.warning(f"recordings under several names, {len(found)}: {pairs}{more}")
    return found


TO_CONVERT = {".m4a", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".wma", ".amr", ".aac"}
SYSTEM_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}


def strays(corpus: Corpus, folder: Path, known: Iterable[str], skip: Path) -> Iterator[Problem]:
    """Files and folders that no utterance, problem or label file accounts for.

    A folder without anything known is one stray and is not searched. So a data folder may be
    beside anything, and a loop of links ends.

    Parameters
    ----------
    corpus : Corpus
    folder : Path
        The data folder.
    known : iterable of str
        Relative paths of the files that are accounted for.
    skip : Path
        A folder that does not belong to the corpus: manifests may be written inside.
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
                yield _stray(path, relative)


def _can_be_listed(path: Path) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def _stray(path: Path, relative: str) -> Problem:
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
