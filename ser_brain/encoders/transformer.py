"""What the Hugging Face families share: which layer is read, layerdrop, padding masks.

Shapes: B clips, T frames, C front-end channels, D frame size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ser_brain.encoders.base import Encoder
from ser_brain.encoders.masking import mask_from_lengths
from ser_brain.errors import SERError, bad_value

LAYER_WEIGHTS = "layer_weights"  # of Hugging Face's classifiers that mix layers


class TransformerEncoder(Encoder):
    """A convolutional front end and a stack of transformer layers.

    Its modules are Hugging Face's, with their parameter names, but run from here: what
    decides whether padding leaks is then in one place and tested.

    Parameters
    ----------
    name, dim, min_samples, max_samples, freeze
        See ``Encoder``.
    config : dict
        The checkpoint's ``config.json``.
    count : int
        Transformer layers of the checkpoint.
    layer : "last", "mix" or int
        ``"last"``: output of the model, after its final layer norm where it has one.
        ``n``: hidden state after the n-th transformer layer, before any final norm, 0
        being the input of the first; layers above are not built. ``"mix"``: softmax-
        weighted mean of states 0 to last, one learned weight each, equal at the start
        (SUPERB, Yang et al. 2021, sec. 3), or as a classifier of Hugging Face's that has such
        weights left them; the topmost state is the one of ``"last"``.
    layerdrop : float
        Probability of skipping a layer in training, as in the checkpoint.
    """

    def __init__(
        self,
        name: str,
        config: dict,
        dim: int,
        count: int,
        layer: str | int,
        layerdrop: float,
        min_samples: int,
        max_samples: int | None,
        freeze: str,
    ):
        super().__init__(name, dim, min_samples, max_samples, freeze)
        number = isinstance(layer, int) and not isinstance(layer, bool)
        if not number and layer not in ("last", "mix"):
            raise bad_value("layer", layer, ["last", "mix", f"0 to {count}"])
        if number and not 0 <= layer <= count:
            raise SERError(
                f"Layer {layer} asked of {name}, which has {count} transformer layers; "
                f"expected 0 (their input) to {count}, 'last' or 'mix'."
            )
        self.config = config
        self.layer = layer
        self.depth = layer if number else count
        self.layerdrop = layerdrop
        if layer == "mix":
            self.layer_logits = nn.Parameter(torch.zeros(count + 1))

    def settings(self) -> dict:
        """See ``Encoder.settings``."""
        return {
            "family": self.config["model_type"],
            "name": self.name,
            "config": self.config,
            "freeze": self.freeze,
            "layer": self.layer,
        }

    def apply_freeze(self) -> None:
        """See ``Encoder.apply_freeze``; the weights of ``"mix"`` stay trainable."""
        super().apply_freeze()
        if self.layer == "mix":
            self.layer_logits.requires_grad_(True)

    def _take_mix(self, weights: Mapping[str, Tensor]) -> None:
        """Begin a mix with the weights of a checkpoint that was tuned with one."""
        found = weights.get(LAYER_WEIGHTS)
        if self.layer != "mix" or found is None:
            return
        if found.shape != self.layer_logits.shape:
            raise SERError(
                f"The weights of {self.name} do not fit its config.json: {LAYER_WEIGHTS} "
                f"{tuple(found.shape)} instead of {tuple(self.layer_logits.shape)}."
            )
        with torch.no_grad():
            self.layer_logits.copy_(found)

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        valid_BT = mask_from_lengths(frame_lengths_B, features_BTC.shape[1])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.freeze != "all"):
            states = self._states(features_BTC, valid_BT)
        if self.layer != "mix":
            return states[-1]
        weights = torch.softmax(self.layer_logits, dim=0)
        return sum(
            weight * state_BTD for weight, state_BTD in zip(weights, states, strict=True)
        )

    def _states(self, features_BTC: Tensor, valid_BT: Tensor) -> list[Tensor]:
        """The hidden states that are read: all of them for "mix", else the topmost."""
        hidden_BTD = self._embed(features_BTC, valid_BT)
        states = [hidden_BTD]
        # No mask at all where nothing is padded: that lets the fastest kernel run. A graph
        # that is exported has but one path, the one with a mask.
        whole = not torch.compiler.is_exporting() and bool(valid_BT.all())
        context = self._context(None if whole else valid_BT)
        for index, block in enumerate(self._blocks()):
            if self._skips(index):
                hidden_BTD = _touch(hidden_BTD, block)
            else:
                hidden_BTD = self._run(block, hidden_BTD, context)
            states = [*states, hidden_BTD] if self.layer == "mix" else [hidden_BTD]
        if self.layer in ("last", "mix"):
            states[-1] = self._final_norm(states[-1])
        return states

    def _skips(self, index: int) -> bool:
        return self.training and float(torch.rand(())) < self.layerdrop

    def _blocks(self) -> nn.ModuleList:
        """Transformer layers, ``depth`` of them."""
        raise NotImplementedError

    def _embed(self, features_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Front-end features to hidden state 0."""
        raise NotImplementedError

    def _context(self, valid_BT: Tensor | None) -> dict:
        """Keyword arguments of a layer's call; None where no frame is padded."""
        if valid_BT is None:
            return {"attention_mask": None}
        return {"attention_mask": valid_BT[:, None, None, :]}

    def _run(self, block: nn.Module, hidden_BTD: Tensor, context: dict) -> Tensor:
        return block(hidden_BTD, **context)

    def _final_norm(self, hidden_BTD: Tensor) -> Tensor:
        """The norm behind the last layer, where the architecture has one."""
        raise NotImplementedError


def _touch(hidden_BTD: Tensor, block: nn.Module) -> Tensor:
    """Tie a skipped layer to the graph with weight zero, if processes share gradients.

    ``DistributedDataParallel`` waits for every parameter's gradient, and processes draw
    different layers. A zero gradient is not quite none: Adam's momentum still moves the
    layer. So a single process leaves skipped layers out, as Hugging Face does.
    """
    distributed = torch.distributed.is_available()
    if not (distributed and torch.distributed.is_initialized()):
        return hidden_BTD
    links = [p.flatten()[0] for p in block.parameters() if p.requires_grad]
    return hidden_BTD + 0 * torch.stack(links).sum() if links else hidden_BTD
