"""The run folder: which settings it belongs to, whether the run is finished, and its records.

``hyperparams.yaml`` keeps the settings, ``run.json`` how the run went, ``train_log.jsonl`` each
epoch. train.py first claims a folder, which changes nothing, and begins the run once everything
else is checked.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import yaml

from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    LARGEST_SETTINGS,
    RECORD,
    SPLITS,
    SUMS,
    inside,
    parse_json_line,
    read_json,
    remove,
    remove_partial,
    require_text,
    write_checksums,
    write_json,
    write_text,
)
from ser_brain.core.log import show_progress
from ser_brain.data.manifest import SHA256
from ser_brain.evaluation.runs import FOLDS
from ser_brain.training.config import split_keys, with_current_names

SETTINGS = "hyperparams.yaml"
LOG = "train_log.txt"  # what train.py prints

# Files without a checksum elsewhere, which nothing changes once the run has finished.
ADAPTER = "adaptation.safetensors"  # see ser_brain/training/adapted.py
ENDED = (SETTINGS, RECORD, FOLDS, SPLITS, "train_log.jsonl", ADAPTER)
VERSIONS = ("torch", "torchaudio", "speechbrain", "transformers", "numpy", "scikit-learn")

# Settings that may change when a run is continued.
MAY_CHANGE = {
    *("output_folder", "data_folder", "manifest_folder", "number_of_epochs", "max_clip_s"),
    "experiment_logger",
}
CACHE_SIZE = "feature_cache_gb"  # may change, but not from or to 0

# SpeechBrain's run options that may not change when a run is continued.
KEPT_OPTIONS = ("compile", "eval_precision", "grad_accumulation_factor", "max_grad_norm")


def require_run(folder: str | Path) -> None:
    """Stop unless a folder is a run folder.

    Raises
    ------
    SERError
        If the folder is missing, or contains no settings.
    """
    if not Path(folder).is_dir():
        raise SERError(f"No run folder {folder}; name one that train.py or ser folds wrote.")
    if not (Path(folder) / SETTINGS).is_file():
        raise SERError(f"{folder} is not a run folder: it contains no {SETTINGS}.")


def claim(folder: str | Path, settings: str) -> None:
    """Check that a run with these settings may begin in a folder, or continue there.

    Removes what killed runs left half-written. Everything else stays as it is, because a later
    check may still stop the run; :func:`begin` changes the folder.

    Parameters
    ----------
    folder : str or Path
    settings : str
        The merged settings text.

    Raises
    ------
    SERError
        If the folder contains checkpoints or predictions of other settings (naming the keys
        that differ) or of unknown settings, it is a folds folder, or a link would lead writes
        out of it.
    """
    if (Path(folder) / FOLDS).is_file():  # its report would be read as that of the run
        raise SERError(
            f"{folder} contains the folds of ser folds. Choose another --output_folder, or "
            "remove the folder."
        )
    for name in ("predictions", "report", LOG):
        inside(folder, name)
    # Not in the report: another process may be writing one, and cleans up by itself.
    for place in ("", "save", "predictions"):
        remove_partial(Path(folder) / place)
    kept = Path(folder) / SETTINGS
    work = _work_in(folder)
    if not work:
        return
    if not kept.is_file():
        raise SERError(
            f"{folder} contains {work}, but no {SETTINGS} that tells their settings. Choose "
            "another --output_folder, or remove the folder."
        )
    # On a cosine, the rates of the epochs so far depend on the number of all epochs.
    schedule = _values(settings, "the settings").get("lr_schedule")
    on_cosine = schedule is not None and schedule[1] == "cosine"
    may_change = MAY_CHANGE - {"number_of_epochs"} if on_cosine else MAY_CHANGE
    differ = differing_settings(kept, settings, may_change)
    if differ:
        raise SERError(
            f"{folder} contains {work} of other settings ({_difference(differ, kept)}). Choose "
            "another --output_folder, or remove the folder."
        )


def require_same_corpora(folder: str | Path, splits: Mapping) -> None:
    """Stop if the corpora of a run have changed since it began.

    One that has grown is cut elsewhere: what was trained on would be tested. Where labels were
    corrected, the epochs so far learned others.

    Parameters
    ----------
    folder : str or Path
    splits : mapping
        What ``splits.json`` would contain.

    Raises
    ------
    SERError
        With the number of utterances that each part has gained and lost, or the corpora whose
        manifests differ.
    """
    work, kept = _work_in(folder), Path(folder) / SPLITS
    if not work or not kept.is_file():
        return
    earlier = read_json(kept, "split")
    before, now = _parts(earlier), _parts(splits)
    changed = []
    for part in sorted(before.keys() | now.keys()):
        had, has = before.get(part, set()), now.get(part, set())
        if had != has:
            changed.append(f"{part} gains {len(has - had)} and loses {len(had - has)}")
    others = other_versions(earlier.get("corpora", {}), splits.get("corpora", {}))
    if others and not changed:
        changed = [f"the same utterances of {', '.join(others)}, with other facts or labels"]
    if changed:
        raise SERError(
            f"{folder} contains {work} of other data: the corpora have changed since "
            f"({'; '.join(changed)}). Choose another --output_folder, or remove the folder."
        )


def other_versions(before: Mapping, now: Mapping) -> list[str]:
    """Corpora of ``before`` (name -> facts) whose manifest ``now`` is another, or missing."""

    def differs(one: Mapping, other: Mapping) -> bool:
        known = SHA256 if one.get(SHA256) and other.get(SHA256) else "fingerprint"
        return one.get(known) != other.get(known)  # runs of early versions have no hash

    return [name for name, facts in before.items() if differs(facts, now.get(name, {}))]


def _parts(splits: Mapping) -> dict[str, set[str]]:
    tests = {f"test set {name}": ids for name, ids in splits.get("tests", {}).items()}
    parts = {"train": splits.get("train", ()), "valid": splits.get("valid", ()), **tests}
    return {part: set(ids) for part, ids in parts.items()}


def begin(folder: str | Path, settings: str, **facts: object) -> RunRecord:
    """Begin or continue a run: from here on it is not finished.

    Parameters
    ----------
    folder : str or Path
    settings : str
        The merged settings text; written to ``hyperparams.yaml``.
    facts
        See :class:`RunRecord`.

    Raises
    ------
    SERError
        If the run began with other run options of SpeechBrain's; names those that differ.
    """
    work = _work_in(folder)
    differ = differing_options(folder, facts.get("run_options", {})) if work else {}
    if differ:
        had = {name: -1 if value is None else value for name, value in differ.items()}
        raise SERError(
            f"{folder} contains {work} of other run options "
            f"({', '.join(f'{name} was {value}' for name, value in had.items())}). Give the "
            "same, or choose another --output_folder."
        )
    # The record first: killed between the two, the folder would otherwise have a finished
    # record beside settings (of more epochs, say) that were never run.
    record = RunRecord(folder, **facts)
    remove(Path(folder) / "report" / SUMS)  # the report is out of date from now on
    write_text(Path(folder) / SETTINGS, settings)
    return record


@contextlib.contextmanager
def undone_unless_begun(folder: str | Path) -> Iterator[None]:
    """Leave a folder as it was if the block ends before a run has begun there."""
    folder = Path(folder)
    before = {path.name for path in folder.iterdir()}
    try:
        yield
    finally:
        if not (folder / RECORD).is_file():
            show_progress()  # closes the log file
            if LOG not in before:
                (folder / LOG).unlink(missing_ok=True)
            if "save" not in before:
                with contextlib.suppress(OSError):  # missing, or not empty
                    (folder / "save").rmdir()


def is_finished(folder: str | Path, settings: str, run_options: Mapping | None = None) -> bool:
    """Whether a run with these settings and run options is finished in a folder.

    The places of corpora and manifests may differ; the number of epochs and the clips that it
    accepts may not.
    """
    kept, record = Path(folder) / SETTINGS, Path(folder) / RECORD
    if not all(path.is_file() for path in (kept, record, Path(folder) / SUMS)):
        return False
    finished = read_json(record, "run description").get("finished") is True
    may_change = MAY_CHANGE - {"number_of_epochs", "max_clip_s"}
    same = not differing_options(folder, run_options or {})
    return finished and same and not differing_settings(kept, settings, may_change)


class RunRecord:
    """``run.json``: command, versions, commit, seed, protocol, wall time.

    A run may take several invocations of its command. Each is listed, and the wall time of the
    run is the sum of theirs.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    name : str
        Of the file.
    facts
        What the experiment adds: ``seed``, ``protocol`` ...
    """

    def __init__(self, folder: str | Path, name: str = RECORD, **facts: object) -> None:
        self.path = Path(folder) / name
        self.began = time.time()
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.began))
        versions = {name: importlib.metadata.version(name) for name in VERSIONS}
        self.facts = {
            "command": _command(),
            "started": started,
            "versions": {"python": sys.version.split()[0], **versions},
            "commit": _commit(),
            **facts,
        }
        self.earlier = _earlier_invocations(self.path)
        remove(self.path.with_name(SUMS))  # of files that are about to change
        write_json(self.path, {**self.facts, "finished": False, "invocations": self._all(None)})

    def finish(self) -> None:
        """Record that the run is finished, its wall time, and its files' checksums."""
        invocations = self._all(round(time.time() - self.began, 1))
        total_s = round(sum(each["wall_time_s"] or 0.0 for each in invocations), 1)
        content = {"finished": True, "wall_time_s": total_s, "invocations": invocations}
        write_json(self.path, {**self.facts, **content})
        write_checksums(self.path.parent, *ENDED)

    def _all(self, seconds: float | None) -> list[dict]:
        ours = {key: self.facts[key] for key in ("command", "started")}
        return [*self.earlier, {**ours, "wall_time_s": seconds}]


