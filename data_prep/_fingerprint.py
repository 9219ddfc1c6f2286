"""Whether a manifest is still true: what it was made of, and what was asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import ser_brain
from data_prep import Corpus
from ser_brain.errors import SERError
from ser_brain.files import sha256_of
from ser_brain.log import get_logger
from ser_brain.manifest import card_path, read_card

logger = get_logger(__name__)

# What turns files into entries; a change in any of them prepares every corpus again.
LIBRARY = ("audio.py", "corpus_card.py", "labels.py", "manifest.py")


def arguments_of(corpus: Corpus, allow_partial: bool) -> dict:
    """What the user asked for, as plain JSON."""
    asked = {**corpus.options, "allow_partial": allow_partial}
    return json.loads(json.dumps(asked, default=str))


def fingerprint(corpus: Corpus, folder: Path, arguments: Mapping) -> str:
    """SHA-256 over file names, sizes, label files, arguments and the code that reads them.

    It is the same on every machine: neither times nor absolute paths go in.
    """
    digest = hashlib.sha256()
    for code in _code(corpus):
        digest.update(code.read_bytes())
    digest.update(json.dumps(arguments, sort_keys=True).encode())
    audio, labels = corpus.files(folder)
    for path in audio:
        digest.update(os.fsencode(f"{_name(path, folder)}\0{_state(path)[0]}\0"))
    for path in labels:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(os.fsencode(f"{_name(path, folder)}\0") + content)
    return digest.hexdigest()


def is_current(
    manifest: Path, corpus: Corpus, folder: Path, expected: str, arguments: Mapping
) -> bool:
    """Whether the manifest there was made of these files with these arguments.

    Besides the fingerprint this asks that the manifest is as it was written and that no audio
    file was changed after it (a file may change and keep its size).
    """
    card = earlier_card(manifest)
    if not (card and manifest.is_file()):
        return False
    written = manifest.stat().st_mtime
    return (
        card.get("fingerprint") == expected
        and card.get("arguments") == arguments
        and card.get("manifest_sha256") == sha256_of(manifest)
        and all(_state(path)[1] < written for path in corpus.files(folder)[0])
    )


def earlier_card(manifest: Path) -> dict:
    """The card of a manifest that was written before; {} where none can be read."""
    if not card_path(manifest).is_file():
        return {}
    try:
        return read_card(manifest)
    except SERError as error:
        logger.warning(f"{error} Preparing again.")
        return {}


def _code(corpus: Corpus) -> list[Path]:
    here = Path(__file__).parent
    library = Path(ser_brain.__file__).parent
    shared = sorted(here.glob("_*.py"))  # __init__ too
    return [Path(corpus.module.__file__), *shared, *(library / name for name in LIBRARY)]


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _state(path: Path) -> tuple[int, float]:
    """Size and time of change; a link that leads nowhere has neither."""
    try:
        state = path.stat()
    except OSError:
        return -1, 0.0
    return state.st_size, state.st_mtime
