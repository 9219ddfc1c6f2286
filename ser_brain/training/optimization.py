"""Optimisers, learning rates and steps.

A parameter's learning rate is that of its part (encoder or heads), times the factor of its
layer, times the schedule's factor at this moment of the run. Only the first changes with
validation. The factors are functions of the settings and of the progress of the run, so a
resumed run, with however many processes, needs no further state.

SpeechBrain's schedulers that act at each step set one rate for all layers and count steps, and
the cosine one has no warm-up to speak of; of them, only annealing by epoch is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import speechbrain as sb
import torch
from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from ser_brain.models.encoders.base import Encoder

ANNEALING, COSINE = "annealing", "cosine"  # values of the setting lr_schedule
# Keys of a parameter group, stored in checkpoints; those of version 0.1.0 lack them.
BASE, SCALE = "base_lr", "lr_scale"


class OptimizerSteps(sb.Brain):
    """A Brain whose steps, rates and trained layers follow the settings.

    Attributes
    ----------
    opened : int, "all" or None
        How many of the encoder's topmost layers are trained, with the setting ``unfreeze``.
    """

    opened: int | str | None = None

    def open_layers(self, epoch: int) -> None:
        """Train the encoder's layers that ``hparams.unfreeze`` opens from this epoch on."""
        if not self.hparams.unfreeze:
            return
        begun = [first for first in self.hparams.unfreeze if first <= epoch]
        count = self.hparams.unfreeze[max(begun)] if begun else 0
        if count == self.opened:
            return
        self.opened = count
        self.model.encoder.open_top(None if count == "all" else count)
        # DistributedDataParallel shares the gradients of what was trained when it was made.
        for name, module in list(self.modules.items()):
            if isinstance(module, DistributedDataParallel):
                self.modules[name] = module.module
        self._wrap_distributed()

    def set_rates(self, before: int) -> None:
        """Set the learning rates of a step to those at its middle.

        So the first is above 0 in a warm-up, and the last is above 0 on a cosine. ``before``
        are the steps of this epoch so far.
        """
        factor = self.grad_accumulation_factor
        steps = self.batches // factor + bool(self.batches % factor)
        of_schedule = schedule_factor(
            self.hparams.lr_schedule,
            self.hparams.warmup_epochs,
            self.epoch - 1 + (before + 0.5) / steps,
            self.hparams.number_of_epochs,
        )
        for optimizer in self.optimizers_dict.values():
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault(BASE, group["lr"]) * of_schedule

    def optimizers_step(self) -> None:
        """Step as SpeechBrain does, which would clip the first group only.

        The norm is one over all layers of a part. Encoder and heads have their own: the large
        gradients of new heads would otherwise hold the encoder back. A part without gradients,
        such as an encoder that ``hparams.unfreeze`` opens later, takes no step: a gradient
        scaler would refuse it.
        """
        optimizers = []
        for optimizer in self.freeze_optimizers(self.optimizers_dict).values():
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            if any(p.grad is not None for p in parameters):
                self.scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
                optimizers.append(optimizer)
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1


def make_optimizers(modules: Module, encoder: Encoder, hparams) -> dict[str, Optimizer]:
    """Make the optimisers ``encoder`` and ``heads`` (all other parameters).

    A part whose parameters are all frozen has none. ``hparams.encoder_optimizer`` and
    ``hparams.heads_optimizer`` each make an optimiser of a list of parameters. With
    ``hparams.layer_decay`` below 1, the encoder's layers are groups, the topmost first.
    """
    of_encoder = set(encoder.parameters())
    others = [p for p in modules.parameters() if p not in of_encoder and p.requires_grad]
    decay = hparams.layer_decay
    layers = encoder.parameters_by_layer() if decay < 1 else [encoder.parameters()]
    trained = [[p for p in layer if p.requires_grad] for layer in layers]
    groups = [
        {"params": layer, SCALE: decay**below_top}
        for below_top, layer in enumerate(trained)
        if layer
    ]
    optimizers = {}
    if groups:
        optimizers["encoder"] = hparams.encoder_optimizer(groups)
    if others:
        optimizers["heads"] = hparams.heads_optimizer([{"params": others, SCALE: 1.0}])
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group[BASE] = group["lr"] = group["lr"] * group[SCALE]
    return optimizers


