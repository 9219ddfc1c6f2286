"""Which files of a model folder are published, and the checked plan of an upload.

Published are the files that ``ser export`` writes, ``.eval_results``, and the figures that the
card shows or that were exported with it. Anything else in the folder stays on this machine.
"""

from __future__ import annotations

import os
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
from ser_brain.publishing.card import CARD
from ser_brain.publishing.card_check import validate
from ser_brain.publishing.markdown import parts_of_markdown

NAMES = (
    CARD,
    SUMS,
    "adaptation.safetensors",
    "config.json",
    "custom_interface.py",
    "hyperparams.yaml",
    "model.int8.onnx",
    "model.onnx",
    "model.safetensors",
    "preprocessor_config.json",
)
RESULTS = ".eval_results/*.yaml"
FIGURES = (".png", ".svg", ".jpg", ".jpeg")
TAG = re.compile(r"[A-Za-z0-9](?:[\w.+-]*[\w+-])?", re.ASCII)


@dataclass(frozen=True)
class PublishedFile:
    """A file to be published."""

    name: str  # its path in the folder and in the repository
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class UploadPlan:
    """A model folder that has been checked, and where it goes."""

    folder: Path
    repo_id: str
    public: bool  # whether the repository may be public; a new one is made so
    pull_request: bool  # propose the files instead of committing them to main
    tag: str | None  # a name for the commit
    message: str
    files: list[PublishedFile]
    skipped: list[str]  # what else the folder contains; a folder skipped whole ends in "/"
    speaker: str | None = None  # whom `ser adapt --speaker` adapted it to; the files name them

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def plan_upload(
    folder: Path,
    repo_id: str,
    *,
    public: bool = False,
    pull_request: bool = False,
    tag: str | None = None,
    message: str | None = None,
) -> UploadPlan:
    """Load the model, check its card and checksums, and choose its files. Nothing is sent."""
    _require_options(repo_id, pull_request, tag)
    files, skipped = read_contents(folder)
    config, _ = load_model(folder)
    _require_as_exported(folder)
    validate(folder)
    message = message or f"{config.name}, by SER Recipes"
    adapted = config.card.get("adapted")
    speaker = adapted.get("speaker") if isinstance(adapted, dict) else None
    return UploadPlan(
        folder, repo_id, public, pull_request, tag, message, files, skipped, speaker
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
            "--tag names a commit on main, and --pr does not commit to main: open the pull "
            "request first. When it is merged, run the command again with --tag and without "
            "--pr."
        )
    if not TAG.fullmatch(tag) or ".." in tag or tag == "main":
        raise SERError(f"Bad tag {tag!r}; expected a name such as v1.0.")


def _require_as_exported(folder: Path) -> None:
    """Stop if the published ``SHA256SUMS`` would not match the published files."""
    changed = changed_files(folder)
    missing = [name for name in changed if not (folder / name).is_file()]
    if missing:
        raise SERError(
            f"Missing since the export: {', '.join(missing)} of {folder}. Export the model "
            "again."
        )
    if changed:
        edited = ", ".join(filter(is_of_card, changed))
        accept = f"; or, to publish an edit, remove {edited} from {SUMS}" if edited else ""
        raise SERError(
            f"Changed since the export: {', '.join(changed)} of {folder}. Export the model "
            f"again{accept}."
        )


def read_contents(folder: Path) -> tuple[list[PublishedFile], list[str]]:
    """The files of a model folder that are published, by name, and what is skipped.

    A file to publish that is a link or not a regular file is an error, as is a figure that the
    card shows and that cannot be published.
    """
    if not folder.is_dir():
        raise SERError(f"No folder {folder}; expected one that `ser export` wrote.")
    try:
        names = known_files(folder) | _exported_figures(folder)
        for name in sorted(names):
            _require_regular(folder, name)
        if CARD in names:
            names |= _shown_figures(folder)
        files = []
        for name in sorted(names):
            path = folder / name
            files.append(PublishedFile(name, path, path.stat().st_size, sha256_of(path)))
        return files, _skipped(folder, "", names)
    except OSError as error:
        raise SERError(f"Cannot read {folder}: {error}.") from error


def known_files(folder: Path) -> set[str]:
    """Names of the files of a model folder that an export writes, except figures."""
    # A link to nowhere counts: it must be refused, not missed.
    names = {name for name in NAMES if os.path.lexists(folder / name)}
    return names | {path.relative_to(folder).as_posix() for path in folder.glob(RESULTS)}


def is_of_model(name: str) -> bool:
    """Whether a file is one of :func:`known_files`."""
    return name in NAMES or fnmatchcase(name, RESULTS)


def is_of_card(name: str) -> bool:
    """Whether a file is part of the model card, which may be edited."""
    return name == CARD or fnmatchcase(name, RESULTS) or _is_figure(name)


def _is_figure(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in FIGURES


def _require_regular(folder: Path, name: str) -> None:
    # A link could publish any file of this machine, so a link anywhere in the path is refused.
    for part in [PurePosixPath(name), *PurePosixPath(name).parents][:-1]:
        if (folder / part).is_symlink():
            raise SERError(
                f"{folder / part} is a link, and links are not published: replace it by the "
                f"file itself (cp -rL {folder} NEW copies a folder and follows its links)."
            )
    if not (folder / name).exists():
        raise SERError(f"{folder / name} is missing. Export the model again.")
    if not (folder / name).is_file():
        raise SERError(f"{folder / name} is not a regular file.")


def _exported_figures(folder: Path) -> set[str]:
    """Figures in the list of checksums, which is published, too."""
    try:
        return set(filter(_is_figure, noted_files(folder)))
    except SERError as error:
        raise SERError(f"{error} Export the model again.") from error


def _shown_figures(folder: Path) -> set[str]:
    """Figures that the card shows from its own folder."""
    try:
        text = read_text(folder / CARD)
    except UnicodeDecodeError as error:
        raise SERError(f"{folder / CARD} is not UTF-8 text: {error}.") from error
    names = set()
    for target in parts_of_markdown(text).pictures:
        shows = f"{folder / CARD} shows {target!r}"
        try:
            address = urlsplit(target)
        except ValueError as error:
            raise SERError(f"{shows}, which is not an address: {error}.") from error
        if address.scheme or address.netloc:
            continue
        path = PurePosixPath(address.path)
        if path.is_absolute() or ".." in path.parts:
            raise SERError(f"{shows}, which is outside the folder; put the figure inside.")
        if not _is_figure(address.path):
            raise SERError(f"{shows}, which is not a figure ({', '.join(FIGURES)}).")
        if not os.path.lexists(folder / path):
            raise SERError(f"{shows}, which is missing.")
        _require_regular(folder, path.as_posix())
        names.add(path.as_posix())
    return names


def _skipped(folder: Path, below: str, published: set[str]) -> list[str]:
    """What is not published of the subfolder ``below``, which is empty or ends in ``/``."""
    skipped = []
    for path in sorted((folder / below).iterdir()):
        name = below + path.name
        if path.is_dir() and not path.is_symlink():
            inside = any(other.startswith(f"{name}/") for other in published)
            skipped += _skipped(folder, f"{name}/", published) if inside else [f"{name}/"]
        elif name not in published:
            skipped.append(name)
    return skipped
