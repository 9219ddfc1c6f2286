"""The same recording under two names: a trap when the names say different things.

CREMA-D holds three such pairs with two intended emotions each, RAVDESS one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ser_brain.audio import AudioFacts
from ser_brain.files import sha256_of
from ser_brain.log import get_logger

logger = get_logger(__name__)


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