class TrainLog:
    """``train_log.jsonl``: a line for each epoch; a continued run replaces those it repeats."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> list[dict]:
        """The epochs so far, in order."""
        if not self.path.is_file():
            return []
        lines = enumerate(require_text(self.path, "training log").splitlines(), start=1)
        return [parse_json_line(line, self.path, number) for number, line in lines]

    def write(self, epoch: int, **facts: object) -> None:
        """Add an epoch; drop what the file has of this epoch and of later ones."""
        epochs = [e for e in self.read() if e["epoch"] < epoch] + [{"epoch": epoch, **facts}]
        write_text(self.path, "".join(json.dumps(e) + "\n" for e in epochs))


# -- comparing settings and options


def differing_settings(kept: Path, settings: str, may_change: Collection[str]) -> list[str]:
    """Keys whose values in a settings file differ from those of a settings text."""
    theirs = _values(require_text(kept, "settings", LARGEST_SETTINGS), str(kept))
    ours = _values(settings, "the settings")
    keys = (theirs.keys() | ours.keys()) - set(may_change)
    return sorted(key for key in keys if theirs.get(key) != ours.get(key))


def recorded_options(folder: str | Path) -> dict:
    """SpeechBrain's run options of a run; {} for one of an earlier version."""
    path = Path(folder) / RECORD
    found = read_json(path, "run description").get("run_options") if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def differing_options(folder: str | Path, run_options: Mapping) -> dict:
    """Options that have changed and may not: name -> the recorded value."""
    kept = recorded_options(folder)
    return {
        name: kept[name]
        for name in KEPT_OPTIONS
        if name in kept and kept[name] != run_options.get(name, kept[name])
    }


