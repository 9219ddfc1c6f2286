"""Optimisers, schedules, averages, layers that open later, and runs that stop early."""

from __future__ import annotations

import functools
import json
from types import SimpleNamespace

import pytest
import torch
from speechbrain.nnet.schedulers import NewBobScheduler

from ser_brain.core.errors import SERError
from ser_brain.models.encoders import load_encoder
from ser_brain.training.nonfinite_guard import NonfiniteGuard
from ser_brain.training.optimization import (
    anneal,
    make_optimizers,
    rates_of,
    without_effect,
)
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import write_corpus
from tests.training.short_runs import fit, log

RATES = {"encoder": 0.5, "heads": 0.25}


# -- optimisers


def optimizer_settings(layer_decay=1.0):
    made = {"layer_decay": layer_decay}
    for part, rate in RATES.items():
        made[f"{part}_optimizer"] = functools.partial(torch.optim.SGD, lr=rate)
        made[f"{part}_annealing"] = NewBobScheduler(rate, annealing_factor=0.1)
    return SimpleNamespace(**made)


@pytest.fixture
def modules():
    heads = {name: torch.nn.Linear(2, 3) for name in ("emotion_head", "va_head")}
    return torch.nn.ModuleDict({"encoder": load_encoder("compact", channels=8), **heads})


def trained_by(optimizer):
    return {p for group in optimizer.param_groups for p in group["params"]}


def test_each_parameter_is_in_one(modules):
    made = make_optimizers(modules, modules["encoder"], optimizer_settings())
    heads = {*modules["emotion_head"].parameters(), *modules["va_head"].parameters()}
    assert trained_by(made["encoder"]) == set(modules["encoder"].parameters())
    assert trained_by(made["heads"]) == heads
    assert rates_of(made) == RATES


def test_what_is_frozen_has_none(modules):
    modules["encoder"].requires_grad_(False)
    modules["va_head"].requires_grad_(False)
    made = make_optimizers(modules, modules["encoder"], optimizer_settings())
    assert made.keys() == {"heads"}
    assert trained_by(made["heads"]) == set(modules["emotion_head"].parameters())


def test_rates_fall_when_the_metric_does_not_in_every_layer(modules):
    hparams = optimizer_settings(layer_decay=0.5)
    made = make_optimizers(modules, modules["encoder"], hparams)
    for value in (1.0, 0.5):
        anneal(made, hparams, value)
        assert rates_of(made) == RATES
    anneal(made, hparams, 0.5)
    assert rates_of(made) == pytest.approx({"encoder": 0.05, "heads": 0.025})
    scales = [group["lr"] / 0.05 for group in made["encoder"].param_groups]
    assert scales == pytest.approx([1.0, 0.5, 0.25, 0.125, 0.0625])


@pytest.mark.parametrize("kind", ["wav2vec2-base", "xls-r", "whisper", "wavlm-base"])
@pytest.mark.parametrize("layer", ["last", "mix", "all", 1])
def test_layers_from_the_output_down(kind, layer, tmp_path):
    saved(tmp_path, kind)
    encoder = load_encoder(tmp_path, layer=layer, freeze="none")
    *by_layer, before = encoder.parameters_by_layer()
    names = {id(p): name for name, p in encoder.named_parameters()}
    found = [{names[id(p)] for p in each} for each in [*by_layer, before]]
    assert sum(map(len, found)) == len(set.union(*found)) == len(names)
    count = len(by_layer)
    for below_top, named in enumerate(found[:-1]):
        number = count - 1 - below_top
        others = {name for name in named if f"layers.{number}." not in name}
        assert others == ({n for n in others if "layer" in n} if below_top == 0 else set())
    # What precedes the layers is the same whichever of their states are used.
    plain = load_encoder(tmp_path, layer=0, freeze="none")
    assert found[-1] == {name for name, _ in plain.named_parameters()}


