"""The interface of every encoder, and the base of those with transformer layers.

Shapes: B clips, S samples, T frames, C front-end channels, D frame size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError, bad_value
from ser_brain.models.encoders.masking import at_least_float32, mask_from_lengths, zero_padding

FREEZE = ("all", "cnn", "none")


class Encoder(nn.Module):
    """Waveforms to frames. The frames of a clip never depend on the rest of its batch.

    An encoder is a front end and what follows it: ``forward`` is
    ``encode(*front(waveforms, lengths))``. A frozen front end gives the same features in every
    epoch, so they can be cached. A subclass defines ``frame_lengths``, ``front_modules``,
    ``_front``, ``_encode`` and ``settings``, and calls ``apply_freeze`` when it is built.

    Parameters
    ----------
    name : str
        Name for reports.
    dim : int
        Size D of a frame.
    min_samples : int
        Samples that give exactly one frame. A shorter clip is an error.
    max_samples : int or None
        Longest clip; None is no limit.
    freeze : {"all", "cnn", "none"}
        ``"cnn"`` freezes ``front_modules()``, ``"all"`` freezes everything except learned
        layer weights, which are not part of the pretrained model. Frozen modules get no
        gradient, stay in evaluation mode and run without recording a graph.
    """

    sample_rate_hz = 16_000
    layer: str | int | list[int] = "last"  # what of several hidden states is used
    libraries: tuple[str, ...] = ()  # others than torch, whose versions may change the frames
    why_no_onnx = ""  # why no graph can compute the frames; empty if one can
    dropouts: tuple[str, ...] = ()  # keys of config.json that the setting dropouts may change

    def __init__(
        self,
        name: str,
        dim: int,
        min_samples: int,
        max_samples: int | None = None,
        freeze: str = "cnn",
    ):
        super().__init__()
        if freeze not in FREEZE:
            raise bad_value("freeze", freeze, FREEZE)
        self.name = name
        self.dim = dim
        self.min_samples = min_samples
        self.max_samples = max_samples
        self.freeze = freeze
        self.open_layers: int | None = None  # None: all; see open_top()
        self._trainable: set[nn.Parameter] | None = None  # before open_top() was called

    def front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the front end: features (B, T, C), and each clip's length in frames.

        Raises
        ------
        SERError
            If a clip is shorter than ``min_samples`` or longer than ``max_samples``.
        """
        self._require_lengths(waveforms_BS, lengths_B)
        # Padding may hold anything. Convolutions at a clip's end reach into it, and must find
        # there what they find where the clip is alone.
        waveforms_BS = zero_padding(waveforms_BS, lengths_B)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_front):
            features_BTC = self._front(waveforms_BS, lengths_B)
        return features_BTC, self.frame_lengths(lengths_B)

    def encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        """Encode the features of ``front``: frames (B, T, D), zero after each clip's end."""
        # Cached features are float16.
        features_BTC = at_least_float32(zero_padding(features_BTC, frame_lengths_B))
        frames_BTD = self._encode(features_BTC, frame_lengths_B)
        return at_least_float32(zero_padding(frames_BTD, frame_lengths_B))

    def forward(self, inputs: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Parameters
        ----------
        inputs : torch.Tensor
            float32 waveforms at ``sample_rate_hz``, (B, S), or features of ``front``,
            (B, T, C). The padding may hold anything.
        lengths_B : torch.Tensor
            int64 samples, or frames, of every clip.

        Returns
        -------
        frames_BTD : torch.Tensor
            Zero in padded frames.
        frame_lengths_B : torch.Tensor
            int64 frames of every clip.
        """
        if inputs.dim() == 2:
            inputs, lengths_B = self.front(inputs, lengths_B)
        return self.encode(inputs, lengths_B), lengths_B

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        """Number of frames of clips of ``lengths_B`` samples."""
        raise NotImplementedError

    def front_modules(self) -> Iterator[nn.Module]:
        """Yield the modules that ``freeze="cnn"`` freezes."""
        raise NotImplementedError

    def layers(self) -> Sequence[nn.Module]:
        """The stack after the front end, from its input to its output."""
        return ()

    def output_parameters(self) -> Iterable[nn.Parameter]:
        """Yield those of what follows the layers, such as a final norm."""
        return ()

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        raise NotImplementedError

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        raise NotImplementedError

    def settings(self) -> dict:
        """Description in JSON types from which ``build_encoder`` makes the same module."""
        raise NotImplementedError

    @property
    def trains_front(self) -> bool:
        """Whether the front end is trained; if so, its features cannot be cached."""
        return self.freeze == "none"

    def apply_freeze(self) -> None:
        """Freeze what ``freeze`` names."""
        frozen = {"all": [self], "cnn": self.front_modules(), "none": []}[self.freeze]
        for module in frozen:
            module.requires_grad_(False)
        self.train(self.training)

    def parameters_by_layer(self) -> list[list[nn.Parameter]]:
        """List the parameters from the output down, for settings that treat layers apart.

        First those of the topmost layer and of what follows it, then those of each layer below,
        at last those of what precedes all layers.
        """
        after = list(self.output_parameters())
        by_layer = [list(layer.parameters()) for layer in reversed(self.layers())]
        placed = {*after, *(p for layer in by_layer for p in layer)}
        before = [p for p in self.parameters() if p not in placed]
        first, *others = by_layer or [[]]
        return [[*after, *first], *others, before]

    def open_top(self, count: int | None) -> None:
        """Train only the ``count`` topmost layers, of what ``freeze`` leaves to be trained.

        A ``count`` above the number of layers, or None, trains the rest, too. What is closed
        stays in evaluation mode, as frozen parts do.
        """
        if self._trainable is None:
            self._trainable = {p for p in self.parameters() if p.requires_grad}
        by_layer = self.parameters_by_layer()
        self.open_layers = None if count is None or count >= len(by_layer) else count
        opened = {p for layer in by_layer[: self.open_layers] for p in layer}
        for parameter in self._trainable:
            parameter.requires_grad_(parameter in opened)
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        """Switch the mode. Frozen parts stay in evaluation mode: dropout would change them."""
        super().train(mode and self.freeze != "all" and self.open_layers is None)
        if self.open_layers:
            for layer in self.layers()[-self.open_layers :]:
                layer.train(mode)
        if self.freeze == "cnn":
            for module in self.front_modules():
                module.eval()
        return self

    def _require_lengths(self, waveforms_BS: Tensor, lengths_B: Tensor) -> None:
        if torch.compiler.is_exporting():
            return  # an exported graph cannot raise errors
        shortest, longest = (int(n) for n in torch.aminmax(lengths_B))
        if shortest < self.min_samples:
            raise SERError(
                f"A clip of {shortest} samples is too short for {self.name}; it needs "
                f"at least {self.min_samples} ({self._seconds(self.min_samples)}). "
                "Pad it with silence or remove it from the manifest."
            )
        if self.max_samples is not None and longest > self.max_samples:
            raise SERError(
                f"A clip of {longest} samples ({self._seconds(longest)}) is too long "
                f"for {self.name}, which has positions for {self.max_samples} "
                f"({self._seconds(self.max_samples)}). Cut it into shorter clips."
            )
        if longest > waveforms_BS.shape[1]:
            raise SERError(
                f"A length of {longest} samples in a batch of {waveforms_BS.shape[1]}; "
                "lengths are int64 samples, not fractions of the longest clip."
            )

    def _seconds(self, samples: int) -> str:
        return f"{samples / self.sample_rate_hz:.3g} s"


NORMED = ("last", "mix", "all")  # settings whose topmost state is the output of the model
LAYER_WEIGHTS = "layer_weights"  # in checkpoints of Hugging Face's layer-mixing classifiers


def used_states(layer: str | int | Sequence[int], count: int, name: str) -> list[int]:
    """Numbers of the hidden states that a setting of ``layer`` uses, of 0 to ``count``.

    Raises
    ------
    SERError
        If the setting is unknown, or names a state that the encoder ``name`` does not have.

    Examples
    --------
    >>> used_states("last", 6, "base"), used_states([2, 3], 6, "base")
    ([6], [2, 3])
    """
    if layer == "last":
        return [count]
    if layer in ("all", "mix"):
        return [*range(count + 1)]
    used = list(layer) if isinstance(layer, list | tuple) else [layer]
    if not used or not all(type(n) is int for n in used) or len(set(used)) < len(used):
        expected = ["last", "mix", "all", f"0 to {count}", "a list of such numbers"]
        raise bad_value("layer", layer, expected)
    for n in used:
        if not 0 <= n <= count:
            raise SERError(
                f"Bad layer {n}: {name} has {count} transformer layers; expected 0 (their "
                f"input) to {count}, a list of such numbers, 'last', 'mix' or 'all'."
            )
    return used


class TransformerEncoder(Encoder):
    """A convolutional front end and a stack of transformer layers.

    Its modules are Hugging Face's, with their parameter names, but they are called from here,
    so that everything that could let padding leak is in one place and tested.

    Parameters
    ----------
    name, dim, min_samples, max_samples, freeze
        See ``Encoder``.
    config : dict
        The checkpoint's ``config.json``.
    count : int
        Transformer layers of the checkpoint.
    layer : "last", "mix", "all", int or list of int
        ``"last"``: output of the model, after its final layer norm where it has one.
        ``n``: hidden state after the n-th transformer layer, before any final norm; 0 is the
        input of the first. Layers above are not built. A list: these states side by side, so
        that ``dim`` is their number times the width. ``"all"``: states 0 to last side by side.
        ``"mix"``: softmax-weighted mean of states 0 to last, with one learned weight each
        (SUPERB, Yang et al. 2021, sec. 3). The weights start equal, or as a Hugging Face
        classifier with such weights learned them. The topmost state of ``"all"`` and
        ``"mix"`` is that of ``"last"``.
    layerdrop : float
        Probability of skipping a layer in training, as in the checkpoint.
    """

    def __init__(
        self,
        name: str,
        config: dict,
        dim: int,
        count: int,
        layer: str | int | Sequence[int],
        layerdrop: float,
        min_samples: int,
        max_samples: int | None,
        freeze: str,
    ):
        used = used_states(layer, count, name)
        if isinstance(layer, list | tuple) or layer == "all":
            dim *= len(used)
        super().__init__(name, dim, min_samples, max_samples, freeze)
        self.config = config
        self.layer = list(layer) if isinstance(layer, list | tuple) else layer
        self.used = used
        self.depth = max(used)
        self.ends_in_norm = layer in NORMED
        self.layerdrop = layerdrop
        if layer == "mix":
            self.layer_logits = nn.Parameter(torch.zeros(count + 1))

    def settings(self) -> dict:
        return {
            "family": self.config["model_type"],
            "name": self.name,
            "config": self.config,
            "freeze": self.freeze,
            "layer": self.layer,
        }

    def apply_freeze(self) -> None:
        """Freeze what ``freeze`` names, but never the learned weights of ``"mix"``."""
        super().apply_freeze()
        if self.layer == "mix":
            self.layer_logits.requires_grad_(True)

    def layers(self) -> Sequence[nn.Module]:
        return self._blocks()

    def output_parameters(self) -> Iterable[nn.Parameter]:
        if self.layer == "mix":
            yield self.layer_logits
        if self.ends_in_norm:
            yield from self._final_norm_parameters()

    def _load_layer_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Start the mix from the weights of a checkpoint that was fine-tuned with one."""
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

    def states(self, inputs: Tensor, lengths_B: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode as ``forward`` does, but return each used hidden state (B, T, D) by itself."""
        if inputs.dim() == 2:
            inputs, lengths_B = self.front(inputs, lengths_B)
        features_BTC = at_least_float32(zero_padding(inputs, lengths_B))
        return self._states(features_BTC, lengths_B), lengths_B

    def _encode(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> Tensor:
        states = self._states(features_BTC, frame_lengths_B)
        if self.layer != "mix":
            return states[0] if len(states) == 1 else torch.cat(states, dim=-1)
        weights = torch.softmax(self.layer_logits, dim=0)
        return sum(
            weight * state_BTD for weight, state_BTD in zip(weights, states, strict=True)
        )

    def _states(self, features_BTC: Tensor, frame_lengths_B: Tensor) -> list[Tensor]:
        """The hidden states that ``layer`` names, in its order."""
        valid_BT = mask_from_lengths(frame_lengths_B, features_BTC.shape[1])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.freeze != "all"):
            return self._run_layers(features_BTC, valid_BT)

    def _run_layers(self, features_BTC: Tensor, valid_BT: Tensor) -> list[Tensor]:
        hidden_BTD = self._embed(features_BTC, valid_BT)
        states = {0: hidden_BTD} if 0 in self.used else {}
        # Without a mask, where nothing is padded, the fastest attention kernel runs. An
        # exported graph has a single path, the one with a mask.
        whole = not torch.compiler.is_exporting() and bool(valid_BT.all())
        context = self._context(None if whole else valid_BT)
        for number, block in enumerate(self._blocks(), start=1):
            if self._skips(number):
                hidden_BTD = _keep_in_graph(hidden_BTD, block)
            else:
                hidden_BTD = self._run(block, hidden_BTD, context)
            if number in self.used:
                states[number] = hidden_BTD
        if self.ends_in_norm:
            states[self.depth] = self._final_norm(hidden_BTD)
        return [states[number] for number in self.used]

    def _skips(self, number: int) -> bool:
        # A layer that is not open is never skipped: it stays as it is.
        training = self._blocks()[number - 1].training
        return training and float(torch.rand(())) < self.layerdrop

    def _blocks(self) -> nn.ModuleList:
        """The transformer layers, ``depth`` of them."""
        raise NotImplementedError

    def _embed(self, features_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        """Front-end features to hidden state 0."""
        raise NotImplementedError

    def _context(self, valid_BT: Tensor | None) -> dict:
        """Keyword arguments for a layer; ``valid_BT`` is None where no frame is padded."""
        if valid_BT is None:
            return {"attention_mask": None}
        # True may be attended to: no frame of a clip sees a frame of its padding.
        return {"attention_mask": valid_BT[:, None, None, :]}

    def _run(self, block: nn.Module, hidden_BTD: Tensor, context: dict) -> Tensor:
        return block(hidden_BTD, **context)

    def _final_norm(self, hidden_BTD: Tensor) -> Tensor:
        """The norm after the last layer, where the architecture has one."""
        raise NotImplementedError

    def _final_norm_parameters(self) -> Iterable[nn.Parameter]:
        return ()


def _keep_in_graph(hidden_BTD: Tensor, block: nn.Module) -> Tensor:
    """Add a skipped layer to the graph with weight zero, in distributed training.

    ``DistributedDataParallel`` waits for every parameter's gradient, and processes skip
    different layers. A zero gradient differs from none, because Adam's momentum still moves the
    layer; so a single process skips layers entirely, as Hugging Face does.
    """
    distributed = torch.distributed.is_available()
    if not (distributed and torch.distributed.is_initialized()):
        return hidden_BTD
    links = [p.flatten()[0] for p in block.parameters() if p.requires_grad]
    return hidden_BTD + 0 * torch.stack(links).sum() if links else hidden_BTD
