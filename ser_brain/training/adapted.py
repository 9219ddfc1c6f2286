"""The adapted side of a run: every test set once more, by a head that its clips adapted.

A run whose setting ``adaptation`` is not null learns a :class:`LinearAdapter` from the
embeddings of its training and validation clips, and keeps it in ``adaptation.safetensors``.
Each test set is then scored by the heads that it gives for the clips of that set, of which no
label is used. These predictions are in a folder of their own, ``adapted/`` in the run folder,
which reports and comparisons read like a run; the run's own predictions stay as they are.

Shapes: N clips, D embedding size, E emotions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from speechbrain.dataio.dataset import DynamicItemDataset, FilteredSortedDynamicItemDataset
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.files import SPLITS, atomic_path, inside, splits_of, write_json
from ser_brain.core.log import get_logger
from ser_brain.data.experiment import ExperimentData
from ser_brain.data.folding import of_some_speakers, source_of
from ser_brain.evaluation.predictions import (
    LabelledPredictions,
    read_predictions,
    write_predictions,
)
from ser_brain.evaluation.runs import ADAPTED, temperature_of
from ser_brain.models.adaptation import VIEWS, Adapted, FitHead, Head, LinearAdapter
from ser_brain.models.heads import folded
from ser_brain.training.brain import SERBrain
from ser_brain.training.discriminant import averaged_discriminant
from ser_brain.training.run import ADAPTER

logger = get_logger(__name__)
RIDGE = 0.001  # of the heads (docs/adapting.md); a share of the sum of all variances
MOST_CLIPS = 5000  # of the training and of the validation set, from which an adapter learns
CHUNK = 2048  # of them that are converted at once
BY_SPEAKER = "by_speaker"


class Adapter:
    """A :class:`LinearAdapter` whose scores are calibrated, and how it is used.

    Attributes
    ----------
    linear : LinearAdapter
    by_speaker : bool
        Adapt to speakers, too, where they are known.
    """

    def __init__(self, linear: LinearAdapter, by_speaker: bool) -> None:
        self.linear, self.by_speaker = linear, by_speaker

    @classmethod
    def mean(cls, parts: Sequence[Adapter]) -> Adapter:
        """One adapter for the mean of models that share an encoder, such as folds.

        Its plain head is exactly the mean of the parts', so its
        log-probabilities are theirs, averaged and made to sum to one. For normalised embeddings
        the heads are averaged, too. Parts differ there only in the deviation that few clips are
        shrunk to; the mean of their variances serves all. How far a normalisation is believed
        is decided once, by the averaged scores.
        """
        linears = [part.linear for part in parts]
        center_D = torch.stack([linear.center_D for linear in linears]).mean(0)
        variances_PD = torch.stack([linear.scale_D for linear in linears]).square()
        scale_D = variances_PD.mean(0).sqrt()
        plain = _mean_head([linear.plain_head() for linear in linears])
        heads = {view: _mean_head([linear.heads[view] for linear in linears]) for view in VIEWS}
        corpora = min(linear.corpora for linear in linears)
        linear = LinearAdapter(center_D, scale_D, heads, corpora).with_plain(plain)
        return cls(linear, all(part.by_speaker for part in parts))

    def adapt(self, embeddings_ND: Tensor, speakers: Sequence[str | None]) -> Adapted:
        """Adapt to clips of one corpus; None is an unknown speaker, who gets its head."""
        return self.linear.adapt(embeddings_ND, *self._groups(speakers))

    def scores(self, adapted: Adapted, embeddings_ND: Tensor, speakers: Sequence) -> Tensor:
        """Log-probabilities (N, E)."""
        return adapted.scores(embeddings_ND, *self._groups(speakers))

    def head(self, adapted: Adapted, speaker: str | None = None) -> Head:
        """Weight (E, D) and bias (E,) for a speaker; None: of new speakers."""
        return adapted.head(ADAPTED, speaker if self.by_speaker else None)

    def _groups(self, speakers: Sequence[str | None]) -> tuple[list[str], list[str] | None]:
        return [ADAPTED] * len(speakers), list(speakers) if self.by_speaker else None

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        tensors = {**self.linear.state_dict(), BY_SPEAKER: torch.tensor(self.by_speaker)}
        # Of one training corpus two heads are the same tensors, which safetensors refuses.
        copied = {n: t.clone(memory_format=torch.contiguous_format) for n, t in tensors.items()}
        with atomic_path(path) as temporary:
            save_file(copied, temporary)

    @classmethod
    def load(cls, path: Path) -> Adapter:
        """Read it.

        Raises
        ------
        SERError
            If the file is damaged.
        """
        try:
            state = load_file(path)
            by_speaker = bool(state.pop(BY_SPEAKER))
            # Files of earlier versions have scores that this divides.
            divisor = state.pop("temperature", torch.tensor(1.0))
            for name in state:
                if name.endswith((".weight", ".bias")):
                    state[name] = state[name] / divisor
            return cls(LinearAdapter.from_state_dict(state), by_speaker)
        except Exception as error:  # safetensors' own, a missing key, a wrong shape
            raise SERError(f"{path} is damaged ({error}); train or export again.") from error


def _mean_head(heads: Sequence[Head]) -> Head:
    weights, biases = zip(*heads, strict=True)
    return torch.stack(weights).mean(0), torch.stack(biases).mean(0)


def write_adapted(
    folder: Path, brain: SERBrain, datasets: Mapping, data: ExperimentData, hparams: Mapping
) -> None:
    """Learn a run's adapter, and write the adapted predictions on its test sets.

    Called by every process; only the main one writes. On the clips that it learns from, the
    scores of its heads spread as widely as the run's own, calibrated ones. So a head is not
    more certain because clips adapted it.
    """
    from speechbrain.utils.distributed import if_main_process

    outputs, rows = [], {**data.train, **data.valid}
    for part in ("train", "valid"):
        brain.evaluate(_some_speakers(datasets[part]), min_key=brain.tested_key)
        outputs += brain.outputs
    if not if_main_process():
        return
    emotions = list(hparams["emotions"])
    divisor = temperature_of(folder).get("temperature", 1.0)
    scores_NE = torch.stack([torch.as_tensor(o["log_probabilities"]) for o in outputs])
    linear = LinearAdapter.fit(
        head_fitter(len(emotions)),
        *_labelled(outputs, rows, emotions),
        scores_NE=scores_NE.double() / divisor,
    )
    plain = _own_head(brain, divisor)
    if plain is not None:
        linear = linear.with_plain(plain)
    Adapter(linear, hparams["adaptation"] == "speaker").save(folder / ADAPTER)
    for name in data.tests:
        write_adapted_set(folder, name)


def _some_speakers(dataset: DynamicItemDataset) -> DynamicItemDataset:
    """The clips with an emotion, or :data:`MOST_CLIPS` of them."""
    rows = {i: dataset.data[i] for i in dataset.data_ids}
    rows = {i: row for i, row in rows.items() if row["emotion"] is not None}
    chosen = of_some_speakers(rows, MOST_CLIPS)
    if len(chosen) == len(dataset):
        return dataset  # which a probe has embedded already
    return FilteredSortedDynamicItemDataset(dataset, chosen)


def _own_head(brain: SERBrain, divisor: float) -> Head | None:
    """The run's emotion head, calibrated; None where it is no single linear layer.

    With it in the place of the plain head, clips that say nothing change no score.
    """
    linear = getattr(brain.model.emotion_head, "linear", None)
    if not isinstance(linear, torch.nn.Linear):
        return None
    head = folded(linear, brain.model.standardizer, divisor)
    return tuple(part.double().cpu() for part in head)


def _labelled(
    outputs: Sequence[Mapping], rows: Mapping[str, dict], emotions: Sequence[str]
) -> tuple[Tensor, Tensor, list[str], list[str]]:
    """Embeddings (N, D), float32, classes (N,), corpora and speakers of labelled clips."""
    found = [rows[output["id"]] for output in outputs]
    return (
        torch.stack([torch.as_tensor(output["embedding"]) for output in outputs]),
        torch.tensor([emotions.index(row["emotion"]) for row in found]),
        [source_of(row) for row in found],
        [row["speaker"] or output["id"] for row, output in zip(found, outputs, strict=True)],
    )


def head_fitter(emotions: int) -> FitHead:
    """What :meth:`LinearAdapter.fit` fits heads with: one Gaussian classifier."""

    def fit(x_ND: Tensor, class_N: Tensor, weight_N: Tensor) -> Head:
        everything_1D = torch.ones(1, x_ND.shape[1], dtype=torch.float64)
        chunks = [*zip(*(part.split(CHUNK) for part in (x_ND, class_N, weight_N)), strict=True)]
        found = averaged_discriminant(
            lambda: chunks, emotions, [None] * len(x_ND), everything_1D, [RIDGE]
        )
        return found.weight_ED, found.bias_E

    return fit


def write_adapted_set(folder: Path, name: str) -> None:
    """Write the adapted predictions on a test set that a run has predicted.

    Parameters
    ----------
    folder : Path
        A run folder with ``adaptation.safetensors``.
    name : str
        Of the test set.
    """
    adapter = Adapter.load(folder / ADAPTER)
    plain = read_predictions(folder / "predictions" / f"{name}.jsonl")
    speakers = [row["speaker"] for row in plain.rows]
    embeddings_ND = torch.from_numpy(plain.embeddings_ND)
    adapted = adapter.adapt(embeddings_ND, speakers)
    scores_NE = adapter.scores(adapted, embeddings_ND, speakers).tolist()
    rows = [
        _scored(row, s, plain.emotions) for row, s in zip(plain.rows, scores_NE, strict=True)
    ]
    into = inside(folder, ADAPTED)
    splits = splits_of(folder)
    write_json(into / SPLITS, splits)
    card = {**plain.card, **adapted_facts(plain, adapted), "temperature": 1.0}
    card.pop("sha256", None)
    write_predictions(into / "predictions", name, rows, None, card)


def _scored(row: Mapping, scores_E: list[float], emotions: Sequence[str]) -> dict:
    best = emotions[scores_E.index(max(scores_E))]
    scores = dict(zip(emotions, scores_E, strict=True))
    return {**row, "log_probabilities": scores, "predicted_emotion": best}


def adapted_facts(plain: LabelledPredictions, adapted: Adapted) -> dict:
    """What the card of adapted predictions says: to what, and how far, the head was adapted."""
    clips = len(plain.rows)
    of_speakers = [e for e in adapted.evidence if e.speaker is not None]
    corpus = next(e for e in adapted.evidence if e.speaker is None)
    note = f"Adapted to {clips} unlabelled clips of the test set"
    if of_speakers:
        share = sum(e.factor * e.clips for e in of_speakers) / clips
        note += f" and to its {len(of_speakers)} speakers (to a mean share of {share:.2f})"
    return {
        "experiment": f"{plain.card['experiment']} adapted",
        "protocol": f"{plain.card['protocol']}, adapted to {clips} unlabelled clips of the "
        "test set",
        "adapted": {"clips": clips, "speakers": len(of_speakers), "share": corpus.factor},
        "notes": " ".join(filter(None, [plain.card.get("notes"), f"{note}."])),
    }
