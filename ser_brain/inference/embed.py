"""Embeddings of a corpus: what an encoder makes of each utterance, pooled over time.

They are written as predictions files without predictions, one part for each embedder, for
``ser circumplex``.

Shapes: B batch, S samples, N utterances, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD, read_json, splits_of, write_json
from ser_brain.core.log import get_logger, with_progress
from ser_brain.data.corpora import CorpusSetting, Target
from ser_brain.data.dataset import batches, load_batch, require_files, require_lengths
from ser_brain.data.labelling import NEEDED, UNIT_RANGE, CorpusData, LabelChoice, label_corpus
from ser_brain.data.labels import vocabulary_of
from ser_brain.data.manifest import read_manifest
from ser_brain.evaluation.predictions import write_predictions
from ser_brain.evaluation.runs import FOLDS, parts_of
from ser_brain.models.encoders import build_encoder, load_encoder
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.lora import merge_lora
from ser_brain.models.model import EmotionModel, score_exactly
from ser_brain.training.predict_corpus import load_run, prediction_rows
from ser_brain.training.run import RunRecord

logger = get_logger(__name__)
UNTRAINED_SEED = 1
BATCH_S = 40.0  # of padded audio; affects speed only


@dataclass(frozen=True)
class Embedder:
    """A model without heads that makes the embeddings of one part."""

    part: str  # "layer 3", "fold 1"
    load: Callable[[], EmotionModel]  # builds it with its weights
    facts: Mapping[str, object]  # for the card; layer only if one was chosen
    seen: frozenset[str] = frozenset()  # ids that it was trained or validated on


def of_encoder(
    source: str, layers: Sequence[str | int], untrained: bool = False
) -> list[Embedder]:
    """A published encoder, one part per layer (``last`` or a number).

    ``untrained`` gives it random weights, as a control: what the architecture alone does.
    """
    kind = "untrained" if untrained else "untuned"
    facts = {"experiment": kind, "seed": UNTRAINED_SEED if untrained else 0}
    return [
        Embedder(
            part=f"layer {layer}",
            load=partial(_load_published, source, layer, not untrained),
            facts={**facts, "layer": f"layer {layer}", "protocol": f"{kind}/layer {layer}"},
        )
        for layer in layers
    ]


def _load_published(source: str, layer: str | int, pretrained: bool) -> EmotionModel:
    torch.manual_seed(UNTRAINED_SEED)
    return EmotionModel(load_encoder(source, layer=layer, pretrained=pretrained))


def of_run(folder: str | Path, layers: Sequence[str | int]) -> list[Embedder]:
    """The encoder of a run's best checkpoint, or of every fold's, one part per layer.

    Without layers, the one that the run was trained on is read.
    """
    embedders = []
    for part, run in parts_of(Path(folder))[0].items():
        splits = splits_of(run)
        protocol = splits["protocol"]
        seed = read_json(run / RECORD, "run description")["seed"]
        facts = {"experiment": "tuned", "seed": seed, "protocol": protocol}
        seen = frozenset([*splits["train"], *splits["valid"]])
        for layer in layers or [None]:
            name, read = part, f"layer {layer}"
            if layer is not None:
                facts = {**facts, "layer": read, "protocol": f"{protocol}/{read}"}
                name = read if part == "run" else f"{part}, {read}"
            embedders.append(Embedder(name, partial(_load_trained, run, layer), facts, seen))
    return embedders


def _load_trained(run: Path, layer: str | int | None) -> EmotionModel:
    brain, _ = load_run(run)
    brain.recover(min_key=brain.tested_key)
    encoder = brain.model.encoder
    merge_lora(encoder)
    if layer is not None:
        return EmotionModel(at_layer(encoder, layer))
    return EmotionModel.from_modules(encoder, brain.model.pool)


def at_layer(encoder: Encoder, layer: str | int) -> Encoder:
    """The same trained encoder, read at another layer; an error if that was never built."""
    again = build_encoder({**encoder.settings(), "layer": layer})
    weights = encoder.state_dict()
    if not again.state_dict().keys() <= weights.keys():
        raise SERError(
            f"Layer {layer} of {encoder.name} was not trained: the run reads layer "
            f"{encoder.settings()['layer']}, and the layers above it were never built."
        )
    again.load_state_dict({name: weights[name] for name in again.state_dict()})
    return again


def embed(
    out: str | Path, targets: Sequence[Target], embedders: Sequence[Embedder], device: str
) -> dict[str, dict[str, int]]:
    """Write the embeddings of corpora, one part for each embedder.

    Utterances that a model was trained or validated on become a set of their own, named
    ``<corpus>-train``. Returns part -> set -> number of utterances.
    """
    out = Path(out)
    if (out / FOLDS).exists() or (out / "predictions").exists():
        raise SERError(f"{out} holds results already; choose another --out, or remove it.")
    corpora = [_read(target) for target in targets]
    names = [data.name for data in corpora]
    if len(set(names)) < len(names):
        raise SERError(f"A corpus is named twice ({', '.join(names)}); embed it once.")
    folders = {e.part: e.part.replace(", ", "-").replace(" ", "-") for e in embedders}
    if len(embedders) == 1:
        folders = {embedders[0].part: "."}
    record = RunRecord(out, seed=embedders[0].facts["seed"])
    written = {}
    for embedder in embedders:
        model = embedder.load().to(device).eval()
        written[embedder.part] = {}
        for data in corpora:
            sets = _embed_corpus(out / folders[embedder.part], data, embedder, model, device)
            written[embedder.part].update(sets)
    if len(embedders) > 1:
        write_json(out / FOLDS, {"parts": folders})
    record.finish()
    return written


def _read(target: Target) -> CorpusData:
    manifest = read_manifest(target.manifest, NEEDED)
    setting = CorpusSetting(manifest.card["name"], "test", None, target.label_source)
    data_folder = manifest.data_folder(target.data_folder)
    # Every emotion as the corpus labels it, whichever classes the model was trained for.
    emotions = vocabulary_of([manifest.card])
    choice = LabelChoice(emotions, {}, UNIT_RANGE, "corpus", "emotion")
    data = label_corpus(manifest, data_folder, setting, choice)
    for reason, count in data.left_out.items():
        logger.warning(f"{data.name}: skipped {count} utterances {reason}")
    return data


def _embed_corpus(
    folder: Path, data: CorpusData, embedder: Embedder, model: EmotionModel, device: str
) -> dict[str, int]:
    require_files(data.rows)
    encoder = model.encoder
    lengths = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    require_lengths(data.rows, *lengths)
    found = embeddings_of(model, data.rows, device, f"{embedder.part}, {data.name}")
    sets = {"test": data.rows.keys() - embedder.seen, "train": data.rows.keys() & embedder.seen}
    written = {}
    for role, ids in sets.items():
        if not ids:
            continue
        name = data.name if role == "test" else f"{data.name}-train"
        card = {
            **embedder.facts,
            "protocol": f"{embedder.facts['protocol']} on {data.name}",
            "encoder": encoder.name,
            "role": role,
            "emotions": list(vocabulary_of([data.card])),
            "va_range": list(UNIT_RANGE),
            "synthetic": bool(data.card.get("synthetic")),
        }
        outputs = [{"id": i} for i in data.rows if i in ids]
        rows = prediction_rows(outputs, data.rows, card)
        embeddings_ND = np.stack([found[output["id"]] for output in outputs])
        write_predictions(folder / "predictions", name, rows, embeddings_ND, card, scores=False)
        written[name] = len(rows)
    return written


def embeddings_of(
    model: EmotionModel, rows: Mapping[str, dict], device: str, title: str
) -> dict[str, np.ndarray]:
    """The embedding (D,) of each utterance, by id; ``title`` is that of the progress bar."""
    ids, found = list(rows), {}
    places = batches([row["duration"] for row in rows.values()], BATCH_S)
    for batch in with_progress(places, title, "batches", len(places)):
        chosen = [ids[n] for n in batch]
        padded = load_batch([rows[i] for i in chosen], model.encoder.sample_rate_hz)
        scores = score_exactly(model, *(each.to(device) for each in padded))
        found.update(zip(chosen, scores["embedding"].cpu().numpy(), strict=True))
    return found