class Scaled(NonfiniteGuard):
    """A linear model with an optimiser of two groups; its gradients are large."""

    def init_optimizers(self):
        model = self.modules.model
        groups = [{"params": [model.weight]}, {"params": [model.bias]}]
        self.optimizers_dict = {"all": torch.optim.SGD(groups, lr=1.0)}

    def compute_forward(self, batch, stage):
        self.note_batch(batch["id"])
        return self.modules.model(batch["x"])

    def compute_objectives(self, predictions, batch, stage):
        return 100 * predictions.sum()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight_averaging": {"from_epoch": 6}}, "weight_averaging: epoch 6 comes after"),
        ({"weight_averaging": {"from_epoch": 5}, "warmup_epochs": 5}, None),
        ({"warmup_epochs": 5.5}, "warmup_epochs: 5.5 is more than number_of_epochs: 5"),
        ({"unfreeze": {6: 2, 8: "all"}}, "unfreeze: epoch 6 comes after the last one, 5"),
        ({"unfreeze": {2: 2, 8: "all"}, "weight_averaging": {"ema": 0.9}}, None),
        ({"unfreeze": {2: 2}, "trained": False}, "unfreeze has no effect: the encoder is"),
        ({"layer_decay": 0.5, "trained": False}, "layer_decay has no effect: the encoder is"),
        ({"trained": False}, None),
    ],
)
def test_what_never_comes_is_said(changes, said):
    plain = {"layer_decay": 1.0, "unfreeze": {}, "warmup_epochs": 0, "weight_averaging": None}
    settings = {**plain, "number_of_epochs": 5, "trained": True, **changes}
    found = without_effect(SimpleNamespace(**settings), settings["trained"])
    assert len(found) == bool(said) and "".join(found).startswith(said or "")


def test_it_is_said_in_the_log_of_a_run(places, tmp_path, caplog):
    fit(*places, tmp_path / "run", number_of_epochs=1, warmup_epochs=2)
    assert "so the rates never reach lr_encoder" in caplog.text


def test_the_norm_is_clipped_over_all_groups():
    model = torch.nn.Linear(3, 1)
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    options = {"max_grad_norm": 0.5}
    brain = Scaled({"model": model}, None, {"nonfinite_batches": "stop"}, options)
    batches = [{"id": ["clip"], "x": torch.tensor([[1.0, 2.0, 3.0]])}]
    brain.fit([1], batches, progressbar=False)
    step = before - torch.cat([p.detach().flatten() for p in model.parameters()])
    expected = torch.tensor([1.0, 2.0, 3.0, 1.0])
    assert torch.allclose(step, 0.5 * expected / expected.norm(), atol=1e-6)


class Opening(Scaled):
    """With a second optimiser, of a part that is trained only later."""

    def init_optimizers(self):
        super().init_optimizers()
        closed = torch.nn.Linear(3, 1).requires_grad_(False)
        self.optimizers_dict["closed"] = torch.optim.SGD(closed.parameters(), lr=1.0)


def test_a_scaler_steps_what_has_gradients():
    model = torch.nn.Linear(3, 1)
    before = model.bias.item()
    options = {"max_grad_norm": float("inf")}
    brain = Opening({"model": model}, None, {"nonfinite_batches": "stop"}, options)
    brain.scaler = torch.GradScaler("cpu")
    batches = [{"id": ["clip"], "x": torch.tensor([[1.0, 2.0, 3.0]])}]
    brain.fit([1], batches, progressbar=False)
    assert model.bias.item() == pytest.approx(before - 100)


# -- whole runs


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimization")
    saved(folder / "encoder", "wav2vec2-base")
    return write_corpus(folder / "tiny"), folder / "encoder"


def latest(folder):
    """Every number of the latest checkpoint, by its place there."""
    found = {}

    def note(place, value):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            if isinstance(each, dict | list):
                note((*place, key), each)
            else:
                found[(*place, key)] = each.tolist() if torch.is_tensor(each) else each

    for path in max(folder.glob("save/CKPT+*")).glob("*.ckpt"):
        if path.read_bytes()[:2] == b"PK":  # PyTorch's format
            note((path.name,), torch.load(path, weights_only=True))
    return found


NO_DROPOUT = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0.0)


def test_four_batches_of_four_make_the_step_of_one_of_sixteen(places, tmp_path):
    """Also the last step of an epoch, of what is left: 24 clips make steps of 16 and 8."""
    changes = {"batching": "random", "number_of_epochs": 2, "warmup_epochs": 1}
    changes["dropouts"] = json.dumps(NO_DROPOUT | {"feat_proj_dropout": 0.0, "layerdrop": 0.0})
    options = {"grad_accumulation_factor": 4}
    fit(*places, tmp_path / "parts", options=options, batch_size=4, **changes)
    _, datasets = fit(*places, tmp_path / "whole", batch_size=16, **changes)
    assert len(datasets["train"]) == 24
    parts, whole = (log(tmp_path / name) for name in ("parts", "whole"))
    for ours, theirs in zip(parts, whole, strict=True):
        assert ours["lr"] == theirs["lr"]
        for stage in ("train", "valid"):
            assert ours[stage] == pytest.approx(theirs[stage], rel=1e-4)


