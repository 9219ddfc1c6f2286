"""Whether a finished run is still what it was: its files, its split, its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.prediction_card import SHA256
from ser_brain.predictions import read_predictions
from ser_brain.run_folder import RECORD, SETTINGS, differing_options
from ser_brain.run_record import ENDED
from ser_brain.runs import parts_of
from ser_brain.verification.checks import DIFFERS, SHOWN, UNCHECKED, Check, check
from ser_brain.verification.data import SPLITS, read_splits, verify_audits, verify_manifests
from ser_brain.verification.files import verify_files, verify_report_files
from ser_brain.verification.tables import verify_tables


def verify_run(folder: str | Path, manifest_folder: str | Path | None = None) -> list[Check]:
    """Check a run folder, or a folds folder with all its parts.

    Parameters
    ----------
    folder : str or Path
    manifest_folder : str or Path, optional
        Where the manifests of its corpora lie; None takes what the run's settings name.

    Returns
    -------
    list of Check
        Of each part: its record, checkpoints, predictions, manifests, audits and tables; and
        of the tables of all folds together.

    Raises
    ------
    SERError
        If its list of parts is bad.
    """
    folder = Path(folder)
    parts, _ = parts_of(folder)
    checks = []
    for part in parts.values():
        checks += _part(part, folder, manifest_folder)
    if folder not in parts.values():
        checks += _ended("list of parts", folder)
        checks += _report(folder, "report of all parts")
    return checks


def _part(part: Path, whole: Path, manifest_folder: str | Path | None) -> Iterator[Check]:
    prefix = "" if part == whole else f"{part.relative_to(whole)}/"
    if not part.is_dir():
        yield Check(prefix, DIFFERS, f"No folder {part}.")
        return
    yield check(f"{prefix}{RECORD}", lambda: _verify_record(part))
    yield from _ended(f"{prefix}settings, split and log", part)
    for path in sorted(part.glob("save/CKPT+*")):
        yield from _checkpoint(f"{prefix}save/{path.name}", path)
    yield check(f"{prefix}{SPLITS}", lambda: _verify_split(part))
    for path in sorted(part.glob("predictions/*.jsonl")):
        item = f"{prefix}predictions/{path.name}"
        yield check(item, lambda path=path: _verify_predictions(path))
    yield check(f"{prefix}manifests", lambda: verify_manifests(part, manifest_folder))
    yield check(f"{prefix}audits", lambda: verify_audits(part, manifest_folder))
    yield from _report(part, f"{prefix}report")


def _ended(item: str, folder: Path) -> Iterator[Check]:
    """Check the files that nothing changes once a run has ended."""
    expected = [name for name in ENDED if (folder / name).is_file()]
    again = "repeat the command of the run"
    yield from verify_files(item, folder, expected, again, lambda name: name == SETTINGS)


def _checkpoint(item: str, folder: Path) -> Iterator[Check]:
    expected = [path.name for path in folder.glob("*")]
    again = "put a copy back, or remove it: training goes on from the one before"
    yield from verify_files(item, folder, expected, again, lambda name: False)


def _report(folder: Path, item: str) -> Iterator[Check]:
    if not (folder / "report").is_dir():
        yield Check(item, UNCHECKED, "there is none")
        return
    yield from verify_report_files(f"{item}, files", folder / "report")
    yield check(f"{item}, numbers", lambda: verify_tables(folder))


def _verify_record(part: Path) -> str | None:
    if not read_json(part / RECORD, "run description").get("finished"):
        raise SERError("the run did not come to its end; its command goes on with it")
    _verify_options(part)
    return None


def _verify_options(part: Path) -> None:
    """Compare the options of SpeechBrain's that the run records with its checkpoints'."""
    for path in sorted(part.glob("save/CKPT+*/CKPT.yaml")):
        try:
            meta = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise SERError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
        theirs = meta.get("run_options") if isinstance(meta, dict) else None
        differ = differing_options(part, theirs) if isinstance(theirs, dict) else {}
        if differ:
            said = ", ".join(f"{name} {theirs[name]}, not {differ[name]}" for name in differ)
            raise SERError(f"{path.parent.name} was trained with {said} as {RECORD} says")


def _verify_split(part: Path) -> None:
    splits = read_splits(part)
    # Runs of before there were corpora in the file kept no predictions on the validation set.
    wanted = [*(["valid"] if "corpora" in splits else []), *splits["tests"]]
    lost = [name for name in wanted if not (part / "predictions" / f"{name}.jsonl").is_file()]
    if lost:
        raise SERError(f"no predictions on {', '.join(lost)}")


def _verify_predictions(path: Path) -> str | None:
    predictions = read_predictions(path)
    lost = [n for n in predictions.card.get(SHA256, {}) if not path.with_name(n).is_file()]
    if lost:
        raise SERError(f"it was written with {', '.join(lost)}, which is gone")
    splits = read_splits(path.parents[1])
    expected = {"valid": splits["valid"], **splits["tests"]}.get(path.stem)
    if expected is not None and set(expected) != set(predictions.ids):
        off = sorted(set(expected) ^ set(predictions.ids))
        raise SERError(
            f"{len(off)} ids stand in only one of it and {SPLITS} ({', '.join(off[:SHOWN])})"
        )
    if SHA256 not in predictions.card:
        return "sound, but written without checksums"
    return None
