"""One optimiser for the encoder, one for the heads."""

import functools
from types import SimpleNamespace

import pytest
import torch
from speechbrain.nnet.schedulers import NewBobScheduler

from ser_brain.two_optimizers import anneal, make_optimizers

RATES = {"encoder": 0.5, "heads": 0.25}


@pytest.fixture
def hparams():
    made = {}
    for part, rate in RATES.items():
        made[f"{part}_optimizer"] = functools.partial(torch.optim.SGD, lr=rate)
        made[f"{part}_annealing"] = NewBobScheduler(rate, annealing_factor=0.1)
    return SimpleNamespace(**made)


@pytest.fixture
def modules():
    names = ("encoder", "emotion_head", "va_head")
    return torch.nn.ModuleDict({name: torch.nn.Linear(2, 3) for name in names})


def trained(optimizer):
    return {p for group in optimizer.param_groups for p in group["params"]}


def rates(optimizers):
    return {part: optimizer.param_groups[0]["lr"] for part, optimizer in optimizers.items()}


def test_each_parameter_is_in_one(modules, hparams):
    made = make_optimizers(modules, hparams)
    heads = {*modules["emotion_head"].parameters(), *modules["va_head"].parameters()}
    assert trained(made["encoder"]) == set(modules["encoder"].parameters())
    assert trained(made["heads"]) == heads
    assert rates(made) == RATES


def test_what_is_frozen_has_none(modules, hparams):
    modules["encoder"].requires_grad_(False)
    modules["va_head"].requires_grad_(False)
    made = make_optimizers(modules, hparams)
    assert trained(made.pop("heads")) == set(modules["emotion_head"].parameters())
    assert not made


def test_rates_fall_when_the_metric_does_not(modules, hparams):
    made = make_optimizers(modules, hparams)
    assert anneal(made, hparams, 1.0) == anneal(made, hparams, 0.5) == RATES
    assert anneal(made, hparams, 0.5) == RATES  # those of the epoch that ended
    assert rates(made) == pytest.approx({"encoder": 0.05, "heads": 0.025})
