"""Checking a folder as what it is."""

from __future__ import annotations

from pathlib import Path

from ser_brain.checksums import SUMS
from ser_brain.errors import SERError
from ser_brain.run_folder import SETTINGS
from ser_brain.runs import FOLDS
from ser_brain.verification.checks import Check
from ser_brain.verification.files import verify_report_files
from ser_brain.verification.run import verify_run


def verify(folder: str | Path, manifest_folder: str | Path | None = None) -> list[Check]:
    """Check a run folder, a folds folder, a model folder, or any folder with a ``SHA256SUMS``.

    Parameters
    ----------
    folder : str or Path
    manifest_folder : str or Path, optional
        Where the manifests of a run's corpora lie; None takes what its settings name.

    Raises
    ------
    SERError
        If it is nothing that can be checked.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SERError(f"No folder {folder}; name that of a run, of folds or of a model.")
    if (folder / "config.json").is_file():
        from ser_brain.verification.model import verify_model  # brings torch

        return verify_model(folder)
    if any((folder / name).exists() for name in (FOLDS, SETTINGS)):
        return verify_run(folder, manifest_folder)
    if (folder / SUMS).is_file():
        return [*verify_report_files("files", folder)]
    raise SERError(f"{folder} holds no run, no folds, no exported model and no {SUMS}.")
