"""The commands that are interrupted, what each must end with, and what must never be there.

A job is one try's folder (``place``), filled by ``begin``; ``command`` is run in it, once
until it is stopped and then to its end. ``result`` says what there is at the end, in digests:
the same as of a run that nobody disturbed. ``require_whole`` raises if something is there that
looks whole and is not.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure

import ser_brain
import train
from data_prep.__main__ import main as data_prep
from ser_brain.__main__ import main as ser
from ser_brain.checksums import SUMS, changed_files
from ser_brain.files import sha256_of
from ser_brain.inference.model_folder import load_model
from ser_brain.manifest import card_path, read_card, require_as_written
from ser_brain.prediction_card import card_path as predictions_card
from ser_brain.predictions import read_predictions
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parents[1]
RECIPE = str(ROOT / "hparams" / "multiobjective.yaml")
EPOCHS = 3


@dataclass(frozen=True)
class Job:
    """A command to interrupt; ``home`` holds what all tries share."""

    begin: Callable[[Path, Path], None]  # home, place
    command: Callable[[Path, Path], int]
    result: Callable[[Path], dict[str, str]]


def make_home(home: Path) -> None:
    """What all tries share: two corpora, clips, a trained run and its model."""
    write_corpus(home / "tiny")
    write_corpus(home / "other", seed=1)
    (home / "clips").mkdir()
    for path in sorted((home / "other").glob("s[01]_*.wav")):
        shutil.copy(path, home / "clips")
    _prepare(home / "other", home / "manifests", "other")
    _train(home, home)
    ser(["export", str(home / "run"), str(home / "model")])


def get_ready() -> None:
    """Import what the commands import when they run, and leave their figures blank.

    Drawing takes most of a report's time, and writes nothing but the figure's file.
    """
    for name in pkgutil.walk_packages(ser_brain.__path__, "ser_brain."):
        if "__main__" not in name.name and ".app" not in name.name:
            importlib.import_module(name.name)
    Figure.savefig = lambda self, path, **_: Path(path).write_text("<svg/>")


def _train(home: Path, place: Path) -> int:
    chosen = settings(home / "tiny", place / "run", number_of_epochs=EPOCHS)
    sys.argv = ["train.py", RECIPE, *chosen, "--device=cpu"]
    return train.main()


def _prepare(corpus: Path, manifests: Path, name: str) -> int:
    where = ["--data_folder", str(corpus), "--manifest_folder", str(manifests)]
    options = ["--csv", "labels.csv", "--name", name, "--vad_scale", "1", "5"]
    return data_prep(["table", *where, *options])


def _copy(*names: str) -> Callable[[Path, Path], None]:
    def begin(home: Path, place: Path) -> None:
        for name in names:
            shutil.copytree(home / name, place / name)

    return begin


def _evaluate(home: Path, place: Path) -> int:
    manifest = str(home / "manifests" / "other.json")
    return ser(["evaluate", str(place / "run"), "--on", manifest, "--device", "cpu"])


def _predict(home: Path, place: Path) -> int:
    windows = ["--window", "0.25", "--hop", "0.05", "--device", "cpu"]
    model = ["--model", str(home / "model"), "--out", str(place / "out.csv")]
    return ser(["predict", str(home / "clips"), *model, *windows])


def _export(home: Path, place: Path) -> int:
    if (place / "model").exists():  # An export writes no folder twice.
        return 0
    return ser(["export", str(home / "run"), str(place / "model")])


def _files(*patterns: str) -> Callable[[Path], dict[str, str]]:
    def result(place: Path) -> dict[str, str]:
        found = sorted(path for pattern in patterns for path in place.glob(pattern))
        return {str(p.relative_to(place)): sha256_of(p) for p in found if _counts(p)}

    return result


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(".lock")  # a killed process's is no lock


def _trained(place: Path) -> dict[str, str]:
    """Predictions, losses, tables, and the weights of every checkpoint that is kept."""
    found = _files("run/predictions/*", "manifests/*", "run/splits.json")(place)
    log = (place / "run" / "train_log.jsonl").read_text().splitlines()
    epochs = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in log]
    results = json.loads((place / "run" / "report" / "results.json").read_text())
    weights = [weights_hash(p) for p in (place / "run" / "save").glob("CKPT+*/modules.ckpt")]
    found |= {"losses": repr(epochs), "weights": repr(sorted(weights))}
    return {**found, "tables": json.dumps(results["test_sets"], sort_keys=True)}


def weights_hash(checkpoint: Path) -> str:
    """SHA-256 of all tensors of a checkpoint's file, with their names."""
    digest = hashlib.sha256()
    for name, tensor in torch.load(checkpoint, weights_only=True).items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def require_whole(place: Path) -> None:
    """Raise if a file under its own name is not whole, or is no longer what it was."""
    for path in place.rglob("*.json"):
        if not path.name.startswith(".") and ".partial-" not in str(path):
            json.loads(path.read_text(encoding="utf-8"))
    for path in place.glob("**/predictions/*.jsonl"):
        if predictions_card(path).is_file():
            read_predictions(path)
    for path in place.glob("**/save/CKPT+*"):
        if not (path / SUMS).is_file() or changed_files(path):
            raise ValueError(f"{path} is no whole checkpoint")
    for path in place.glob("manifests/*.json"):
        if not path.name.endswith(".card.json") and card_path(path).is_file():
            require_as_written(path, read_card(path))
    for page in place.glob("**/report/index.html"):
        if not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            raise ValueError(f"{page} is cut")
    if (place / "model").exists():
        load_model(place / "model")


JOBS = {
    "train": Job(_copy(), _train, _trained),
    "prepare": Job(
        _copy(),
        lambda home, place: _prepare(home / "tiny", place / "manifests", "tiny"),
        _files("manifests/*"),
    ),
    "evaluate": Job(_copy("run"), _evaluate, _files("run/predictions/*", "run/report/*.csv")),
    "report": Job(
        _copy("run"),
        lambda home, place: ser(["report", str(place / "run")]),
        _files("run/predictions/*", "run/report/*.csv"),
    ),
    "predict": Job(_copy(), _predict, _files("out.csv", "*.left_out.csv")),
    "export": Job(
        _copy(),
        _export,
        _files("model/**/*"),
    ),
}
