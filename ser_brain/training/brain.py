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
from speechbrain import Stage
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.distributed import if_main_process
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import Progress, get_logger
from ser_brain.data.experiment import TASKS, require_tasks
from ser_brain.models.encoders.masking import masked_mean
from ser_brain.models.heads import MaskedLoss
from ser_brain.training import device
from ser_brain.training.loaders import Loaders
from ser_brain.training.run_options import options_of
from ser_brain.training.stage_stats import (
    StageRecord,
    class_statistics,
    epoch_line,
    require_metrics,
    watched,
)

logger = get_logger(__name__)
STOP, SKIP = "stop", "skip"


class FiniteBrain(sb.Brain):
    """A Brain that takes no step along gradients that are not finite.

    Of the settings it reads ``nonfinite_batches``. Gradients are looked at when they have been
    averaged over all ranks, so that every rank decides the same.

    Attributes
    ----------
    batch_ids : list of str
        Of the batches since the last step.
    batches_in_step : int
        How many those are.
    skipped_batches : int
        In this epoch.
    steps_skipped_by_scaler : int
        Steps of this epoch that the gradient scaler (fp16) left out.
    """

    batch_ids: list[str]
    batches_in_step: int
    skipped_batches: int
    steps_skipped_by_scaler: int

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Count anew in every epoch."""
        if stage == sb.Stage.TRAIN:
            self.batch_ids, self.batches_in_step = [], 0
            self.skipped_batches = 0
            self.steps_skipped_by_scaler = 0

    def note_batch(self, ids: list[str]) -> None:
        """Remember a batch until the step that it takes part in."""
        self.batch_ids = [*self.batch_ids, *ids]
        self.batches_in_step += 1

    def check_loss_isfinite(self, loss: Tensor) -> None:
        """Stop at a loss that is not finite; to skip it, wait for its gradients."""
        if self.hparams.nonfinite_batches == STOP and not torch.isfinite(loss):
            raise self._not_finite(f"The loss is {loss.item()}")

    def optimizers_step(self) -> bool:
        """Take the step, or leave it where a gradient is not finite.

        A gradient scaler (fp16) looks at the gradients itself: it tries larger and larger
        scales, and one that is too large is no fault of the batch.

        Returns
        -------
        bool
            Whether it was taken.
        """
        if self.scaler.is_enabled():
            before = self.scaler.get_scale()
            super().optimizers_step()
            taken = self.scaler.get_scale() >= before  # the only way it tells
            self.steps_skipped_by_scaler += not taken
        elif taken := self._gradients_are_finite():
            super().optimizers_step()
        elif self.hparams.nonfinite_batches == STOP:
            raise self._not_finite("A gradient is not finite")
        else:
            count, ids = self.batches_in_step, ", ".join(self.batch_ids)
            self.skipped_batches += count
            what = "a batch" if count == 1 else f"{count} batches of one step"
            logger.warning(f"skipped {what} whose loss or gradients are not finite: {ids}")
            self.zero_grad(set_to_none=True)
        self.batch_ids, self.batches_in_step = [], 0
        return taken

    def steps_left_out(self) -> dict[str, int]:
        """Counts of this epoch, by name, of what there was."""
        counts = {
            "skipped_batches": self.skipped_batches,
            "steps_skipped_by_scaler": self.steps_skipped_by_scaler,
        }
        return {name: count for name, count in counts.items() if count}

    def _gradients_are_finite(self) -> bool:
        """Whether their norm is: it is infinite where their squares are too large to add."""
        gradients = [p.grad for p in self.modules.parameters() if p.grad is not None]
        return not gradients or bool(torch.nn.utils.get_total_norm(gradients).isfinite())

    def _not_finite(self, what: str) -> SERError:
        return SERError(
            f"{what} in the batch of {', '.join(self.batch_ids)}. The last checkpoint is "
            "sound; lower the learning rate, look at these files, or leave such batches out "
            f"and count them: --nonfinite_batches={SKIP}."
        )


def make_optimizers(modules: Mapping[str, Module], hparams) -> dict[str, Optimizer]:
    """``encoder`` and ``heads``: every module but the encoder; none for what is frozen.

    Parameters
    ----------
    modules : mapping
        Name -> module.
    hparams : namespace
        ``encoder_optimizer`` and ``heads_optimizer`` make one of parameters.
    """
    parts = {
        "encoder": [modules["encoder"]],
        "heads": [module for name, module in modules.items() if name != "encoder"],
    }
    optimizers = {}
    for part, of_part in parts.items():
        trained = [p for module in of_part for p in module.parameters() if p.requires_grad]
        if trained:
            optimizers[part] = getattr(hparams, f"{part}_optimizer")(trained)
    return optimizers


def anneal(optimizers: Mapping[str, Optimizer], hparams, value: float) -> dict[str, float]:
    """Lower each learning rate where the validation metric stopped falling.

    Parameters
    ----------
    optimizers : mapping
        Of :func:`make_optimizers`.
    hparams : namespace
        ``encoder_annealing`` and ``heads_annealing``: SpeechBrain's schedulers.
    value : float
        Of the metric, after this epoch.

    Returns
    -------
    dict
        The rate that each had in this epoch.
    """
    rates = {}
    for part, optimizer in optimizers.items():
        rates[part], following = getattr(hparams, f"{part}_annealing")(value)
        update_learning_rate(optimizer, following)
    return rates


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed Python, NumPy and PyTorch: a resumed run draws what an undisturbed one draws.

    SpeechBrain's ``seed_everything`` would give all ranks the same dropout, and its samplers
    another seed.

    Parameters
    ----------
    seed : int
        Of the run.
    epoch : int
        From 1.
    """
    sequence = np.random.SeedSequence([seed, epoch, device.rank()])
    state = int(sequence.generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)