SCHEDULES = {
    "cosine": {"lr_schedule": "cosine", "warmup_epochs": 1.5, "layer_decay": 0.8},
    "layers that open": {"unfreeze": "{2: 1, 4: all}", "weight_averaging": "{ema: 0.9}"},
    "mean of epochs": {"weight_averaging": "{from_epoch: 3}", "warmup_epochs": 0.5},
    "lora": {"lora": "{rank: 2, alpha: 4, targets: [q_proj, v_proj]}", "unfreeze": "{2: 1}"},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_interrupted_run_ends_as_an_undisturbed_one(name, places, tmp_path):
    fit(*places, tmp_path / "straight", **SCHEDULES[name])
    for epoch in (1, 3):
        fit(*places, tmp_path / "broken", interrupt_after=epoch, **SCHEDULES[name])
        assert epochs_of(log(tmp_path / "broken")) == [*range(epoch + 1)]
    fit(*places, tmp_path / "broken", **SCHEDULES[name])
    assert log(tmp_path / "broken") == log(tmp_path / "straight")
    weights = latest(tmp_path / "broken")
    assert weights == latest(tmp_path / "straight")
    parts = {place[0] for place in weights}
    averaged = {"weight_average.ckpt"} if "weight_averaging" in SCHEDULES[name] else set()
    assert (
        parts >= {"modules.ckpt", "encoder_optimizer.ckpt", "heads_optimizer.ckpt"} | averaged
    )


def validation_loss(brain, datasets):
    brain.evaluate(datasets["valid"], min_key=brain.hparams.validation_metric)
    return brain.record.losses(brain.hparams.loss_weights)["nll"]


@pytest.mark.parametrize("averaging", ["null", "{ema: 0.8}", "{from_epoch: 2}"])
def test_what_is_validated_is_what_is_chosen_and_loaded(averaging, places, tmp_path):
    changes = {"weight_averaging": averaging, "validation_metric": "nll"}
    brain, datasets = fit(*places, tmp_path / "run", number_of_epochs=3, **changes)
    validated = [epoch["valid"]["nll"] for epoch in log(tmp_path / "run")]
    assert validation_loss(brain, datasets) == pytest.approx(min(validated), rel=1e-5)
    fit(*places, tmp_path / "plain", number_of_epochs=3, validation_metric="nll")
    trained = [[epoch["train"] for epoch in log(tmp_path / name)] for name in ("run", "plain")]
    assert trained[0] == trained[1]  # an average changes nothing of the training
    same = {"null": 4, "{ema: 0.8}": 1, "{from_epoch: 2}": 3}[averaging]  # with epoch 0
    unaveraged = [epoch["valid"]["nll"] for epoch in log(tmp_path / "plain")]
    equal = [ours == theirs for ours, theirs in zip(validated, unaveraged, strict=True)]
    assert equal == [True] * same + [False] * (4 - same)


def test_a_run_that_has_stopped_early_is_finished_wherever_it_was_interrupted(places, tmp_path):
    # At such a rate an early epoch stays the best.
    changes = {"patience": 2, "lr_encoder": 1.0, "lr_heads": 3.0, "validation_metric": "nll"}
    changes["number_of_epochs"] = 40
    brain, datasets = fit(*places, tmp_path / "straight", **changes)
    done = log(tmp_path / "straight")
    best = min(done, key=lambda epoch: epoch["valid"]["nll"])["epoch"]
    assert epochs_of(done) == [*range(best + 3)] and best + 2 < 40
    fit(*places, tmp_path / "broken", interrupt_after=best + 1, **changes)
    fit(*places, tmp_path / "broken", **changes)
    assert log(tmp_path / "broken") == done
    again, _ = fit(*places, tmp_path / "straight", **changes)
    assert log(tmp_path / "straight") == done and again.stopped_early()
    assert validation_loss(again, datasets) == pytest.approx(best_value(done), rel=1e-5)


def epochs_of(done):
    return [line["epoch"] for line in done]


def best_value(done):
    return min(epoch["valid"]["nll"] for epoch in done)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"freeze": "all", "unfreeze": "{2: 1}"}, "unfreeze opens.*freeze: all"),
        ({"lora": "{rank: 2, alpha: 2, targets: [query]}"}, "lora target.*'query'.*q_proj"),
        (
            {"freeze": "none", "lora": "{rank: 2, alpha: 2, targets: [q_proj]}"},
            "Bad freeze 'none' with lora",
        ),
        ({"lora": "{rank: 2}"}, "Bad lora {'rank': 2}; expected null, or a mapping like"),
        ({"weight_averaging": "{ema: 1}"}, "Bad weight_averaging {'ema': 1}; expected null"),
        ({"unfreeze": "{0: 1}"}, "Bad unfreeze {0: 1}; expected a mapping of epochs"),
    ],
)
def test_settings_that_do_not_go_together(changes, message, places, tmp_path):
    with pytest.raises(SERError, match=message):
        fit(*places, tmp_path / "run", **changes)
