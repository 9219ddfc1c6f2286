"""The one Brain every experiment is a leaf of.

Shapes: B batch, T frames, D embedding size.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from torch import Tensor

from ser_brain import ranks
from ser_brain.encoders.masking import masked_mean
from ser_brain.epoch_statistics import (
    class_statistics,
    format_statistics,
    loss_statistics,
    require_metrics,
)
from ser_brain.errors import SERError
from ser_brain.finite_steps import FiniteBrain
from ser_brain.loaders import Loaders
from ser_brain.log import get_logger
from ser_brain.losses import MaskedLoss

logger = get_logger(__name__)
Stage = sb.Stage


class SERBrain(FiniteBrain):
    """Encoder, masked mean, heads; named losses; whole-set statistics; two optimisers.

    A leaf overrides :meth:`predict` and :meth:`losses` and names its ``loss_names``. Of the
    settings it reads ``seed``, ``emotions``, ``va_range``, ``loss_weights``, ``batch_size``,
    ``batching``, ``feature_cache_gb``, ``validation_metric``, ``number_of_epochs``,
    ``train_log``, the optimiser factories ``encoder_optimizer`` and ``heads_optimizer`` and the
    schedulers ``encoder_annealing`` and ``heads_annealing``.
    """

    loss_names: tuple[str, ...] = ()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        require_metrics(
            self.loss_names, self.hparams.loss_weights, self.hparams.validation_metric
        )
        self.loaders = Loaders(self.hparams, self.device)
        self.loaded: Path | None = None  # checkpoint whose weights the last evaluation took

    def predict(self, embedding_BD: Tensor) -> dict[str, Tensor]:
        """Run the heads: any of ``log_probabilities`` (B, C), ``valence_arousal`` (B, 2)."""
        raise NotImplementedError

    def losses(self, predictions: dict[str, Tensor], batch) -> dict[str, MaskedLoss]:
        """Name -> loss over the labelled utterances of the batch."""
        raise NotImplementedError

    # -- one batch

    def compute_forward(self, batch, stage: Stage) -> dict[str, Tensor]:
        """Embed the batch and run the heads."""
        batch = batch.to(self.device)
        inputs, shares_B = batch.features if hasattr(batch, "features") else batch.signal
        lengths_B = (shares_B * inputs.shape[1]).round().long()
        encoder = self.modules.encoder
        if stage != Stage.TRAIN:
            # Ranks evaluate different numbers of batches; the wrapper would wait for them all.
            encoder = getattr(encoder, "module", encoder)
        frames_BTD, frame_lengths_B = encoder(inputs, lengths_B)
        embedding_BD = masked_mean(frames_BTD.float(), frame_lengths_B)
        return {"embedding": embedding_BD, **self.predict(embedding_BD)}

    def compute_objectives(self, predictions: dict[str, Tensor], batch, stage: Stage) -> Tensor:
        """Weighted sum of the named losses; remembers what the epoch's statistics need."""
        batch = batch.to(self.device)
        self.batch_ids = batch.id
        losses = self.losses(predictions, batch)
        for name, loss in losses.items():
            mean = loss.mean.item()
            if stage == Stage.TRAIN and not math.isfinite(mean):
                continue  # The batch stops the training, or is skipped.
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + mean * loss.count, count + loss.count)
        if stage != Stage.TRAIN:
            self.outputs += _as_rows(batch, predictions)
        weights = self.hparams.loss_weights
        if stage == Stage.TRAIN and self.hparams.batching == "dynamic":
            # A batch of few long clips moves the model less: every label counts the same.
            size = self.hparams.batch_size
            weights = {name: weights[name] * losses[name].count / size for name in losses}
        return sum(weights[name] * loss.mean for name, loss in losses.items())

    # -- one epoch

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Seed the epoch, so that a resumed run draws what an undisturbed one draws."""
        self.outputs: list[dict] = []
        self.sums: dict[str, tuple[float, int]] = {}
        if stage == Stage.TRAIN:
            self.skipped_batches = 0
            self.epoch_began = time.monotonic()
            seed = np.random.SeedSequence([self.hparams.seed, epoch, ranks.rank()])
            state = int(seed.generate_state(1)[0])
            random.seed(state)
            np.random.seed(state)
            torch.manual_seed(state)

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Statistics over whole sets; annealing, log line and checkpoint after validation."""
        losses = loss_statistics(ranks.gather([self.sums]), self.hparams.loss_weights)
        if stage == Stage.TRAIN:
            self.train_statistics = losses
            return
        self.outputs = ranks.gather(self.outputs)
        if stage == Stage.VALID:
            self._end_epoch(epoch, {**losses, **class_statistics(self.outputs)})

    def _end_epoch(self, epoch: int, valid: dict[str, float]) -> None:
        metric = self.hparams.validation_metric
        if metric not in valid:
            raise SERError(
                f"validation_metric: {metric} has nothing to be computed on: no validation "
                "utterance has the label it needs."
            )
        if not math.isfinite(valid[metric]):
            raise SERError(
                f"After epoch {epoch} the validation {metric} is {valid[metric]}. The last "
                "checkpoint is sound; lower the learning rate."
            )
        rates = self._anneal(valid[metric])
        seconds = time.monotonic() - self.epoch_began
        if if_main_process():
            left_s = seconds * (self.hparams.number_of_epochs - epoch)
            logger.info(
                f"epoch {epoch}/{self.hparams.number_of_epochs}: "
                f"train {format_statistics(self.train_statistics)}; "
                f"valid {format_statistics(valid)}; "
                f"{seconds:.0f} s, {left_s / 60:.1f} min left"
            )
            self.hparams.train_log.write(
                epoch=epoch,
                seconds=round(seconds, 3),
                train=self.train_statistics,
                valid=valid,
                lr=rates,
                **({"skipped_batches": self.skipped_batches} if self.skipped_batches else {}),
            )
        self.checkpointer.save_and_keep_only(
            meta={
                metric: valid[metric],
                "epoch": epoch,
                "emotions": list(self.hparams.emotions),
                "va_range": list(self.hparams.va_range),
            },
            min_keys=[metric],
            verbosity=10,
        )

    # -- optimisers

    def init_optimizers(self) -> None:
        """One optimiser for the encoder, one for the heads; none for what is frozen."""
        heads = [m for name, m in self.modules.items() if name != "encoder"]
        groups = {
            "encoder": _trainable([self.modules.encoder]),
            "heads": _trainable(heads),
        }
        self.optimizers_dict = {}
        for name, parameters in groups.items():
            if parameters:
                optimizer = getattr(self.hparams, f"{name}_optimizer")(parameters)
                self.optimizers_dict[name] = optimizer
                self.checkpointer.add_recoverable(f"{name}_optimizer", optimizer)

    def _anneal(self, value: float) -> dict[str, float]:
        """Lower each learning rate if the validation metric stopped falling."""
        rates = {}
        for name, optimizer in self.optimizers_dict.items():
            old, new = getattr(self.hparams, f"{name}_annealing")(value)
            sb.nnet.schedulers.update_learning_rate(optimizer, new)
            rates[name] = old
        return rates

    # -- sets

    def train(self, train_rows: Mapping[str, dict], valid_rows: Mapping[str, dict]) -> None:
        """Fit on some utterances (id -> row), validating on others after each epoch."""
        options = self.loaders.training_options(train_rows)
        self.train_sampler = options.get("batch_sampler")  # is told each epoch's number
        self.loaders.fill_cache({**train_rows, **valid_rows}, self._bars)
        self.loaded = None
        self.fit(
            self.hparams.epoch_counter,
            self.loaders.dataset(train_rows, cached=True),
            self.loaders.evaluation(valid_rows, cached=True),
            progressbar=self._bars,
            train_loader_kwargs=options,
        )

    def run_on(self, rows: Mapping[str, dict]) -> list[dict]:
        """Run the best checkpoint on some utterances.

        Parameters
        ----------
        rows : mapping
            id -> row of :class:`ser_brain.labelling.CorpusData`.

        Returns
        -------
        list of dict
            Per utterance ``id``, ``embedding``, ``emotion_index`` and what the model said; in
            the order of the rows, each utterance once, on every rank.

        Raises
        ------
        SERError
            If there is no checkpoint to run.
        """
        self.evaluate(
            self.loaders.evaluation(rows, cached=False),  # as a single clip is scored
            min_key=self.hparams.validation_metric,
            progressbar=self._bars,
        )
        place = {utterance_id: n for n, utterance_id in enumerate(rows)}
        return sorted(self.outputs, key=lambda row: place[row["id"]])

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Take the best checkpoint's weights, once for all sets."""
        best = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
        if best is None:
            raise SERError(
                f"No trained checkpoint in {self.checkpointer.checkpoints_dir}; train first."
            )
        if best.path != self.loaded:
            super().on_evaluate_start(max_key=max_key, min_key=min_key)
            self.loaded = best.path

    def checkpoint_bytes(self) -> int:
        """Room for three checkpoints (best, latest, the next): weights and Adam's moments."""
        sizes = [p.numel() * (3 if p.requires_grad else 1) for p in self.modules.parameters()]
        return 3 * 4 * sum(sizes)

    @property
    def _bars(self) -> bool:
        """Bars on a terminal; a log file gets the lines of :meth:`_end_epoch` alone."""
        return sys.stderr.isatty() and not self.noprogressbar


def _trainable(modules: list[torch.nn.Module]) -> list[torch.nn.Parameter]:
    return [p for m in modules for p in m.parameters() if p.requires_grad]


def _as_rows(batch, predictions: dict[str, Tensor]) -> list[dict]:
    columns = {name: value.float().cpu().numpy() for name, value in predictions.items()}
    columns["emotion_index"] = batch.emotion_index.cpu().numpy()
    return [
        {"id": utterance_id, **{name: column[n] for name, column in columns.items()}}
        for n, utterance_id in enumerate(batch.id)
    ]