def without_effect(hparams, trains_encoder: bool) -> list[str]:
    """Say which settings have no effect on a run: what they change never comes.

    They are no error, since a run may end early and be continued with more epochs.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> given = {"layer_decay": 1.0, "unfreeze": {}, "warmup_epochs": 0, "number_of_epochs": 5}
    >>> given["weight_averaging"] = {"from_epoch": 8}
    >>> without_effect(SimpleNamespace(**given), True)
    ['weight_averaging: epoch 8 comes after the last one, 5, so no weights are averaged']
    """
    last, found = hparams.number_of_epochs, []
    first = (hparams.weight_averaging or {}).get("from_epoch", 0)
    if first > last:
        found.append(
            f"weight_averaging: epoch {first} comes after the last one, {last}, so no weights "
            "are averaged"
        )
    if hparams.warmup_epochs > last:
        found.append(
            f"warmup_epochs: {hparams.warmup_epochs} is more than number_of_epochs: {last}, so "
            "the rates never reach lr_encoder and lr_heads"
        )
    if not trains_encoder and (hparams.layer_decay < 1 or hparams.unfreeze):
        name = "unfreeze" if hparams.unfreeze else "layer_decay"
        found.append(f"{name} has no effect: the encoder is not trained")
    elif hparams.unfreeze and min(hparams.unfreeze) > last:
        found.append(
            f"unfreeze: epoch {min(hparams.unfreeze)} comes after the last one, {last}, so the "
            "encoder is not trained"
        )
    return found


def rates_of(optimizers: Mapping[str, Optimizer]) -> dict[str, float]:
    """The learning rate of each part, for the encoder that of its topmost layer."""
    return {part: optimizer.param_groups[0]["lr"] for part, optimizer in optimizers.items()}


def anneal(optimizers: Mapping[str, Optimizer], hparams, value: float) -> None:
    """Lower each part's rate if the validation metric, now ``value``, has stopped falling.

    ``hparams.encoder_annealing`` and ``hparams.heads_annealing`` are SpeechBrain's schedulers.
    """
    for part, optimizer in optimizers.items():
        _, rate = getattr(hparams, f"{part}_annealing")(value)
        for group in optimizer.param_groups:
            group[BASE] = group["lr"] = rate * group.get(SCALE, 1.0)


def schedule_factor(
    schedule: str, warmup_epochs: float, epochs_done: float, number_of_epochs: int
) -> float:
    """What the schedule multiplies the learning rates by.

    Parameters
    ----------
    schedule : {"annealing", "cosine"}
        "cosine" falls to 0 at the end of the last epoch (Loshchilov and Hutter 2017, eq. 5,
        without restarts); "annealing" stays at 1.
    warmup_epochs : float
        Over these the factor rises from 0 to 1, in a straight line.
    epochs_done : float
        Since the start of the run, with the part of the present epoch.
    number_of_epochs : int

    Examples
    --------
    >>> [schedule_factor("annealing", 2, done, 10) for done in (0, 1, 2, 9)]
    [0.0, 0.5, 1.0, 1.0]
    >>> [round(schedule_factor("cosine", 2, done, 10), 2) for done in (1, 2, 4, 6, 8, 10)]
    [0.5, 1.0, 0.85, 0.5, 0.15, 0.0]
    """
    if 0 <= epochs_done < warmup_epochs:
        return epochs_done / warmup_epochs
    if schedule == ANNEALING:
        return 1.0
    share = (epochs_done - warmup_epochs) / (number_of_epochs - warmup_epochs)
    return (1 + math.cos(math.pi * share)) / 2
