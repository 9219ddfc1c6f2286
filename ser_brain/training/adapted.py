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
from ser_brain.core.files import atomic_path, inside, read_json, write_json
from ser_brain.core.log import get_logger
from ser_brain.data.experiment import ExperimentData
from ser_brain.data.folding import of_some_speakers
from ser_brain.evaluation.calibration import fit_temperature
from ser_brain.evaluation.predictions import Predictions, read_predictions, write_predictions
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
BY_SPEAKER, TEMPERATURE = "by_speaker", "temperature"


class Adapter:
    """A :class:`LinearAdapter`, how it is used, and how far its scores are to be trusted.

    Attributes
    ----------
    linear : LinearAdapter
    by_speaker : bool
        Adapt to speakers, too, where they are known.
    temperature : float
        Divides the scores, so that probabilities are calibrated.
    """

    def __init__(self, linear: LinearAdapter, by_speaker: bool, temperature: float) -> None:
        self.linear, self.by_speaker, self.temperature = linear, by_speaker, temperature

    @classmethod
    def mean(cls, parts: Sequence[Adapter]) -> Adapter:
        """One adapter for the mean of models that share an encoder, such as folds.

        Its plain head is exactly the mean of the parts' calibrated ones, so its
        log-probabilities are theirs, averaged and made to sum to one. For normalised embeddings
        the heads are averaged, too. Parts differ there only in the deviation that few clips are
        shrunk to; the mean of their variances serves all. How far a normalisation is believed
        is decided once, by the averaged scores.
        """
        linears = [part.linear for part in parts]
        center_D = torch.stack([linear.center_D for linear in linears]).mean(0)
        variances_PD = torch.stack([linear.scale_D for linear in linears]).square()
        scale_D = variances_PD.mean(0).sqrt()
        plain = _mean_head([(p.linear.plain_head(), p.temperature) for p in parts])
        heads = {
            view: _mean_head([(p.linear.heads[view], p.temperature) for p in parts])
            for view in VIEWS
        }
        corpora = min(linear.corpora for linear in linears)
        linear = LinearAdapter(center_D, scale_D, heads, corpora).with_plain(plain)
        return cls(linear, all(part.by_speaker for part in parts), 1.0)

    def adapt(self, embeddings_ND: Tensor, speakers: Sequence[str | None]) -> Adapted:
        """Adapt to clips of one corpus; None is an unknown speaker, who gets its head."""
        return self.linear.adapt(embeddings_ND, *self._groups(speakers))

    def scores(self, adapted: Adapted, embeddings_ND: Tensor, speakers: Sequence) -> Tensor:
        """Log-probabilities (N, E) before the temperature."""
        return adapted.scores(embeddings_ND, *self._groups(speakers))

    def head(self, adapted: Adapted, speaker: str | None = None) -> Head:
        """Weight (E, D) and bias (E,) whose scores are calibrated; None: of new speakers."""
        weight_ED, bias_E = adapted.head(ADAPTED, speaker if self.by_speaker else None)
        return weight_ED / self.temperature, bias_E / self.temperature

    def _groups(self, speakers: Sequence[str | None]) -> tuple[list[str], list[str] | None]:
        return [ADAPTED] * len(speakers), list(speakers) if self.by_speaker else None

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        tensors = {
            **self.linear.state_dict(),
            BY_SPEAKER: torch.tensor(self.by_speaker),
            TEMPERATURE: torch.tensor(self.temperature, dtype=torch.float64),
        }
        with atomic_path(path) as temporary:
            save_file({name: t.contiguous() for name, t in tensors.items()}, temporary)

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
            by_speaker, temperature = bool(state.pop(BY_SPEAKER)), float(state.pop(TEMPERATURE))
            return cls(LinearAdapter.from_state_dict(state), by_speaker, temperature)
        except Exception as error:  # safetensors' own, a missing key, a wrong shape
            raise SERError(f"{path} is damaged ({error}); train or export again.") from error


def _mean_head(parts: Sequence[tuple[Head, float]]) -> Head:
    """Mean of heads, each divided by its temperature."""
    weights, biases = zip(*((head[0] / t, head[1] / t) for head, t in parts), strict=True)
    return torch.stack(weights).mean(0), torch.stack(biases).mean(0)


