"""One optimiser for the encoder and one for the heads, each with its own learning rate."""

from __future__ import annotations

from collections.abc import Mapping

from speechbrain.nnet.schedulers import update_learning_rate
from torch.nn import Module
from torch.optim import Optimizer


def make_optimizers(modules: Mapping[str, Module], hparams) -> dict[str, Optimizer]:
    """``encoder`` and ``heads``: every module but the encoder; none for what is frozen.

    Parameters
    ----------
    modules : mapping
        Name -> module.
    hparams : namespace
        ``encoder_optimizer`` and ``heads_optimizer`` make one of parameters.
    """
    parts = {
        "encoder": [modules["encoder"]],
        "heads": [module for name, module in modules.items() if name != "encoder"],
    }
    optimizers = {}
    for part, of_part in parts.items():
        trained = [p for module in of_part for p in module.parameters() if p.requires_grad]
        if trained:
            optimizers[part] = getattr(hparams, f"{part}_optimizer")(trained)
    return optimizers


def anneal(optimizers: Mapping[str, Optimizer], hparams, value: float) -> dict[str, float]:
    """Lower each learning rate where the validation metric stopped falling.

    Parameters
    ----------
    optimizers : mapping
        Of :func:`make_optimizers`.
    hparams : namespace
        ``encoder_annealing`` and ``heads_annealing``: SpeechBrain's schedulers.
    value : float
        Of the metric, after this epoch.

    Returns
    -------
    dict
        The rate that each had in this epoch.
    """
    rates = {}
    for part, optimizer in optimizers.items():
        rates[part], following = getattr(hparams, f"{part}_annealing")(value)
        update_learning_rate(optimizer, following)
    return rates
