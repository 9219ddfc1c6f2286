"""Show what corpora contain on one page: classes, speakers, durations, levels, agreement.

The page also shows languages, ratings of valence and arousal, missing labels, and duplicate
recordings. It works offline; beside it are the tables (CSV), figures and results.json. Levels
and duplicates need the audio; without it they are left out.

    ser explore results/manifests/emodb.json results/manifests/cremad.json --out explored
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError
from ser_brain.data.corpora import targets_of
from ser_brain.data.manifest import Manifest, read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("manifests", nargs="+", metavar="MANIFEST", help="manifests of one or several corpora")
    add("--out", type=Path, required=True, metavar="DIR", help="where to write the page")
    add(
        "--data_folder",
        **MANY,
        type=Path,
        metavar="DIR",
        help="where the audio is, one for each manifest (default: as noted in its card)",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    from ser_brain.reporting.exploration import exploration_text, write_exploration

    targets = targets_of(arguments.manifests, arguments.data_folder)
    manifests = [read_manifest(target.manifest) for target in targets]
    for manifest in manifests:
        if not manifest.entries:
            raise SERError(f"{manifest.path} has no utterance; prepare the corpus again.")
    pairs = zip(manifests, targets, strict=True)
    folders = [_folder(manifest, target.data_folder) for manifest, target in pairs]
    page, found = write_exploration(manifests, folders, arguments.out)
    return Outcome(f"{exploration_text(found)}\n\npage: {page}", found)


def _folder(manifest: Manifest, given: Path | None) -> Path | None:
    """The folder of the audio; None where nobody named one that is there."""
    try:
        return manifest.data_folder(given)
    except SERError:
        if given is not None:
            raise
        return None
