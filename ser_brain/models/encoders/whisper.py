"""The encoder of Whisper (Radford et al. 2022) on clips of their own length.

Shapes: B clips, S samples, F mel frames (10 ms), M mel bands, T frames (20 ms),
D frame size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ser_brain.models.encoders.base import LAYER_WEIGHTS, TransformerEncoder
from ser_brain.models.encoders.masking import mask_from_lengths, spectrum_dtype, zero_padding
from ser_brain.models.encoders.pretrained import device_before, load_strictly

N_FFT, HOP = 400, 160

# Reflection at a clip's ends needs one sample more than half a window.
MIN_SAMPLES = N_FFT // 2 + 1


class WhisperLogMel(nn.Module):
    """Whisper's log-mel of every clip, as if it were alone and not padded to 30 s.

    Equals Hugging Face's ``WhisperFeatureExtractor`` with ``padding="do_not_pad"``: a clip is
    reflected at its own end, not at the batch's, and its dynamic range ends 8 decades below its
    own maximum. Always runs in full precision.
    """

    def __init__(self, bands: int):
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            num_frequency_bins=1 + N_FFT // 2,
            num_mel_filters=bands,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=TransformerEncoder.sample_rate_hz,
            norm="slaney",
            mel_scale="slaney",
        )
        filters_MK = torch.from_numpy(filters).float().T.contiguous()
        # Constants, which no checkpoint needs to store.
        self.register_buffer("filters_MK", filters_MK, persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, S) to (B, M, F), zero after each clip's end."""
        with torch.autocast(waveforms_BS.device.type, enabled=False):
            waveforms_BS = waveforms_BS.to(spectrum_dtype(self.window.dtype))
            reflected = _reflect_ends(waveforms_BS, lengths_B, N_FFT // 2)
            spectrum = torch.stft(
                reflected,
                N_FFT,
                HOP,
                window=self.window.to(waveforms_BS.dtype),
                center=False,
                return_complex=True,
            )
            power = spectrum[..., :-1].abs().square().to(self.window.dtype)
            mels_BMF = torch.clamp(self.filters_MK @ power, min=1e-10).log10()
            valid_BF = mask_from_lengths(lengths_B // HOP, mels_BMF.shape[-1])
            padding_B1F = ~valid_BF.unsqueeze(1)
            # The maximum of each clip's own frames: its padding is not part of its range.
            loudest = mels_BMF.masked_fill(padding_B1F, -torch.inf).amax((1, 2), True)
            mels_BMF = (torch.maximum(mels_BMF, loudest - 8.0) + 4.0) / 4.0
            return mels_BMF.masked_fill(padding_B1F, 0)


class WhisperEncoder(TransformerEncoder):
    """Whisper's encoder. The decoder is neither built nor loaded.

    A clip takes as many positions as it has frames, and attends to nothing after its end.
    Hugging Face instead pads every clip to 30 s with silence and attends to all of it, so a
    shorter clip gets other numbers there; for one of 30 s they are equal. ``freeze="cnn"``
    freezes the two convolutions and the (sinusoidal) positions. The layer ``"last"`` includes
    the encoder's final layer norm. ``weights`` is a state dict; None leaves them random.
    """

    dropouts = (
        "attention_dropout",
        "dropout",
        "activation_dropout",
        "encoder_layerdrop",
    )
    prefixes = ("model.encoder.", "encoder.", "model.")
    # The decoder and output layer of a whole Whisper, and the layers of a classifier.
    ignored = (r"decoder\.", r"proj_out\.", rf"(projector|classifier)\.|{LAYER_WEIGHTS}$")

    def __init__(
        self,
        name: str,
        config: dict,
        freeze: str = "cnn",
        layer: str | int | Sequence[int] = "last",
        weights: Mapping[str, Tensor] | None = None,
    ):
        from transformers import WhisperConfig
        from transformers.models.whisper import modeling_whisper

        kept = {
            key: value
            for key, value in config.items()
            if key not in ("model_type", "torch_dtype", "architectures", "dtype")
        }
        full = WhisperConfig(**kept)
        super().__init__(
            name=name,
            config=config,
            dim=full.d_model,
            count=full.encoder_layers,
            layer=layer,
            layerdrop=full.encoder_layerdrop,
            min_samples=MIN_SAMPLES,
            max_samples=full.max_source_positions * 2 * HOP,
            freeze=freeze,
        )
        with device_before(weights):
            model = modeling_whisper.WhisperEncoder(full).float()
        if weights is not None:
            load_strictly(model, weights, name, self.prefixes, self.ignored)
            self._load_layer_weights(weights)
        model.layers = model.layers[: self.depth]
        if not self.ends_in_norm:
            model.layer_norm = nn.Identity()
        self.dropout = nn.Dropout(full.dropout)
        self.log_mel = WhisperLogMel(full.num_mel_bins)
        self.encoder = model
        self.apply_freeze()

    def front_modules(self) -> Iterator[nn.Module]:
        yield from (self.encoder.conv1, self.encoder.conv2, self.encoder.embed_positions)

    def frame_lengths(self, lengths_B: Tensor) -> Tensor:
        return (lengths_B // HOP + 1) // 2

    def _front(self, waveforms_BS: Tensor, lengths_B: Tensor) -> Tensor:
        gelu = nn.functional.gelu
        mels_BMF = self.log_mel(waveforms_BS, lengths_B)
        hidden_BFD = gelu(self.encoder.conv1(mels_BMF)).transpose(1, 2)
        # Bias and GELU make padding nonzero. The second convolution must find zeros after a
        # clip's end, as it does where the clip is alone.
        hidden_BFD = zero_padding(hidden_BFD, lengths_B // HOP)
        return gelu(self.encoder.conv2(hidden_BFD.transpose(1, 2))).transpose(1, 2)

    def _embed(self, features_BTC: Tensor, valid_BT: Tensor) -> Tensor:
        positions_TD = self.encoder.embed_positions.weight[: features_BTC.shape[1]]
        return self.dropout(features_BTC + positions_TD)

    def _blocks(self) -> nn.ModuleList:
        return self.encoder.layers

    def _final_norm(self, hidden_BTD: Tensor) -> Tensor:
        return self.encoder.layer_norm(hidden_BTD)

    def _final_norm_parameters(self) -> Iterable[nn.Parameter]:
        return self.encoder.layer_norm.parameters()


def _reflect_ends(waveforms_BS: Tensor, lengths_B: Tensor, reach: int) -> Tensor:
    """Mirror every clip at its first and its own last sample, ``reach`` samples far.

    Examples
    --------
    >>> wave = torch.tensor([[1, 2, 3, 4, 0]])
    >>> _reflect_ends(wave, torch.tensor([4]), 2).tolist()
    [[3, 2, 1, 2, 3, 4, 3, 2, 1]]
    """
    size = waveforms_BS.shape[1]
    steps = torch.arange(-reach, size + reach, device=waveforms_BS.device).abs()
    last_B1 = lengths_B.unsqueeze(1) - 1
    # Fold back at the end. Positions that would fold below 0 are far after a shorter clip.
    source_BS = torch.where(steps > last_B1, 2 * last_B1 - steps, steps).clamp(min=0)
    return waveforms_BS.gather(1, source_BS)