class SERBrain(FiniteBrain):
    """Encoder, masked mean, heads; named losses; whole-set statistics; two optimisers.

    A leaf overrides :meth:`predict` and :meth:`losses`, declares its ``tasks`` (of
    :data:`ser_brain.data.experiment.TASKS`) and names its ``loss_names``. Of the settings it
    reads ``seed``, ``emotions``, ``va_range``, ``loss_weights``, ``batch_size``,
    ``batching``, ``feature_cache_gb``, ``validation_metric``, ``number_of_epochs``,
    ``train_log``, the optimisers' factories and the schedulers: ``encoder_optimizer`` ...
    """

    tasks: tuple[str, ...] = ()
    loss_names: tuple[str, ...] = ()

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        weights, metric = self.hparams.loss_weights, self.hparams.validation_metric
        require_metrics(self.loss_names, weights, metric, require_tasks(type(self)))
        self.run_options = options_of(self)
        if self.max_grad_norm < 0:  # disables clipping; SpeechBrain would turn gradients round
            self.max_grad_norm = math.inf
        for name in self.compile_module_keys or ():
            if name not in self.modules:
                raise bad_value("compile_module_keys", name, self.modules)
        if self.test_only:
            self._require_trained()
        self.batches: float = math.inf  # of an epoch, and the utterances in them
        self.utterances: float = math.inf
        self.loaders = Loaders(self.hparams, self.device)
        self.sizes: dict[Stage, int] = {}  # utterances of each stage, for the log
        self.loaded: Path | None = None  # checkpoint whose weights the last evaluation took

    def predict(self, embedding_BD: Tensor) -> dict[str, Tensor]:
        """Run the heads: any of ``log_probabilities`` (B, C), ``valence_arousal`` (B, 2)."""
        raise NotImplementedError

    def losses(self, predictions: dict[str, Tensor], batch) -> dict[str, MaskedLoss]:
        """Name -> loss over the labelled utterances of the batch."""
        raise NotImplementedError

    # -- what is done with sets

    def train(self, train_rows: Mapping[str, dict], valid_rows: Mapping[str, dict]) -> None:
        """Fit on some utterances (id -> row), validating on others after each epoch."""
        options = self.loaders.training_options(train_rows)
        self.train_sampler = options.get("batch_sampler")  # is told each epoch's number
        self._go_on({**train_rows, **valid_rows})
        # What the last epoch had no time to remove, if it was killed.
        self.checkpointer.delete_checkpoints(min_keys=[self.hparams.validation_metric])
        self.loaded = None
        self.sizes = {Stage.TRAIN: len(train_rows), Stage.VALID: len(valid_rows)}
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
            id -> row of :class:`ser_brain.data.labelling.CorpusData`.

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
        self.sizes = {Stage.TEST: len(rows)}
        self.evaluate(
            self.loaders.evaluation(rows, cached=False),  # as a single clip is scored
            min_key=self.hparams.validation_metric,
            progressbar=self._bars,
        )
        place = {utterance_id: n for n, utterance_id in enumerate(rows)}
        return sorted(self.outputs, key=lambda row: place[row["id"]])

    def _require_trained(self) -> None:
        """Stop where there is nothing to test, or not yet all that was asked for."""
        latest = self.checkpointer.find_checkpoint()
        if latest is None:
            raise self._untrained()
        done, asked = latest.meta["epoch"], self.hparams.number_of_epochs
        if done < asked:
            raise SERError(
                f"--test_only: {done} of {asked} epochs are trained. Train the others, or "
                f"give --number_of_epochs={done}."
            )

    def _untrained(self) -> SERError:
        folder = self.checkpointer.checkpoints_dir
        return SERError(f"No trained checkpoint in {folder}; train first.")

    def _go_on(self, rows: Mapping[str, dict]) -> None:
        """Get ready for the epochs that are left: with the features that the others had."""
        latest = self.checkpointer.find_latest()
        meta = latest.meta if latest else {"epoch": 0}
        if meta["epoch"] < self.hparams.number_of_epochs and not self.test_only:
            device.warn_of_change(meta.get("precision", self.precision), self.precision)
            self.loaders.fill_cache(rows, self._bars, meta.get("cached_features"))

    @property
    def _bars(self) -> bool:
        """Bars on a terminal; a log file gets the lines of :meth:`_end_epoch` alone."""
        return sys.stderr.isatty() and not self.noprogressbar

    # -- what SpeechBrain calls, for a batch

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
        said = self.predict(embedding_BD)
        if {task for task, name in TASKS.items() if name in said} != set(self.tasks):
            raise SERError(
                f"{type(self).__name__} declares the tasks {', '.join(self.tasks)}; its "
                f"predict() gives {', '.join(said) or 'nothing'}, expected: "
                f"{', '.join(TASKS[task] for task in self.tasks)}."
            )
        return {"embedding": embedding_BD, **said}

    def compute_objectives(self, predictions: dict[str, Tensor], batch, stage: Stage) -> Tensor:
        """Weighted sum of the named losses; remembers what the epoch's statistics need."""
        batch = batch.to(self.device)
        if stage == Stage.TRAIN:
            self.note_batch(batch.id)
        losses = self.losses(predictions, batch)
        self.record.add(batch, predictions, losses)
        if not self._bars and if_main_process():
            self.progress.add(len(batch.id))
        weights = self.hparams.loss_weights
        if stage == Stage.TRAIN and self.hparams.batching == "dynamic":
            # A batch of few long clips moves the model less: every label counts the same.
            size = self.hparams.batch_size
            weights = {name: weights[name] * losses[name].count / size for name in losses}
        return sum(weights[name] * loss.mean for name, loss in losses.items())

    def fit_batch(self, batch) -> Tensor:
        """Add a batch's gradients, and step after ``grad_accumulation_factor`` batches.

        The last step of an epoch takes what is left. A batch counts by its share of the step's
        utterances, so that a step is that of one large batch.
        """
        factor = self.grad_accumulation_factor
        before = (self.step - 1) // factor * factor  # batches, of earlier steps
        in_step = min(factor, self.batches - before)
        steps_now = self.step == before + in_step
        share = 1 / in_step  # dynamic batches are weighed by their labels already
        if in_step > 1 and self.hparams.batching == "random":
            size = self.hparams.batch_size
            share = len(batch.id) / min(in_step * size, self.utterances - before * size)
        with self.no_sync(not steps_now):
            with self.training_ctx:
                outputs = self.compute_forward(batch, Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, Stage.TRAIN)
            self.check_loss_isfinite(loss)
            self.scaler.scale(loss * share).backward()
        if steps_now:
            self.record.settle(self.optimizers_step())
        return loss.detach().cpu()

    # -- for an epoch

    def make_dataloader(self, dataset, stage: Stage, *args: object, **kwargs: object):
        """Make a loader as SpeechBrain does; of the one to train on, note how much it gives."""
        loader = super().make_dataloader(dataset, stage, *args, **kwargs)
        if stage == Stage.TRAIN:
            self.batches, self.utterances = len(loader), len(loader.sampler)
        return loader

    def init_optimizers(self) -> None:
        """One optimiser for the encoder, one for the heads."""
        self.optimizers_dict = make_optimizers(self.modules, self.hparams)
        for part, optimizer in self.optimizers_dict.items():
            self.checkpointer.add_recoverable(f"{part}_optimizer", optimizer)

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Begin counting anew, and an epoch's random numbers."""
        super().on_stage_start(stage, epoch)
        self.record = StageRecord(stage)
        what = {Stage.TRAIN: "training", Stage.VALID: "validation", Stage.TEST: "scoring"}
        which = f"epoch {epoch}, " if epoch else ""
        share = math.ceil(
            self.sizes.get(stage, 0) / device.world_size()
        )  # of this process, which tells
        self.progress = Progress(which + what[stage], "utterances", share)
        if stage == Stage.TRAIN:
            self.epoch_began = time.monotonic()
            seed_epoch(self.hparams.seed, epoch)

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Statistics over whole sets; annealing, log line and checkpoint after validation."""
        losses = self.record.losses(self.hparams.loss_weights)
        if stage == Stage.TRAIN:
            self.train_statistics = losses
            return
        self.outputs = self.record.outputs()
        if stage == Stage.VALID:
            self._end_epoch(epoch, {**losses, **class_statistics(self.outputs)})

    def _end_epoch(self, epoch: int, valid: dict[str, float]) -> None:
        metric = self.hparams.validation_metric
        value = watched(valid, metric, epoch)
        rates = anneal(self.optimizers_dict, self.hparams, value)
        seconds = time.monotonic() - self.epoch_began
        statistics = {"train": self.train_statistics, "valid": valid}
        left_out = self.steps_left_out()
        if if_main_process():
            epochs = self.hparams.number_of_epochs
            logger.info(epoch_line(epoch, epochs, seconds, statistics, left_out))
            self.hparams.train_log.write(
                epoch=epoch, seconds=round(seconds, 3), **statistics, lr=rates, **left_out
            )
        meta = {
            metric: value,
            "epoch": epoch,
            "emotions": list(self.hparams.emotions),
            "va_range": list(self.hparams.va_range),
            "cached_features": self.loaders.cache is not None,
            "precision": self.precision,
            "run_options": self.run_options,
        }
        self.checkpointer.save_and_keep_only(meta=meta, min_keys=[metric], verbosity=10)

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Take the best checkpoint's weights, once for all sets."""
        best = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
        if best is None:
            raise self._untrained()
        if best.path != self.loaded:
            super().on_evaluate_start(max_key=max_key, min_key=min_key)
            self.loaded = best.path
