"""Probe: linear heads on the embeddings of a frozen encoder, trained in seconds.

Every clip is embedded once (:class:`ser_brain.training.feature_cache.EmbeddingCache`). Without
padding, dropout or batches to draw, the heads are the solution of a convex problem, which
L-BFGS finds: for the classification experiment, that of multinomial logistic regression.

Shapes: N clips, P numbers of a clip's statistics, D embedding size.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor, nn

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data.dataset import collate
from ser_brain.models.heads import MaskedLoss
from ser_brain.training.brain import SERBrain
from ser_brain.training.device import world_size
from ser_brain.training.feature_cache import EmbeddingCache, NoRoom, weights_digest
from ser_brain.training.stage_stats import StageRecord, class_statistics, validation_value

logger = get_logger(__name__)
REFIT = "refit"  # in the meta file of the checkpoint that is tested
CHUNK = 2048  # clips that are scored at once
IN_MEMORY = 2**30  # bytes of embeddings; more are read from a file as they are needed
MOST_STEPS = 500  # of L-BFGS, which usually needs fewer than 100
TOLERANCE = 1e-6  # largest slope of the loss at the solution


class Probe(SERBrain):
    """Base of the experiments on a frozen encoder; put it before the experiment's Brain.

    One epoch solves for every weight decay from strong to weak, in ``number_of_decays`` steps
    between the two of ``weight_decays``, and keeps the one whose validation metric is best.
    :meth:`refit` then solves once more, on training and validation utterances together.

    Checkpoints hold no encoder: it is frozen, and its digest tells whether it is the same.
    """

    def __init__(self, modules: Mapping[str, nn.Module], *args, **kwargs) -> None:
        super().__init__(modules, *args, **kwargs)
        self._require_probe()
        saved = {name: module for name, module in modules.items() if name != "encoder"}
        encoder = self.model.encoder
        if encoder.layer == "mix":
            saved["layer_weights"] = nn.ParameterDict({"logits": encoder.layer_logits})
        self.checkpointer.recoverables["modules"] = nn.ModuleDict(saved)
        self.weight_decay: float | None = None  # the one that was chosen
        self.cache: EmbeddingCache | None = None
        self.valid_chunks: list[PaddedBatch] = []

    def _require_probe(self) -> None:
        encoder, pool = self.model.encoder, self.model.pool
        if encoder.freeze != "all":
            raise bad_value("freeze of a probe", encoder.freeze, ["all"])
        if pool.kind == "attentive":
            raise SERError(
                "A probe embeds every clip once, so it cannot learn which frames count; give "
                "--pooling=mean_std, or fine-tune (hparams/finetune) with --freeze=all."
            )
        if world_size() > 1:
            raise SERError("A probe trains in seconds in one process; run it without torchrun.")

    # -- embeddings

    def make_dataloader(self, dataset, stage: Stage, ckpt_prefix=None, **loader_kwargs):
        """Embed a set. Training gets all of it as one batch of chunks, other stages chunks."""
        self.sizes[stage] = len(dataset)
        chunks = self._chunks(dataset)
        if stage == Stage.TRAIN:
            self._standardize(chunks)
            return [chunks]
        if stage == Stage.VALID:
            self.valid_chunks = chunks
        return chunks

    def _chunks(self, dataset: DynamicItemDataset) -> list[PaddedBatch]:
        """Batches with ``statistics`` (B, P) in place of ``signal``."""
        statistics_NP = torch.from_numpy(self._embed(dataset))
        keys = [key for key in dataset.pipeline.output_mapping if key != "signal"]
        chunks = []
        with dataset.output_keys_as(keys):
            for begin in range(0, len(dataset), CHUNK):
                rows = range(begin, min(begin + CHUNK, len(dataset)))
                chunk = collate([dataset[row] for row in rows])
                chunk.statistics = statistics_NP[begin : rows.stop]
                chunks.append(chunk)
        return chunks

    def _embed(self, dataset: DynamicItemDataset) -> np.ndarray:
        """Statistics (N, P) of a set, in the user's cache unless that is switched off."""
        rows = {i: dataset.data[i] for i in dataset.data_ids}
        limit_gb = self.hparams.feature_cache_gb
        if self.cache is None:
            self.cache = EmbeddingCache(self.model, limit_gb, self.device)
        shape = len(rows), self.cache.channels
        if 4 * shape[0] * shape[1] <= IN_MEMORY:
            matrix_NP = np.empty(shape, np.float32)
        else:
            with tempfile.TemporaryFile(dir=self.cache.root) as file:
                matrix_NP = np.memmap(file, np.float32, "w+", shape=shape)
        place = {utterance_id: n for n, utterance_id in enumerate(rows)}
        try:
            if limit_gb == 0:
                raise NoRoom("feature_cache_gb is 0")
            self.cache.fill(rows, self._shows_bar())
        except NoRoom as found:
            logger.info(f"embeddings: {found}. They are computed for this run alone.")
            for batch in self.cache.batches(rows):
                computed = self.cache.compute([rows[i] for i in batch])
                for utterance_id, statistics_1P in zip(batch, computed, strict=True):
                    matrix_NP[place[utterance_id]] = statistics_1P[0]
            return matrix_NP
        for utterance_id, n in place.items():
            matrix_NP[n] = self.cache.features_of(utterance_id)[0].numpy()
        return matrix_NP

    @torch.no_grad()
    def _standardize(self, chunks: Sequence[PaddedBatch]) -> None:
        """Set the mean and deviation of every coordinate over the training utterances."""
        standardizer, count, total_D, squares_D = self.model.standardizer, 0, 0.0, 0.0
        for chunk in chunks:  # two passes would read a large set twice; float64 is exact enough
            embedding_BD = self.model.embedding_of(chunk.statistics.to(self.device)).double()
            count += len(embedding_BD)
            total_D = total_D + embedding_BD.sum(0)
            squares_D = squares_D + embedding_BD.square().sum(0)
        mean_D = total_D / count
        deviation_D = (squares_D / count - mean_D.square()).clamp_min(0).sqrt()
        # A coordinate that never changes has nothing to scale, whatever rounding made of it.
        constant_D = deviation_D <= 1e-6 * mean_D.abs().clamp_min(1e-6)
        standardizer.mean.copy_(mean_D)
        standardizer.deviation.copy_(deviation_D.masked_fill(constant_D, 1.0))

    # -- solving

    def init_optimizers(self) -> None:
        """None: :meth:`fit_batch` makes one for each weight decay."""
        self.optimizers_dict = {}

    def fit_batch(self, chunks: Sequence[PaddedBatch]) -> Tensor:
        """Solve for every weight decay, and keep the one that validates best."""
        strong, weak = self.hparams.weight_decays
        metric, tried = self.hparams.validation_metric, {}
        best: tuple[float, dict] | None = None
        for decay in np.geomspace(strong, weak, self.hparams.number_of_decays):
            self._solve(chunks, float(decay))
            value = validation_value(self._validation(), metric, 1)
            tried[f"{decay:.3g}"] = round(value, 4)
            if best is None or value < best[0]:
                best, self.weight_decay = (value, self._heads_state()), float(decay)
        logger.info(f"weight decay -> validation {metric}: {tried}")
        self._trained().load_state_dict(best[1])
        return self._training_loss(chunks)

    def _trained(self) -> nn.Module:
        return self.checkpointer.recoverables["modules"]

    def _heads_state(self) -> dict:
        return copy.deepcopy(self._trained().state_dict())

    def _solve(self, chunks: Sequence[PaddedBatch], decay: float) -> None:
        """Minimise the mean loss plus half the decay times the squared weights of the heads."""
        heads = [self.model.emotion_head, self.model.va_head]
        weights = [head.linear.weight for head in heads if head is not None]
        parameters = [p for p in self._trained().parameters() if p.requires_grad]
        optimizer = torch.optim.LBFGS(
            parameters,
            max_iter=MOST_STEPS,
            tolerance_grad=TOLERANCE,
            tolerance_change=1e-9,
            line_search_fn="strong_wolfe",
        )
        self.labelled = self._count_labels(chunks)

        def closure() -> Tensor:
            optimizer.zero_grad()
            total = 0.5 * decay * sum(weight.square().sum() for weight in weights)
            total.backward()
            for chunk in chunks:
                loss = self._loss(chunk, Stage.TRAIN)
                loss.backward()
                total = total.detach() + loss.detach()
            return total

        optimizer.step(closure)

    @torch.no_grad()
    def _count_labels(self, chunks: Sequence[PaddedBatch]) -> dict[str, float]:
        """How much every loss weighs in the whole set: the number of labelled utterances."""
        self.labelled = dict.fromkeys(self.loss_names, 1.0)
        counts = dict.fromkeys(self.loss_names, 0.0)
        for chunk in chunks:
            self.counted: Mapping[str, MaskedLoss] = {}
            self._loss(chunk, Stage.TRAIN)
            for name, loss in self.counted.items():
                counts[name] += float(loss.count)
        return {name: max(count, 1.0) for name, count in counts.items()}

    def weighted_sum(self, losses: Mapping[str, MaskedLoss], stage: Stage) -> Tensor:
        """In training, the share of a chunk in the mean loss of the whole set."""
        if stage != Stage.TRAIN:
            return super().weighted_sum(losses, stage)
        self.counted, weights = losses, self.hparams.loss_weights
        return sum(
            weights[name] * loss.mean * loss.count / self.labelled[name]
            for name, loss in losses.items()
        )

    @torch.no_grad()
    def _training_loss(self, chunks: Sequence[PaddedBatch]) -> Tensor:
        self.record = StageRecord(Stage.TRAIN)
        total = sum(self._loss(chunk, Stage.TRAIN) for chunk in chunks)
        self.record.settle(stepped=True)
        return total

    @torch.no_grad()
    def _validation(self) -> dict[str, float]:
        """Statistics of the validation set."""
        kept, self.record = self.record, StageRecord(Stage.VALID)
        for chunk in self.valid_chunks:
            self._loss(chunk, Stage.VALID)
        found = self.record.losses(self.hparams.loss_weights)
        found |= class_statistics(self.record.outputs())
        self.record = kept
        return found

    # -- refitting and checkpoints

    @property
    def tested_key(self) -> str:
        """Meta key of the checkpoint that is tested and used: the refitted one."""
        return REFIT

    def refit(self, train_set: DynamicItemDataset, valid_set: DynamicItemDataset) -> None:
        """Solve once more, on training and validation utterances, and save the result.

        The weight decay, the temperature and the validation results remain those of the heads
        that were fitted without the validation utterances.
        """
        if self.checkpointer.find_checkpoint(min_key=REFIT) is not None:
            return
        best = self.checkpointer.find_checkpoint(min_key=self.hparams.validation_metric)
        self.on_evaluate_start(min_key=self.hparams.validation_metric)
        chunks = [*self._chunks(train_set), *self._chunks(valid_set)]
        self._standardize(chunks)
        self.record = StageRecord(Stage.TRAIN)
        self._solve(chunks, best.meta["weight_decay"])
        metric = self.hparams.validation_metric
        meta = {name: value for name, value in best.meta.items() if name != metric}
        self.checkpointer.save_checkpoint(meta={**meta, REFIT: 0.0}, verbosity=10)
        self.loaded = None

    def checkpoint_meta(self) -> dict:
        """Facts that every checkpoint carries."""
        return {
            **super().checkpoint_meta(),
            "weight_decay": self.weight_decay,
            "encoder_sha256": weights_digest(self.model.encoder),
        }

    def on_evaluate_start(self, max_key: str | None = None, min_key: str | None = None) -> None:
        """Load the best checkpoint, and check that its encoder is this one."""
        best = self.checkpointer.find_checkpoint(max_key=max_key, min_key=min_key)
        if best is not None and best.path != self.loaded:
            require_same_encoder(best.meta, self.model.encoder)
        super().on_evaluate_start(max_key=max_key, min_key=min_key)


def require_same_encoder(meta: Mapping, encoder: nn.Module) -> None:
    """Stop if a checkpoint's heads were trained on another encoder than this one.

    Raises
    ------
    SERError
    """
    expected = meta.get("encoder_sha256")
    if expected is not None and expected != weights_digest(encoder):
        raise SERError(
            f"The weights of the encoder {encoder.name} are not those that the run was trained "
            "on. Give the same encoder_source, or train again."
        )
