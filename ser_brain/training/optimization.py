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
from torch.optim import Optimizer

from ser_brain.models.encoders.base import Encoder

ANNEALING, COSINE = "annealing", "cosine"  # values of the setting lr_schedule
# Keys of a parameter group, stored in checkpoints; those of version 0.1.0 lack them.
BASE, SCALE = "base_lr", "lr_scale"


class OptimizerSteps(sb.Brain):
    """A Brain whose steps clip what every parameter group of an optimiser trains."""

    def optimizers_step(self) -> None:
        """Step as SpeechBrain does, which would clip the first group only.

        The norm is one over all layers of a part. Encoder and heads have their own: the large
        gradients of new heads would otherwise hold the encoder back.
        """
        optimizers = self.freeze_optimizers(self.optimizers_dict).values()
        for optimizer in optimizers:
            self.scaler.unscale_(optimizer)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
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


def set_rates(optimizers: Mapping[str, Optimizer], factor: float) -> None:
    """Set every rate to ``factor`` times what it is without a schedule."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault(BASE, group["lr"]) * factor


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