def _work_in(folder: str | Path) -> str | None:
    """What of a run's work a folder contains."""
    made = {"checkpoints": "save/CKPT+*", "predictions": "predictions/*.jsonl"}
    return next(
        (what for what, pattern in made.items() if any(Path(folder).glob(pattern))), None
    )


def _difference(differ: list[str], kept: Path) -> str:
    known = _values(require_text(kept, "settings", LARGEST_SETTINGS), str(kept))
    missing = [key for key in differ if key not in known]
    shown = ["whether feature_cache_gb is 0" if k == CACHE_SIZE else k for k in differ]
    parts = [f"different: {', '.join(shown)}"]
    if missing:  # as in a run of an earlier version
        parts.append(
            f"{kept} lacks {', '.join(missing)}: to continue the run, add the values it had"
        )
    return "; ".join(parts)


def _values(settings: str, name: str) -> dict[str, object]:
    """key -> its YAML value, without comments and layout."""
    settings = with_current_names(settings)
    keys = split_keys(settings, name)
    values = yaml.compose(settings).value if keys else ()
    return {k.value: _is_zero(v) if k.value == CACHE_SIZE else _content(v) for k, v in values}


def _is_zero(node: yaml.Node) -> bool:
    is_number = node.tag.endswith((":int", ":float"))  # others may not even load
    return is_number and yaml.safe_load(yaml.serialize(node)) == 0


def _content(node: yaml.Node) -> tuple:
    """A YAML node's tag and value, without its style."""
    if isinstance(node, yaml.MappingNode):
        pairs = tuple((_content(key), _content(value)) for key, value in node.value)
        return node.tag, tuple(sorted(pairs))
    if isinstance(node, yaml.SequenceNode):
        return node.tag, tuple(_content(item) for item in node.value)
    return node.tag, node.value


# -- what a record contains


def _earlier_invocations(record: Path) -> list[dict]:
    """Invocations before this one; a killed one lasted until its latest change of a file."""
    if not record.is_file():
        return []
    found = read_json(record, "run description")
    only = {key: found.get(key) for key in ("command", "started", "wall_time_s")}
    invocations = found.get("invocations", [only])
    last = invocations[-1]
    if last["wall_time_s"] is None and last["started"]:
        began = datetime.strptime(last["started"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
        patterns = ("train_log.jsonl", "save/*", "predictions/*", "*/output.txt")
        changed = [path for pattern in patterns for path in record.parent.glob(pattern)]
        latest = max((path.stat().st_mtime for path in changed), default=began)
        last["wall_time_s"] = round(max(0.0, latest - began), 1)
    return invocations


def _command() -> str:
    """What was typed: ``python train.py ...`` or ``ser folds ...``."""
    program, *arguments = sys.argv
    name = Path(program).name
    typed = ["python", program] if name.endswith(".py") else [name]
    return shlex.join([*typed, *arguments])


def _commit() -> str | None:
    """The commit of the running code, with ``+`` if it has uncommitted changes."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
