"""Probe: linear heads on the embeddings of a frozen encoder, trained in seconds.

Every clip is embedded once (:class:`ser_brain.training.feature_cache.EmbeddingCache`). Without
padding, dropout or batches to draw, the heads are the solution of a convex problem, which
L-BFGS finds: for the classification experiment, that of multinomial logistic regression.

Shapes: N clips, P numbers of a clip's statistics, D embedding size.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.checkpoints import Checkpoint
from torch import Tensor, nn

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data.dataset import collate
from ser_brain.data.experiment import LOSSES
from ser_brain.data.weighting import BALANCED
from ser_brain.models.losses import MaskedLoss
from ser_brain.training.brain import SERBrain
from ser_brain.training.checkpoints import REFIT
from ser_brain.training.device import world_size
from ser_brain.training.discriminant import averaged_discriminant, class_factors, views_of
from ser_brain.training.feature_cache import EmbeddingCache
from ser_brain.training.stage_stats import StageRecord

logger = get_logger(__name__)
HEADS = {"emotion_head": "emotion", "va_head": "valence_arousal"}  # -> task
ALL = "all"  # both heads, where they share the weights of layers
# Settings of training by epochs and steps, with the values that leave them off.
WITHOUT_EFFECT = {
    "augment": None,
    "sampling": "natural",
    "weight_averaging": None,
    "lora": None,
    "heads_start": "random",
    "unfreeze": {},
    "layer_decay": 1.0,
    "lr_schedule": "annealing",
    "warmup_epochs": 0,
    "patience": None,
}
CHUNK = 2048  # clips that are scored at once
MOST_STEPS = 500  # of L-BFGS, which usually needs fewer than 100
TOLERANCE = 1e-6  # largest slope of the loss at the solution


class Probe(SERBrain):
    """Base of the experiments on a frozen encoder; put it before the experiment's Brain.

    The setting ``emotion_classifier`` decides how the emotion head is fitted: ``gaussian``, see
    :func:`ser_brain.training.discriminant.averaged_discriminant` and :func:`views_of`, or
    ``losses``, by the minimum of the losses in ``loss_weights``, as the head of valence and
    arousal always is. One epoch finds
    the minimum for every weight decay from strong to weak, in ``number_of_decays`` steps
    between the two of ``weight_decays``, and keeps the one whose validation loss is lowest.
    :meth:`refit` then solves once more, on training and validation utterances together.

    Checkpoints hold no encoder: it is frozen, and its digest tells whether it is the same.
    """

    def __init__(self, modules: Mapping[str, nn.Module], *args, **kwargs) -> None:
        super().__init__(modules, *args, **kwargs)
        if world_size() > 1:
            raise SERError("A probe trains in seconds in one process; run it without torchrun.")
        saved = {name: module for name, module in modules.items() if name != "encoder"}
        encoder = self.model.encoder
        if encoder.layer == "mix":
            saved["layer_weights"] = nn.ParameterDict({"logits": encoder.layer_logits})
        self.checkpointer.recoverables["modules"] = nn.ModuleDict(saved)
        # Head -> the weight decay that was chosen; the strongest where validation has no label.
        self.decays = dict.fromkeys(HEADS, self.hparams.weight_decays[0])
        self.calibrated = False  # whether the emotion's probabilities need no temperature
        self.counted: Mapping[str, MaskedLoss] = {}  # losses of the last chunk
        self.embedded: WeakKeyDictionary[DynamicItemDataset, np.ndarray] = WeakKeyDictionary()
        self.valid_chunks: list[PaddedBatch] = []

    @classmethod
    def require_settings(cls, hparams: Mapping) -> None:
        """Check also what has no meaning for a probe."""
        super().require_settings(hparams)
        if hparams["freeze"] != "all":
            raise bad_value("freeze of a probe", hparams["freeze"], ["all"])
        if hparams["number_of_epochs"] != 1:
            raise bad_value("number_of_epochs of a probe", hparams["number_of_epochs"], ["1"])
        if hparams["pooling"] == "attentive":
            raise SERError(
                "A probe embeds every clip once, so it cannot learn which frames count; give "
                "--pooling=mean_std, or fine-tune (hparams/finetune) with --freeze=all."
            )
        for key, off in WITHOUT_EFFECT.items():
            if hparams.get(key, off) != off:
                off = "null" if off is None else off
                raise SERError(
                    f"{key} has no effect on a probe, which has no epochs, batches or steps. "
                    f"Leave it at {off}, or fine-tune (hparams/finetune)."
                )
        if hparams["emotion_classifier"] == "gaussian":
            asked = set(hparams["loss_weights"]) & (set(LOSSES["emotion"]) - {"nll"})
            if asked or hparams["label_smoothing"]:
                raise SERError(
                    "A Gaussian classifier is fitted without losses, so "
                    f"{', '.join(asked) or 'label_smoothing'} would have no effect; give "
                    "--emotion_classifier=losses."
                )
            if hparams["layer"] == "mix":
                raise SERError(
                    "A Gaussian classifier learns no weights of layers; give --layer=all, or "
                    "--emotion_classifier=losses."
                )

    # -- embeddings

    def _with_cached_features(self, sets: Sequence, began_cached: bool | None) -> list:
        return list(sets)  # the cache holds embeddings instead

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
                chunk.speakers = [dataset.data[i]["speaker"] for i in chunk.id]
                chunks.append(chunk)
        return chunks

    @functools.cached_property
    def cache(self) -> EmbeddingCache:
        """Where the embeddings are, in the user's cache unless that is switched off."""
        return EmbeddingCache(self.model, self.hparams.feature_cache_gb, self.device)

    def _embed(self, dataset: DynamicItemDataset) -> np.ndarray:
        """Statistics (N, P) of a set."""
        if dataset not in self.embedded:  # a run reads most sets several times
            rows = {i: dataset.data[i] for i in dataset.data_ids}
            self.embedded[dataset] = self.cache.matrix(rows, self._shows_bar())
        return self.embedded[dataset]

    def _standardize(self, chunks: Sequence[PaddedBatch]) -> None:
        """Scale every coordinate by its mean and deviation over the training utterances."""
        found = (self.model.embedding_of(chunk.statistics.to(self.device)) for chunk in chunks)
        self.model.standardizer.fit(found)

    # -- solving

    def init_optimizers(self) -> None:
        """None: every solution makes its own."""
        self.optimizers_dict = {}

    def fit_batch(self, chunks: Sequence[PaddedBatch]) -> Tensor:
        """Fit the heads for every weight decay, and keep those that validate best.

        Each head has a decay of its own, unless layer weights are learned for both.
        """
        self.labelled = self._count_labels(chunks)
        parts = {ALL: [*self.hparams.loss_weights]}
        if self.model.encoder.layer != "mix":
            parts = {name: self._losses_of(name) for name in HEADS if self._is_minimized(name)}
        strong, weak = self.hparams.weight_decays
        decays = np.geomspace(strong, weak, self.hparams.number_of_decays).tolist()
        self._fit_gaussians(chunks)  # which no decay affects
        best: dict[str, tuple[float, dict]] = {}
        for decay in decays if parts else ():
            self._minimize(chunks, dict.fromkeys(HEADS, decay))
            valid = self._validation()
            for part, names in parts.items():
                there = [name for name in names if name in valid]
                value = sum(self.hparams.loss_weights[name] * valid[name] for name in there)
                if there and (part not in best or value < best[part][0]):
                    best[part] = (value, copy.deepcopy(self._part(part).state_dict()))
                    self.decays |= dict.fromkeys(HEADS if part == ALL else [part], decay)
        if len(best) < len(parts):  # without a validation label, the strongest decay counts
            self._minimize(chunks, self.decays)
        for part, (_, state) in best.items():
            self._part(part).load_state_dict(state)
        if best:
            named = self.decays if ALL in best else best
            chosen = ", ".join(f"{name} {self.decays[name]:.3g}" for name in named)
            logger.info(f"weight decay, chosen on the validation set: {chosen}")
        return self._training_loss(chunks)

    def _has_gaussians(self) -> bool:
        """Whether there is an emotion head, and it is fitted in closed form."""
        gaussian = self.hparams.emotion_classifier == "gaussian"
        return gaussian and self.model.emotion_head is not None

    def _is_minimized(self, head: str) -> bool:
        """Whether the head exists and is fitted by its losses."""
        gaussian = head == "emotion_head" and self._has_gaussians()
        return getattr(self.model, head) is not None and not gaussian

    def _trained(self) -> nn.Module:
        return self.checkpointer.recoverables["modules"]

    def _part(self, name: str) -> nn.Module:
        return self._trained() if name == ALL else getattr(self.model, name)

    def _losses_of(self, head: str) -> list[str]:
        known = LOSSES[HEADS[head]]
        return [name for name in self.hparams.loss_weights if name in known]

    @torch.no_grad()
    def _fit_gaussians(self, chunks: Sequence[PaddedBatch]) -> None:
        """Fit the emotion head in closed form, if it is a Gaussian classifier."""
        if not self._has_gaussians():
            return
        linear, views = self.model.emotion_head.linear, views_of(self.model)
        found = averaged_discriminant(
            lambda: map(self._labelled, chunks),
            len(self.hparams.emotions),
            [speaker for chunk in chunks for speaker in chunk.speakers],
            torch.stack([*views.values()]).to(self.device),
            self.hparams.ridges,
        )
        linear.weight.copy_(found.weight_ED)
        linear.bias.copy_(found.bias_E)
        shares = zip(views, found.share_VR.sum(1).tolist(), strict=True)
        by = found.kept_together
        self.calibrated = by is not None
        how = f"weighed by inner folds of {by}s" if by else "nothing to compare them by"
        told = ", ".join(f"{name} {share:.2f}" for name, share in shares)
        logger.info(f"Gaussian classifiers, {how}: {told}")

    @torch.no_grad()
    def _labelled(self, chunk: PaddedBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled embeddings (B, D), emotions (B,) and weights (B,) of a chunk."""
        embedding_BD = self.model.embedding_of(chunk.statistics.to(self.device))
        labels = chunk.emotion_index.to(self.device), chunk.emotion_weight.to(self.device)
        return self.model.standardizer(embedding_BD), *labels

    def _minimize(self, chunks: Sequence[PaddedBatch], decays: Mapping[str, float]) -> None:
        """Minimise the mean loss plus half the decay times the squared weights of each head.

        A Gaussian classifier stays as it is.
        """
        module = self.model.va_head if self._has_gaussians() else self._trained()
        found = {name: getattr(self.model, name) for name in HEADS}
        heads = {name: head for name, head in found.items() if head is not None}
        # In float32, L-BFGS stops before it has converged.
        for head in heads.values():
            head.double()
        weights = {name: head.linear.weight for name, head in heads.items()}
        optimizer = torch.optim.LBFGS(
            [p for p in module.parameters() if p.requires_grad],
            max_iter=MOST_STEPS,
            tolerance_grad=TOLERANCE,
            tolerance_change=1e-9,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            self.record = StageRecord(Stage.TRAIN)
            optimizer.zero_grad()
            total = sum(0.5 * decays[name] * w.square().sum() for name, w in weights.items())
            total.backward()
            for chunk, others in zip(chunks, self._moments_of_others(chunks), strict=True):
                self.record.sums = others
                loss = self._loss(chunk, Stage.TRAIN)
                loss.backward()
                total = total.detach() + loss.detach()
            return total

        optimizer.step(closure)
        for head in heads.values():
            head.float()

    @torch.no_grad()
    def _moments_of_others(self, chunks: Sequence[PaddedBatch]) -> list[dict[str, np.ndarray]]:
        """For each chunk, the moments of all others, where a loss is no mean over clips.

        Its gradient in one chunk depends on the predictions of all.
        """
        if all(loss.moments is None for loss in self.counted.values()):
            return [{} for _ in chunks]
        own = []
        for chunk in chunks:
            self.record = StageRecord(Stage.TRAIN)
            self._loss(chunk, Stage.TRAIN)
            own.append(self.record.moments)
        total = {name: sum(each[name] for each in own) for name in own[0]}
        return [{name: total[name] - each[name] for name in total} for each in own]

    @torch.no_grad()
    def _count_labels(self, chunks: Sequence[PaddedBatch]) -> dict[str, float]:
        """How much every loss weighs in the whole set: the number of labelled utterances."""
        self.labelled = dict.fromkeys(self.hparams.loss_weights, 1.0)
        counts = dict.fromkeys(self.hparams.loss_weights, 0.0)
        for chunk in chunks:
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
    def _validation(self) -> dict:
        """Mean losses of the validation set, and ``outputs``."""
        kept, self.record = self.record, StageRecord(Stage.VALID)
        for chunk in self.valid_chunks:
            self._loss(chunk, Stage.VALID)
        found = self.record.losses(self.hparams.loss_weights)
        outputs, self.record = self.record.outputs(), kept
        return {**found, "outputs": outputs}

    # -- refitting and checkpoints

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
        if self.hparams.class_weights == BALANCED:
            _balance(chunks, len(self.hparams.emotions))
        self._standardize(chunks)
        self.record = StageRecord(Stage.TRAIN)
        self.labelled = self._count_labels(chunks)
        self._fit_gaussians(chunks)
        if any(map(self._is_minimized, HEADS)):
            self._minimize(chunks, best.meta["weight_decays"])
        self.save_refitted()
        self.loaded = None

    def checkpoint_meta(self) -> dict:
        """Facts that every checkpoint carries."""
        return {
            **super().checkpoint_meta(),
            "weight_decays": self.decays,
            "calibrated": self.calibrated,
            "encoder_sha256": self.cache.encoder_sha256,
        }

    def recover(self, max_key: str | None = None, min_key: str | None = None) -> Checkpoint:
        """Load the best checkpoint, and check that its encoder is this one."""
        checkpoint = super().recover(max_key, min_key)
        if checkpoint.meta["encoder_sha256"] != self.cache.encoder_sha256:
            raise SERError(
                f"The weights of the encoder {self.model.encoder.name} are not those that the "
                "run was trained on. Give the same encoder_source, or train again."
            )
        return checkpoint


def _balance(chunks: Sequence[PaddedBatch], classes: int) -> None:
    """Balance weights anew: they were balanced for the training clips without the others."""
    class_N = torch.cat([chunk.emotion_index for chunk in chunks])
    weight_N = torch.cat([chunk.emotion_weight for chunk in chunks])
    factor_E = class_factors(class_N, weight_N, classes)
    for chunk in chunks:
        labelled_B = chunk.emotion_index >= 0
        chunk.emotion_weight[labelled_B] *= factor_E[chunk.emotion_index[labelled_B]]
