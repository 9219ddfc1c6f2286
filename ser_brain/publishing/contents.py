"""What of a model folder is sent: known files, results, and figures of its card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ser_brain.core.errors import SERError
from ser_brain.core.files import SUMS, changed_files, noted_files, read_text, sha256_of
from ser_brain.core.hub import HUB_ID
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.card import CARD, parts_of_markdown
from ser_brain.publishing.card_check import validate

NAMES = (
    CARD,
    SUMS,
    "config.json",
    "custom_interface.py",
    "hyperparams.yaml",
    "model.onnx",
    "model.safetensors",
    "preprocessor_config.json",
)
RESULTS = ".eval_results/*.yaml"
FIGURES = (".png", ".svg", ".jpg", ".jpeg")


@dataclass(frozen=True)
class SentFile:
    """A file that is sent.

    Attributes
    ----------
    name : str
        Below the folder, with ``/``; also its name in the repository.
    path : Path
    size : int
        Bytes.
    sha256 : str
    """

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """A folder's files.

    Attributes
    ----------
    sent : list of SentFile
        By name.
    left : list of str
        What is not sent; a folder of nothing else is one entry that ends in ``/``.
    """

    sent: list[SentFile]
    left: list[str]


def read_contents(folder: Path) -> Contents:
    """Sort a model folder into what is sent and what is not.

    Raises
    ------
    SERError
        If there is no such folder, if what would be sent is a link, no regular file or cannot
        be read, or if the card shows a figure that cannot be sent.
    """
    if not folder.is_dir():
        raise SERError(f"No folder {folder}; expected one that `ser export` wrote.")
    try:
        names = known_files(folder) | set(_listed_figures(folder))
        for name in sorted(names):
            _require_regular(folder, name)
        if CARD in names:
            names |= set(_figures(folder))
        sent = [_sent(folder, name) for name in sorted(names)]
        return Contents(sent, _left(folder, "", names))
    except OSError as error:
        raise SERError(f"Cannot read {folder}: {error}.") from error


def known_files(folder: Path) -> set[str]:
    """Names of a model folder's own files, but for figures."""
    names = {name for name in NAMES if _is_there(folder / name)}
    return names | {path.relative_to(folder).as_posix() for path in folder.glob(RESULTS)}


def is_of_card(name: str) -> bool:
    """Whether a file is part of the model card, which may be edited."""
    is_figure = PurePosixPath(name).suffix.lower() in FIGURES
    return name == CARD or fnmatchcase(name, RESULTS) or is_figure


def _is_there(path: Path) -> bool:
    """Whether something has this name, be it a link to nowhere."""
    return path.exists() or path.is_symlink()


def _require_regular(folder: Path, name: str) -> None:
    for part in [PurePosixPath(name), *PurePosixPath(name).parents][:-1]:
        if (folder / part).is_symlink():
            raise SERError(
                f"{folder / part} is a link, and links are not sent: put the file itself there "
                f"(cp -rL {folder} NEW copies a folder with what its links show)."
            )
    if not (folder / name).is_file():
        raise SERError(f"{folder / name} is no regular file.")


def _listed_figures(folder: Path) -> list[str]:
    """Those it was exported with, whether the card still shows them: their list is sent too."""
    try:
        names = noted_files(folder)
    except SERError as error:
        raise SERError(f"{error} Export the model again.") from error
    return [name for name in names if PurePosixPath(name).suffix.lower() in FIGURES]


def _figures(folder: Path) -> list[str]:
    """Names of the figures that the card shows from its own folder."""
    try:
        text = read_text(folder / CARD)
    except UnicodeDecodeError as error:
        raise SERError(f"{folder / CARD} is no UTF-8 text: {error}.") from error
    names = []
    for target in parts_of_markdown(text).pictures:
        shows = f"{folder / CARD} shows {target!r}"
        try:
            address = urlsplit(target)
        except ValueError as error:
            raise SERError(f"{shows}, which is no address: {error}.") from error
        if address.scheme or address.netloc:
            continue
        path = PurePosixPath(address.path)
        if path.is_absolute() or ".." in path.parts:
            raise SERError(f"{shows}, which is outside of its folder; put the figure inside.")
        if path.suffix.lower() not in FIGURES:
            raise SERError(f"{shows}, which is no figure ({', '.join(FIGURES)}).")
        if not _is_there(folder / path):
            raise SERError(f"{shows}, which is not there.")
        _require_regular(folder, path.as_posix())
        names.append(path.as_posix())
    return names


def _sent(folder: Path, name: str) -> SentFile:
    path = folder / name
    return SentFile(name, path, path.stat().st_size, sha256_of(path))


def _left(folder: Path, below: str, sent: set[str]) -> list[str]:
    """What of a folder is not sent; ``below`` is its own name with ``/``, or empty."""
    left = []
    for path in sorted((folder / below).iterdir()):
        name = below + path.name
        if path.is_dir() and not path.is_symlink():
            inside = any(other.startswith(f"{name}/") for other in sent)
            left += _left(folder, f"{name}/", sent) if inside else [f"{name}/"]
        elif name not in sent:
            left.append(name)
    return left


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
    validate(folder)
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
