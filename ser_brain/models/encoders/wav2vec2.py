"""wav2vec 2.0 and its relatives: XLS-R, HuBERT, data2vec-audio; base of WavLM.

Shapes: B clips, S samples, T frames (20 ms), C front-end channels, D frame size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ser_brain.core.errors import SERError
from ser_brain.models.encoders.base import LAYER_WEIGHTS, TransformerEncoder
from ser_brain.models.encoders.masking import MaskedGroupNorm, normalize_clips, zero_padding
from ser_brain.models.encoders.pretrained import device_before, load_strictly

DROPOUTS = (
    "attention_dropout",
    "hidden_dropout",
    "activation_dropout",
    "feat_proj_dropout",
    "layerdrop",
)


class Wav2Vec2Encoder(TransformerEncoder):
    """wav2vec 2.0 (Baevski et al. 2020), XLS-R and HuBERT.

    Parameters
    ----------
    name, config, layer
        See ``TransformerEncoder``.
    freeze : {"cnn", "all", "none"}
        ``"cnn"`` freezes the convolutions on the waveform, not the projection after them.
    normalize : bool
        Whether to give every clip zero mean and unit variance first: ``do_normalize`` in the
        checkpoint's ``preprocessor_config.json``.
    weights : mapping or None
        State dict; None leaves the weights random.
    """

    dropouts = DROPOUTS
    prefixes = ("wav2vec2.", "hubert.", "wavlm.", "data2vec_audio.")
    # Parts of checkpoints that do not belong to the encoder: the quantizer and projections of
    # pretraining, the vector that SpecAugment (off here, as in SpeechBrain's recipe) puts on
    # masked frames, and the output layers of fine-tuned models, ours included.
    ignored = (
        r"quantizer\.",
        r"project_(q|hid)\.",
        r"masked_spec_embed$",
        rf"(lm_head|projector|classifier|va_head)\.|{LAYER_WEIGHTS}$",
    )
    # The names of weight norm's two tensors before torch 2.0, and since.
    renames = {
        ".conv.weight_g": ".conv.parametrizations.weight.original0",
        ".conv.weight_v": ".conv.parametrizations.weight.original1",
    }

    def __init__(
        self,
        name: str,
        config: dict,
        normalize: bool,
        freeze: str = "cnn",
        layer: str | int | Sequence[int] = "last",
        weights: Mapping[str, Tensor] | None = None,
    ):
        for key in ("add_adapter", "conv_pos_batch_norm"):
            if config.get(key):
                raise SERError(
                    f"{name} has {key} set in its config.json, which is not supported; "
                    "choose a checkpoint without it."
                )
        with device_before(weights):
            model = _build(config)
        full = model.config
        kernels = list(zip(full.conv_kernel, full.conv_stride, strict=True))
        super().__init__(
            name=name,
            config=config,
            dim=full.hidden_size,
            count=full.num_hidden_layers,
            layer=layer,
            layerdrop=full.layerdrop,
            min_samples=_receptive_field(kernels),
            max_samples=None,
            freeze=freeze,
        )
        self.normalize = normalize
        self.kernels = kernels
        self.final_norm = getattr(full, "do_stable_layer_norm", False)
        if weights is not None:
            load_strictly(model, weights, name, self.prefixes, self.ignored, self.renames)
            self._load_layer_weights(weights)
        encoder = model.encoder
        encoder.layers = encoder.layers[: self.depth]
        if self.final_norm and not self.ends_in_norm:
            encoder.layer_norm = nn.Identity()
        self.feature_extractor = model.feature_extractor
        self.feature_projection = model.feature_projection
        self.encoder = encoder
        self.apply_freeze()

    def settings(self) -> dict:
        return {**super().settings(), "normalize": self.normalize}

    def front_modules(self) -> Iterator[nn.Module]:
        yield self.feature_extractor

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        for kernel, stride in self.kernels:
            lengths_B = (lengths_B - kernel) // stride + 1
        return lengths_B

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        if self.normalize:
            waveforms_BS = normalize_clips(waveforms_BS, lengths_B)
        hidden_BCT = waveforms_BS.unsqueeze(1)
        layers = self.feature_extractor.conv_layers
        for layer, (kernel, stride) in zip(layers, self.kernels, strict=True):
            lengths_B = (lengths_B - kernel) // stride + 1
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, MaskedGroupNorm):
                # Statistics over valid frames only; see MaskedGroupNorm.
                hidden_BCT = norm(layer.conv(hidden_BCT), lengths_B)
                hidden_BCT = layer.activation(hidden_BCT)
            else:
                hidden_BCT = layer(hidden_BCT)
        return hidden_BCT.transpose(1, 2)

    def _blocks(self) -> nn.ModuleList:
        return self.encoder.layers

    def _embed(self, features_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        hidden_BTD = self.feature_projection(features_BTC)
        if isinstance(hidden_BTD, tuple):  # HuBERT returns the projection alone
            hidden_BTD = hidden_BTD[0]
        frame_lengths_B = valid_BT.sum(dim=1)
        # The projection's bias makes padding nonzero, and the positional convolution reaches 64
        # frames into it.
        hidden_BTD = zero_padding(hidden_BTD, frame_lengths_B)
        hidden_BTD = hidden_BTD + self._positions(hidden_BTD, frame_lengths_B)
        if not self.final_norm:
            hidden_BTD = self.encoder.layer_norm(hidden_BTD)
        return self.encoder.dropout(hidden_BTD)

    def _positions(self, hidden_BTD: Tensor, frame_lengths_B: Tensor) -> Tensor:
        return self.encoder.pos_conv_embed(hidden_BTD)

    def _final_norm(self, hidden_BTD: Tensor) -> Tensor:
        return self.encoder.layer_norm(hidden_BTD) if self.final_norm else hidden_BTD

    def _final_norm_parameters(self) -> Iterable[nn.Parameter]:
        return self.encoder.layer_norm.parameters() if self.final_norm else ()


class Data2VecAudioEncoder(Wav2Vec2Encoder):
    """data2vec-audio (Baevski et al. 2022), whose positions come from stacked convolutions."""

    def _positions(self, hidden_BTD: Tensor, frame_lengths_B: Tensor) -> Tensor:
        for layer in self.encoder.pos_conv_embed.layers:
            hidden_BTD = layer(hidden_BTD.transpose(1, 2)).transpose(1, 2)
            # Bias and norm make padding nonzero, which the next convolution would read.
            hidden_BTD = zero_padding(hidden_BTD, frame_lengths_B)
        return hidden_BTD


def _build(config: dict) -> nn.Module:
    """Build Hugging Face's module: random weights, float32, no SpecAugment."""
    from transformers import AutoConfig, AutoModel

    # With masking probabilities the module has a SpecAugment vector: a parameter without a
    # gradient, which would stop distributed training.
    changes = {
        "apply_spec_augment": False,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
        "dtype": "float32",
    }
    stale = ("torch_dtype", "architectures", "auto_map")
    kept = {key: value for key, value in config.items() if key not in stale}
    model = AutoModel.from_config(
        AutoConfig.for_model(**{**kept, **changes}), dtype=torch.float32
    )
    first = model.feature_extractor.conv_layers[0]
    norm = getattr(first, "layer_norm", None)
    if isinstance(norm, nn.GroupNorm):
        first.layer_norm = MaskedGroupNorm(norm.num_groups, norm.num_channels, eps=norm.eps)
    return model


