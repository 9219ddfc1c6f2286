"""Whether a model folder is still what ``ser export`` wrote."""

from __future__ import annotations

from pathlib import Path

from ser_brain.checksums import SUMS, changed_files, noted_files
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import known_files
from ser_brain.verification.checks import UNCHECKED, Check, check, look_at_files


def verify_model(folder: Path) -> list[Check]:
    """Check whether a model folder loads, as it would for anybody, and its files."""

    def loads() -> None:
        load_model(folder)

    checks = [check("loading", loads), check("files", lambda: look_at_files(folder))]
    if changed_files(folder) == [SUMS] or not (folder / SUMS).is_file():
        return checks
    # Of an earlier version, whose list was shorter; or edited, and the edit accepted.
    unlisted = known_files(folder) - {SUMS, *noted_files(folder)}
    return checks + [Check(name, UNCHECKED, f"not in {SUMS}") for name in sorted(unlisted)]
