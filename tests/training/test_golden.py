"""The demo experiments start exactly as they did when their losses were committed."""

from __future__ import annotations

import json

import pytest
import torch

from tests.golden import EXPERIMENTS, FILE, STEPS, first_losses

# Other processors round otherwise, and twelve steps of Adam make that larger.
RELATIVE_TOLERANCE = 2e-3


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_first_losses_are_the_golden_ones(experiment, tmp_path):
    golden = json.loads(FILE.read_text())[experiment]
    losses = first_losses(experiment, tmp_path)
    assert len(losses) == STEPS
    assert losses == pytest.approx(golden, rel=RELATIVE_TOLERANCE)
