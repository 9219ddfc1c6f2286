"""Whether one utterance's audio and labels hold."""

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
from ser_brain.data.audio import AudioFacts
from ser_brain.data.labels import LABEL_SOURCES, require_in_scale
from ser_brain.data.manifest import CorpusCard, Problem, Utterance, entry_of

if TYPE_CHECKING:
    from data_prep import Corpus

# First bytes, from where, of recordings that libsndfile does not read -> what they are.
UNREAD = {
    (4, b"ftyp"): "MP4 or M4A",
    (0, b"\x1aE\xdf\xa3"): "WebM or Matroska",
    (0, b"0&\xb2u\x8ef\xcf\x11"): "WMA",
    (0, b"#!AMR"): "AMR",
    (0, b"\xff\xf1"): "AAC",
    (0, b"\xff\xf9"): "AAC",
}


def unread_format(path: Path) -> str | None:
    """What a recording is that cannot be read, with the command that converts it."""
    try:
        if not path.is_file():  # to open a pipe can wait for ever
            return None
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:
        return None
    for (at, magic), name in UNREAD.items():
        if head[at:].startswith(magic):
            ending = path.suffix or ".m4a"
            return f"{name}, which cannot be read (convert it: ffmpeg -i IN{ending} OUT.wav)"
    return None


def check_utterance(
    utterance: Utterance, card: CorpusCard, folder: Path
) -> tuple[dict, audio.AudioFacts] | Problem:
    """The entry of an utterance whose audio and labels hold, else what is wrong."""
    try:
        utterance.path.encode()
        facts = audio.inspect(folder / utterance.path)
    except UnicodeEncodeError:
        return Problem("name that is not UTF-8", utterance.path)
    except audio.AudioProblem as problem:
        if utterance.name in card.known_bad:
            kind = f"known bad ({card.known_bad[utterance.name]})"
            return Problem(kind, utterance.path, harmless=True)
        kind = unread_format(folder / utterance.path) if str(problem) == "unreadable" else None
        return Problem(kind or str(problem), utterance.path)
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
        for dimension, value in (label.get("vad") or {}).items():
            if value is None:
                continue
            what = f"{card.name}: {dimension} of {utterance.name}"
            if card.vad_scale is None:
                raise SERError(f"{what} is given, but the card names no scale.")
            require_in_scale(value, card.vad_scale, what)


logger = get_logger(__name__)
NAMED = 5  # problems of a kind that are named; the rest are counted


def by_kind(problems: Iterable[Problem]) -> dict[str, list[str]]:
    """Kind of problem -> what had it, in the order met."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem.path)
    return kinds


def describe(problems: Iterable[Problem]) -> list[str]:
    """One line per kind of problem: how many, and the first five by name.

    Examples
    --------
    >>> describe([Problem("silent", "a.wav"), Problem("silent", "b.wav")])
    ['2 silent: a.wav, b.wav']
    """
    return [
        f"{len(paths)} {kind}: {', '.join(paths[:NAMED])}"
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
    """Names that differ only by how they are written: case, blanks and signs, leading zeros.

    Examples
    --------
    >>> alike(["spk01", "Spk1", "s 2", "s_2", "s21"])
    [['Spk1', 'spk01'], ['s 2', 's_2']]
    """
    same: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        shown = (c for c in form if unicodedata.category(c) != "Cf")
        parted = "".join("_" if unicodedata.category(c)[0] in "ZPSC" else c for c in shown)
        parted = re.sub("_+", "_", parted).strip("_")
        same.setdefault(re.sub(r"(?<!\d)0+(?=\d)", "", parted) or name, []).append(name)
    return [names for names in same.values() if len(names) > 1]


def differences(counts: Mapping, expected: Mapping, where: str = "") -> Iterator[str]:
    """Where the counts are not those of a full copy; what is not there at all is not compared.

    Examples
    --------
    >>> list(differences({"speakers": 9}, {"speakers": 10}))
    ['speakers 9 (10)']
    """
    for what, value in expected.items():
        if not isinstance(value, Mapping):
            if (found := counts.get(what, 0)) != value:
                yield f"{where}{what} {found} ({value})"
        elif what in counts:
            inner = "" if what == "emotions" else f"{where}{what} "
            yield from differences(counts[what], value, inner)


def log_counts(card: CorpusCard, counts: Mapping) -> None:
    """Say what was found, per source, and how it differs from a full copy."""
    logger.info(
        f"{card.name}: {counts['utterances']} utterances, {counts['hours']:.2f} h, "
        f"{counts['speakers']} speakers."
    )
    for source, emotions in counts["emotions"].items():
        listed = ", ".join(f"{emotion} {n}" for emotion, n in emotions.items())
        logger.info(f"{card.name}: {source}: {listed}.")
    for field, found in counts["alike"].items():
        pairs = (
            " = ".join(ascii(name.removeprefix(f"{card.name}_"))[1:-1] for name in names)
            for names in found
        )
        logger.warning(
            f"{card.name}: {field}s that may be the same: {', '.join(pairs)}. Splits take them "
            "for different ones; mend their names if they are not."
        )
    different = list(differences(counts, card.expected))
    if different:
        logger.warning(
            f"{card.name}: this copy has other counts than a full one (in brackets): "
            f"{', '.join(different)}."
        )


def same_audio(sound: Mapping[str, tuple[Path, AudioFacts]]) -> list[list[str]]:
    """Groups of utterances whose files are the same byte for byte; facts, nothing is left out.

    Parameters
    ----------
    sound : mapping
        id -> path and facts. Only files that agree in size and beginning are read.

    Returns
    -------
    list of list of str
        Ids that share a recording; parts of one file do not count.
    """
    files: dict[Path, str] = {}
    for utterance_id, (path, _) in sound.items():
        files.setdefault(path, utterance_id)
    facts = {path: sound[utterance_id][1].mark for path, utterance_id in files.items()}
    groups = []
    for alike in _shared(facts):
        groups += _shared({path: sha256_of(path) for path in alike})
    found = [[files[path] for path in group] for group in groups]
    if found:
        pairs = "; ".join(" = ".join(group) for group in found[:3])
        more = "; ..." if len(found) > 3 else ""
        logger.warning(f"recordings under several names, {len(found)}: {pairs}{more}")
    return found


def _shared(values: Mapping[Path, object]) -> Iterable[list[Path]]:
    groups: dict[object, list[Path]] = {}
    for path, value in values.items():
        groups.setdefault(value, []).append(path)
    return [group for group in groups.values() if len(group) > 1]


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
