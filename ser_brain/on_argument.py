"""``--on MANIFEST[:LABEL_SOURCE]``: which further corpora a command tests on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ser_brain.errors import SERError


@dataclass(frozen=True)
class Target:
    """A corpus to test on.

    Attributes
    ----------
    manifest : Path
    label_source : str, optional
        None takes the default of the corpus's card.
    data_folder : Path, optional
        Where its audio lies; None takes what the card notes.
    where : dict
        Keep utterances whose manifest fields equal these.
    balanced : bool
        Test on as many utterances of each class as the smallest class has.
    """

    manifest: Path
    label_source: str | None = None
    data_folder: Path | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    balanced: bool = False


def add_on_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add ``--on`` and what belongs to it."""
    parser.add_argument(
        "--on",
        nargs="+",
        default=[],
        required=required,
        metavar="MANIFEST[:SOURCE]",
        help="corpora to test on, each with the label source if not the corpus's default",
    )
    parser.add_argument(
        "--data_folder",
        nargs="+",
        default=[],
        type=Path,
        metavar="DIR",
        help="where the audio lies, one for each --on; default: what the corpus card notes",
    )
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="only utterances whose manifest field has this value, e.g. language=deu",
    )
    parser.add_argument(
        "--balanced",
        action="store_true",
        help="test on as many utterances of each class as the smallest class has",
    )
    parser.add_argument("--device", help="where the model runs (default: a GPU, if any)")


def targets(arguments: argparse.Namespace) -> list[Target]:
    """The targets that a command line names.

    Raises
    ------
    SERError
        For a manifest that is not there, a ``--where`` without a value, or data folders that
        do not match.
    """
    folders = arguments.data_folder or [None] * len(arguments.on)
    if len(folders) != len(arguments.on):
        raise SERError(
            f"--data_folder names {len(folders)} folders for {len(arguments.on)} manifests; "
            "give one for each, in the same order."
        )
    where = dict(parse_pair("--where", pair) for pair in arguments.where)
    return [
        Target(*parse_manifest(name), folder, where, arguments.balanced)
        for name, folder in zip(arguments.on, folders, strict=True)
    ]


def parse_pair(option: str, text: str) -> tuple[str, str]:
    """Cut ``KEY=VALUE`` in two.

    Examples
    --------
    >>> parse_pair("--where", "language=deu")
    ('language', 'deu')
    """
    key, _, value = text.partition("=")
    if not (key and value):
        raise SERError(f"Bad {option} {text!r}; expected KEY=VALUE.")
    return key, value


def parse_manifest(text: str) -> tuple[Path, str | None]:
    """Cut ``MANIFEST[:LABEL_SOURCE]`` in two.

    Raises
    ------
    SERError
        If there is no such manifest.
    """
    if Path(text).is_file():
        return Path(text), None
    path, _, source = text.rpartition(":")
    if source and path and Path(path).is_file():
        return Path(path), source
    raise SERError(
        f"No manifest at {path or text}; write it first: "
        "python -m data_prep CORPUS --data_folder DIR --manifest_folder DIR."
    )
