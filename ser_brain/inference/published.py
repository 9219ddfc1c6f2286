"""Models that others published, scored as they were meant to be. None of their code is run.

Known layouts: folders of ``transformers`` for audio classification, in every architecture that
the library has; wav2vec 2.0 with a regression head for arousal, dominance and valence (Wagner
et al. 2023); SpeechBrain's IEMOCAP recipe; ONNX graphs with a signature. Configurations are
JSON, or values of a YAML file of which nothing is built; weights are safetensors, or tensors of
a pickle from which nothing else is unpickled.

These models see padding, so every clip is scored alone.

Shapes: S samples, C classes, D embedding size, K values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, log_softmax

from ser_brain.core.errors import SERError, bad_value, first_few, first_line
from ser_brain.core.files import read_json, read_text
from ser_brain.core.log import get_logger
from ser_brain.data.labels import DIMENSIONS, EMOTION_WORDS, meant_by, require_own_emotions
from ser_brain.inference.architecture import require_size
from ser_brain.inference.model_config import BLOCK, ModelConfig
from ser_brain.inference.model_folder import (
    LARGEST_CONFIG,
    OTHERS,
    PREPROCESSOR,
    WEIGHTS,
    file_of,
)
from ser_brain.inference.onnx import require_onnx
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.pretrained import Checkpoint, load_strictly, read_weights
from ser_brain.models.encoders.wav2vec2 import Wav2Vec2Encoder
from ser_brain.training.setting_values import Tagged, plain_settings

logger = get_logger(__name__)
CONFIG, YAML = "config.json", "hyperparams.yaml"
GRAPH, SIGNATURE = "model.onnx", "signature.json"
SPEECHBRAIN = ("wav2vec2.ckpt", "model.ckpt", "label_encoder.txt")
SHORTEST = 400  # samples: the receptive field of the wav2vec 2.0 family
UNNAMED = re.compile(r"LABEL_\d+")
REGRESSION = "Wav2Vec2ForSpeechClassification"  # a class of no library: a head of two layers
# Vectors for masked frames, which a model has for training alone.
IGNORED = (r"(.*\.)?masked_spec_embed$",)
NOT_TRAINED = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "torch_dtype": "float32"}


@dataclass(frozen=True)
class Limits:
    """What :class:`EmotionRecognizer` asks an encoder for: samples, None without a limit."""

    min_samples: int
    max_samples: int | None


class PublishedModel(nn.Module):
    """Scores clips one by one, with the interface of :class:`EmotionModel`.

    Parameters
    ----------
    module : torch.nn.Module
        Holds the weights, so that they move to a device.
    score : callable
        Waveform (S,) -> ``embedding`` (D,) and ``logits`` (C,) or ``values`` (K,).
    limits : Limits
    order : sequence of int
        Of ``values``: the places of the dimensions, in our order.
    """

    def __init__(
        self,
        module: nn.Module,
        score: Callable[[Tensor], Mapping[str, Tensor]],
        limits: Limits,
        order: tuple[int, ...] = (),
    ):
        super().__init__()
        self.module, self.score, self.encoder, self.order = module, score, limits, order

    def forward(self, waveforms_BS: Tensor, lengths_B: Tensor) -> dict[str, Tensor]:
        """As :meth:`EmotionModel.forward`."""
        clips = zip(waveforms_BS, lengths_B.tolist(), strict=True)
        found = [self.score(waveform_S[:length]) for waveform_S, length in clips]
        scores = {"embedding": torch.stack([one["embedding"].float() for one in found])}
        if "logits" in found[0]:
            logits_BC = torch.stack([one["logits"].float() for one in found])
            scores["log_probabilities"] = log_softmax(logits_BC, dim=-1)
        if "values" in found[0]:
            values_BK = torch.stack([one["values"].float() for one in found])
            scores["valence_arousal"] = values_BK[:, list(self.order)]
        return scores


def is_published(folder: Path) -> bool:
    """Whether a folder holds a model that ``ser export`` did not write."""
    if (folder / CONFIG).exists():
        try:
            config = json.loads(read_text(folder / CONFIG, largest=LARGEST_CONFIG))
        except (OSError, ValueError, RecursionError, SERError):
            return False  # load_model says what is wrong with it
        return isinstance(config, dict) and BLOCK not in config and "architectures" in config
    return (folder / GRAPH).is_file() or all((folder / name).is_file() for name in SPEECHBRAIN)


def files_of(folder: Path) -> list[str]:
    """The files of a published model that are read, sorted."""
    known = {CONFIG, WEIGHTS, PREPROCESSOR, *OTHERS}
    return sorted(name for name in known if (folder / name).is_file())


def load_published(
    folder: Path, labels: Mapping[str, str] | None = None
) -> tuple[ModelConfig, PublishedModel]:
    """Load a published model, on the CPU and in evaluation mode.

    Parameters
    ----------
    folder : Path
    labels : mapping, optional
        The model's names of classes -> names of ours, where the everyday words are not enough.

    Raises
    ------
    SERError
        If the layout is none of those above, a file is damaged, or a class has no name.
    """
    for name in files_of(folder):
        file_of(folder, name)
    if (folder / CONFIG).is_file():
        config = read_json(folder / CONFIG, "model's configuration")
        if config.get("architectures") == [REGRESSION]:
            layout, names, model = _regression(folder, config)
        else:
            layout, names, model = _transformers(folder, config)
    elif (folder / GRAPH).is_file():
        layout, names, model = _onnx(folder)
    else:
        layout, names, model = _speechbrain(folder)
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise SERError(f"{folder}: {name} holds numbers that are not finite.")
    model.eval().requires_grad_(False)
    card = {"layout": layout, "training_data": {}, "published": True}
    described = {"family": "published", "layout": layout}
    if model.order:
        dimensions = tuple(names[place] for place in model.order)
        scored = ([], [0.0, 1.0], card)
        return ModelConfig(folder.name, described, *scored, dimensions=dimensions), model
    emotions = emotions_of(names, labels or {}, folder.name)
    card["labels"] = dict(zip(names, emotions, strict=True))
    return ModelConfig(folder.name, described, emotions, None, card), model


def emotions_of(names: list[str], labels: Mapping[str, str], model: str) -> list[str]:
    """Our name for every class of a model; a class without one keeps its own.

    Examples
    --------
    >>> emotions_of(["ang", "Happy", "calm speech"], {}, "m")
    ['anger', 'happiness', 'calm_speech']
    """
    unknown = [raw for raw in labels if raw not in names]
    if unknown:
        raise bad_value(f"class of {model} in --labels", unknown[0], names)
    found = []
    for name in names:
        if UNNAMED.fullmatch(name) and name not in labels:
            raise SERError(
                f"{model} does not name its classes ({', '.join(names)}). Say what they mean: "
                f"--labels {name}=anger ..."
            )
        found.append(labels.get(name) or meant_by(name, ()))
    require_own_emotions(found, f"the classes of {model}")
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        raise SERError(
            f"{model} has several classes for {', '.join(repeated)}: {', '.join(names)}. Give "
            "each a name of its own: --labels RAW=NAME ..."
        )
    kept = [name for name in found if name not in EMOTION_WORDS.values()]
    pairs = ", ".join(f"{a} = {b}" for a, b in zip(names, found, strict=True))
    logger.info(f"{model}: classes: {pairs}.")
    if kept:
        logger.warning(f"{model}: classes of its own, which corpora lack: {', '.join(kept)}.")
    return found


# -- transformers


def _transformers(folder: Path, config: Mapping) -> tuple[str, list[str], PublishedModel]:
    """An audio classifier of the library; its own extractor prepares each clip."""
    import transformers
    from transformers.models.auto import modeling_auto

    known = set(modeling_auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES.values())
    known |= {name for names in known if isinstance(names, tuple | list) for name in names}
    named = config.get("architectures")
    if not (isinstance(named, list) and len(named) == 1 and named[0] in known):
        raise SERError(
            f"{folder} holds {named or 'no known architecture'}, which is no audio classifier "
            "of transformers. A base encoder has to be trained first; code in the folder is "
            "not run."
        )
    names = _names(config, folder)
    model = _loaded(getattr(transformers, named[0]), config, folder)
    extractor = _extractor(folder)

    def score(waveform_S: Tensor) -> dict[str, Tensor]:
        inputs = extractor(
            waveform_S.cpu().numpy(), sampling_rate=Encoder.sample_rate_hz, return_tensors="pt"
        )
        device = next(model.parameters()).device
        inputs = {key: value.to(device) for key, value in inputs.items()}
        found = model(**inputs, output_hidden_states=True)
        last_TD = found.hidden_states[-1][0].flatten(0, -2)
        return {"embedding": last_TD.mean(0), "logits": found.logits[0]}

    longest = getattr(extractor, "n_samples", None)  # Whisper's extractor cuts the rest off
    if longest is None and hasattr(extractor, "max_length") and "AST" in named[0]:
        longest = extractor.max_length * 160  # frames of 10 ms
    return named[0], names, PublishedModel(model, score, Limits(SHORTEST, longest))


def _names(config: Mapping, folder: Path) -> list[str]:
    """The classes in the order of the outputs."""
    given = config.get("id2label")
    places = [str(n) for n in range(len(given))] if isinstance(given, dict) else []
    if not places or sorted(given) != sorted(places) or len(places) > 64:
        raise SERError(f"{folder / CONFIG} names no classes: expected id2label, from 0 on.")
    return [str(given[place])[:64] for place in places]


def _loaded(cls: type, config: Mapping, folder: Path) -> nn.Module:
    """Load a class of transformers by the library, which knows the older names of weights."""
    described = _described(cls, config, folder)
    try:
        model, report = cls.from_pretrained(
            folder,
            config=described,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are in the report
            output_loading_info=True,
            dtype=torch.float32,
        )
    except Exception as error:
        raise SERError(f"Cannot read the weights of {folder}: {first_line(error)}") from error
    for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        keys = sorted(str(key) for key in report.get(fault, ()))
        keys = [key for key in keys if not any(re.match(pattern, key) for pattern in IGNORED)]
        if keys:
            raise SERError(
                f"The weights of {folder.name} do not fit the model of its {CONFIG} "
                f"({fault.partition('_')[0]}: {first_few(keys, 1)})."
            )
    return model


def _described(cls: type, config: Mapping, folder: Path):
    """The configuration of a class of transformers, of a size that can be read."""
    plain = {k: v for k, v in config.items() if k not in ("auto_map", "quantization_config")}
    try:
        described = cls.config_class.from_dict({**plain, **NOT_TRAINED})
        with torch.device("meta"):
            require_size(sum(tensor.numel() for tensor in cls(described).state_dict().values()))
        return described
    except SERError:
        raise
    except Exception as error:  # whatever the library raises for values that do not fit
        raise SERError(
            f"{folder / CONFIG} describes no {cls.__name__} ({first_line(error)})."
        ) from error


def _built(cls: type, config: Mapping, folder: Path) -> nn.Module:
    return cls(_described(cls, config, folder)).float()


def _extractor(folder: Path):
    from transformers import AutoFeatureExtractor

    try:
        found = AutoFeatureExtractor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise SERError(
            f"Cannot read {folder / 'preprocessor_config.json'}: {first_line(error)}"
        ) from error
    if found.sampling_rate != Encoder.sample_rate_hz:
        raise SERError(
            f"{folder} takes {found.sampling_rate} Hz; expected {Encoder.sample_rate_hz}."
        )
    return found


# -- arousal, dominance and valence


def _regression(folder: Path, config: Mapping) -> tuple[str, list[str], PublishedModel]:
    """wav2vec 2.0, the mean of its frames, and two layers; each value on 0 to 1."""
    from transformers import Wav2Vec2Model

    names = [name.lower() for name in _names(config, folder)]
    if not set(names) <= set(DIMENSIONS):
        raise SERError(
            f"{folder} predicts {', '.join(names)}; expected some of {', '.join(DIMENSIONS)}."
        )
    encoder = _built(Wav2Vec2Model, config, folder)
    size = encoder.config.hidden_size
    head = nn.ModuleDict(
        {"dense": nn.Linear(size, size), "out_proj": nn.Linear(size, len(names))}
    )
    model = nn.ModuleDict({"wav2vec2": encoder, "classifier": head})
    weights = read_weights(Checkpoint(str(folder)).weight_files())
    load_strictly(model, weights, folder.name, (), IGNORED, Wav2Vec2Encoder.renames)
    extractor = _extractor(folder)

    def score(waveform_S: Tensor) -> dict[str, Tensor]:
        if extractor.do_normalize:
            waveform_S = layer_norm(waveform_S, waveform_S.shape, eps=1e-7)
        pooled_D = encoder(waveform_S[None]).last_hidden_state[0].mean(0)
        return {"embedding": pooled_D, "values": head.out_proj(head.dense(pooled_D).tanh())}

    order = tuple(names.index(name) for name in DIMENSIONS if name in names)
    return REGRESSION, names, PublishedModel(model, score, Limits(SHORTEST, None), order)


# -- SpeechBrain


def _speechbrain(folder: Path) -> tuple[str, list[str], PublishedModel]:
    """wav2vec 2.0, normalised over the clip if the recipe says so, mean, linear layer.

    SpeechBrain's pooling adds noise of 1e-5 to the mean, also in use; this does not.
    """
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    wanted = [name for name in (*SPEECHBRAIN, YAML) if not (folder / name).is_file()]
    if wanted:
        raise SERError(
            f"{folder} holds no model of a known layout: it lacks {', '.join(wanted)}."
        )
    names = _encoded_labels(folder / SPEECHBRAIN[2])
    settings = plain_settings(read_text(folder / YAML))
    wrapped = settings.get("wav2vec2")
    wrapped = wrapped.value if isinstance(wrapped, Tagged) else None
    if not isinstance(wrapped, dict) or "output_norm" not in wrapped:
        raise SERError(f"{folder / YAML} describes no wav2vec2 with output_norm.")
    weights = read_weights([folder / SPEECHBRAIN[0]])
    weights = {key.removeprefix("model."): tensor for key, tensor in weights.items()}
    encoder = _built(Wav2Vec2Model, _base_or_large(weights, folder, Wav2Vec2Config), folder)
    load_strictly(encoder, weights, folder.name, (), IGNORED, Wav2Vec2Encoder.renames)
    head = read_weights([folder / SPEECHBRAIN[1]])
    linear = nn.Linear(
        encoder.config.hidden_size, len(names), bias=any("bias" in k for k in head)
    )
    head = {re.sub(r"^(\d+\.)*(w\.)?", "", key): tensor for key, tensor in head.items()}
    load_strictly(linear, head, folder.name)

    def score(waveform_S: Tensor) -> dict[str, Tensor]:
        waveform_S = layer_norm(waveform_S, waveform_S.shape)
        hidden_TD = encoder(waveform_S[None]).last_hidden_state[0]
        if wrapped["output_norm"]:
            hidden_TD = layer_norm(hidden_TD, hidden_TD.shape)
        pooled_D = hidden_TD.mean(0)
        return {"embedding": pooled_D, "logits": linear(pooled_D)}

    module = nn.ModuleDict({"encoder": encoder, "linear": linear})
    model = PublishedModel(module, score, Limits(SHORTEST, None))
    return "SpeechBrain wav2vec2 recipe", names, model


def _encoded_labels(path: Path) -> list[str]:
    pairs = re.findall(r"^'(.{1,64})' => (\d+)$", read_text(path).partition("====")[0], re.M)
    names = {int(place): name for name, place in pairs}
    if sorted(names) != list(range(len(pairs))) or not pairs:
        raise SERError(f"{path} is no label encoder of SpeechBrain: expected lines 'neu' => 0.")
    return [names[place] for place in range(len(names))]


def _base_or_large(weights: Mapping[str, Tensor], folder: Path, config: type) -> dict:
    """The architecture, which the folder does not state, from names and shapes."""
    projection = weights.get("feature_projection.projection.weight")
    layers = [re.match(r"encoder\.layers\.(\d+)\.", key) for key in weights]
    depth = max((int(found[1]) + 1 for found in layers if found), default=0)
    if projection is None or depth == 0:
        raise SERError(f"{folder / SPEECHBRAIN[0]} holds no wav2vec 2.0.")
    inner = weights.get("encoder.layers.0.feed_forward.intermediate_dense.weight")
    size = projection.shape[0]
    normed = "feature_extractor.conv_layers.1.layer_norm.weight" in weights
    return {
        "hidden_size": size,
        "num_hidden_layers": depth,
        "num_attention_heads": max(1, size // 64),
        "intermediate_size": len(inner) if inner is not None else 4 * size,
        "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in weights,
        # Every published model with this norm has the other, too.
        "feat_extract_norm": "layer" if normed else "group",
        "do_stable_layer_norm": normed,
    }


# -- ONNX


def _onnx(folder: Path) -> tuple[str, list[str], PublishedModel]:
    """A graph from a waveform (1, S) at 16 kHz to logits, with ``signature.json`` beside it:
    ``{"emotions": [...], "input": name, "output": name, "probabilities": false}``."""
    require_onnx(["onnxruntime"])
    import onnxruntime

    path = folder / SIGNATURE
    if not path.is_file():
        raise SERError(
            f"{folder / GRAPH} needs {SIGNATURE} beside it, such as "
            '{"emotions": ["anger", "neutral"], "input": "waveform", "output": "logits", '
            '"probabilities": false}.'
        )
    said = read_json(path, "signature")
    names = said.get("emotions")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise SERError(f"{path} names no emotions; expected a list.")
    try:
        session = onnxruntime.InferenceSession(
            str(folder / GRAPH), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the library's errors have no common class
        raise SERError(f"Cannot read {folder / GRAPH}: {first_line(error)}") from error
    inputs = [each.name for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]
    if inputs != [said.get("input")]:
        raise bad_value(f"input in {path}", str(said.get("input")), inputs)
    if said.get("output") not in outputs:
        raise bad_value(f"output in {path}", str(said.get("output")), outputs)

    def score(waveform_S: Tensor) -> dict[str, Tensor]:
        (given,) = session.run(
            [said["output"]], {inputs[0]: waveform_S[None].cpu().numpy().astype(np.float32)}
        )
        scores_C = torch.from_numpy(np.asarray(given, np.float32)).reshape(-1)
        if len(scores_C) != len(names):
            raise SERError(
                f"{folder.name} gives {len(scores_C)} scores, {path} names {len(names)}."
            )
        if said.get("probabilities"):
            scores_C = scores_C.clamp_min(1e-12).log()
        return {"embedding": scores_C, "logits": scores_C}

    return "ONNX", names, PublishedModel(nn.Module(), score, Limits(SHORTEST, None))
