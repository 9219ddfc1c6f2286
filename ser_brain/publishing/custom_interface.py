"""An exported emotion model for SpeechBrain's ``foreign_class``.

``ser export`` of SER Recipes copies this file into a model folder as it is. It reads the
folder's ``config.json`` and ``model.safetensors``, and needs torch, torchaudio, transformers,
safetensors, soundfile and speechbrain, but not SER Recipes.

Each clip of a batch is scored alone and without padding, so its scores cannot depend on its
neighbours.

Shapes: B clips, S samples, F mel frames (10 ms), M mel bands, T frames (20 ms), D frame size,
C emotions.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
from functools import lru_cache
from pathlib import Path

import soundfile
import torch
from safetensors.torch import load_file
from speechbrain.inference.interfaces import Pretrained
from speechbrain.lobes.models.ECAPA_TDNN import SEBlock
from speechbrain.processing.features import STFT, Filterbank, spectral_magnitude
from speechbrain.utils.fetching import fetch
from speechbrain.utils.parameter_transfer import Pretrainer
from torch import Tensor, nn
from torch.nn.functional import gelu
from torchaudio.transforms import Resample
from transformers import AutoConfig, AutoModel, WhisperConfig
from transformers.audio_utils import mel_filter_bank
from transformers.models.whisper.modeling_whisper import WhisperEncoder

# How names in model.safetensors begin -> names in EmotionModel. Where a classifier of
# transformers can express the model, the file uses the names of that class.
NAMES = {
    "layer_weights": "layer_logits",
    "encoder.layer_logits": "layer_logits",
    "classifier.": "emotion_head.linear.",
    "wav2vec2.": "encoder.model.",
    "hubert.": "encoder.model.",
    "wavlm.": "encoder.model.",
    "data2vec_audio.": "encoder.model.",
}
# The identity that such a classifier applies to every frame.
IDENTITY = ("projector.weight", "projector.bias")


def topmost(layer: str | int | list[int]) -> int | None:
    """Transformer layers that are needed; None for all, with the norm behind the last."""
    return (
        None if isinstance(layer, str) else max(layer if isinstance(layer, list) else [layer])
    )


class Wav2Vec2(nn.Module):
    """wav2vec 2.0, HuBERT, WavLM or data2vec-audio, as transformers computes it."""

    def __init__(
        self, family: str, config: dict, layer: str | int | list[int], normalize: bool, **_
    ):
        super().__init__()
        top = topmost(layer)
        # With masking in training, the model would have one more parameter: the mask.
        changes = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "dtype": "float32"}
        if top is not None:
            changes["num_hidden_layers"] = top
        config = AutoConfig.for_model(family, **{**config, **changes})
        self.model = AutoModel.from_config(config, dtype=torch.float32)
        if top is not None and getattr(config, "do_stable_layer_norm", False):
            # This norm belongs behind the last layer of the whole model.
            self.model.encoder.layer_norm = nn.Identity()
        self.normalize = normalize
        self.dim, self.depth = config.hidden_size, config.num_hidden_layers
        self.min_samples, self.max_samples = 1, None
        kernels = zip(config.conv_kernel, config.conv_stride, strict=True)
        for kernel, stride in reversed([*kernels]):
            self.min_samples = (self.min_samples - 1) * stride + kernel

    def forward(self, wave_S: Tensor) -> list[Tensor]:
        """Hidden states (T, D): the input of the first layer, and the output of every layer."""
        if self.normalize:
            wave_S = wave_S - wave_S.mean()
            wave_S = wave_S / torch.sqrt(wave_S.square().mean() + 1e-7)
        found = self.model(wave_S[None], output_hidden_states=True)
        # transformers gives the topmost state as it is before a final norm.
        return [state[0] for state in (*found.hidden_states[:-1], found.last_hidden_state)]


class Whisper(nn.Module):
    """Whisper's encoder on a clip of its own length; transformers would pad it to 30 s."""

    def __init__(self, config: dict, layer: str | int | list[int], **_):
        super().__init__()
        top = topmost(layer)
        changes = {} if top is None else {"encoder_layers": top}
        config = WhisperConfig(**{**config, **changes})
        self.encoder = WhisperEncoder(config).float()
        if top is not None:
            self.encoder.layer_norm = nn.Identity()
        self.dim, self.depth, self.bands = (
            config.d_model,
            config.encoder_layers,
            config.num_mel_bins,
        )
        # Reflection at a clip's ends takes half a window and one sample.
        self.min_samples, self.max_samples = 201, config.max_source_positions * 2 * 160

    def forward(self, wave_S: Tensor) -> list[Tensor]:
        """Hidden states (T, D): the input of the first layer, and the output of every layer."""
        mels_MF = whisper_log_mel(wave_S, self.bands)
        hidden_1DT = gelu(self.encoder.conv2(gelu(self.encoder.conv1(mels_MF[None]))))
        positions_TD = self.encoder.embed_positions.weight[: hidden_1DT.shape[-1]]
        states = [hidden_1DT.transpose(1, 2) + positions_TD]
        for block in self.encoder.layers:
            states.append(block(states[-1], None))
        states[-1] = self.encoder.layer_norm(states[-1])
        return [state[0] for state in states]


