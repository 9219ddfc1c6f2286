"""The same seed, machine and thread count train the same weights, bit by bit."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import torch

import train
from ser_brain.predictions import read_predictions
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-3  # of a log-probability after two epochs, between one thread and two


def trained(corpus: Path, folder: Path, threads: int = 1) -> Path:
    chosen = settings(corpus, folder, number_of_epochs=2)
    recipe = str(ROOT / "hparams" / "multiobjective.yaml")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", recipe, *chosen, "--device=cpu"])
        assert train.main() == 0
    torch.set_num_threads(before)
    return folder


def weights_hash(folder: Path) -> str:
    """SHA-256 of every tensor of the latest checkpoint, with its name."""
    digest = hashlib.sha256()
    latest = max(folder.glob("save/CKPT+*/modules.ckpt"), key=lambda path: path.stat().st_mtime)
    for name, tensor in torch.load(latest, weights_only=True).items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"))


def test_two_runs_end_with_the_same_weights(corpus, tmp_path):
    one, other = (trained(corpus, tmp_path / name / "run") for name in ("one", "other"))
    assert weights_hash(one) == weights_hash(other)
    for name in ("predictions/tiny.jsonl", "predictions/tiny.npz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_another_number_of_threads_changes_rounding_only(corpus, tmp_path):
    one, two = (trained(corpus, tmp_path / str(n) / "run", threads=n) for n in (1, 2))
    paths = [run / "predictions" / "tiny.jsonl" for run in (one, two)]
    scores = [read_predictions(path).log_probs_NC for path in paths]
    difference = abs(scores[0] - scores[1]).max()
    print(f"largest difference of a log-probability: {difference:.1e}")
    assert difference < TOLERANCE
