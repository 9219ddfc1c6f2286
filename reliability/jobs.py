"""The commands that are interrupted, and the result that each must have.

``begin`` fills the folder of a try (``place``); ``command`` runs in it, first until it is
stopped and then to its end. ``result`` has digests of what there is at the end, which must
equal those of an undisturbed run. ``require_whole`` raises if a file looks complete and is not.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

import ser_brain
import train
from data_prep.__main__ import main as data_prep
from reliability import publishing
from reliability.forked_parts import ForkedParts
from reliability.results import files, require_whole, tables, trained
from ser_brain.__main__ import main as ser
from ser_brain.training import fold_processes
from tests.models.test_encoders import HUB
from tests.tiny_corpus import settings, write_corpus

HPARAMS = Path(__file__).parents[1] / "hparams"
RECIPE = str(HPARAMS / "multiobjective.yaml")
FINETUNE = str(HPARAMS / "finetune" / "multiobjective.yaml")
EPOCHS = 3


@dataclass(frozen=True)
class Job:
    """A command to interrupt; ``home`` holds the shared files of all tries."""

    begin: Callable[[Path, Path], None]  # home, place
    command: Callable[[Path, Path], int]
    result: Callable[[Path], dict[str, str]]
    require_whole: Callable[[Path], None] = require_whole


def make_home(home: Path) -> None:
    """Make the shared files: two corpora, clips, an encoder, a trained run and its model."""
    write_corpus(home / "tiny")
    write_corpus(home / "other", seed=1)
    (home / "clips").mkdir()
    for path in sorted((home / "other").glob("s[01]_*.wav")):
        shutil.copy(path, home / "clips")
    _write_encoder(home / "encoder")
    _prepare(home / "other", home / "manifests", "other")
    _train(home, home)
    ser(["export", str(home / "run"), str(home / "model")])


def _write_encoder(folder: Path) -> None:
    """A random wav2vec 2.0 in the layout of the hub."""
    config, normalize = HUB["wav2vec2-base"]
    torch.manual_seed(1)
    Wav2Vec2Model(Wav2Vec2Config(**config)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)


def get_ready() -> None:
    """Import what the commands import when they run, and make figures blank.

    Drawing takes most of the time of a report and writes nothing but the file of the figure.
    """
    for name in pkgutil.walk_packages(ser_brain.__path__, "ser_brain."):
        if "__main__" not in name.name and ".app" not in name.name:
            importlib.import_module(name.name)
    ConstrainedLayoutEngine.execute = lambda self, figure: None
    Figure.savefig = lambda self, path, **_: Path(path).write_text("<svg/>")


def _train(home: Path, place: Path) -> int:
    chosen = settings(home / "tiny", place / "run", number_of_epochs=EPOCHS)
    return _run_train(RECIPE, chosen)


def _finetune(home: Path, place: Path) -> int:
    """Train with the cache of this try."""
    os.environ["SER_CACHE"] = str(place / "cache")
    chosen = {"encoder_source": home / "encoder", "number_of_epochs": EPOCHS, "batch_size": 4}
    return _run_train(FINETUNE, settings(home / "tiny", place / "run", **chosen))


def _run_train(recipe: str, chosen: list[str]) -> int:
    sys.argv = ["train.py", recipe, *chosen, "--device=cpu"]
    return train.main()


def _folds(home: Path, place: Path) -> int:
    """Run both folds at once."""
    fold_processes.CONTEXT = ForkedParts()
    chosen = settings(home / "tiny", place / "run", number_of_epochs=EPOCHS)
    chosen = [setting for setting in chosen if not setting.startswith("--output_folder")]
    protocol = ["--protocol", "speaker", "--folds", "2", "--devices", "cpu", "cpu"]
    return ser(["folds", RECIPE, *protocol, "--out", str(place / "folds"), *chosen])


def _trained_folds(place: Path) -> dict[str, str]:
    found = {"pooled": repr(tables(place / "folds"))}
    for run in sorted(place.glob("folds/fold-*")):
        found |= {f"{run.name}: {name}": digest for name, digest in trained(run).items()}
    return {**found, **files("manifests/*")(place)}


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


def _trained_run(place: Path) -> dict[str, str]:
    return {**trained(place / "run"), **files("manifests/*", "cache/features/*/*")(place)}


REPORTED = files("run/predictions/*", "run/report/*.csv")
JOBS = {
    "train": Job(_copy(), _train, _trained_run),
    "finetune": Job(_copy(), _finetune, _trained_run),
    "folds": Job(_copy(), _folds, _trained_folds),
    "prepare": Job(
        _copy(),
        lambda home, place: _prepare(home / "tiny", place / "manifests", "tiny"),
        files("manifests/*"),
    ),
    "evaluate": Job(_copy("run"), _evaluate, REPORTED),
    "report": Job(
        _copy("run"), lambda home, place: ser(["report", str(place / "run")]), REPORTED
    ),
    "predict": Job(_copy(), _predict, files("out.csv", "*.left_out.csv")),
    "export": Job(_copy(), _export, files("model/**/*")),
    "publish": Job(
        publishing.begin, publishing.publish, publishing.published, publishing.require_whole
    ),
}
