"""Whether a finished run is still what it was: its files, its split, its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ser_brain.checksums import SUMS, changed_files
from ser_brain.errors import SERError
from ser_brain.evaluation import evaluate_run
from ser_brain.files import read_json
from ser_brain.prediction_card import SHA256
from ser_brain.predictions import read_predictions
from ser_brain.run_folder import RECORD, SETTINGS
from ser_brain.runs import FOLDS, parts_of, read_run
from ser_brain.verification_data import (
    SHOWN,
    SPLITS,
    read_splits,
    verify_audits,
    verify_manifests,
)

OK, DIFFERS, UNCHECKED = "OK", "DIFFERS", "not checked"
TOLERANCE = (
    1e-9  # relative, of a number in a table: libraries of other versions add up otherwise
)
Look = Callable[[], str | None]  # see check


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    item : str
        What, as a path in the folder or in words.
    state : str
        ``OK``, ``DIFFERS`` or ``not checked``.
    reason : str
        What differs, or why it was not checked.
    """

    item: str
    state: str
    reason: str = ""


def check(item: str, look: Look) -> Check:
    """Look at one thing.

    Parameters
    ----------
    item : str
    look : callable
        Raises a SERError that says what differs; gives the reason if it cannot look.
    """
    try:
        reason = look()
    except SERError as error:
        return Check(item, DIFFERS, str(error))
    return Check(item, OK) if reason is None else Check(item, UNCHECKED, reason)


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
        If the folder holds no run.
    """
    folder = Path(folder)
    parts, _ = parts_of(folder)
    if not any((folder / name).exists() for name in (FOLDS, SETTINGS)):
        raise SERError(f"{folder} holds no run, no folds and no exported model.")
    checks = []
    for part in parts.values():
        checks += _part(part, folder, manifest_folder)
    if folder not in parts.values():
        checks.append(check("report of all parts", lambda: _verify_tables(folder)))
    return checks


def verify_model(folder: str | Path) -> list[Check]:
    """Check a model folder: whether it loads as anybody's would, with its checksum."""
    from ser_brain.inference.model_folder import load_model  # brings torch

    def look() -> str | None:
        load_model(folder)
        return None if (Path(folder) / SUMS).is_file() else f"sound, but without {SUMS}"

    return [check(str(folder), look)]


def _part(part: Path, whole: Path, manifest_folder: str | Path | None) -> Iterator[Check]:
    prefix = "" if part == whole else f"{part.relative_to(whole)}/"
    if not part.is_dir():
        yield Check(prefix, DIFFERS, f"No folder {part}.")
        return
    yield check(f"{prefix}{RECORD}", lambda: _verify_record(part))
    for path in sorted(part.glob("save/CKPT+*")):
        yield check(f"{prefix}save/{path.name}", lambda path=path: _verify_checkpoint(path))
    yield check(f"{prefix}{SPLITS}", lambda: _verify_split(part))
    for path in sorted(part.glob("predictions/*.jsonl")):
        item = f"{prefix}predictions/{path.name}"
        yield check(item, lambda path=path: _verify_predictions(path))
    yield check(f"{prefix}manifests", lambda: verify_manifests(part, manifest_folder))
    yield check(f"{prefix}audits", lambda: verify_audits(part, manifest_folder))
    yield check(f"{prefix}report", lambda: _verify_tables(part))


def _verify_record(part: Path) -> str | None:
    if not read_json(part / RECORD, "run description").get("finished"):
        raise SERError("the run did not come to its end; its command goes on with it")
    return None


def _verify_checkpoint(path: Path) -> str | None:
    if not (path / SUMS).is_file():
        return f"written without {SUMS}"
    changed = changed_files(path)
    if changed:
        raise SERError(f"not as written: {', '.join(changed)}")
    return None


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


def _verify_tables(folder: Path) -> str | None:
    path = folder / "report" / "results.json"
    if not path.is_file():
        return "no report"
    kept = read_json(path, "results").get("test_sets")
    try:
        resamples = int(next(iter(kept.values()))["bootstrap"]["resamples"])
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        raise SERError(f"{path} is damaged: it holds no results of test sets") from None
    again = evaluate_run(read_run(folder), resamples)["test_sets"]
    found = [f"it lacks {name}" for name in again.keys() - kept.keys()]
    found += _differences(kept, again, "")
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise SERError(f"the predictions say otherwise: {'; '.join(found[:SHOWN])}{more}")
    return None


def _differences(kept: object, again: object, where: str) -> Iterator[str]:
    """Where two results differ, in words."""
    if isinstance(kept, dict) and isinstance(again, dict):
        for key in kept:  # what a later version computes besides is no fault
            yield from _differences(kept.get(key), again.get(key), f"{where}/{key}")
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for number, (one, other) in enumerate(zip(kept, again, strict=True)):
            yield from _differences(one, other, f"{where}/{number}")
    elif isinstance(kept, float) and isinstance(again, float):
        if not math.isclose(kept, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where} is {kept:.6g}, not {again:.6g}"
    elif kept != again:
        yield f"{where} is {_short(kept)}, not {_short(again)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
