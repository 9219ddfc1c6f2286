"""Averages of the weights over training, which are validated, chosen and used in their place.

Between training epochs the model holds the average, so checkpoints store it as the model's
weights and whatever loads one needs no change. The weights that training continues from are
stored beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn


@register_checkpoint_hooks
class WeightAverage:
    """An average of weights, and the exchange of it with the weights that are trained.

    Parameters
    ----------
    weights : sequence of Tensor
        Of the model that is trained; they are changed in place.
    ema : float, optional
        After each step the average moves by ``1 - ema`` towards the weights (an exponential
        moving average). The first steps move it further, as in TensorFlow's
        ``ExponentialMovingAverage(num_updates=...)``: it would otherwise remember the start.
    from_epoch : int, optional
        The average is the mean of the weights at the end of this epoch and of each later one
        (stochastic weight averaging, Izmailov et al. 2018); before, it is the weights.

    Examples
    --------
    >>> weight = torch.zeros(1)
    >>> average = WeightAverage([weight], from_epoch=2)
    >>> for epoch, trained in enumerate([1.0, 2.0, 6.0], start=1):
    ...     average.start_training()
    ...     _ = weight.fill_(trained)
    ...     average.end_training(epoch)
    >>> weight
    tensor([4.])
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        ema: float | None = None,
        from_epoch: int | None = None,
    ) -> None:
        self.weights = [weight.detach() for weight in weights]
        self.ema = ema
        self.from_epoch = from_epoch
        # The average in training, and the trained weights at all other times.
        self.others = [weight.clone() for weight in self.weights]
        self.count = 0  # of steps or epochs in the average
        self.is_training = False

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, other in zip(self.weights, self.others, strict=True):
            held = weight.clone()
            weight.copy_(other)
            other.copy_(held)

    def start_training(self) -> None:
        """Give the model the weights that are trained."""
        if not self.is_training:
            self._exchange()
        self.is_training = True

    def add_step(self) -> None:
        """Add the weights after a step, where the average is over steps."""
        if self.ema is not None:
            decay = min(self.ema, (1 + self.count) / (10 + self.count))
            get_ema_multi_avg_fn(decay)(self.others, self.weights, self.count)
            self.count += 1

    def end_training(self, epoch: int) -> None:
        """Give the model the average, with this epoch's weights where it is over epochs."""
        if not self.is_training:
            return
        if self.from_epoch is not None:
            before = self.count if epoch > self.from_epoch else 0
            get_swa_multi_avg_fn()(self.others, self.weights, before)
            self.count = before + 1
        self._exchange()
        self.is_training = False

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Store the weights that training continues from; the model holds the average."""
        torch.save({"count": self.count, "trained": self.others}, path)

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Restore them, after the model has its own weights."""
        found = torch.load(path, map_location="cpu", weights_only=True)
        self.count, self.is_training = found["count"], False
        for other, trained in zip(self.others, found["trained"], strict=True):
            other.copy_(trained)


def averaged_weights(modules: nn.Module) -> list[Tensor]:
    """List what training changes: parameters that are trained, and statistics of norms."""
    return [
        tensor
        for tensor in modules.state_dict(keep_vars=True).values()
        if tensor.requires_grad
        or (tensor.is_floating_point() and not isinstance(tensor, nn.Parameter))
    ]
