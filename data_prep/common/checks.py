"""What is found in a corpus: good utterances, problems, recordings twice, strays and counts."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import sha256_of
from ser_brain.core.log import get_logger
from ser_brain.data import audio
from ser_brain.data.audit import keys_by_value
from ser_brain.data.labels import LABEL_SOURCES, require_in_scale
from ser_brain.data.manifest import (
    CorpusCard,
    Problem,
    Utterance,
    counted,
    differences,
    entry_of,
)

if TYPE_CHECKING:
    from data_prep import Corpus

logger = get_logger(__name__)
UNREADABLE = "unreadable: "  # how audio.inspect begins where it knows the format


def unread_format(path: Path) -> str | None:
    """The format of a recording that cannot be read, and how to convert it; else None."""
    try:
        audio.inspect(path)
    except audio.AudioProblem as problem:
        reason = str(problem).removeprefix(UNREADABLE)
        if reason not in (str(problem), audio.NO_AUDIO):  # text may be a label file
            return reason
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


def same_audio(sound: Mapping[str, tuple[Path, audio.AudioFacts]]) -> list[list[str]]:
    """Groups of utterances (id -> path and facts) whose files are the same byte for byte.

    None of them is skipped. Parts of one file do not count, and only files with the same size
    and beginning are read.
    """
    files: dict[Path, str] = {}
    for utterance_id, (path, _) in sound.items():
        files.setdefault(path, utterance_id)
    found = []
    for alike in keys_by_value({path: sound[name][1].mark for path, name in files.items()}):
        same = keys_by_value({path: sha256_of(audio.split_channel(path)[0]) for path in alike})
        found += [[files[path] for path in paths] for paths in same]
    if found:
        pairs = "; ".join(" = ".join(group) for group in found[:3])
        more = "; ..." if len(found) > 3 else ""
        logger.warning(f"recordings under several names, {len(found)}: {pairs}{more}")
    return found


SYSTEM_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}


def strays(corpus: Corpus, folder: Path, known: Iterable[str], skip: Path) -> Iterator[Problem]:
    """Files and folders that no utterance, problem or label file accounts for.

    A folder without anything known is one stray and is not searched. So a data folder may be
    beside anything, and a loop of links ends. ``known`` are relative paths; ``skip`` is the
    folder of manifests, which may be inside the data folder.
    """
    known = {path.partition("#")[0] for path in known} | set(known)  # a channel's file as well
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
        unread = path.suffix.lower() in audio.DEMUXED and unread_format(path)
        return Problem(unread or "stray file", relative, harmless=True)
    if not _can_be_listed(path):
        return Problem("folder without read permission", relative)
    return Problem("stray folder", relative, harmless=True)


NAMED = 5  # problems of a kind that are named; the rest are only counted


def by_kind(problems: Iterable[Problem]) -> dict[str, list[str]]:
    """Kind of problem -> paths, in the order found."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem.path)
    return kinds


def describe(problems: Iterable[Problem]) -> list[str]:
    """One line per kind of problem: the number, and the first five paths."""
    return [
        f"{counted(kind, len(paths))}: {', '.join(paths[:NAMED])}"
        + (", ..." if len(paths) > NAMED else "")
        for kind, paths in by_kind(problems).items()
    ]


def count(entries: Mapping[str, dict]) -> dict:
    """Utterances, hours, speakers, and emotions per label source (``none`` = no emotion)."""
    sources: dict[str, Counter] = {}
    for entry in entries.values():
        for source, label in entry["labels"].items():
            sources.setdefault(source, Counter())[label["emotion"] or "none"] += 1
    return {
        "utterances": len(entries),
        "sample_rates": dict(Counter(e["sample_rate"] for e in entries.values()).most_common()),
        "hours": round(sum(e["duration"] for e in entries.values()) / 3600, 4),
        "speakers": len({e["speaker"] for e in entries.values()} - {None}),
        "emotions": {source: dict(c.most_common()) for source, c in sources.items()},
        "alike": {
            field: found
            for field in ("speaker", "group")
            if (found := alike(e[field] for e in entries.values() if e[field] is not None))
        },
    }


def alike(names: Iterable[str]) -> list[list[str]]:
    """Names that differ only in case, spaces and punctuation, or leading zeros."""

    def form(name: str) -> str:
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        shown = (c for c in plain if unicodedata.category(c) != "Cf")
        parted = "".join("_" if unicodedata.category(c)[0] in "ZPSC" else c for c in shown)
        parted = re.sub("_+", "_", parted).strip("_")
        return re.sub(r"(?<!\d)0+(?=\d)", "", parted) or name

    return keys_by_value({name: form(name) for name in sorted(set(names))})


def log_counts(card: CorpusCard, counts: Mapping) -> bool:
    """Log what was found, per label source, and the card's notes.

    Gives whether the counts differ from those of a full copy.
    """
    logger.info(
        f"{card.name}: {counts['utterances']} utterances, {counts['hours']:.2f} h, "
        f"{counts['speakers']} speakers."
    )
    rates = ", ".join(f"{rate} Hz {n}" for rate, n in counts["sample_rates"].items())
    logger.info(f"{card.name}: recorded at {rates}; a model resamples to its own rate.")
    for source, emotions in counts["emotions"].items():
        listed = ", ".join(f"{emotion} {n}" for emotion, n in emotions.items())
        logger.info(f"{card.name}: {source}: {listed}.")
    for field, found in counts["alike"].items():
        pairs = (
            " = ".join(ascii(name.removeprefix(f"{card.name}_"))[1:-1] for name in names)
            for names in found
        )
        logger.warning(
            f"{card.name}: {field}s that may be the same: {', '.join(pairs)}. Splits treat "
            "them as different; correct the names if they are the same."
        )
    if card.notes:
        logger.info(f"{card.name}: note: {card.notes}")
    if different := list(differences(counts, card.expected)):
        logger.warning(
            f"{card.name}: the counts of this copy differ from a full copy (in brackets): "
            f"{', '.join(different)}."
        )
    return bool(different)
