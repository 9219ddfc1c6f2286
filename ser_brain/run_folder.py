"""The run folder: whose it is, whether it is finished, how each epoch went."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import yaml

from ser_brain.checksums import SUMS
from ser_brain.errors import SERError
from ser_brain.files import inside, read_json, remove_partial, write_text
from ser_brain.yaml_keys import split_keys

SETTINGS = "hyperparams.yaml"
RECORD = "run.json"
LOG = "train_log.txt"
# Keys that may change between a run and its continuation: where things lie, for how long, and
# which clips are too long for the machine.
MAY_CHANGE = {
    "output_folder",
    "data_folder",
    "manifest_folder",
    "number_of_epochs",
    "max_clip_s",
}
CACHE_SIZE = "feature_cache_gb"  # may change, too, but whether it is 0 may not


def claim(folder: str | Path, settings: str) -> None:
    """Check that a run of these settings may begin in a folder, or go on there.

    What killed runs left is removed; all else stays as it is, since what is checked next may
    stop the run. :func:`ser_brain.run_record.begin` is what changes the folder.

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
    for place in ("", "save", "predictions", "report"):
        remove_partial(Path(folder) / place)
    kept = Path(folder) / SETTINGS
    made = {"checkpoints": "save/CKPT+*", "predictions": "predictions/*.jsonl"}
    held = [what for what, pattern in made.items() if any(Path(folder).glob(pattern))]
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


def _how(differ: list[str], kept: Path) -> str:
    """What is different, in words."""
    known = _plain(kept.read_text(encoding="utf-8"), str(kept))
    lacking = [key for key in differ if key not in known]
    shown = ["whether feature_cache_gb is 0" if k == CACHE_SIZE else k for k in differ]
    said = [f"different: {', '.join(shown)}"]
    if lacking:  # as in one of an earlier version
        said.append(f"{kept} lacks {', '.join(lacking)}: add what the run had, to continue it")
    return "; ".join(said)


def differing(kept: Path, settings: str, may_change: Collection[str]) -> list[str]:
    """Keys whose values in a kept settings file are not those of a settings text."""
    theirs = _plain(kept.read_text(encoding="utf-8"), str(kept))
    ours = _plain(settings, "the settings")
    keys = (theirs.keys() | ours.keys()) - set(may_change)
    return sorted(key for key in keys if theirs.get(key) != ours.get(key))


def is_finished(folder: str | Path, settings: str) -> bool:
    """Whether a run of these settings has come to its end in a folder.

    Where the corpora and manifests lie does not matter, how many epochs there were does, and
    which clips it takes.
    """
    kept, record = Path(folder) / SETTINGS, Path(folder) / RECORD
    if not all(path.is_file() for path in (kept, record, Path(folder) / SUMS)):
        return False
    finished = read_json(record, "run description").get("finished") is True
    may_change = MAY_CHANGE - {"number_of_epochs", "max_clip_s"}
    return finished and not differing(kept, settings, may_change)


def _plain(settings: str, name: str) -> dict[str, object]:
    """key -> its value without comments and layout."""
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
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def write(self, epoch: int, **facts: object) -> None:
        """Add an epoch, dropping what is there of it and of later ones."""
        epochs = [e for e in self.read() if e["epoch"] < epoch] + [{"epoch": epoch, **facts}]
        write_text(self.path, "".join(json.dumps(e) + "\n" for e in epochs))
