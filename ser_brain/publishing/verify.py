"""One thing that is looked at, and what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ser_brain.core.errors import SERError
from ser_brain.core.files import SUMS, changed_files, noted_files, read_json
from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import audit_all
from ser_brain.data.manifest import SHA256, read_card, read_manifest
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.predictions import SHA256 as RUN_SHA256
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import FOLDS, parts_of, read_run
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import is_of_card, known_files
from ser_brain.reporting.html import written_files
from ser_brain.training.config import plain_settings, read_settings
from ser_brain.training.run import ENDED, RECORD, SETTINGS, differing_options

OK, DIFFERS, UNCHECKED = "OK", "DIFFERS", "not checked"
SHOWN = 3  # of many things that differ in the same way
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


SPLITS = "splits.json"
CORPUS_KEYS = {"title", "fingerprint"}  # of a corpus, in the split


def read_splits(part: Path) -> dict:
    """What a run was trained, validated and tested on, as its ``splits.json`` says.

    Raises
    ------
    SERError
        If it cannot be read, or lacks something.
    """
    path = part / SPLITS
    splits = read_json(path, "split")
    tests, corpora = splits.get("tests"), splits.get("corpora", {})
    parts = [splits.get("train"), splits.get("valid")]
    parts += tests.values() if isinstance(tests, dict) else [None]
    whole = (
        all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in parts)
        and isinstance(splits.get("audit"), dict)
        and isinstance(corpora, dict)
        and all(isinstance(c, dict) and CORPUS_KEYS <= c.keys() for c in corpora.values())
    )
    if not whole:
        raise SERError(f"{path} is damaged: it lacks a part, the audit or facts of a corpus")
    return splits


def verify_manifests(part: Path, manifest_folder: str | Path | None) -> str | None:
    """Compare a run's split with the manifests of its corpora.

    Parameters
    ----------
    part : Path
        A run folder.
    manifest_folder : str or Path, optional
        None takes the one that the run's settings name.

    Returns
    -------
    str or None
        Why it could not be done.

    Raises
    ------
    SERError
        If a manifest is not as it was written or not the run's, or lacks an utterance of the
        split.
    """
    splits = read_splits(part)
    manifests, reason = _manifests(part, splits, manifest_folder)
    if reason is not None:
        return reason
    known = {i for path in manifests for i in read_manifest(path).entries}
    lost = sorted({i for ids in _ids(splits).values() for i in ids} - known)
    if lost:
        raise SERError(f"{len(lost)} utterances are in no manifest ({', '.join(lost[:SHOWN])})")
    return None


def verify_audits(part: Path, manifest_folder: str | Path | None) -> str | None:
    """Audit a run's split again; parameters as for :func:`verify_manifests`.

    Raises
    ------
    SERError
        If the parts share what the protocol keeps apart, or anything else than they did.
    """
    splits = read_splits(part)
    entries: dict[str, dict] = {}
    try:
        manifests, reason = _manifests(part, splits, manifest_folder)
        for path in manifests:
            manifest = read_manifest(path)
            entries |= manifest.located(manifest.data_folder())
    except SERError as error:
        reason = str(error)
    if reason is not None:
        return reason
    rows = {
        name: {i: entries[i] for i in ids if i in entries} for name, ids in _ids(splits).items()
    }
    train, valid = rows.pop("train"), rows.pop("valid")
    found = audit_all(train, valid, rows, _setting(part, "split"))
    texts = []
    for pair in dict.fromkeys([*splits["audit"], *found]):
        was, now = splits["audit"].get(pair), found.get(pair)
        if was and now and "unknown" not in was.get("speakers", {}):
            # Earlier versions did not count unknowns, and compared texts within a corpus alone.
            now = {what: {**shared} for what, shared in now.items()}
            for shared in now.values():
                shared.pop("unknown", None)
            if was.get("texts") != now["texts"]:
                texts.append(pair)
                now["texts"] = was.get("texts")
        if was != now:
            raise SERError(f"{pair}: found {now}, was {was}")
    if texts:
        return f"texts of {', '.join(texts)}: an earlier version compared them within a corpus"
    return None


def _ids(splits: dict) -> dict[str, list[str]]:
    return {"train": splits["train"], "valid": splits["valid"], **splits["tests"]}


def _setting(part: Path, key: str) -> str:
    settings = plain_settings(read_settings(part / SETTINGS, []))
    if not isinstance(settings.get(key), str):
        raise SERError(f"{part / SETTINGS} is damaged: it does not say {key}")
    return settings[key]


def _manifests(
    part: Path, splits: dict, manifest_folder: str | Path | None
) -> tuple[list[Path], str | None]:
    """The manifests of a run's corpora, found by their hash; or why there are none."""
    if not splits.get("corpora"):
        return [], f"{SPLITS} names no corpora: the run is of an earlier version"
    folder = Path(manifest_folder or _setting(part, "manifest_folder"))
    found = [path.name.removesuffix(".card.json") for path in folder.glob("*.card.json")]
    manifests = [folder / f"{name}.json" for name in sorted(found)]
    cards, damaged = {}, {}
    for path in manifests:
        try:
            cards[path] = read_card(path)
        except SERError as error:  # of another corpus, perhaps
            damaged[path] = error
    chosen = []
    for name, facts in splits["corpora"].items():
        mark = SHA256 if facts.get(SHA256) else "fingerprint"  # earlier versions kept no hash
        same = [path for path, card in cards.items() if card.get(mark) == facts[mark]]
        titled = [path for path, card in cards.items() if card.get("title") == facts["title"]]
        own = [error for path, error in damaged.items() if is_of(path.stem, [name])]
        if not same and own:
            raise own[0]
        if not same and titled and mark == SHA256:
            raise SERError(f"{titled[0]} is not the manifest that the run used of {name}")
        if not same:
            return (
                [],
                f"the manifest of {name} is not in {folder}; say where: --manifest_folder",
            )
        chosen += [path for path in same[:1] if path not in chosen]
    return chosen, None