def _receptive_field(kernels: list[tuple[int, int]]) -> int:
    """Samples that one frame sees: 400 for every published model."""
    samples = 1
    for kernel, stride in reversed(kernels):
        samples = (samples - 1) * stride + kernel
    return samples


class WavLMEncoder(Wav2Vec2Encoder):
    """WavLM (Chen et al. 2022).

    Attention is computed here, on Hugging Face's parameters. Their function also computes and
    averages the attention weights of all heads, which nothing uses.
    """

    def _skips(self, number: int) -> bool:
        # The first layer computes the position bias that all others use.
        return number > 1 and super()._skips(number)

    def _context(self, valid_BT: Tensor | None) -> dict:
        return {"valid_BT": valid_BT, "bias_HTT": None}

    def _run(self, block: nn.Module, hidden_BTD: Tensor, context: dict) -> Tensor:
        if context["bias_HTT"] is None:
            size = hidden_BTD.shape[1]
            context["bias_HTT"] = block.attention.compute_bias(size, size)
        # Where the model has a final norm, a layer's norms come before its parts.
        if self.final_norm:
            attended = _attend(block.attention, block.layer_norm(hidden_BTD), **context)
            hidden_BTD = hidden_BTD + block.dropout(attended)
            return hidden_BTD + block.feed_forward(block.final_layer_norm(hidden_BTD))
        attended = _attend(block.attention, hidden_BTD, **context)
        hidden_BTD = block.layer_norm(hidden_BTD + block.dropout(attended))
        return block.final_layer_norm(hidden_BTD + block.feed_forward(hidden_BTD))


def _attend(
    attention: nn.Module, hidden_BTD: Tensor, valid_BT: Tensor | None, bias_HTT: Tensor
) -> Tensor:
    """Self-attention with the gated position bias of Chen et al. 2022, eq. 3 to 6."""
    heads = attention.num_heads

    def by_head(tensor_BTD: Tensor) -> Tensor:
        return tensor_BTD.unflatten(-1, (heads, -1)).transpose(1, 2)

    query, key, value = (
        by_head(projection(hidden_BTD))
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    # Eight numbers per head and frame, four for each of the two gates.
    gates = attention.gru_rel_pos_linear(by_head(hidden_BTD)).unflatten(-1, (2, 4)).sum(-1)
    update_BHT, reset_BHT = torch.sigmoid(gates).unbind(-1)
    constant_BHT = attention.gru_rel_pos_const.squeeze(-1)
    scale_BHT = update_BHT * (reset_BHT * constant_BHT - 1.0) + 2.0
    bias_BHTT = (scale_BHT.unsqueeze(-1) * bias_HTT).to(query.dtype)
    if valid_BT is not None:
        bias_BHTT = bias_BHTT.masked_fill(~valid_BT[:, None, None, :], -torch.inf)
    dropout = attention.dropout if attention.training else 0.0
    attended_BHTK = nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias_BHTT, dropout_p=dropout
    )
    return attention.out_proj(attended_BHTK.transpose(1, 2).flatten(2))
