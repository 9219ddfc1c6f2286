"""Whether a model folder is still what ``ser export`` wrote."""

from __future__ import annotations

from pathlib import Path

from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import is_of_card, known_files
from ser_brain.verification.checks import Check, check
from ser_brain.verification.files import verify_files


def verify_model(folder: Path) -> list[Check]:
    """Check whether a model folder loads, as it would for anybody, and its files."""

    def loads() -> None:
        load_model(folder)

    files = verify_files(
        "files", folder, known_files(folder), "export the model again", is_of_card
    )
    return [check("loading", loads), *files]
