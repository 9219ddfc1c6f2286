"""The same seed, machine and thread count train the same weights, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reliability.results import weights_hash
from ser_brain.evaluation.predictions import read_predictions
from tests.tiny_corpus import run_train, settings, write_corpus

TOLERANCE = 1e-3  # of a log-probability after two epochs, between one thread and two


def trained(corpus: Path, folder: Path, threads: int = 1) -> Path:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert run_train("multiobjective.yaml", *settings(corpus, folder)) == 0
    finally:
        torch.set_num_threads(before)
    return folder


def trained_weights(folder: Path) -> str:
    """Of the latest checkpoint."""
    files = folder.glob("save/CKPT+*/modules.ckpt")
    return weights_hash(max(files, key=lambda path: path.stat().st_mtime))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"))


def test_two_runs_end_with_the_same_weights(corpus, tmp_path):
    one, other = (trained(corpus, tmp_path / name / "run") for name in ("one", "other"))
    assert trained_weights(one) == trained_weights(other)
    for name in ("predictions/tiny.jsonl", "predictions/tiny.npz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_another_number_of_threads_changes_rounding_only(corpus, tmp_path):
    one, two = (trained(corpus, tmp_path / str(n) / "run", threads=n) for n in (1, 2))
    paths = [run / "predictions" / "tiny.jsonl" for run in (one, two)]
    scores = [read_predictions(path).log_probs_NC for path in paths]
    difference = abs(scores[0] - scores[1]).max()
    print(f"largest difference of a log-probability: {difference:.1e}")
    assert difference < TOLERANCE
