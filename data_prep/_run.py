"""The run that every corpus shares: collect, check the audio, validate, write."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from data_prep import Corpus, load
from data_prep._check import check_utterance
from data_prep._counts import NAMED, by_kind, count, describe, log_counts
from data_prep._duplicates import same_audio
from data_prep._fingerprint import arguments_of, earlier_card, fingerprint, is_current
from data_prep._strays import strays
from ser_brain import audio
from ser_brain.corpus_card import CorpusCard, Problem, Utterance
from ser_brain.errors import SERError
from ser_brain.files import remove_partial
from ser_brain.lock import beside, held
from ser_brain.log import get_logger
from ser_brain.manifest import (
    card_path,
    is_noted,
    note_data_folder,
    require_as_written,
    write_manifest,
)
from ser_brain.redaction import one_line

logger = get_logger(__name__)

THREADS = 8  # reading headers waits for the disk more than for a core


def prepare(
    corpus: str,
    data_folder: str | Path | None,
    manifest_folder: str | Path,
    allow_partial: bool = False,
    wait: bool = False,
    **options: object,
) -> tuple[Path, Path]:
    """Write the manifest and card of a corpus, unless those there are still true.

    Parameters
    ----------
    corpus : str
        A corpus of this folder.
    data_folder : str or Path, optional
        Where its files lie; None only for corpora that bring their own.
    manifest_folder : str or Path
        Where to write.
    allow_partial : bool
        Leave damaged utterances out, and say so in the card, instead of stopping.
    wait : bool
        Wait for another process that prepares the same manifest, instead of stopping.
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
        files unless ``allow_partial``; if another process prepares the same manifest.
    """
    loaded = load(corpus, **options)
    folder = loaded.folder(data_folder)
    manifest = Path(manifest_folder) / f"{loaded.card.name}.json"
    arguments = arguments_of(loaded, allow_partial)
    mark = fingerprint(loaded, folder, arguments)
    current = is_current(manifest, loaded, folder, mark, arguments)
    if current:
        logger.info(f"{loaded.card.name}: manifest {manifest} is up to date.")
    if not (current and is_noted(manifest, folder)):
        with held(beside(manifest), manifest, wait):
            remove_partial(manifest.parent, manifest.name, card_path(manifest).name)
            # Another process may have written it meanwhile.
            if not is_current(manifest, loaded, folder, mark, arguments):
                _write(loaded, folder, manifest, arguments, mark)
            note_data_folder(manifest, folder)
    return manifest, folder


def _write(corpus: Corpus, folder: Path, manifest: Path, arguments: dict, mark: str) -> None:
    # What somebody wrote into the manifest is not ours to throw away.
    require_as_written(manifest, earlier_card(manifest))
    card = corpus.card
    entries, problems, duplicates = _collect(corpus, folder, manifest.parent)
    _report(corpus, folder, entries, problems, arguments["allow_partial"])
    counts = count(entries)
    log_counts(card, counts)
    content = {
        **card.as_dict(),
        "counts": counts,
        "left_out": {kind: sorted(paths) for kind, paths in sorted(by_kind(problems).items())},
        "same_audio": duplicates,
        "arguments": arguments,
        "fingerprint": mark,
    }
    if hasattr(corpus.module, "speakers"):
        facts = corpus.module.speakers(folder).items()
        content["speakers"] = {f"{card.name}_{speaker}": fact for speaker, fact in facts}
    write_manifest(manifest.parent, card.name, entries, content)
    logger.info(f"{card.name}: wrote {manifest}.")


def _collect(
    corpus: Corpus, folder: Path, manifest_folder: Path
) -> tuple[dict[str, dict], list[Problem], list[list[str]]]:
    """Manifest entries of all sound utterances, everything that was wrong, doubled audio."""
    found: list[Utterance] = []
    problems: list[Problem] = []
    for item in corpus.module.utterances(folder, **corpus.options):
        (problems if isinstance(item, Problem) else found).append(item)
    _require_unique(found, corpus.card)
    labels = [
        p.relative_to(folder) for p in corpus.files(folder)[1] if p.is_relative_to(folder)
    ]
    known = [*(item.path for item in (*found, *problems)), *(p.as_posix() for p in labels)]
    problems += strays(corpus, folder, known, skip=manifest_folder)

    def check(utterance: Utterance) -> tuple[dict, audio.AudioFacts] | Problem:
        return check_utterance(utterance, corpus.card, folder)

    entries, sound = {}, {}
    with ThreadPoolExecutor(THREADS) as pool:
        results = tqdm(
            pool.map(check, found),
            total=len(found),
            desc=one_line(corpus.card.name),
            unit="file",
            disable=None,
        )
        for utterance, result in zip(found, results, strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                utterance_id = f"{corpus.card.name}_{utterance.name}"
                entries[utterance_id], facts = result
                sound[utterance_id] = (folder / utterance.path, facts)
    return entries, [_printable(p) for p in problems], same_audio(sound)


def _report(
    corpus: Corpus,
    folder: Path,
    entries: dict[str, dict],
    problems: list[Problem],
    allow_partial: bool,
) -> None:
    """Name and count the problems; stop where utterances are lost or there are none."""
    name = corpus.card.name
    damage = [problem for problem in problems if not problem.harmless]
    if not entries and not damage:
        raise corpus.nothing_found(folder)
    for line in describe(problem for problem in problems if problem.harmless):
        logger.warning(f"{name}: left out {line}")
    if damage and not (allow_partial and entries):
        partial = "" if allow_partial or not entries else ", or leave them out: --allow_partial"
        raise SERError(
            f"{name}: {len(damage)} of {len(damage) + len(entries)} utterances cannot be used "
            f"({'; '.join(describe(damage))}). Mend the copy in {folder}{partial}."
        )
    for line in describe(damage):
        logger.warning(f"{name}: left out {line}")


def _require_unique(found: list[Utterance], card: CorpusCard) -> None:
    twice = [name for name, times in Counter(u.name for u in found).items() if times > 1]
    if twice:
        raise SERError(
            f"{card.name}: {len(twice)} utterance names occur more than once "
            f"({', '.join(twice[:NAMED])}); is something there twice?"
        )


def _printable(problem: Problem) -> Problem:
    """The problem with bytes of its path that are not UTF-8 written out."""
    path = problem.path.encode("utf-8", "backslashreplace").decode()
    return Problem(problem.kind, path, problem.harmless)
