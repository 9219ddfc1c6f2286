"""Check that a run, a report or an exported model is still what it was.

Files are compared with their ``SHA256SUMS``. Numbers are computed again: those of the report,
and the audits of the split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ser_brain.core.errors import SERError, first_few
from ser_brain.core.files import RECORD, SPLITS, SUMS, changed_files, noted_files, read_json
from ser_brain.core.schema import ANY, TEXT, Bound, check, list_of, mapping_of, shown
from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import audit_all
from ser_brain.data.manifest import SHA256 as MANIFEST_SHA256
from ser_brain.data.manifest import read_card, read_manifest
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.predictions import SHA256, read_predictions
from ser_brain.evaluation.runs import FOLDS, parts_of, read_run
from ser_brain.inference.model_folder import load_model
from ser_brain.publishing.contents import is_of_card, known_files
from ser_brain.reporting.html import written_files
from ser_brain.training.config import read_settings
from ser_brain.training.run import ENDED, SETTINGS, differing_options
from ser_brain.training.setting_values import plain_settings

OK, DIFFERS, UNCHECKED = "OK", "DIFFERS", "not checked"
TOLERANCE = 1e-9  # relative: other versions of the libraries sum in another order
NAMED = 3  # of many things that differ in the same way
IDS = list_of(TEXT)
CORPUS = Bound(
    lambda facts: isinstance(facts, dict) and {"title", "fingerprint"} <= facts.keys(),
    "an object with title and fingerprint",
)
SPLIT = {
    "train": IDS,
    "valid": IDS,
    "tests": mapping_of(IDS),
    "audit": mapping_of(mapping_of(ANY)),
    "corpora": mapping_of(CORPUS),
}


@dataclass(frozen=True)
class Check:
    """One result."""

    item: str  # what was checked, as a path in the folder or in words
    state: str  # OK, DIFFERS or UNCHECKED
    reason: str = ""  # what differs, or why it was not checked


def verify(folder: str | Path, manifest_folder: str | Path | None = None) -> list[Check]:
    """Check a run folder, a folds folder, a model folder, or any folder with a ``SHA256SUMS``.

    ``manifest_folder`` holds the manifests of a run's corpora; by default it is where the
    settings of the run say. A folder that contains nothing that can be checked is an error.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SERError(f"No folder {folder}; expected that of a run, of folds or of a model.")
    if (folder / "config.json").is_file():
        files, again = known_files(folder), "export the model again"
        return [
            _check("loading", lambda: _loads(folder)),
            *_checksums("files", folder, files, again, is_of_card),
        ]
    if any((folder / name).exists() for name in (FOLDS, SETTINGS)):
        return [*_whole_run(folder, manifest_folder)]
    if (folder / SUMS).is_file():
        return [*_report_files("files", folder)]
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


def _whole_run(folder: Path, manifest_folder: str | Path | None) -> Iterator[Check]:
    parts, _ = parts_of(folder)
    for part in parts.values():
        yield from _part(part, folder, manifest_folder)
    if folder not in parts.values():
        yield from _ended("list of parts", folder)
        yield from _report(folder, "report of all parts")


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
    yield _check(f"{prefix}manifests", lambda: _verify_manifests(part, manifest_folder))
    yield _check(f"{prefix}audits", lambda: _verify_audits(part, manifest_folder))
    yield from _report(part, f"{prefix}report")


def _checksums(
    item: str,
    folder: Path,
    expected: Collection[str],
    again: str,
    may_edit: Callable[[str], bool],
) -> Iterator[Check]:
    """Compare the files of a folder with its list of checksums.

    An ``expected`` file that the list lacks, because somebody removed its line or the list is
    of an earlier version, gets a check of its own. ``again`` says what to do about a damaged
    file or list. Of a file that one ``may_edit``, the line may be removed.
    """
    if not (folder / SUMS).is_file():
        yield Check(item, UNCHECKED, f"written without {SUMS}")
        return

    def look() -> None:
        changed = changed_files(folder)
        if changed == [SUMS]:
            raise SERError(f"{SUMS} is damaged ({again})")
        missing = [name for name in changed if not (folder / name).is_file()]
        changed = [name for name in changed if name not in missing]
        edited = ", ".join(filter(may_edit, changed))
        accept = f"; or, to accept an edit, remove {edited} from {SUMS}" if edited else ""
        found = [f"missing: {', '.join(missing)} ({again})"] if missing else []
        found += [f"changed: {', '.join(changed)} ({again}{accept})"] if changed else []
        if found:
            raise SERError("; ".join(found))

    yield _check(item, look)
    try:
        listed = noted_files(folder)
    except SERError:  # The check has reported it.
        return
    for name in sorted({*expected} - {*listed, SUMS}):
        yield Check(f"{item} ({name})", UNCHECKED, f"not in {SUMS}")