def whisper_log_mel(wave_S: Tensor, bands: int) -> Tensor:
    """Whisper's log-mel (M, F) of a clip of its own length."""
    window = torch.hann_window(400, device=wave_S.device)
    spectrum = torch.stft(wave_S, 400, 160, window=window, return_complex=True)
    power = spectrum[:, :-1].abs().square()
    mels_MF = (whisper_filters(bands).to(power) @ power).clamp(min=1e-10).log10()
    return (torch.maximum(mels_MF, mels_MF.max() - 8.0) + 4.0) / 4.0


def spectrum_statistics(wave_S: Tensor) -> Tensor:
    """Mean and deviation of 80 mel bands over time, and the deviation of their changes."""
    mels_MF = whisper_log_mel(wave_S, 80)
    found = [mels_MF.mean(dim=1)]
    for values in (mels_MF, mels_MF.diff(dim=1)):
        count = max(values.shape[1], 1)
        centred = values - values.sum(dim=1, keepdim=True) / count
        found.append(torch.sqrt(centred.square().sum(dim=1) / count + 1e-8))
    return torch.cat(found)


@lru_cache
def whisper_filters(bands: int) -> Tensor:
    """Whisper's mel filters, (M, 201)."""
    filters = mel_filter_bank(
        201, bands, 0.0, 8000.0, sampling_rate=16_000, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(filters).float().T


class Compact(nn.Module):
    """The small encoder of SER Recipes: log-mel, then dilated convolutions with gates."""

    def __init__(self, channels: int, dilations: list[int], **_):
        super().__init__()
        self.stem = Context(4 * 64, channels, dilation=1)
        self.blocks = nn.ModuleList(Block(channels, dilation) for dilation in dilations)
        self.norm = nn.LayerNorm(channels)
        self.dim, self.min_samples, self.max_samples = channels, 672, None

    def forward(self, wave_S: Tensor) -> list[Tensor]:
        """The output (T, D), as the one state there is."""
        stft, mel = mel_front(wave_S.device)
        power = spectral_magnitude(stft(wave_S[None]), power=1)
        mels_FM = (torch.log(mel(power)[0] + 1e-6) + 3.0) / 4.0
        mels_FM = mels_FM[: len(mels_FM) // 2 * 2]
        both_FM = torch.cat([mels_FM, mels_FM - mels_FM.mean(dim=0)], dim=-1)
        frames_TD = self.stem(both_FM.unfold(0, 2, 2).transpose(1, 2).flatten(1))
        for block in self.blocks:
            frames_TD = block(frames_TD)
        return [self.norm(frames_TD)]


@lru_cache
def mel_front(device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Spectrum and mel filters, which have no weights."""
    stft = STFT(16_000, win_length=32, hop_length=10, n_fft=512, center=False)
    mel = Filterbank(n_mels=64, n_fft=512, sample_rate=16_000, f_min=50, log_mel=False)
    return stft.to(device), mel.to(device)


class Context(nn.Linear):
    """A convolution over three frames, written as one matrix product."""

    def __init__(self, channels_in: int, channels: int, dilation: int):
        super().__init__(3 * channels_in, channels)
        self.dilation = dilation

    def forward(self, frames_TD: Tensor) -> Tensor:
        """(T, D) to (T, D); frames beyond the ends count as zero."""
        size, reach = len(frames_TD), self.dilation
        padded = nn.functional.pad(frames_TD, (0, 0, reach, reach))
        spliced = [padded[i * reach : i * reach + size] for i in range(3)]
        return super().forward(torch.cat(spliced, dim=-1))


class Block(nn.Module):
    """Norm, dilated convolution, squeeze-excitation, residual."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = Context(channels, channels, dilation)
        self.pointwise = nn.Linear(channels, channels)
        self.excite = SEBlock(channels, channels // 4, channels)

    def forward(self, frames_TD: Tensor) -> Tensor:
        """(T, D) to (T, D)."""
        hidden_TD = self.pointwise(gelu(self.conv(self.norm(frames_TD))))
        return frames_TD + self.excite(hidden_TD.T[None])[0].T


WAV2VEC2 = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
FAMILIES = {**dict.fromkeys(WAV2VEC2, Wav2Vec2), "whisper": Whisper, "compact": Compact}


class EmotionModel(nn.Module):
    """Encoder, pooling over time and heads; empty until :meth:`read`."""

    def read(self, config_file: str | Path, weights_file: str | Path) -> None:
        """Build the model and load its weights: every name and every shape must fit."""
        config = json.loads(Path(config_file).read_text(encoding="utf-8"))["ser_brain"]
        self.name, described = config["name"], config["encoder"]
        with torch.device("meta"):  # without memory: the file's tensors become the weights
            self.encoder = FAMILIES[described["family"]](**described)
            dim, layer = self.encoder.dim, described.get("layer")
            if layer == "mix":
                self.layer_logits = nn.Parameter(torch.empty(self.encoder.depth + 1))
            self.beside = [*range(self.encoder.depth + 1)] if layer == "all" else layer
            if isinstance(self.beside, list):  # these states side by side
                dim *= len(self.beside)
            self.pooling = config.get("pooling", "mean")
            if self.pooling == "attentive":
                layers = nn.Linear(dim, 128), nn.Tanh(), nn.Linear(128, 1)
                self.pool = nn.ModuleDict({"attention": nn.Sequential(*layers)})
            dim *= 1 if self.pooling == "mean" else 2
            self.spectrum = config.get("spectrum")
            if self.spectrum is not None:
                dim += 3 * 80
            if config["emotions"]:
                self.emotion_head = head(dim, len(config["emotions"]))
            if config["va_range"]:
                self.va_head = head(dim, len(config.get("dimensions", ("valence", "arousal"))))
        inner = "encoder.model." if isinstance(self.encoder, Wav2Vec2) else "encoder."
        names = {**NAMES, "encoder.": inner}
        weights = {}
        for stored, tensor in load_file(weights_file).items():
            begin = next((begin for begin in names if stored.startswith(begin)), "")
            weights[names.get(begin, "") + stored.removeprefix(begin)] = tensor
        for name in IDENTITY:
            weights.pop(name, None)
        self.load_state_dict(weights, assign=True)
        self.eval().requires_grad_(False)

    def forward(self, wave_S: Tensor) -> dict[str, Tensor]:
        """Scores of one clip at ``sample_rate_hz``."""
        least, most = self.encoder.min_samples, self.encoder.max_samples
        if len(wave_S) < least or (most and len(wave_S) > most):
            limits = f"{least} to {most}" if most else f"at least {least}"
            raise ValueError(f"A clip of {len(wave_S)} samples; {self.name} takes {limits}.")
        states = self.encoder(wave_S)
        frames_TD = states[-1]
        if hasattr(self, "layer_logits"):
            shares = torch.softmax(self.layer_logits, dim=0)
            frames_TD = sum(s * state_TD for s, state_TD in zip(shares, states, strict=True))
        if isinstance(self.beside, list):
            frames_TD = torch.cat([states[number] for number in self.beside], dim=-1)
        embedding_D = self.pooled(frames_TD)
        if self.spectrum is not None:
            embedding_D = torch.cat([embedding_D, spectrum_statistics(wave_S)])
        scores = {"embedding": embedding_D}
        if hasattr(self, "emotion_head"):
            logits_C = self.emotion_head["linear"](embedding_D)
            scores["log_probabilities"] = torch.log_softmax(logits_C, dim=-1)
        if hasattr(self, "va_head"):
            scores["valence_arousal"] = self.va_head["linear"](embedding_D)
        if not all(tensor.isfinite().all() for tensor in scores.values()):
            raise ValueError(
                f"{self.name} gives scores that are not finite; download it again."
            )
        return scores

    def pooled(self, frames_TD: Tensor) -> Tensor:
        """Mean (D,) over time, or mean and standard deviation (2 D,)."""
        if self.pooling == "mean":
            return frames_TD.mean(dim=0)
        weights_T1 = torch.full_like(frames_TD[:, :1], 1 / len(frames_TD))
        if self.pooling == "attentive":
            weights_T1 = torch.softmax(self.pool["attention"](frames_TD), dim=0)
        mean_D = (weights_T1 * frames_TD).sum(dim=0)
        variance_D = (weights_T1 * (frames_TD - mean_D).square()).sum(dim=0)
        return torch.cat([mean_D, torch.sqrt(variance_D + 1e-8)])


def head(dim: int, outputs: int) -> nn.Module:
    """A linear layer under the name that it has in the file."""
    return nn.ModuleDict({"linear": nn.Linear(dim, outputs)})


class FolderPretrainer(Pretrainer):
    """Reads ``config.json`` and ``model.safetensors`` of the folder.

    SpeechBrain's own loads ``*.ckpt``, and keeps random weights where a name is wrong.
    """

    def collect_files(self, default_source: str, **fetching: object) -> dict:
        """Fetch both files."""
        self.files = [
            fetch(name, default_source, savedir=self.collect_in, **fetching)
            for name in ("config.json", "model.safetensors")
        ]
        return {"model": self.files[1]}

    def load_collected(self) -> None:
        """Build the model and load its weights."""
        self.loadables["model"].read(*self.files)


class EmotionInterface(Pretrained):
    """Emotions, valence, arousal and dominance of clips."""

    HPARAMS_NEEDED = ["emotions", "sample_rate_hz"]
    MODULES_NEEDED = ["model"]

    def forward(self, wavs: Tensor, wav_lens: Tensor | None = None) -> dict[str, Tensor]:
        """Score a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, S), float32, mono, at the model's rate.
        wav_lens : torch.Tensor, optional
            Lengths as shares of the longest; None where all are equal.

        Returns
        -------
        dict
            ``embedding`` (B, D) and, if the model was trained for it, ``log_probabilities``
            (B, C), calibrated if the model is, and ``valence_arousal`` (B, V), the
            ``dimensions`` of ``config.json``, or else valence and arousal.
        """
        if wav_lens is None:
            wav_lens = torch.ones(len(wavs))
        lengths = (wav_lens * wavs.shape[1]).round().long().tolist()
        # A GPU's convolutions would otherwise round to 10 bits (TF32).
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            scores = [
                self.mods.model(wave_S[:length].to(self.device))
                for wave_S, length in zip(wavs, lengths, strict=True)
            ]
        return {name: torch.stack([score[name] for score in scores]) for name in scores[0]}

    def encode_batch(self, wavs: Tensor, wav_lens: Tensor | None = None) -> Tensor:
        """Embeddings (B, D)."""
        return self.forward(wavs, wav_lens)["embedding"]

    def classify_batch(
        self, wavs: Tensor, wav_lens: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """Probabilities (B, C), the highest (B,), its index (B,) and its emotion.

        SpeechBrain's own emotion model returns these four, too.
        """
        probabilities = self.forward(wavs, wav_lens)["log_probabilities"].exp()
        highest, index = probabilities.max(dim=-1)
        return probabilities, highest, index, [self.hparams.emotions[i] for i in index.tolist()]

    def classify_file(self, path: str) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """What :meth:`classify_batch` returns, for an audio file."""
        return self.classify_batch(self.load_file(path))

    def load_file(self, path: str) -> Tensor:
        """An audio file as a batch of one, (1, S): channels averaged, at the model's rate."""
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        mono_1S = torch.from_numpy(samples.mean(axis=1))[None]
        # These settings belong to the model: another resampler can change a decision.
        settings = {"lowpass_filter_width": 6, "rolloff": 0.99}
        rates_hz = rate_hz, self.hparams.sample_rate_hz
        return Resample(*rates_hz, "sinc_interp_hann", **settings)(mono_1S)


# foreign_class puts the folder of every model on the path, where the `custom_interface` of a
# second model is never found. So this file also enters itself under a name made of its content,
# which hyperparams.yaml uses; whoever edits this file has to change the name there.
_content = Path(__file__).read_text(encoding="utf-8").encode()
_alias = types.ModuleType(f"ser_iface_{hashlib.sha256(_content).hexdigest()[:12]}")
vars(_alias).update({name: value for name, value in globals().items() if name[:2] != "__"})
sys.modules[_alias.__name__] = _alias
