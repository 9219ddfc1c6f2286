"""The run folder: whose it is, whether it is finished, how each epoch went."""

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
from ser_brain.training.config import split_keys, with_current_names

SETTINGS = "hyperparams.yaml"
RECORD = "run.json"
LOG = "train_log.txt"  # what train.py says

# Keys that may change between a run and its continuation: where things lie, for how long, and
# which clips are too long for the machine.
MAY_CHANGE = {
    "output_folder",
    "data_folder",
    "manifest_folder",
    "number_of_epochs",
    "max_clip_s",
}

# SpeechBrain's options that a run is trained or judged with, and that may not change, either.
KEPT_OPTIONS = ("compile", "eval_precision", "grad_accumulation_factor", "max_grad_norm")
CACHE_SIZE = "feature_cache_gb"  # may change, too, but whether it is 0 may not


def require_run(folder: str | Path) -> None:
    """Stop where there is no run.

    Raises
    ------
    SERError
        If the folder is missing, or holds no settings.
    """
    if not Path(folder).is_dir():
        raise SERError(f"No run folder {folder}; name one that train.py or ser folds wrote.")
    if not (Path(folder) / SETTINGS).is_file():
        raise SERError(f"{folder} is no run folder: it holds no {SETTINGS}.")


def claim(folder: str | Path, settings: str) -> None:
    """Check that a run of these settings may begin in a folder, or go on there.

    What killed runs left is removed; all else stays as it is, since what is checked next may
    stop the run. :func:`ser_brain.training.run.begin` is what changes the folder.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    settings : str
        The merged settings text.

    Raises
    ------
    SERError
        If checkpoints or predictions of other settings lie there, naming the keys that
        differ, or of settings that nobody can tell; or if what is written leads elsewhere.
    """
    for name in ("predictions", "report", LOG):
        inside(folder, name)
    # Not of the report, which another process may write: a report removes its own.
    for place in ("", "save", "predictions"):
        remove_partial(Path(folder) / place)
    kept = Path(folder) / SETTINGS
    held = _held(folder)
    if held:
        if not kept.is_file():
            raise SERError(
                f"{folder} holds {held[0]}, but no {SETTINGS} to say of what. "
                "Choose another --output_folder, or remove it."
            )
        differ = differing(kept, settings, MAY_CHANGE)
        if differ:
            raise SERError(
                f"{folder} holds {held[0]} of other settings ({_how(differ, kept)}). Choose "
                "another --output_folder, or remove it."
            )


@contextlib.contextmanager
def nothing_left(folder: str | Path) -> Iterator[None]:
    """Leave a folder as it was, if the run of the block stops before it has begun."""
    folder = Path(folder)
    before = {path.name for path in folder.iterdir()}
    try:
        yield
    finally:
        if not (folder / RECORD).is_file():
            show_progress()  # lets go of the log
            if LOG not in before:
                (folder / LOG).unlink(missing_ok=True)
            if "save" not in before:
                with contextlib.suppress(OSError):  # there is none, or it holds something
                    (folder / "save").rmdir()


def _held(folder: str | Path) -> list[str]:
    """What of a run's work lies in a folder."""
    made = {"checkpoints": "save/CKPT+*", "predictions": "predictions/*.jsonl"}
    return [what for what, pattern in made.items() if any(Path(folder).glob(pattern))]


def require_same_options(folder: str | Path, run_options: Mapping) -> None:
    """Check that a run goes on with the options of SpeechBrain's that it began with.

    Raises
    ------
    SERError
        Naming those that differ. What a run of an earlier version had, nobody can tell.
    """
    held = _held(folder)
    differ = differing_options(folder, run_options) if held else {}
    if differ:
        had = {name: -1 if value is None else value for name, value in differ.items()}
        raise SERError(
            f"{folder} holds {held[0]} of other run options "
            f"({', '.join(f'{name} was {value}' for name, value in had.items())}). Give the "
            "same, or choose another --output_folder."
        )


def recorded_options(folder: str | Path) -> dict:
    """Options of SpeechBrain's that a run records; none in one of an earlier version."""
    path = Path(folder) / RECORD
    found = read_json(path, "run description").get("run_options") if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def differing_options(folder: str | Path, run_options: Mapping) -> dict:
    """Options that may not change and have: name -> the value that the run records."""
    kept = recorded_options(folder)
    return {
        name: kept[name]
        for name in KEPT_OPTIONS
        if name in kept and kept[name] != run_options.get(name, kept[name])
    }


def _how(differ: list[str], kept: Path) -> str:
    """What is different, in words."""
    known = _plain(require_text(kept, "settings", LARGEST_SETTINGS), str(kept))
    lacking = [key for key in differ if key not in known]
    shown = ["whether feature_cache_gb is 0" if k == CACHE_SIZE else k for k in differ]
    said = [f"different: {', '.join(shown)}"]
    if lacking:  # as in one of an earlier version
        said.append(f"{kept} lacks {', '.join(lacking)}: add what the run had, to continue it")
    return "; ".join(said)


def differing(kept: Path, settings: str, may_change: Collection[str]) -> list[str]:
    """Keys whose values in a kept settings file are not those of a settings text."""
    theirs = _plain(require_text(kept, "settings", LARGEST_SETTINGS), str(kept))
    ours = _plain(settings, "the settings")
    keys = (theirs.keys() | ours.keys()) - set(may_change)
    return sorted(key for key in keys if theirs.get(key) != ours.get(key))


