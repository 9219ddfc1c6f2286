"""Publishing to the hub of the tests, which runs in this process and survives every try."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import traceback
from pathlib import Path

import huggingface_hub.constants as constants

from ser_brain.__main__ import main as ser
from ser_brain.publishing.contents import read_contents
from tests.publishing.hub import TOKEN, Hub, Repository

NAME, TAG = "lab/voice", "v1.0"
OF_THE_HUB = ".gitattributes"  # in every repository from its first commit


@functools.cache
def _hub() -> Hub:
    """The one hub, which ends with this process."""
    hub = Hub()
    hub._server.handle_error = _say_unless_gone
    return hub.__enter__()


def _say_unless_gone(*_: object) -> None:
    """Print the server's error, unless its caller was killed."""
    if not isinstance(sys.exc_info()[1], ConnectionError):
        traceback.print_exc()


def begin(home: Path, place: Path) -> None:
    """A copy of the model, and an empty hub."""
    shutil.copytree(home / "model", place / "model")
    _hub().repositories.clear()


def publish(home: Path, place: Path) -> int:
    """Publish the model from a process that knows no other hub."""
    constants.ENDPOINT = _hub().endpoint
    constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_TELEMETRY = True
    os.environ |= {"HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    return ser(["publish", str(place / "model"), NAME, "--tag", TAG, "--yes"])


def published(place: Path) -> dict[str, str]:
    """The files of ``main`` and of the tag, the number of commits, and the large files."""
    repository = _hub().repositories[NAME]
    return {
        "names": repr({ref: _files(repository, ref) for ref in repository.refs}),
        "commits": str(len(repository.commits)),
        "large files": repr(sorted(repository.large)),
        "unknown calls": repr(_hub().unknown),
    }


def require_whole(place: Path) -> None:
    """Raise ValueError if a commit other than the first is not the complete model."""
    repository = _hub().repositories.get(NAME)
    model = {file.name: file.sha256 for file in read_contents(place / "model")[0]}
    for commit in [] if repository is None else repository.commits[1:]:
        found = _files(repository, commit)
        del found[OF_THE_HUB]
        if found != model:
            raise ValueError(f"commit {commit} holds {', '.join(found)}")


def _files(repository: Repository, revision: str) -> dict[str, str]:
    """File name -> SHA-256 of its content."""
    return {
        name: hashlib.sha256(repository.content(revision, name)).hexdigest()
        for name in sorted(repository.at(revision))
    }