def verify_files(
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
        What they are, for the check.
    folder : Path
    expected : collection of str
        Files that are there and should be in the list. Those that are not, because somebody
        took them out or the list is of an earlier version, get a check of their own.
    again : str
        What to do about a damaged file, or a damaged list.
    may_edit : callable
        Whether a file may be edited, so that its line may be taken out.
    """
    if not (folder / SUMS).is_file():
        yield Check(item, UNCHECKED, f"written without {SUMS}")
        return
    yield check(item, lambda: _look(folder, again, may_edit))
    try:
        listed = noted_files(folder)
    except SERError:  # Damaged, or not to be read, as the check says.
        return
    for name in sorted({*expected} - {*listed, SUMS}):
        yield Check(f"{item} ({name})", UNCHECKED, f"not in {SUMS}")


def verify_report_files(item: str, folder: Path) -> Iterator[Check]:
    """Compare the files of a report with its list of checksums."""
    written = written_files(folder)
    yield from verify_files(item, folder, written, "write it again", written.__contains__)


def _look(folder: Path, again: str, may_edit: Callable[[str], bool]) -> None:
    changed = changed_files(folder)
    if changed == [SUMS]:
        raise SERError(f"{SUMS} is damaged ({again})")
    if not changed:
        return
    edited = [name for name in changed if may_edit(name)]
    accept = f"; or, to accept an edit, take {', '.join(edited)} out of {SUMS}"
    raise SERError(f"not as written: {', '.join(changed)} ({again}{accept if edited else ''})")


# Relative, of a number in a table: libraries of other versions add up otherwise.
TOLERANCE = 1e-9
ENDS = {"low", "high"}  # of an interval
WORDS = {"note", "interval_notes"}  # which later versions may choose otherwise


def verify_tables(folder: Path) -> str | None:
    """Evaluate a run or folds folder again, and compare.

    Returns
    -------
    str or None
        Which test sets were not compared, because they were predicted after the report.

    Raises
    ------
    SERError
        If ``report/results.json`` is not there or says anything else.
    """
    path = folder / "report" / "results.json"
    kept = read_json(path, "results").get("test_sets")
    try:
        resamples = int(next(iter(kept.values()))["bootstrap"]["resamples"])
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        raise SERError(f"{path} is damaged: it holds no results of test sets") from None
    run = read_run(folder)
    again = evaluate_run(run, resamples)["test_sets"]
    lacking = [name for name in again if name not in kept]
    later = [name for name in lacking if run.is_further(name)]
    found = [f"it lacks {name}" for name in lacking if name not in later]
    found += _differences(kept, again, "")
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise SERError(f"the predictions say otherwise: {'; '.join(found[:SHOWN])}{more}")
    if later:
        return f"older than the predictions on {', '.join(later)}; ser report writes it anew"
    return None


def _differences(kept: object, again: object, where: str) -> Iterator[str]:
    """Where two results differ, in words."""
    if isinstance(kept, dict) and isinstance(again, dict):
        if kept.keys() >= ENDS and again.get("low") is None:
            # Earlier versions gave intervals of fewer than five speakers, too.
            kept = {key: value for key, value in kept.items() if key not in ENDS}
        for key in kept.keys() - WORDS:  # what a later version computes besides is no fault
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


def verify_model(folder: Path) -> list[Check]:
    """Check whether a model folder loads, as it would for anybody, and its files."""

    def loads() -> None:
        load_model(folder)

    files = verify_files(
        "files", folder, known_files(folder), "export the model again", is_of_card
    )
    return [check("loading", loads), *files]


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
    lost = [n for n in predictions.card.get(RUN_SHA256, {}) if not path.with_name(n).is_file()]
    if lost:
        raise SERError(f"it was written with {', '.join(lost)}, which is gone")
    splits = read_splits(path.parents[1])
    expected = {"valid": splits["valid"], **splits["tests"]}.get(path.stem)
    if expected is not None and set(expected) != set(predictions.ids):
        off = sorted(set(expected) ^ set(predictions.ids))
        raise SERError(
            f"{len(off)} ids stand in only one of it and {SPLITS} ({', '.join(off[:SHOWN])})"
        )
    if RUN_SHA256 not in predictions.card:
        return "sound, but written without checksums"
    return None


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
        return verify_model(folder)
    if any((folder / name).exists() for name in (FOLDS, SETTINGS)):
        return verify_run(folder, manifest_folder)
    if (folder / SUMS).is_file():
        return [*verify_report_files("files", folder)]
    raise SERError(f"{folder} holds no run, no folds, no exported model and no {SUMS}.")
