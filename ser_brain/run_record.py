"""The record of a run: what was run, by which code, and how long it took."""

from __future__ import annotations

import importlib.metadata
import shlex
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from ser_brain.checksums import SUMS, write_checksums
from ser_brain.files import read_json, remove, write_json, write_text
from ser_brain.run_folder import RECORD, SETTINGS, require_same_options

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
        See :func:`ser_brain.run_folder.require_same_options`.
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
