"""Where things that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from ser_brain.errors import SERError


def cache_folder() -> Path:
    """``$SER_CACHE``, else ``$XDG_CACHE_HOME/ser-recipes``, else ``~/.cache/ser-recipes``.

    Raises
    ------
    SERError
        If neither is set and the user has no home.
    """
    try:
        if os.environ.get("SER_CACHE"):
            return Path(os.environ["SER_CACHE"]).expanduser()
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home).expanduser() / "ser-recipes"
    except RuntimeError as error:
        raise SERError(f"No folder for the cache ({error}); set SER_CACHE.") from None
