"""The contents of a prepared corpus: counts, problems by kind, differences from a full copy."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ser_brain.core.log import get_logger
from ser_brain.data.manifest import CorpusCard, Problem

logger = get_logger(__name__)
NAMED = 5  # problems of a kind that are named; the rest are only counted


def by_kind(problems: Iterable[Problem]) -> dict[str, list[str]]:
    """Kind of problem -> paths, in the order found."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem.path)
    return kinds


def describe(problems: Iterable[Problem]) -> list[str]:
    """One line per kind of problem: the number, and the first five paths.

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
    """Names that differ only in case, spaces and punctuation, or leading zeros.

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
    """Where the counts differ from those of a full copy; absent label sources do not count.

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
    """Log what was found, per label source, and how it differs from a full copy."""
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
            f"{card.name}: {field}s that may be the same: {', '.join(pairs)}. Splits treat "
            "them as different; correct the names if they are the same."
        )
    different = list(differences(counts, card.expected))
    if different:
        logger.warning(
            f"{card.name}: the counts of this copy differ from a full copy (in brackets): "
            f"{', '.join(different)}."
        )
