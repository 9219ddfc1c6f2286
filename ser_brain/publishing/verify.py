"""Check that a run, a report or an exported model is still what it was.

Each check ends as ``OK``, ``DIFFERS`` or ``not checked``. Files are compared with their
``SHA256SUMS``; numbers are computed again: the report's here, the split and the audits in
:mod:`.verify_split`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ser_brain.core.errors import SERError
from ser_brain.core.files import SUMS, changed_files, noted_files, read_json
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.predictions import SHA256, read_predictions
from ser_brain.evaluation.runs import FOLDS, parts_of, read_run
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import is_of_card, known_files
from ser_brain.publishing.verify_split import (
    NAMED,
    SPLITS,
    read_splits,
    verify_audits,
    verify_manifests,
)
from ser_brain.reporting.html import written_files
from ser_brain.training.run import ENDED, RECORD, SETTINGS, differing_options

OK, DIFFERS, UNCHECKED = "OK", "DIFFERS", "not checked"
TOLERANCE = 1e-9  # relative: other versions of the libraries sum in another order


@dataclass(frozen=True)
class Check:
    """One result.

    Attributes
    ----------
    item : str
        What was checked, as a path in the folder or in words.
    state : str
        ``OK``, ``DIFFERS`` or ``not checked``.
    reason : str
        What differs, or why it was not checked.
    """

    item: str
    state: str
    reason: str = ""


def verify(folder: str | Path, manifest_folder: str | Path | None = None) -> list[Check]:
    """Check a run folder, a folds folder, a model folder, or any folder with a ``SHA256SUMS``.

    Parameters
    ----------
    folder : str or Path
    manifest_folder : str or Path, optional
        Where the manifests of a run's corpora are; by default where its settings say.

    Raises
    ------
    SERError
        If the folder contains nothing that can be checked.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SERError(f"No folder {folder}; expected that of a run, of folds or of a model.")
    if (folder / "config.json").is_file():
        files = known_files(folder)
        again = "export the model again"
        return [
            _check("loading", lambda: _loads(folder)),
            *_checksums("files", folder, files, again, is_of_card),
        ]
    if any((folder / name).exists() for name in (FOLDS, SETTINGS)):
        return _verify_run(folder, manifest_folder)
    if (folder / SUMS).is_file():
        return [*_report_checksums("files", folder)]
    raise SERError(f"{folder} contains no run, no folds, no exported model and no {SUMS}.")


def _check(item: str, look: Callable[[], str | None]) -> Check:
    """Run one check: ``look`` raises a SERError if something differs, or says why it cannot."""
    try:
        reason = look()
    except SERError as error:
        return Check(item, DIFFERS, str(error))
    return Check(item, OK) if reason is None else Check(item, UNCHECKED, reason)


def _loads(folder: Path) -> None:
    load_model(folder)


def _verify_run(folder: Path, manifest_folder: str | Path | None) -> list[Check]:
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
    yield _check(f"{prefix}{RECORD}", lambda: _verify_record(part))
    yield from _ended(f"{prefix}settings, split and log", part)
    for path in sorted(part.glob("save/CKPT+*")):
        expected = [file.name for file in path.glob("*")]
        again = "restore a copy, or remove it: training continues from the one before"
        item = f"{prefix}save/{path.name}"
        yield from _checksums(item, path, expected, again, lambda name: False)
    yield _check(f"{prefix}{SPLITS}", lambda: _verify_split(part))
    for path in sorted(part.glob("predictions/*.jsonl")):
        item = f"{prefix}predictions/{path.name}"
        yield _check(item, lambda path=path: _verify_predictions(path))
    yield _check(f"{prefix}manifests", lambda: verify_manifests(part, manifest_folder))
    yield _check(f"{prefix}audits", lambda: verify_audits(part, manifest_folder))
    yield from _report(part, f"{prefix}report")


def _ended(item: str, folder: Path) -> Iterator[Check]:
    """Check the files that nothing changes after the end of a run."""
    expected = [name for name in ENDED if (folder / name).is_file()]
    again = "repeat the command of the run"
    yield from _checksums(item, folder, expected, again, lambda name: name == SETTINGS)


def _verify_record(part: Path) -> None:
    if not read_json(part / RECORD, "run description").get("finished"):
        raise SERError("the run is not finished; its command continues it")
    # The options of SpeechBrain that the run records must be those of its checkpoints.
    for path in sorted(part.glob("save/CKPT+*/CKPT.yaml")):
        try:
            meta = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise SERError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
        theirs = meta.get("run_options") if isinstance(meta, dict) else None
        differ = differing_options(part, theirs) if isinstance(theirs, dict) else {}
        if differ:
            pairs = ", ".join(f"{name} {theirs[name]}, not {differ[name]}" for name in differ)
            raise SERError(f"{path.parent.name} was trained with {pairs} as in {RECORD}")


