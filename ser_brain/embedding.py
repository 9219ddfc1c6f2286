"""Embeddings: what an encoder makes of every utterance of a corpus, as a mean over its frames.

They are written as predictions in which no model says anything, one part for each embedder,
and are read by ``ser circumplex``.

Shapes: B batch, S samples, T frames, N utterances, D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ser_brain.corpora import CorpusSetting
from ser_brain.dataio import evaluation_loader, make_dataset, require_lengths
from ser_brain.embedders import Embedder
from ser_brain.encoders.base import Encoder
from ser_brain.encoders.masking import masked_mean
from ser_brain.errors import SERError
from ser_brain.files import write_json
from ser_brain.labelling import UNIT_RANGE, CorpusData, LabelChoice, label_corpus
from ser_brain.labels import EMOTIONS
from ser_brain.log import get_logger
from ser_brain.manifest import data_folder_of, read_card
from ser_brain.on_argument import Target
from ser_brain.outputs import prediction_rows
from ser_brain.predictions import write_predictions
from ser_brain.recordings import require_files
from ser_brain.redaction import one_line
from ser_brain.run_record import RunRecord
from ser_brain.runs import FOLDS

logger = get_logger(__name__)

BATCH_SIZE = 8  # speed only: an embedding does not depend on its batch
# Every emotion as the corpus has it, whatever the model was trained to tell apart.
ALL_LABELS = LabelChoice(EMOTIONS, {}, UNIT_RANGE, "corpus", "emotion")


def embed(
    out: str | Path, targets: Sequence[Target], embedders: Sequence[Embedder], device: str
) -> dict[str, dict[str, int]]:
    """Write the embeddings of corpora, a part for each embedder.

    Utterances that a model was trained or validated on become a set of their own, named
    ``<corpus>-train``.

    Returns
    -------
    dict
        Part -> set -> number of utterances.

    Raises
    ------
    SERError
        If the folder holds results already, or a manifest, its audio or an encoder cannot be
        used.
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
        encoder = embedder.load().to(device).eval()
        folder = out / folders[embedder.part]
        written[embedder.part] = {}
        for data in corpora:
            sets = _embed_corpus(folder, data, embedder, encoder, device)
            written[embedder.part].update(sets)
    if len(embedders) > 1:
        write_json(out / FOLDS, {"parts": folders})
    record.finish()
    return written


def _read(target: Target) -> CorpusData:
    card = read_card(target.manifest)
    setting = CorpusSetting(card["name"], "test", None, target.label_source)
    data_folder = data_folder_of(target.manifest, target.data_folder)
    data = label_corpus(target.manifest, data_folder, setting, ALL_LABELS)
    for reason, count in data.left_out.items():
        logger.warning(f"{data.name}: left out {count} utterances {reason}")
    return data


def _embed_corpus(
    folder: Path, data: CorpusData, embedder: Embedder, encoder: Encoder, device: str
) -> dict[str, int]:
    lengths = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    require_files(data.rows)
    require_lengths(data.rows, *lengths)
    outputs = embeddings_of(encoder, data.rows, device, f"{embedder.part}, {data.name}")
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
            "emotions": list(EMOTIONS),
            "va_range": list(UNIT_RANGE),
            "synthetic": bool(data.card["synthetic"]),
        }
        chosen = [output for output in outputs if output["id"] in ids]
        rows = prediction_rows(chosen, data.rows, EMOTIONS)
        embeddings_ND = np.stack([output["embedding"] for output in chosen])
        write_predictions(folder / "predictions", name, rows, embeddings_ND, card, scores=False)
        written[name] = len(rows)
    return written


def embeddings_of(
    encoder: Encoder, rows: Mapping[str, dict], device: str, title: str
) -> list[dict]:
    """Pool what an encoder makes of each utterance over time.

    Parameters
    ----------
    encoder : Encoder
        On ``device``, in evaluation mode.
    rows : mapping
        id -> row of :class:`ser_brain.labelling.CorpusData`.
    device : str
    title : str
        Of the progress bar.

    Returns
    -------
    list of dict
        ``id`` and ``embedding`` (D,), in the order of ``rows``.
    """
    by_length = sorted(rows, key=lambda i: rows[i]["duration"])  # batches with little padding
    dataset = make_dataset({i: rows[i] for i in by_length}, EMOTIONS, encoder.sample_rate_hz)
    loader = evaluation_loader(dataset, BATCH_SIZE, rank=0, ranks=1)
    found: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for batch in tqdm(loader, desc=one_line(title), unit="batch", disable=None):
            waveforms_BS, shares_B = batch.to(device).signal
            lengths_B = (shares_B * waveforms_BS.shape[1]).round().long()
            frames_BTD, frame_lengths_B = encoder(waveforms_BS, lengths_B)
            embedding_BD = masked_mean(frames_BTD.float(), frame_lengths_B)
            found.update(zip(batch.id, embedding_BD.cpu().numpy(), strict=True))
    return [{"id": i, "embedding": found[i]} for i in rows]
