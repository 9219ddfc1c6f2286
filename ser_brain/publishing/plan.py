"""What is to be published, where and how: all that can be said before anything is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ser_brain import model_card
from ser_brain.checksums import SUMS, changed_files
from ser_brain.errors import SERError
from ser_brain.inference.hub_model import HUB_ID
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import SentFile, is_of_card, read_contents

TAG = re.compile(r"[A-Za-z0-9](?:[\w.+-]*[\w+-])?", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """A model folder that has been checked, and where it goes.

    Attributes
    ----------
    folder : Path
    repo_id : str
        Such as ``org/name``.
    public : bool
        Whether it may be in a public repository; a new one is made accordingly.
    pull_request : bool
        Propose the files in a pull request instead of putting them on ``main``.
    tag : str or None
        Name for the commit that holds them.
    message : str
        Of the commit.
    files : list of SentFile
    left : list of str
        What of the folder is not sent.
    """

    folder: Path
    repo_id: str
    public: bool
    pull_request: bool
    tag: str | None
    message: str
    files: list[SentFile]
    left: list[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def make_plan(
    folder: Path,
    repo_id: str,
    *,
    public: bool = False,
    pull_request: bool = False,
    tag: str | None = None,
    message: str | None = None,
) -> Plan:
    """Load the model, check its card, and sort its files. Nothing is sent.

    Parameters
    ----------
    folder : Path
        That ``ser export`` wrote.
    repo_id, public, pull_request, tag, message
        See :class:`Plan`.

    Raises
    ------
    SERError
        If the folder does not load, a file is not as it was exported, its card is not valid,
        or an option is bad.
    """
    _require_options(repo_id, pull_request, tag)
    contents = read_contents(folder)
    config, _ = load_model(folder)
    _require_as_exported(folder)
    model_card.validate(folder)
    message = message or f"{config.name}, by SER Recipes"
    return Plan(
        folder, repo_id, public, pull_request, tag, message, contents.sent, contents.left
    )


def _require_as_exported(folder: Path) -> None:
    """Stop where ``SHA256SUMS``, which is sent too, would not be true of what is sent."""
    changed = changed_files(folder)
    edited = [name for name in changed if is_of_card(name)]
    accept = f"; or, to publish an edit, take {', '.join(edited)} out of {SUMS}"
    if changed:
        raise SERError(
            f"Not as they were exported: {', '.join(changed)} of {folder}. Export the model "
            f"again{accept if edited else ''}."
        )


def _require_options(repo_id: str, pull_request: bool, tag: str | None) -> None:
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise SERError(f"Bad repository {repo_id!r}: {error}") from error
    if not HUB_ID.fullmatch(repo_id):
        raise SERError(f"Bad repository {repo_id!r}; expected a name such as org/model.")
    if tag is None:
        return
    if pull_request:
        raise SERError(
            "--tag marks what is on main, and --pr puts nothing there: open the pull request "
            "first, and when it is merged run the command again with --tag and without --pr."
        )
    if not TAG.fullmatch(tag) or ".." in tag or tag == "main":
        raise SERError(f"Bad tag {tag!r}; expected a name such as v1.0.")