def _verify_split(part: Path) -> None:
    splits = read_splits(part)
    # Early runs, whose split does not describe the corpora, kept no validation predictions.
    wanted = [*(["valid"] if "corpora" in splits else []), *splits["tests"]]
    lost = [name for name in wanted if not (part / "predictions" / f"{name}.jsonl").is_file()]
    if lost:
        raise SERError(f"no predictions on {', '.join(lost)}")


def _verify_predictions(path: Path) -> str | None:
    predictions = read_predictions(path)
    lost = [n for n in predictions.card.get(SHA256, {}) if not path.with_name(n).is_file()]
    if lost:
        raise SERError(f"it was written with {', '.join(lost)}, which is missing")
    splits = read_splits(path.parents[1])
    expected = {"valid": splits["valid"], **splits["tests"]}.get(path.stem)
    if expected is not None and set(expected) != set(predictions.ids):
        off = sorted(set(expected) ^ set(predictions.ids))
        raise SERError(
            f"{len(off)} ids are in only one of it and {SPLITS} ({', '.join(off[:NAMED])})"
        )
    return None if SHA256 in predictions.card else "sound, but written without checksums"


def _report(folder: Path, item: str) -> Iterator[Check]:
    if not (folder / "report").is_dir():
        yield Check(item, UNCHECKED, "there is none")
        return
    yield from _report_checksums(f"{item}, files", folder / "report")
    yield _check(f"{item}, numbers", lambda: _verify_numbers(folder))


def _report_checksums(item: str, folder: Path) -> Iterator[Check]:
    written = written_files(folder)
    yield from _checksums(item, folder, written, "write it again", written.__contains__)


def _checksums(
    item: str,
    folder: Path,
    expected: Collection[str],
    again: str,
    may_edit: Callable[[str], bool],
) -> Iterator[Check]:
    """Compare the files of a folder with its list of checksums.

    Parameters
    ----------
    item : str
        Name of the check.
    folder : Path
    expected : collection of str
        Files that the list should contain. Those that it does not, because somebody removed the
        line or the list is of an earlier version, get a check of their own.
    again : str
        What to do about a damaged file or list.
    may_edit : callable
        Whether a file may be edited, so that its line may be removed.
    """
    if not (folder / SUMS).is_file():
        yield Check(item, UNCHECKED, f"written without {SUMS}")
        return

    def look() -> None:
        changed = changed_files(folder)
        if changed == [SUMS]:
            raise SERError(f"{SUMS} is damaged ({again})")
        if changed:
            edited = [name for name in changed if may_edit(name)]
            accept = f"; or, to accept an edit, remove {', '.join(edited)} from {SUMS}"
            accept = accept if edited else ""
            raise SERError(f"changed: {', '.join(changed)} ({again}{accept})")

    yield _check(item, look)
    try:
        listed = noted_files(folder)
    except SERError:  # The check has reported it.
        return
    for name in sorted({*expected} - {*listed, SUMS}):
        yield Check(f"{item} ({name})", UNCHECKED, f"not in {SUMS}")


def _verify_numbers(folder: Path) -> str | None:
    """Evaluate a run or folds folder again, and compare with its report."""
    path = folder / "report" / "results.json"
    kept = read_json(path, "results").get("test_sets")
    try:
        resamples = int(next(iter(kept.values()))["bootstrap"]["resamples"])
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        raise SERError(f"{path} is damaged: it contains no results of test sets") from None
    run = read_run(folder)
    again = evaluate_run(run, resamples)["test_sets"]
    lacking = [name for name in again if name not in kept]
    later = [name for name in lacking if run.is_further(name)]
    found = [f"it lacks {name}" for name in lacking if name not in later]
    found += _differences(kept, again, "")
    if found:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise SERError(f"they differ from the predictions: {'; '.join(found[:NAMED])}{more}")
    if later:
        names = ", ".join(later)
        return f"older than the predictions on {names}; ser report writes it again"
    return None


def _differences(kept: object, again: object, where: str) -> Iterator[str]:
    if isinstance(kept, dict) and isinstance(again, dict):
        if kept.keys() >= {"low", "high"} and again.get("low") is None:
            # Earlier versions gave intervals for fewer than five speakers, too.
            kept = {key: value for key, value in kept.items() if key not in ("low", "high")}
        # Wording may change with the version, and a later version may add keys.
        for key in kept.keys() - {"note", "interval_notes"}:
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