def is_finished(folder: str | Path, settings: str, run_options: Mapping | None = None) -> bool:
    """Whether a run of these settings and run options has come to its end in a folder.

    Where the corpora and manifests lie does not matter, how many epochs there were does, and
    which clips it takes.
    """
    kept, record = Path(folder) / SETTINGS, Path(folder) / RECORD
    if not all(path.is_file() for path in (kept, record, Path(folder) / SUMS)):
        return False
    finished = read_json(record, "run description").get("finished") is True
    may_change = MAY_CHANGE - {"number_of_epochs", "max_clip_s"}
    same = not differing_options(folder, run_options or {})
    return finished and same and not differing(kept, settings, may_change)


def _plain(settings: str, name: str) -> dict[str, object]:
    """key -> its value without comments and layout."""
    settings = with_current_names(settings)
    keys = split_keys(settings, name)
    values = yaml.compose(settings).value if keys else ()
    return {k.value: _is_zero(v) if k.value == CACHE_SIZE else _content(v) for k, v in values}


def _is_zero(node: yaml.Node) -> bool:
    """Whether a YAML node is the number 0."""
    is_number = node.tag.endswith((":int", ":float"))  # others need not be loadable
    return is_number and yaml.safe_load(yaml.serialize(node)) == 0


def _content(node: yaml.Node) -> tuple:
    """A YAML node's tag and value, without its style."""
    if isinstance(node, yaml.MappingNode):
        pairs = tuple((_content(key), _content(value)) for key, value in node.value)
        return node.tag, tuple(sorted(pairs))
    if isinstance(node, yaml.SequenceNode):
        return node.tag, tuple(_content(item) for item in node.value)
    return node.tag, node.value


class TrainLog:
    """One JSON line per epoch; a resumed run replaces the epochs it repeats.

    Parameters
    ----------
    path : str or Path
        ``train_log.jsonl`` of the run folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> list[dict]:
        """The epochs so far, in order."""
        if not self.path.is_file():
            return []
        lines = enumerate(require_text(self.path, "training log").splitlines(), start=1)
        return [parse_json_line(line, self.path, number) for number, line in lines]

    def write(self, epoch: int, **facts: object) -> None:
        """Add an epoch, dropping what is there of it and of later ones."""
        epochs = [e for e in self.read() if e["epoch"] < epoch] + [{"epoch": epoch, **facts}]
        write_text(self.path, "".join(json.dumps(e) + "\n" for e in epochs))


SIGNS_OF_LIFE = ("train_log.jsonl", "save/*", "predictions/*", "*/output.txt")

# Files of a run that have no checksum elsewhere and that nothing changes once it has ended.
ENDED = (SETTINGS, RECORD, "folds.json", "splits.json", "train_log.jsonl")
VERSIONS = ("torch", "torchaudio", "speechbrain", "transformers", "numpy", "scikit-learn")


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
        What the experiment knows: ``seed``, ``protocol`` ...
    """

    def __init__(self, folder: str | Path, name: str = RECORD, **facts: object) -> None:
        self.path = Path(folder) / name
        self.began = time.time()
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.began))
        self.facts = {
            "command": _command(),
            "started": started,
            "versions": {"python": sys.version.split()[0], **_versions()},
            "commit": _commit(),
            **facts,
        }
        self.earlier = _invocations(self.path)
        remove(self.path.with_name(SUMS))  # of what is about to change
        write_json(self.path, {**self.facts, "finished": False, "invocations": self._all(None)})

    def finish(self) -> None:
        """Record that the run came to its end, how long it took, and its files' checksums."""
        invocations = self._all(round(time.time() - self.began, 1))
        total_s = round(sum(each["wall_time_s"] or 0.0 for each in invocations), 1)
        content = {"finished": True, "wall_time_s": total_s, "invocations": invocations}
        write_json(self.path, {**self.facts, **content})
        write_checksums(self.path.parent, *ENDED)

    def _all(self, seconds: float | None) -> list[dict]:
        ours = {key: self.facts[key] for key in ("command", "started")}
        return [*self.earlier, {**ours, "wall_time_s": seconds}]


def begin(folder: str | Path, settings: str, **facts: object) -> RunRecord:
    """Begin a run, or go on with it: it is not finished from here on.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    settings : str
        The merged settings text; written to ``hyperparams.yaml``.
    facts
        See :class:`RunRecord`.

    Raises
    ------
    SERError
        See :func:`ser_brain.training.run.require_same_options`.
    """
    require_same_options(folder, facts.get("run_options", {}))
    record = RunRecord(folder, **facts)  # first: the settings may ask for more than it finished
    remove(Path(folder) / "report" / SUMS)  # which is not yet of this run
    write_text(Path(folder) / SETTINGS, settings)
    return record


def _invocations(record: Path) -> list[dict]:
    """Those before this one; a killed one took as long as it left signs of life."""
    if not record.is_file():
        return []
    found = read_json(record, "run description")
    of_one = {key: found.get(key) for key in ("command", "started", "wall_time_s")}
    invocations = found.get("invocations", [of_one])
    last = invocations[-1]
    if last["wall_time_s"] is None and last["started"]:
        began = datetime.strptime(last["started"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
        signs = [path for sign in SIGNS_OF_LIFE for path in record.parent.glob(sign)]
        latest = max((path.stat().st_mtime for path in signs), default=began)
        last["wall_time_s"] = round(max(0.0, latest - began), 1)
    return invocations


def _command() -> str:
    """What was typed: ``python train.py ...`` or ``ser folds ...``."""
    program, *arguments = sys.argv
    name = Path(program).name
    typed = ["python", program] if name.endswith(".py") else [name]
    return shlex.join([*typed, *arguments])


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in VERSIONS}


def _commit() -> str | None:
    """The commit of the code that runs, with ``+`` where it was changed since."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
