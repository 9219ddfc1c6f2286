"""Where a model is: a local folder, the hub's cache, or the hub."""

from __future__ import annotations

import re
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.inference.model_folder import CONFIG, WEIGHTS

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10


def find_model(source: str, revision: str | None = None) -> tuple[Path, str]:
    """The folder of a model, downloaded where need be, and what it is.

    Only the two files that are read are fetched. A commit that the cache holds is not asked
    for again; where the hub cannot be reached, what the cache has of a branch is taken.

    Parameters
    ----------
    source : str
        Folder or hub id.
    revision : str, optional
        Branch, tag or commit of a hub id.

    Returns
    -------
    folder : Path
    found : str
        The folder's name, or ``name/model@commit``.

    Raises
    ------
    SERError
        If there is no such model.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise SERError(f"{source} is a folder, which has no revision {revision!r}.")
        return folder, folder.resolve().name
    if not HUB_ID.fullmatch(source):
        raise SERError(
            f"No model at {source!r}; expected a folder that `ser export` wrote, or a hub id "
            "such as name/model."
        )
    found = _snapshot(source, revision)
    return found, f"{source}@{found.name}"


def _snapshot(source: str, revision: str | None) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    wanted = {"revision": revision, "allow_patterns": [CONFIG, WEIGHTS]}
    if revision is not None and COMMIT.fullmatch(revision):
        cached = hub.try_to_load_from_cache(source, WEIGHTS, revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent
    try:
        return Path(hub.snapshot_download(source, etag_timeout=TIMEOUT_S, **wanted))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        at = f" at revision {revision}" if revision else ""
        raise SERError(
            f"Neither a local folder nor a public model of the hub{at}: {source!r}. Check its "
            "name, and log in with `hf auth login` if it is private or gated."
        ) from error
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SERError(
            f"{source!r} is no local folder, is not in the hub's cache, and cannot be fetched "
            f"({reason[0]}). Where the hub can be reached, run: hf download {source} "
            "--local-dir DIR, and give the folder DIR."
        ) from error
