"""What makes embeddings: an encoder as it was published, untrained, or of a trained run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from ser_brain.encoders import build_encoder, load_encoder
from ser_brain.encoders.base import Encoder
from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.rerun import load_run
from ser_brain.runs import parts_of

UNTRAINED_SEED = 1


@dataclass(frozen=True)
class Embedder:
    """What makes the embeddings of one part.

    Attributes
    ----------
    part : str
        ``layer 3``, ``fold 1``.
    load : callable
        Builds the encoder, with its weights.
    facts : dict
        Of the card: ``experiment``, ``seed``, ``layer`` and ``protocol`` (what made them).
    seen : frozenset of str
        Ids the model was trained or validated on.
    """

    part: str
    load: Callable[[], Encoder]
    facts: Mapping[str, object]
    seen: frozenset[str] = field(default_factory=frozenset)


def of_encoder(
    source: str, layers: Sequence[str | int], untrained: bool = False
) -> list[Embedder]:
    """An encoder as it was published, one part per layer.

    Parameters
    ----------
    source : str
        See :func:`ser_brain.encoders.load_encoder`.
    layers : sequence of int or str
        ``last`` or the number of a transformer layer.
    untrained : bool
        Random weights instead: what the architecture alone tells.
    """
    kind = "untrained" if untrained else "untuned"
    facts = {"experiment": kind, "seed": UNTRAINED_SEED if untrained else 0}
    return [
        Embedder(
            part=f"layer {layer}",
            load=partial(_load_source, source, layer, not untrained),
            facts={**facts, "layer": f"layer {layer}", "protocol": f"{kind}/layer {layer}"},
        )
        for layer in layers
    ]


def _load_source(source: str, layer: str | int, pretrained: bool) -> Encoder:
    torch.manual_seed(UNTRAINED_SEED)
    return load_encoder(source, layer=layer, pretrained=pretrained)


def of_run(folder: str | Path, layers: Sequence[str | int]) -> list[Embedder]:
    """The encoder of a run's best checkpoint, or of every fold's, one part per layer.

    Parameters
    ----------
    folder : str or Path
        A run folder or a folds folder.
    layers : sequence of int or str
        Where empty: the layer that the run was trained on.
    """
    embedders = []
    for part, run in parts_of(Path(folder))[0].items():
        splits = read_json(run / "splits.json", "split")
        facts = {
            "experiment": "tuned",
            "seed": read_json(run / "run.json", "run description")["seed"],
            "protocol": splits["protocol"],
        }
        seen = frozenset([*splits["train"], *splits["valid"]])
        if not layers:
            embedders.append(Embedder(part, partial(_load_trained, run), facts, seen))
        for layer in layers:
            named = {
                "layer": f"layer {layer}",
                "protocol": f"{splits['protocol']}/layer {layer}",
            }
            name = f"layer {layer}" if part == "run" else f"{part}, layer {layer}"
            load = partial(_load_trained, run, layer)
            embedders.append(Embedder(name, load, {**facts, **named}, seen))
    return embedders


def _load_trained(run: Path, layer: str | int | None = None) -> Encoder:
    brain, hparams = load_run(run)
    metric = hparams["validation_metric"]
    if brain.checkpointer.recover_if_possible(min_key=metric) is None:
        raise SERError(f"No trained checkpoint in {run}; train first.")
    encoder = brain.modules.encoder
    return encoder if layer is None else at_layer(encoder, layer)


def at_layer(encoder: Encoder, layer: str | int) -> Encoder:
    """A trained encoder as it is read at another of its layers.

    Raises
    ------
    SERError
        If it was trained without that layer.
    """
    again = build_encoder({**encoder.settings(), "layer": layer})
    weights = encoder.state_dict()
    if not again.state_dict().keys() <= weights.keys():
        raise SERError(
            f"Layer {layer} of {encoder.name} was not trained: the run reads layer "
            f"{encoder.settings()['layer']}, and what lies above it was never built."
        )
    again.load_state_dict({name: weights[name] for name in again.state_dict()})
    return again