def write_adapted(
    folder: Path, brain: SERBrain, datasets: Mapping, data: ExperimentData, hparams: Mapping
) -> None:
    """Learn a run's adapter, and write the adapted predictions on its test sets.

    Called by every process; only the main one writes. The temperature is that of the
    validation clips under an adapter learned without them.

    Raises
    ------
    SERError
        If the experiment learns no emotions.
    """
    from speechbrain.utils.distributed import if_main_process

    if "emotion" not in data.protocol.tasks:
        raise SERError(
            f"adaptation: {hparams['adaptation']} adapts the emotion head, and the experiment "
            f"{data.config.experiment} learns none. Set adaptation: null."
        )
    sets = []
    for part, rows in (("train", data.train), ("valid", data.valid)):
        brain.evaluate(_some_speakers(datasets[part]), min_key=brain.tested_key)
        sets.append(_labelled(brain.outputs, rows, list(hparams["emotions"])))
    if not if_main_process():
        return
    by_speaker = hparams["adaptation"] == "speaker"
    fit_head = head_fitter(len(hparams["emotions"]))
    train, valid = sets
    first = Adapter(LinearAdapter.fit(fit_head, *train), by_speaker, 1.0)
    both = [
        torch.cat(pair) if isinstance(pair[0], Tensor) else [*pair[0], *pair[1]]
        for pair in zip(train, valid, strict=True)
    ]
    linear = LinearAdapter.fit(fit_head, *both)
    temperature = _temperature(first, valid)
    plain = _own_head(folder, brain)
    if plain is not None:
        linear = linear.with_plain(tuple(part * temperature for part in plain))
    Adapter(linear, by_speaker, temperature).save(folder / ADAPTER)
    for name in data.tests:
        write_adapted_set(folder, name)


def _some_speakers(dataset: DynamicItemDataset) -> DynamicItemDataset:
    """The clips with an emotion, or :data:`MOST_CLIPS` of them."""
    rows = {i: dataset.data[i] for i in dataset.data_ids}
    rows = {i: row for i, row in rows.items() if row["emotion"] is not None}
    return FilteredSortedDynamicItemDataset(dataset, of_some_speakers(rows, MOST_CLIPS))


def _own_head(folder: Path, brain: SERBrain) -> Head | None:
    """The run's emotion head, calibrated; None where it is no single linear layer.

    With it in the place of the plain head, clips that say nothing change no score.
    """
    linear = getattr(brain.model.emotion_head, "linear", None)
    if not isinstance(linear, torch.nn.Linear):
        return None
    divisor = temperature_of(folder).get("temperature", 1.0)
    head = folded(linear, brain.model.standardizer, divisor)
    return tuple(part.double().cpu() for part in head)


Labelled = tuple[Tensor, Tensor, list[str], list[str | None]]


def _labelled(
    outputs: Sequence[Mapping], rows: Mapping[str, dict], emotions: Sequence[str]
) -> Labelled:
    """Embeddings (N, D), float32, classes (N,), corpora and speakers of clips with a label."""
    kept = [o for o in outputs if rows[o["id"]]["emotion"] is not None]
    found = [rows[output["id"]] for output in kept]
    return (
        torch.stack([torch.as_tensor(output["embedding"]) for output in kept]),
        torch.tensor([emotions.index(row["emotion"]) for row in found]),
        [row.get("source") or row["corpus"] for row in found],
        [row["speaker"] or output["id"] for row, output in zip(found, kept, strict=True)],
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


def _temperature(adapter: Adapter, valid: Labelled) -> float:
    """What calibrates the scores of clips that adapted the head, corpus by corpus."""
    embeddings_ND, class_N, corpora, speakers = valid
    speakers_N = speakers if adapter.by_speaker else None
    adapted = adapter.linear.adapt(embeddings_ND, corpora, speakers_N)
    scores_NE = adapted.scores(embeddings_ND, corpora, speakers_N)
    return fit_temperature(scores_NE.numpy(), class_N.numpy()) or 1.0


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
    splits = read_json(folder / "splits.json", "split")
    write_json(into / "splits.json", splits)
    card = {**plain.card, **adapted_facts(plain, adapted), "temperature": adapter.temperature}
    card.pop("sha256", None)
    write_predictions(into / "predictions", name, rows, None, card)


def _scored(row: Mapping, scores_E: list[float], emotions: Sequence[str]) -> dict:
    best = emotions[scores_E.index(max(scores_E))]
    scores = dict(zip(emotions, scores_E, strict=True))
    return {**row, "log_probabilities": scores, "predicted_emotion": best}


def adapted_facts(plain: Predictions, adapted: Adapted) -> dict:
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
