"""Datasets and loaders of an experiment, as its settings and its device want them.

Shapes: B clips, S samples, T frames, C front-end channels.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import if_main_process
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.augmentation import Augmentation
from ser_brain.data.dataset import (
    collate,
    evaluation_loader,
    load_signal,
    make_dataset,
    require_lengths,
)
from ser_brain.data.experiment import ExperimentData
from ser_brain.data.weighting import (
    balanced_shares,
    emotion_weights,
    require_votes,
    source_weights,
)
from ser_brain.models.encoders import Encoder
from ser_brain.training.device import available_cpus, rank, world_size
from ser_brain.training.feature_cache import FeatureCache, NoRoom, can_cache
from ser_brain.training.sampling import BalancedBatches, balanced_clips, length_batches

logger = get_logger(__name__)
MOST_WORKERS = 8


def dataio_prep(data: ExperimentData, hparams: Mapping) -> dict:
    """Make SpeechBrain datasets of an experiment's parts.

    Returns
    -------
    dict
        ``train`` and ``valid``: a DynamicItemDataset each; ``tests``: name -> dataset. Items
        have ``id``, ``signal`` and targets, see :func:`ser_brain.data.dataset.make_dataset`.

    Raises
    ------
    SERError
        If a clip is too short or too long for the encoder, or longer than ``max_clip_s``; if a
        loss or a weight needs raters' votes and there are none.
    """
    require_votes(data.train, hparams["loss_weights"])
    weights = (hparams["class_weights"], hparams["agreement_weights"])
    # Balanced sampling draws all corpora alike; to weigh them as well would count them twice.
    alike = hparams["sampling"] != "balanced"
    weight_of = emotion_weights(data.train, *weights, alike)
    value_weight_of = source_weights(data.train if alike else {})
    encoder = hparams["encoder"]
    limits = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)

    def dataset(rows: Mapping[str, dict]) -> DynamicItemDataset:
        require_lengths(rows, *limits, hparams["max_clip_s"])
        rows = {
            i: {**row, "weight": weight_of(row), "weight_of_values": value_weight_of(row)}
            for i, row in rows.items()
        }
        return make_dataset(
            rows,
            hparams["emotions"],
            encoder.sample_rate_hz,
            dimensions=data.config.labels.dimensions,
        )

    return {
        "train": dataset(data.train),
        "valid": dataset(data.valid),
        "tests": {name: dataset(rows) for name, rows in data.tests.items()},
    }


def inputs_and_lengths(batch: PaddedBatch) -> tuple[Tensor, Tensor | None]:
    """Return the padded input of a model, and the exact length of every clip in it.

    The input is waveforms (B, S), or cached features (B, T, C). SpeechBrain gives lengths as
    shares of the longest clip; masks need whole samples or frames. Statistics of clips, (B, P),
    have no lengths.
    """
    if hasattr(batch, "statistics"):
        return batch.statistics.to(batch.emotion_index.device), None
    inputs, shares_B = batch.features if hasattr(batch, "features") else batch.signal
    return inputs, (shares_B * inputs.shape[1]).round().long()


# -- loaders


def training_options(dataset: DynamicItemDataset, hparams, device: str) -> dict:
    """Arguments of the loader to train with: random batches, or batches of similar length."""
    options = {"collate_fn": collate, **device_options(device)}
    rows = [dataset.data[i] for i in dataset.data_ids]
    durations_s = [row["duration"] for row in rows]
    if hparams.sampling == "balanced":
        drawn = balanced_clips(balanced_shares(rows), hparams.seed)
        if hparams.batching == "random":
            return {**options, "batch_size": hparams.batch_size, "sampler": drawn}
        batches = BalancedBatches(durations_s, drawn, hparams.batch_size, hparams.seed)
        return {**options, "batch_sampler": batches}
    if hparams.batching == "random":
        _log_repeated(len(dataset), "utterances")
        return {**options, "batch_size": hparams.batch_size, "shuffle": True}
    sampler = length_batches(durations_s, hparams.batch_size, hparams.seed)
    _log_repeated(len(sampler), "batches")
    return {**options, "batch_sampler": sampler}


def evaluation_loader_of(
    dataset: DynamicItemDataset, batch_size: int, device: str
) -> SaveableDataLoader:
    """Make a loader over this process's share of a set, short clips first: little is padded."""
    return evaluation_loader(
        dataset.filtered_sorted(sort_key="duration"),
        batch_size,
        rank(),
        world_size(),
        **device_options(device),
    )


def device_options(device: str) -> dict:
    """Loader arguments of a device: a GPU needs workers, a CPU would only lose time to them."""
    if torch.device(device).type != "cuda":
        return {}
    if "fork" not in multiprocessing.get_all_start_methods():  # Windows
        return {"pin_memory": True}
    share = available_cpus() // torch.cuda.device_count()
    # Only a forked worker gets the dataset's functions, which cannot be pickled.
    return {
        "num_workers": max(1, min(MOST_WORKERS, share)),
        "multiprocessing_context": "fork",
        "pin_memory": True,
    }


