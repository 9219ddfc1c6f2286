"""Prepare a corpus: collect its utterances, check audio and labels, write manifest and card.

A manifest is written again only if the files, the arguments or the format have changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data_prep import Corpus, load
from data_prep.common.checks import (
    NAMED,
    by_kind,
    check_utterance,
    count,
    describe,
    log_counts,
    same_audio,
    strays,
)
from ser_brain.core.errors import SERError
from ser_brain.core.files import remove_partial, sha256_of
from ser_brain.core.lock import beside, held
from ser_brain.core.log import get_logger, with_progress
from ser_brain.data.corpora import CorpusSetting, parse_manifest
from ser_brain.data.manifest import (
    SHA256,
    Problem,
    card_path,
    is_noted,
    note_data_folder,
    read_card,
    read_manifest,
    require_as_written,
    write_manifest,
)

logger = get_logger(__name__)
# Raise this with a change of the code that changes the content of manifests: corpora that were
# prepared by an earlier version are then prepared again. A corpus file has its own, VERSION.
FORMAT_VERSION = 1
THREADS = 8  # reading headers waits for the disk rather than for a core


def prepare(
    corpus: str,
    data_folder: str | Path | None,
    manifest_folder: str | Path,
    allow_partial: bool = False,
    wait: bool = False,
    **options: object,
) -> tuple[Path, Path]:
    """Write the manifest and card of a corpus, unless they are up to date.

    Gives the manifest and the data folder, which is None only for corpora that bring their own.
    ``allow_partial`` skips damaged utterances and lists them in the card, instead of stopping;
    ``wait`` waits for another process that prepares the same manifest, instead of stopping.
    """
    loaded = load(corpus, **options)
    folder = loaded.folder(data_folder)
    manifest = Path(manifest_folder) / f"{loaded.card.name}.json"
    asked = {**loaded.options, "allow_partial": allow_partial}
    arguments = json.loads(json.dumps(asked, default=str))
    made_of = {"arguments": arguments, "fingerprint": _fingerprint(loaded, folder, arguments)}
    current = _is_current(manifest, loaded, folder, made_of)
    if current:
        logger.info(f"{loaded.card.name}: manifest {manifest} is up to date.")
    if not (current and is_noted(manifest, folder)):
        with held(beside(manifest), manifest, wait):
            remove_partial(manifest.parent, manifest.name, card_path(manifest).name)
            # Another process may have written it meanwhile.
            if not _is_current(manifest, loaded, folder, made_of):
                _write(loaded, folder, manifest, made_of)
            note_data_folder(manifest, folder)
    return manifest, folder


def prepare_all(
    corpora: Sequence[CorpusSetting], manifest_folder: str | Path, allow_partial: bool
) -> list[tuple[CorpusSetting, Path, Path]]:
    """Prepare the corpora of an experiment; give each with its manifest and data folder."""
    prepared: dict[str, tuple[Path, Path]] = {}
    for line in corpora:
        if line.manifest:
            manifest = parse_manifest(line.manifest)[0]
            data_folder = read_manifest(manifest).data_folder(line.data_folder)
            prepared[line.source] = manifest, data_folder
        elif line.source not in prepared:  # two lines may take parts of one corpus
            where = (line.data_folder, manifest_folder, allow_partial)
            prepared[line.source] = prepare(line.corpus, *where, wait=True, **line.options)
    return [(line, *prepared[line.source]) for line in corpora]


def require_folder(corpus: str, data_folder: str | Path | None, **options: object) -> None:
    """Stop as :func:`prepare` would for a wrong corpus, option or data folder, but at once."""
    loaded = load(corpus, **options)
    if data_folder is not None or not hasattr(loaded.module, "default_folder"):
        loaded.folder(data_folder)


def _write(corpus: Corpus, folder: Path, manifest: Path, made_of: dict) -> None:
    # A manifest that somebody has edited is not overwritten.
    require_as_written(manifest, _existing_card(manifest))
    card = corpus.card
    entries, problems, duplicates = _collect(corpus, folder, manifest.parent)
    allow_partial = made_of["arguments"]["allow_partial"]
    _require_enough(corpus, folder, problems, len(entries), allow_partial)
    counts = count(entries)
    different = log_counts(card, counts)
    if different and (larger := corpus.larger_folder(folder)):
        logger.warning(f"{card.name}: {larger} has more of it; is that the data folder?")
    content = {
        **card.as_dict(),
        "counts": counts,
        "left_out": {kind: sorted(paths) for kind, paths in sorted(by_kind(problems).items())},
        "same_audio": duplicates,
        **made_of,
    }
    if hasattr(corpus.module, "speakers"):
        facts = corpus.module.speakers(folder, **corpus.options).items()
        content["speakers"] = {f"{card.name}_{speaker}": fact for speaker, fact in facts}
    write_manifest(manifest.parent, card.name, entries, content)
    logger.info(f"{card.name}: wrote {manifest}.")


def _collect(
    corpus: Corpus, folder: Path, manifest_folder: Path
) -> tuple[dict[str, dict], list[Problem], list[list[str]]]:
    """Manifest entries of the good utterances, all problems, and identical recordings."""
    card, found, problems = corpus.card, [], []
    for item in corpus.module.utterances(folder, **corpus.options):
        (problems if isinstance(item, Problem) else found).append(item)
    twice = [name for name, times in Counter(u.name for u in found).items() if times > 1]
    if twice:
        raise SERError(
            f"{card.name}: {len(twice)} utterance names occur more than once "
            f"({', '.join(twice[:NAMED])}); is something in the folder twice?"
        )
    known = [item.path for item in (*found, *problems)]
    labels = [path for path in corpus.files(folder)[1] if path.is_relative_to(folder)]
    known += [path.relative_to(folder).as_posix() for path in labels]
    problems += strays(corpus, folder, known, skip=manifest_folder)
    entries, sound = {}, {}
    with ThreadPoolExecutor(THREADS) as pool:
        results = pool.map(lambda one: check_utterance(one, card, folder), found)
        results = with_progress(results, f"{card.name}: checking", "files", len(found))
        for utterance, result in zip(found, results, strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                utterance_id = f"{card.name}_{utterance.name}"
                entries[utterance_id], facts = result
                sound[utterance_id] = (folder / utterance.path, facts)
    return entries, [_printable(problem) for problem in problems], same_audio(sound)


def _printable(problem: Problem) -> Problem:
    """The problem with its path readable where that is not UTF-8."""
    path = problem.path.encode("utf-8", "backslashreplace").decode()
    return dataclasses.replace(problem, path=path)


def _require_enough(
    corpus: Corpus, folder: Path, problems: list[Problem], good: int, allow_partial: bool
) -> None:
    """Log the problems; stop if utterances would be lost or there are none."""
    name = corpus.card.name
    damage = [problem for problem in problems if not problem.harmless]
    if not good and not damage:
        raise corpus.nothing_found(folder)
    skipped = describe(problem for problem in problems if problem.harmless)
    stops = damage and not (allow_partial and good)
    for line in skipped if stops else [*skipped, *describe(damage)]:
        logger.warning(f"{name}: skipped {line}")
    if stops:
        partial = "" if allow_partial or not good else ", or skip them: --allow_partial"
        raise SERError(
            f"{name}: {len(damage)} of {len(damage) + good} utterances cannot be used "
            f"({'; '.join(describe(damage))}). Repair the copy in {folder}{partial}."
        )


def _fingerprint(corpus: Corpus, folder: Path, arguments: dict) -> str:
    """SHA-256 over file names, sizes, label files, arguments and format versions.

    It contains neither times nor absolute paths, and so is the same on every machine.
    """
    digest = hashlib.sha256()
    digest.update(f"{FORMAT_VERSION} {getattr(corpus.module, 'VERSION', 1)}".encode())
    digest.update(json.dumps(arguments, sort_keys=True).encode())
    audio, labels = corpus.files(folder)
    for path in audio:
        digest.update(os.fsencode(f"{_name(path, folder)}\0{_state(path)[0]}\0"))
    for path in labels:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(os.fsencode(f"{_name(path, folder)}\0") + content)
    return digest.hexdigest()


def _is_current(manifest: Path, corpus: Corpus, folder: Path, made_of: dict) -> bool:
    """Whether the manifest was made from these files with these arguments.

    Besides the fingerprint, this requires that the manifest was not edited and that no audio
    file was changed after it (a file may change and keep its size).
    """
    card = _existing_card(manifest)
    if not (card and manifest.is_file()):
        return False
    written = manifest.stat().st_mtime
    return (
        all(card.get(key) == value for key, value in made_of.items())
        and card.get(SHA256) == sha256_of(manifest)
        and all(_state(path)[1] < written for path in corpus.files(folder)[0])
    )


def _existing_card(manifest: Path) -> dict:
    """The existing card of a manifest; {} if there is none that can be read."""
    if not card_path(manifest).is_file():
        return {}
    try:
        return read_card(manifest)
    except SERError as error:
        logger.warning(f"{error} Preparing again.")
        return {}


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _state(path: Path) -> tuple[int, float]:
    """Size and time of change; a broken link has neither."""
    try:
        state = path.stat()
    except OSError:
        return -1, 0.0
    return state.st_size, state.st_mtime
