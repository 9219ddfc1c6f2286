"""The run that every corpus shares: collect, check the audio, validate, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from data_prep import Corpus, load
from ser_brain import audio
from ser_brain.errors import SERError, bad_value
from ser_brain.files import sha256_of
from ser_brain.labels import LABEL_SOURCES, require_in_scale
from ser_brain.log import get_logger
from ser_brain.manifest import (
    CorpusCard,
    Problem,
    Utterance,
    card_path,
    entry_of,
    read_card,
    write_manifest,
)

logger = get_logger(__name__)

NAMED = 5  # problems of a kind that are named; the rest are counted
THREADS = 8  # reading headers waits for the disk more than for a core


def prepare(
    name: str,
    data_folder: str | Path | None,
    manifest_folder: str | Path,
    allow_partial: bool = False,
    **options: object,
) -> tuple[Path, Path]:
    """Write the manifest and card of a corpus, unless those there are still true.

    Parameters
    ----------
    name : str
        A corpus of this folder.
    data_folder : str or Path, optional
        Where its files lie; None only for corpora that bring their own.
    manifest_folder : str or Path
        Where to write.
    allow_partial : bool
        Leave damaged utterances out, and say so in the card, instead of stopping.
    **options
        The corpus's own options.

    Returns
    -------
    manifest : Path
    data_folder : Path
        The folder that was used.

    Raises
    ------
    SERError
        For an unknown corpus, a wrong folder, labels outside the vocabulary, and damaged
        files unless ``allow_partial``.
    """
    corpus = load(name, **options)
    folder = corpus.folder(data_folder)
    fingerprint = corpus.fingerprint(folder)
    manifest = Path(manifest_folder) / f"{corpus.card.name}.json"
    if _is_current(manifest, fingerprint, allow_partial):
        logger.info(f"{corpus.card.name}: manifest {manifest} is up to date.")
        return manifest, folder
    entries, problems = _collect(corpus, folder)
    damage = [problem for problem in problems if not problem.harmless]
    for line in describe(problems):
        logger.warning(f"{corpus.card.name}: {line}")
    if damage and not allow_partial:
        raise SERError(
            f"{corpus.card.name}: {len(damage)} of {len(damage) + len(entries)} utterances "
            f"cannot be used ({'; '.join(describe(damage))}). Mend the copy in {folder}, or "
            "leave them out with --allow_partial."
        )
    if not entries:
        raise SERError(
            f"{corpus.card.name}: no utterance under {folder}; "
            f"expected there: {corpus.card.layout}."
        )
    counts = count(entries)
    _log_counts(corpus.card, counts)
    card = {
        **corpus.card.as_dict(),
        "counts": counts,
        "left_out": _left_out(problems),
        "arguments": {**options, "allow_partial": allow_partial},
        "fingerprint": fingerprint,
    }
    written = write_manifest(manifest_folder, corpus.card.name, entries, card)
    logger.info(f"{corpus.card.name}: wrote {written}.")
    return written, folder


def _is_current(manifest: Path, fingerprint: str, allow_partial: bool) -> bool:
    if not (manifest.is_file() and card_path(manifest).is_file()):
        return False
    try:
        card = read_card(manifest)
    except SERError as error:
        logger.warning(f"{error} Preparing again.")
        return False
    arguments = card.get("arguments", {})
    return (
        card.get("fingerprint") == fingerprint
        and arguments.get("allow_partial") == allow_partial
        and card.get("manifest_sha256") == sha256_of(manifest)
    )


def _collect(corpus: Corpus, folder: Path) -> tuple[dict[str, dict], list[Problem]]:
    """Manifest entries of all sound utterances, and everything that was wrong."""
    found: list[Utterance] = []
    problems: list[Problem] = []
    for item in corpus.module.utterances(folder, **corpus.options):
        (problems if isinstance(item, Problem) else found).append(item)
    _require_unique(found, corpus.card)

    def check(utterance: Utterance) -> dict | Problem:
        return _check(utterance, corpus.card, folder)

    entries = {}
    with ThreadPoolExecutor(THREADS) as pool:
        results = tqdm(
            pool.map(check, found),
            total=len(found),
            desc=corpus.card.name,
            unit="file",
            disable=None,
        )
        for utterance, result in zip(found, results, strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                entries[f"{corpus.card.name}_{utterance.name}"] = result
    return entries, problems


def _require_unique(found: list[Utterance], card: CorpusCard) -> None:
    twice = [name for name, times in Counter(u.name for u in found).items() if times > 1]
    if twice:
        raise SERError(
            f"{card.name}: {len(twice)} utterance names occur more than once "
            f"({', '.join(twice[:NAMED])}); is the corpus there twice?"
        )


def _check(utterance: Utterance, card: CorpusCard, folder: Path) -> dict | Problem:
    """The entry of an utterance whose audio and labels hold, else what is wrong."""
    if utterance.name in card.known_bad:
        reason = f"known bad ({card.known_bad[utterance.name]})"
        return Problem(reason, utterance.path, harmless=True)
    try:
        facts = audio.inspect(folder / utterance.path)
    except audio.AudioProblem as problem:
        return Problem(str(problem), utterance.path)
    if card.sample_rates_hz and facts.sample_rate_hz not in card.sample_rates_hz:
        return Problem(f"wrong sample rate {facts.sample_rate_hz} Hz", utterance.path)
    start = utterance.start or 0.0
    stop = facts.duration_s if utterance.stop is None else utterance.stop
    if not 0 <= start < stop <= facts.duration_s + 1e-3:
        return Problem("outside its file", utterance.path)
    _check_labels(utterance, card)
    return entry_of(utterance, card, stop - start, facts.sample_rate_hz)


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


def describe(problems: Iterable[Problem]) -> list[str]:
    """One line per kind of problem: how many, and the first five by name.

    Examples
    --------
    >>> describe([Problem("silent", "a.wav"), Problem("silent", "b.wav")])
    ['2 silent: a.wav, b.wav']
    """
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem.path)
    return [
        f"{len(paths)} {kind}: {', '.join(paths[:NAMED])}"
        + (", ..." if len(paths) > NAMED else "")
        for kind, paths in kinds.items()
    ]


def _left_out(problems: list[Problem]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem.path)
    return {kind: sorted(paths) for kind, paths in sorted(kinds.items())}


def count(entries: dict[str, dict]) -> dict:
    """Utterances, hours, speakers, and emotions per label source (``null`` = no emotion)."""
    sources: dict[str, Counter] = {}
    for entry in entries.values():
        for source, label in entry["labels"].items():
            sources.setdefault(source, Counter())[label["emotion"] or "none"] += 1
    return {
        "utterances": len(entries),
        "hours": round(sum(e["duration"] for e in entries.values()) / 3600, 4),
        "speakers": len({e["speaker"] for e in entries.values()} - {None}),
        "emotions": {source: dict(c.most_common()) for source, c in sources.items()},
    }


def _log_counts(card: CorpusCard, counts: dict) -> None:
    logger.info(
        f"{card.name}: {counts['utterances']} utterances, {counts['hours']:.2f} h, "
        f"{counts['speakers']} speakers."
    )
    for source, emotions in counts["emotions"].items():
        listed = ", ".join(f"{emotion} {n}" for emotion, n in emotions.items())
        logger.info(f"{card.name}: {source}: {listed}.")
    for what, expected in card.expected.items():
        if what in counts and counts[what] != expected:
            logger.warning(f"{card.name}: {counts[what]} {what}; a full copy has {expected}.")