def _log_repeated(count: int, what: str) -> None:
    """Torch's distributed sampler repeats the first items until every process has as many."""
    repeated = -count % world_size()
    if repeated and if_main_process():
        logger.info(
            f"{repeated} of {count} {what} are trained on twice in an epoch, so that "
            f"{world_size()} processes take as many steps."
        )


# -- cached features of a frozen front end


def cached_features(
    encoder: Encoder,
    datasets: Sequence[DynamicItemDataset],
    limit_gb: float,
    device: str,
    bar: bool,
    began_cached: bool | None = None,
) -> FeatureCache | None:
    """Compute a frozen front end once for all clips, where the settings want it.

    Parameters
    ----------
    encoder : Encoder
    datasets : sequence of DynamicItemDataset
        Whose clips are cached.
    limit_gb : float
        The setting ``feature_cache_gb``; 0 caches nothing.
    device : str
    bar : bool
        Show a progress bar.
    began_cached : bool, optional
        Whether the run being resumed began with the cache. Cached features are rounded to
        float16, so a run keeps to what it began with.

    Raises
    ------
    SERError
        If the run began with the cache, and there is no room for it now.
    """
    if limit_gb == 0 or not can_cache(encoder):
        return None
    if began_cached is False:
        if if_main_process():
            logger.info("front end: computed in every epoch, as in the earlier ones")
        return None
    cache = FeatureCache(encoder, limit_gb, device)
    try:
        cache.fill({i: data.data[i] for data in datasets for i in data.data_ids}, bar)
    except NoRoom as found:
        if began_cached:
            raise SERError(
                "The epochs so far were trained on cached features, which are rounded, and "
                f"there is {found}. Free some disk space, raise --feature_cache_gb, or start "
                "again in another --output_folder."
            ) from None
        if if_main_process():
            logger.warning(f"front end: {found}. It is computed in every epoch.")
        return None
    return cache


def with_features(
    dataset: DynamicItemDataset, cache: FeatureCache, hparams
) -> DynamicItemDataset:
    """Return the dataset with cached ``features`` in place of ``signal``."""
    rows = {i: dataset.data[i] for i in dataset.data_ids}
    return make_dataset(
        rows,
        hparams.emotions,
        hparams.encoder.sample_rate_hz,
        cache.features_of,
        dimensions=hparams.dimensions,
    )


# -- augmentation


class AugmentedClips:
    """The training set's clips as an epoch hears them.

    Parameters
    ----------
    augmentation : Augmentation

    Attributes
    ----------
    epoch : int
        From 1 on. Set it before an epoch's loader starts its workers, which get copies.
    """

    def __init__(self, augmentation: Augmentation) -> None:
        self.augmentation = augmentation
        self.epoch = 0

    def __call__(self, signal_S: Tensor, utterance_id: str) -> Tensor:
        """Return the view of a clip whose number is the epoch's."""
        view_S = self.augmentation.view(signal_S.numpy(), utterance_id, self.epoch)
        return torch.from_numpy(view_S)


def with_augmentation(
    dataset: DynamicItemDataset, hparams
) -> tuple[DynamicItemDataset, AugmentedClips]:
    """Return a training set that augments its clips as the setting ``augment`` says.

    Parameters
    ----------
    dataset : DynamicItemDataset
        Of :func:`dataio_prep`.
    hparams : namespace
        ``augment``, ``seed``, ``emotions`` and ``encoder``.

    Raises
    ------
    SERError
        If the setting is bad, asks for babble of too few clips, or the set is a loader.
    """
    if not isinstance(dataset, DynamicItemDataset):
        raise SERError(
            "The setting augment needs the training set of dataio_prep(), not a loader of your "
            "own; give fit() that set, or give --augment=null."
        )
    if hparams.feature_cache_gb and if_main_process():
        logger.info(
            "front end: computed in every epoch, for each hears other augmented clips; "
            "feature_cache_gb has no effect"
        )
    rows = {i: dataset.data[i] for i in dataset.data_ids}
    encoder = hparams.encoder
    rate_hz = encoder.sample_rate_hz

    def load(row: Mapping) -> np.ndarray:
        place = (row["start"], row["stop"], rate_hz, row["duration"])
        return load_signal(row["wav"], *place).numpy()

    augmentation = Augmentation(
        hparams.augment,
        hparams.seed,
        rate_hz,
        (encoder.min_samples, encoder.max_samples),
        {i: functools.partial(load, row) for i, row in rows.items()},
    )
    augmented = AugmentedClips(augmentation)
    changed = make_dataset(
        rows,
        hparams.emotions,
        rate_hz,
        augmented=augmented,
        dimensions=hparams.dimensions,
    )
    return changed, augmented
