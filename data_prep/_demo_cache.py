"""The demo corpus in the user's cache: rendered once, whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from pathlib import Path

from data_prep import _demo_acting, _demo_render, _demo_script, _demo_styles, _espeak
from data_prep._espeak_files import library_digest
from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.log import get_logger
from ser_brain.user_cache import cache_folder

logger = get_logger(__name__)

SOURCES = (_espeak, _demo_script, _demo_styles, _demo_acting, _demo_render)
ABANDONED_S = 3600  # a folder half rendered so long ago has no one at work on it


def version() -> str:
    """Twelve hexadecimal digits over what the corpus is made from: code and eSpeak NG."""
    digest = hashlib.sha256(library_digest().encode())
    for module in SOURCES:
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


def is_whole(folder: Path) -> bool:
    """Whether a folder holds every clip that its ``clips.json`` lists, by size."""
    if not (folder / _demo_render.LABELS).is_file():
        return False
    try:
        labels = read_json(folder / _demo_render.LABELS, "demo labels")
        return all((folder / c["path"]).stat().st_size == c["bytes"] for c in labels.values())
    except (SERError, OSError, KeyError, TypeError):
        return False


def rendered() -> Path:
    """The folder of the demo corpus in the user's cache, rendered if it is not there whole.

    A folder gets its name when all is in it: what an interrupted run leaves is never used, and
    of two runs at once the second to finish takes the first one's folder.

    Raises
    ------
    SERError
        If eSpeak NG is missing or the cache cannot be written.
    """
    cache = cache_folder()
    folder = cache / f"demo-{version()}"
    if is_whole(folder):
        return folder
    logger.info(f"demo: rendering once into {folder}.")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        temporary = Path(tempfile.mkdtemp(prefix=".demo-", dir=cache))
        try:
            _demo_render.render(temporary, _demo_script.clips(_demo_render.SEED))
            temporary.chmod(0o755)
            _move(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise SERError(
            f"Cannot write the demo corpus to {cache}: {error.strerror or error}. It needs "
            "100 MB there; free some, or set SER_CACHE to another folder."
        ) from error
    return folder


def _move(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if is_whole(folder):
            return  # another run was first; its folder has the same bytes
        if not folder.exists():
            raise
        logger.warning(f"demo: {folder} was damaged; rendered again.")
        shutil.rmtree(folder)
        temporary.rename(folder)


def _remove_abandoned(cache: Path) -> None:
    for left in cache.glob(".demo-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