def _ended(item: str, folder: Path) -> Iterator[Check]:
    """Check the files that nothing changes after the end of a run."""
    expected = [name for name in ENDED if (folder / name).is_file()]
    again = "repeat the command of the run"
    yield from _checksums(item, folder, expected, again, lambda name: name == SETTINGS)


def _report(folder: Path, item: str) -> Iterator[Check]:
    if not (folder / "report").is_dir():
        yield Check(item, UNCHECKED, "there is none")
        return
    yield from _report_files(f"{item}, files", folder / "report")
    yield _check(f"{item}, numbers", lambda: _verify_numbers(folder))


def _report_files(item: str, folder: Path) -> Iterator[Check]:
    written = written_files(folder)
    yield from _checksums(item, folder, written, "write it again", written.__contains__)


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


def _read_splits(part: Path) -> dict:
    path = part / SPLITS
    splits = read_json(path, "split")
    check(splits, SPLIT, f"split {path}", optional=("corpora",), others=True)
    return splits


def _verify_split(part: Path) -> None:
    splits = _read_splits(part)
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
    splits = _read_splits(path.parents[1])
    expected = {"valid": splits["valid"], **splits["tests"]}.get(path.stem)
    if expected is not None and set(expected) != set(predictions.ids):
        off = sorted(set(expected) ^ set(predictions.ids))
        raise SERError(
            f"{len(off)} ids are in only one of it and {SPLITS} ({', '.join(off[:NAMED])})"
        )
    return None if SHA256 in predictions.card else "sound, but written without checksums"


def _verify_manifests(part: Path, manifest_folder: str | Path | None) -> str | None:
    """The manifests are those of the run, and hold every utterance of its split."""
    splits = _read_splits(part)
    manifests, reason = _find_manifests(part, splits, manifest_folder)
    if reason is not None:
        return reason
    known = {i for path in manifests for i in read_manifest(path).entries}
    lost = sorted({i for ids in _ids(splits).values() for i in ids} - known)
    if lost:
        raise SERError(f"{len(lost)} utterances are in no manifest ({', '.join(lost[:NAMED])})")
    return None


def _verify_audits(part: Path, manifest_folder: str | Path | None) -> str | None:
    """The parts share what the first audit found, and nothing that the protocol keeps apart."""
    splits = _read_splits(part)
    entries: dict[str, dict] = {}
    try:
        manifests, reason = _find_manifests(part, splits, manifest_folder)
        for path in manifests:
            manifest = read_manifest(path)
            entries |= manifest.located(manifest.data_folder())
    except SERError as error:  # the check of the manifests reports it
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
            # Earlier versions did not count unknowns, and compared texts only within a corpus.
            now = {
                what: {key: value for key, value in shared.items() if key != "unknown"}
                for what, shared in now.items()
            }
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
        raise SERError(f"{part / SETTINGS} is damaged: it has no {key}")
    return settings[key]


def _find_manifests(
    part: Path, splits: dict, manifest_folder: str | Path | None
) -> tuple[list[Path], str | None]:
    """The manifests of a run's corpora, found by their hash; or why there are none."""
    if not splits.get("corpora"):
        return [], f"{SPLITS} names no corpora: the run is of an earlier version"
    folder = Path(manifest_folder or _setting(part, "manifest_folder"))
    cards, damaged = {}, {}
    for card_file in sorted(folder.glob("*.card.json")):
        path = folder / f"{card_file.name.removesuffix('.card.json')}.json"
        try:
            cards[path] = read_card(path)
        except SERError as error:  # it may be the card of another corpus
            damaged[path] = error
    chosen = []
    for name, facts in splits["corpora"].items():
        # Earlier versions kept no hash.
        mark = MANIFEST_SHA256 if facts.get(MANIFEST_SHA256) else "fingerprint"
        same = [path for path, card in cards.items() if card.get(mark) == facts[mark]]
        if not same:
            own = [error for path, error in damaged.items() if is_of(path.stem, [name])]
            if own:
                raise own[0]
            titled = [p for p, card in cards.items() if card.get("title") == facts["title"]]
            if titled and mark == MANIFEST_SHA256:
                raise SERError(f"{titled[0]} is not the manifest of {name} that the run used")
            reason = f"{folder} has no manifest of {name}; name its folder: --manifest_folder"
            return [], reason
        chosen += [path for path in same[:1] if path not in chosen]
    return chosen, None


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
        few = first_few(found, NAMED, "; ")
        raise SERError(f"they differ from the predictions: {few}")
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
        yield f"{where} is {shown(kept)}, not {shown(again)}"
