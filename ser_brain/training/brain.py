"""SERBrain: SpeechBrain's Brain with what it lacks for the experiments of ``recipes/``.

SpeechBrain gives the loops. Added here are loaders, cached front-end features, statistics over
whole sets, one optimiser for the encoder and one for the heads, a guard against gradients that
are not finite, and random numbers that let an interrupted run end as an uninterrupted one.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import speechbrain as sb
from speechbrain import Stage
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.distributed import if_main_process
from torch import Tensor
from torch.nn import Module, ModuleDict
from torch.utils.data import DataLoader

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import Progress, get_logger
from ser_brain.data.experiment import TASKS, require_tasks
from ser_brain.data.experiment_config import DEFAULTS
from ser_brain.data.labels import stated
from ser_brain.data.weighting import BALANCED, OF_VOTES
from ser_brain.models.losses import MaskedLoss
from ser_brain.models.model import EmotionModel, exact_convolutions
from ser_brain.training import device
from ser_brain.training.checkpoints import REFIT, is_of_epoch
from ser_brain.training.experiment_log import ExperimentLog
from ser_brain.training.head_start import (
    refit_emotions,
    require_startable,
    some_of,
    start_heads,
)
from ser_brain.training.loaders import (
    cached_features,
    evaluation_loader_of,
    training_options,
    with_augmentation,
    with_features,
)
from ser_brain.training.nonfinite_guard import NonfiniteGuard
from ser_brain.training.optimization import (
    ANNEALING,
    anneal,
    make_optimizers,
    rates_of,
    without_effect,
)
from ser_brain.training.run_options import options_of
from ser_brain.training.sampling import seed_epoch
from ser_brain.training.stage_stats import (
    StageRecord,
    epoch_line,
    require_metrics,
    validation_value,
)
from ser_brain.training.weight_average import WeightAverage, averaged_weights

logger = get_logger(__name__)
ACTIVITY = {Stage.TRAIN: "training", Stage.VALID: "validation", Stage.TEST: "scoring"}


class SERBrain(NonfiniteGuard):
    """Base class of every experiment; see ``recipes/multiobjective.py`` for a whole one.

    A subclass declares ``tasks`` (keys of :data:`ser_brain.data.experiment.TASKS`), and
    ``loss_names`` if it has losses of its own, and defines SpeechBrain's ``compute_forward``,
    ``compute_objectives`` and ``on_stage_end``.

    Parameters
    ----------
    modules : mapping
        ``encoder``, ``pool``, ``standardizer``, ``emotion_head`` and ``va_head`` become one
        :class:`EmotionModel`, ``self.modules.model``; any others stay modules of their own.
    opt_class, hparams, run_opts, checkpointer
        As SpeechBrain's Brain has them. ``hparams`` are the settings of ``hparams/base.yaml``.

    Attributes
    ----------
    model : EmotionModel
        The model itself, without any wrapper for distributed training or compilation.
    record : StageRecord
        Losses and predictions of the current stage.
    outputs : list of dict
        Per utterance of the last validation or test set: ``id``, ``emotion_index`` and the
        model's predictions. After :meth:`evaluate`, in the order of the data set.
    """

    tasks: tuple[str, ...] = ()
    loss_names: tuple[str, ...] = ()

    def __init__(
        self,
        modules: Mapping[str, Module],
        opt_class: type | None = None,
        hparams: dict | None = None,
        run_opts: object = None,
        checkpointer: object = None,
    ) -> None:
        if type(self).compute_forward is sb.Brain.compute_forward:
            raise SERError(
                f"{type(self).__name__} does not define compute_forward(). Recipes now do, "
                "with compute_objectives(), in place of predict() and losses(); see "
                "docs/adding_an_experiment.md."
            )
        parts = ("encoder", "pool", "standardizer", "emotion_head", "va_head")
        self.model = EmotionModel.from_modules(*(modules.get(part) for part in parts))
        others = {name: module for name, module in modules.items() if name not in parts}
        modules = {"model": self.model, **others}
        # Settings that the runs of version 0.1.0 lack.
        lacking = {**DEFAULTS, "label_smoothing": 0.0, "focal_gamma": 2.0, "augment": None}
        lacking["heads_start"] = "random"
        hparams = {**lacking, **(hparams or {})}
        self.require_settings(hparams)
        super().__init__(modules, opt_class, hparams, run_opts, checkpointer)
        self.run_options = options_of(self)
        if self.max_grad_norm < 0:  # means no clipping; SpeechBrain would negate the gradients
            self.max_grad_norm = math.inf
        for name in self.compile_module_keys or ():
            if name not in self.modules:
                raise bad_value("compile_module_keys", name, self.modules)
        if self.test_only:
            self._require_trained()
        if self.hparams.heads_start == "probe":
            require_startable(self.model)
        self.batches: float = math.inf  # of an epoch, and the utterances in them
        self.utterances: float = math.inf
        self.features_cached = False  # whether this run trains on cached features
        self.augmented = None  # the training clips, where the settings augment them
        self.sizes: dict[Stage, int] = {}  # utterances of each stage, for the log
        self.loaded: Path | None = None  # checkpoint whose weights the last evaluation loaded
        self.average = WeightAverage([])  # of no weights without the setting weight_averaging

    @classmethod
    def require_settings(cls, hparams: Mapping) -> None:
        """Check settings, built or plain, against what this Brain does.

        Raises
        ------
        SERError
            If it computes no such losses or metric, has no emotion head to adapt, or
            ``unfreeze`` opens layers that ``freeze`` keeps closed.
        """
        tasks = require_tasks(cls)
        weights, metric = hparams["loss_weights"], hparams["validation_metric"]
        require_metrics(cls.loss_names, weights, metric, tasks)
        adaptation = hparams.get("adaptation")
        if adaptation is not None and "emotion" not in tasks:
            raise SERError(
                f"adaptation: {adaptation} adapts the emotion head, and the experiment "
                f"{hparams['experiment']} learns none. Set adaptation: null."
            )
        if hparams.get("unfreeze") and hparams.get("freeze") == "all":
            raise SERError(
                "unfreeze opens layers of the encoder, which freeze: all keeps closed."
            )

    # -- fitting and evaluating

    def fit(
        self,
        epoch_counter,
        train_set: DynamicItemDataset | DataLoader,
        valid_set: DynamicItemDataset | DataLoader | None = None,
        progressbar: bool | None = None,
        train_loader_kwargs: Mapping | None = None,
        valid_loader_kwargs: Mapping | None = None,
    ) -> None:
        """Fit as SpeechBrain does, on augmented clips or cached features as the settings say.

        Without loader arguments the loaders follow the settings; see :meth:`make_dataloader`.
        """
        latest = self.checkpointer.find_latest()
        meta = latest.meta if latest else {"epoch": 0}
        to_train = meta["epoch"] < self.hparams.number_of_epochs and not self.stopped_early()
        starts = latest is None and self.hparams.heads_start == "probe"
        if not self.test_only and to_train:
            device.warn_of_change(meta.get("precision", self.precision), self.precision)
            trains_encoder = any(p.requires_grad for p in self.model.encoder.parameters())
            for said in without_effect(self.hparams, trains_encoder):
                if if_main_process():
                    logger.warning(said)
            sets, began_cached = (train_set, valid_set), meta.get("cached_features")
            if starts:
                start_heads(self.model, *sets, vars(self.hparams), self.device)
            if self.hparams.augment:
                train_set, self.augmented = with_augmentation(train_set, self.hparams)
            else:
                train_set, valid_set = self._with_cached_features(sets, began_cached)
        name, folder = self.hparams.experiment_logger, self.hparams.output_folder
        self.experiment_log = ExperimentLog(name, folder, vars(self.hparams))
        if to_train and not self.test_only:
            self.checkpointer.delete_checkpoints(
                num_to_keep=0, min_keys=[REFIT], importance_keys=()
            )
        # A killed run may have had no time to remove the checkpoints it superseded.
        metric = self.hparams.validation_metric
        self.checkpointer.delete_checkpoints(min_keys=[metric], ckpt_predicate=is_of_epoch)
        self.loaded = None
        if isinstance(train_set, DataLoader):
            self.batches = len(train_set)
        if starts and not self.test_only:
            loader_kwargs = {"ckpt_prefix": None, **(valid_loader_kwargs or {})}
            valid_set = self.make_dataloader(valid_set, Stage.VALID, **loader_kwargs)
        super().fit(
            self._epochs(epoch_counter, valid_set if starts else None),
            train_set,
            valid_set,
            self._shows_bar(progressbar),
            dict(train_loader_kwargs or {}),
            dict(valid_loader_kwargs or {}),
        )
        if if_main_process() and not self.test_only:
            self.experiment_log.complete(self.hparams.train_log.read)
        self.experiment_log.close()

    def _epochs(self, counter: Iterable[int], start_on: DataLoader | None) -> Iterator[int]:
        """Count epochs, after one without training where there is a set to validate it on."""
        if start_on is not None:
            self.epoch_began, self.train_statistics = time.monotonic(), {}
            self._fit_valid(start_on, 0, enable=False)
        yield from itertools.takewhile(lambda epoch: not self.stopped_early(), counter)

    def evaluate(
        self,
        test_set: DynamicItemDataset | DataLoader,
        max_key: str | None = None,
        min_key: str | None = None,
        progressbar: bool | None = None,
        test_loader_kwargs: Mapping | None = None,
    ) -> float:
        """Evaluate as SpeechBrain does; ``self.outputs`` then has each utterance's predictions.

        They are complete on every process, each utterance once.

        Raises
        ------
        SERError
            If there is no trained checkpoint.
        """
        bar, options = self._shows_bar(progressbar), dict(test_loader_kwargs or {})
        with exact_convolutions(self.device):
            loss = super().evaluate(test_set, max_key, min_key, bar, options)
        if isinstance(test_set, DynamicItemDataset):
            place = {utterance_id: n for n, utterance_id in enumerate(test_set.data_ids)}
            self.outputs.sort(key=lambda row: place[row["id"]])
        return loss

    def make_dataloader(
        self,
        dataset: DynamicItemDataset,
        stage: Stage,
        ckpt_prefix: str | None = "dataloader-",
        **loader_kwargs: object,
    ):
        """Make the loader that the settings describe; with loader arguments, SpeechBrain's.

        Training draws random batches, or batches of clips of similar length. Validation and
        test give every process its share of the set, each utterance to exactly one process,
        short clips first, so that little is padded.
        """
        self.sizes[stage] = len(dataset)
        if stage != Stage.TRAIN and not loader_kwargs:
            return evaluation_loader_of(dataset, self.hparams.batch_size, self.device)
        if not loader_kwargs:
            loader_kwargs = training_options(dataset, self.hparams, self.device)
        if stage == Stage.TRAIN:
            # SpeechBrain tells this sampler each epoch's number, but sets only its own.
            self.train_sampler = loader_kwargs.get(
                "batch_sampler", loader_kwargs.get("sampler")
            )
        loader = super().make_dataloader(dataset, stage, ckpt_prefix, **loader_kwargs)
        if stage == Stage.TRAIN:
            self.batches, self.utterances = len(loader), len(loader.sampler)
        return loader

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the best checkpoint, once for all sets."""
        best = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
        if best is None or best.path != self.loaded:
            self.recover(max_key, min_key)

    def recover(self, max_key: str | None = None, min_key: str | None = None) -> Checkpoint:
        """Load the best checkpoint by a key of its meta file.

        Raises
        ------
        SERError
            If there is none.
        """
        best = self.checkpointer.recover_if_possible(max_key=max_key, min_key=min_key)
        if best is None:
            raise self._untrained()
        self.loaded = best.path
        return best

    @property
    def tested_key(self) -> str:
        """Meta key of the checkpoint that is tested and used, the lowest value being best."""
        refitted = self.checkpointer.find_checkpoint(min_key=REFIT)
        return REFIT if refitted is not None else self.hparams.validation_metric

    @property
    def temperature(self) -> float | None:
        """1 if inner folds have calibrated the emotions, which heard more speakers.

        None: it is to be fitted on the validation set.
        """
        tested = self.checkpointer.find_checkpoint(min_key=self.tested_key)
        return 1.0 if tested is not None and tested.meta.get("calibrated") else None

    @property
    def learns_votes(self) -> bool:
        """Whether the emotions' probabilities are to be shares of the raters' votes."""
        return any(name in self.hparams.loss_weights for name in OF_VOTES)

    def refit(self, train_set: DynamicItemDataset, valid_set: DynamicItemDataset) -> None:
        """Fit an emotion head that began fitted once more, to validation utterances too.

        The result is a checkpoint of its own. Training continues without it. A head that has
        learned the raters' votes stays: they say more than one class for each utterance.
        """
        begun = self.hparams.heads_start == "probe" and self.model.emotion_head is not None
        done = self.checkpointer.find_checkpoint(min_key=REFIT) is not None
        if not begun or self.learns_votes or done:
            return
        metric = self.hparams.validation_metric
        outputs, rows = [], {**train_set.data, **valid_set.data}
        for data in (train_set, valid_set):
            self.evaluate(some_of(data), min_key=metric)
            outputs += self.outputs
        balanced = BALANCED in (self.hparams.class_weights, self.hparams.sampling)
        self.loaded = None
        if refit_emotions(self.model, outputs, rows, self.hparams.emotions, balanced):
            self.save_refitted(calibrated=True)

    def save_refitted(self, **facts: object) -> None:
        """Save a checkpoint with the facts of the best one and others, without its metric."""
        metric = self.hparams.validation_metric
        best = self.checkpointer.find_checkpoint(min_key=metric)
        meta = {name: value for name, value in best.meta.items() if name != metric}
        self.checkpointer.save_checkpoint(meta={**meta, **facts, REFIT: 0.0}, verbosity=10)

    def checkpoint_meta(self) -> dict:
        """Facts that every checkpoint carries."""
        return {
            "emotions": list(self.hparams.emotions),
            "va_range": list(self.hparams.va_range),
            **stated(self.hparams.dimensions),
            "cached_features": self.features_cached,
            "precision": self.precision,
            "run_options": self.run_options,
        }

    def stopped_early(self) -> bool:
        """Whether the best epoch is ``hparams.patience`` epochs behind the latest.

        Checkpoints of both are always kept, so a continued run stops where it would have. Of
        equally good epochs, the last counts.
        """
        patience = self.hparams.patience
        if patience is None:
            return False
        best = self.checkpointer.find_checkpoint(min_key=self.hparams.validation_metric)
        latest = self.checkpointer.find_checkpoint(ckpt_predicate=is_of_epoch)
        return best is not None and latest.meta["epoch"] - best.meta["epoch"] >= patience

    def _require_trained(self) -> None:
        latest = self.checkpointer.find_checkpoint(ckpt_predicate=is_of_epoch)
        if latest is None:
            raise self._untrained()
        done, asked = latest.meta["epoch"], self.hparams.number_of_epochs
        if done < asked and not self.stopped_early():
            raise SERError(
                f"--test_only: {done} of {asked} epochs are trained. Train the others, or "
                f"give --number_of_epochs={done}."
            )

    def _untrained(self) -> SERError:
        folder = self.checkpointer.checkpoints_dir
        return SERError(f"No trained checkpoint in {folder}; train first.")

    def _with_cached_features(self, sets: Sequence, began_cached: bool | None) -> list:
        """Replace waveforms by cached features, where the settings and earlier epochs do."""
        datasets = [data for data in sets if isinstance(data, DynamicItemDataset)]
        cache = cached_features(
            self.model.encoder,
            datasets,
            self.hparams.feature_cache_gb,
            self.device,
            self._shows_bar(),
            began_cached,
        )
        self.features_cached = cache is not None
        if cache is None:
            return list(sets)
        return [
            with_features(data, cache, self.hparams) if data in datasets else data
            for data in sets
        ]

    def _shows_bar(self, progressbar: bool | None = None) -> bool:
        """Bars only on a terminal, unless asked for; a log file gets one line an epoch."""
        if progressbar is not None:
            return progressbar
        return sys.stderr.isatty() and not self.noprogressbar

    # -- for a batch

    def model_for(self, stage: Stage) -> Module:
        """Return the model to call: in training, the one that shares gradients."""
        model = self.modules.model
        if stage == Stage.TRAIN:
            return model
        # Processes evaluate different numbers of batches. DistributedDataParallel's forward
        # would wait for the others for ever.
        return getattr(model, "module", model)

    def weighted_sum(self, losses: Mapping[str, MaskedLoss], stage: Stage) -> Tensor:
        """Add the named losses by their weights in ``loss_weights``."""
        weights = self.hparams.loss_weights
        if stage == Stage.TRAIN and self.hparams.batching == "dynamic":
            # Dynamic batches differ in size. Weigh each by its labels, so that every label
            # counts the same whether its clip came with few long ones or many short ones.
            size = self.hparams.batch_size
            weights = {name: weights[name] * losses[name].count / size for name in losses}
        return sum(weights[name] * loss.mean for name, loss in losses.items())

    def fit_batch(self, batch) -> Tensor:
        """Add a batch's gradients, and step after ``grad_accumulation_factor`` batches.

        The last step of an epoch takes what is left. A batch counts by its share of the step's
        utterances, so that a step equals that of one large batch if no label is missing.
        """
        factor = self.grad_accumulation_factor
        before = (self.step - 1) // factor * factor  # batches of earlier steps
        in_step = min(factor, self.batches - before)
        steps_now = self.step == before + in_step
        share = 1 / in_step  # weighted_sum weighs dynamic batches by their labels already
        if in_step > 1 and self.hparams.batching == "random":
            size = self.hparams.batch_size
            share = len(batch.id) / min(in_step * size, self.utterances - before * size)
        self.note_batch(batch.id)
        with self.no_sync(not steps_now):
            with self.training_ctx:
                loss = self._loss(batch, Stage.TRAIN)
            self.check_loss_isfinite(loss)
            self.scaler.scale(loss * share).backward()
        if steps_now:
            self.set_rates(before // factor)
            stepped = self.optimizers_step()
            self.record.settle(stepped)
            if stepped:
                self.average.add_step()
        return loss.detach().cpu()

    def evaluate_batch(self, batch, stage: Stage) -> Tensor:
        """Compute the loss of a batch, and record its predictions."""
        with self.evaluation_ctx:
            return self._loss(batch, stage).detach().cpu()

    def _loss(self, batch, stage: Stage) -> Tensor:
        predictions = self.compute_forward(batch, stage)
        given = [name for name in TASKS.values() if name in predictions]
        declared = [TASKS[task] for task in self.tasks]
        if set(given) != set(declared):
            raise SERError(
                f"{type(self).__name__} declares the tasks {', '.join(self.tasks)}; its "
                f"compute_forward() gives {', '.join(given) or 'nothing'}, expected: "
                f"{', '.join(declared)}."
            )
        loss = self.compute_objectives(predictions, batch, stage)
        if not self._shows_bar() and if_main_process():
            self.progress.add(len(batch.id))
        return loss

    # -- for an epoch

    def init_optimizers(self) -> None:
        """Make the optimisers, and the average of the weights that they change."""
        self.optimizers_dict = make_optimizers(self.modules, self.model.encoder, self.hparams)
        for part, optimizer in self.optimizers_dict.items():
            self.checkpointer.add_recoverable(f"{part}_optimizer", optimizer)
        if self.hparams.weight_averaging is not None:
            weights = averaged_weights(ModuleDict(self.hparams.modules))
            self.average = WeightAverage(weights, **self.hparams.weight_averaging)
            self.checkpointer.add_recoverable("weight_average", self.average)

    def on_stage_start(self, stage: Stage, epoch: int | None = None) -> None:
        """Start an empty record; seed the random numbers of a training epoch."""
        super().on_stage_start(stage, epoch)
        self.record = StageRecord(stage)
        which = f"epoch {epoch}, " if epoch else ""
        share = math.ceil(self.sizes.get(stage, 0) / device.world_size())  # of this process
        self.progress = Progress(which + ACTIVITY[stage], "utterances", share)
        if stage == Stage.TRAIN:
            self.epoch, self.epoch_began = epoch, time.monotonic()
            self.open_layers(epoch)
            self.average.start_training()
            seed_epoch(self.hparams.seed, epoch)
            if self.augmented is not None:
                self.augmented.epoch = epoch
        else:
            self.average.end_training(epoch)

    def end_epoch(
        self, epoch: int, train: Mapping[str, float], valid: Mapping[str, float]
    ) -> None:
        """Anneal the learning rates, log the epoch, save a checkpoint and keep the best.

        Parameters
        ----------
        epoch : int
        train, valid : mapping
            Statistics by name; ``valid`` holds the validation metric.
        """
        metric = self.hparams.validation_metric
        value = validation_value(valid, metric, epoch)
        rates = rates_of(self.optimizers_dict)
        if self.hparams.lr_schedule == ANNEALING:
            anneal(self.optimizers_dict, self.hparams, value)
        seconds = time.monotonic() - self.epoch_began
        statistics = {"train": dict(train), "valid": dict(valid)}
        skipped = self.skipped()
        if if_main_process():
            epochs = self.hparams.number_of_epochs
            logger.info(epoch_line(epoch, epochs, seconds, statistics, skipped))
            self.hparams.train_log.write(
                epoch=epoch, seconds=round(seconds, 3), **statistics, lr=rates, **skipped
            )
        meta = {metric: value, "epoch": epoch, **self.checkpoint_meta()}
        self.checkpointer.save_and_keep_only(meta=meta, min_keys=[metric], verbosity=10)
        if if_main_process():
            self.experiment_log.write(self.hparams.train_log.read)
        if self.stopped_early() and if_main_process():
            patience = self.hparams.patience
            logger.info(
                f"stopped early: {metric} of the validation set has not fallen for {patience} "
                f"epoch{'s' if patience > 1 else ''}"
            )
