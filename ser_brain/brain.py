"""The one Brain every experiment is a leaf of.

Shapes: B batch, T frames, D embedding size.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from speechbrain import Stage
from speechbrain.utils.distributed import if_main_process
from torch import Tensor

from ser_brain import computing, ranks
from ser_brain.encoders.masking import masked_mean
from ser_brain.epoch_statistics import class_statistics, epoch_line, require_metrics, watched
from ser_brain.errors import SERError, bad_value
from ser_brain.experiment import TASKS, require_tasks
from ser_brain.finite_steps import FiniteBrain
from ser_brain.loaders import Loaders
from ser_brain.log import Progress, get_logger
from ser_brain.losses import MaskedLoss
from ser_brain.seeding import seed_epoch
from ser_brain.stage_record import StageRecord
from ser_brain.two_optimizers import anneal, make_optimizers

logger = get_logger(__name__)


class SERBrain(FiniteBrain):
    """Encoder, masked mean, heads; named losses; whole-set statistics; two optimisers.

    A leaf overrides :meth:`predict` and :meth:`losses`, declares its ``tasks`` (of
    :data:`ser_brain.experiment.TASKS`) and names its ``loss_names``. Of the settings it
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
        self.run_options = computing.options_of(self)
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
            computing.warn_of_change(meta.get("precision", self.precision), self.precision)
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
            self.sizes.get(stage, 0) / ranks.count()
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
