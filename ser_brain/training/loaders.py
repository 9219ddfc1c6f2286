"""Datasets and loaders of an experiment, as its settings and the device want them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.utils.distributed import if_main_process

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.dataset import collate, evaluation_loader, make_dataset
from ser_brain.training.device import available_cpus, rank, world_size
from ser_brain.training.feature_cache import FeatureCache, NoRoom, can_cache

BUCKETS = 60  # of lengths; more pad less, and leave more batches short at their ends
SHORTEST_BUCKET = 5  # batches
ROUNDS = 12  # of halving the range that the cap lies in


def length_batches(
    durations_s: Sequence[float], batch_size: int, seed: int
) -> DynamicBatchSampler:
    """SpeechBrain's sampler of clips of like length, with as much audio in a batch as random.

    Every clip is in one batch of each epoch, which batch it is depends on seed and epoch. A
    batch holds many short clips or few long ones: its padded length is capped, and the cap is
    chosen so that there are as many batches as random ones of ``batch_size`` clips. So an
    optimiser sees as much audio in a step, and takes as many steps.

    Parameters
    ----------
    durations_s : sequence of float
        Of the clips, in the order of the dataset.
    batch_size : int
        Mean number of clips in a batch.
    seed : int

    Examples
    --------
    >>> sampler = length_batches([1.0] * 40 + [4.0] * 10, batch_size=5, seed=1)
    >>> len(sampler), sorted({len(batch) for batch in sampler})
    (10, [2, 8])
    """
    wanted = -(-len(durations_s) // batch_size)
    ends_s = _bucket_ends(durations_s, wanted)
    low_s, high_s = 0.0, 2.0 * batch_size * max(durations_s)
    tried = []
    for _ in range(ROUNDS):
        cap_s = (low_s + high_s) / 2
        tried.append(_sampler(durations_s, cap_s, ends_s, seed))
        if len(tried[-1]) > wanted:
            low_s = cap_s
        else:
            high_s = cap_s
    return min(tried, key=lambda sampler: abs(len(sampler) - wanted))


def _bucket_ends(durations_s: Sequence[float], batches: int) -> list[float]:
    """Longest clip of each bucket; buckets hold equally many clips."""
    buckets = min(BUCKETS, max(1, batches // SHORTEST_BUCKET))
    shares = np.arange(1, buckets + 1) / buckets
    ends_s = np.quantile(np.asarray(durations_s), shares, method="higher")
    return [float(end_s) for end_s in np.unique(ends_s)]


def _sampler(
    durations_s: Sequence[float], cap_s: float, ends_s: list[float], seed: int
) -> DynamicBatchSampler:
    return DynamicBatchSampler(
        list(durations_s),
        max_batch_length=cap_s,
        bucket_boundaries=ends_s,
        lengths_list=list(durations_s),
        shuffle=True,
        batch_ordering="random",
        seed=seed,
    )


logger = get_logger(__name__)
MOST_WORKERS = 8


class Loaders:
    """What feeds a Brain.

    Parameters
    ----------
    hparams : namespace
        ``seed``, ``emotions``, ``encoder``, ``batch_size``, ``batching``, ``feature_cache_gb``.
    device : str
    """

    def __init__(self, hparams, device: str) -> None:
        self.hparams = hparams
        self.device = device
        self.cache: FeatureCache | None = None

    def fill_cache(
        self, rows: Mapping[str, dict], bar: bool, began_cached: bool | None = None
    ) -> None:
        """Compute a frozen front end once for these utterances, where the settings want it.

        Parameters
        ----------
        rows : mapping
            id -> row of :class:`ser_brain.data.labelling.CorpusData`.
        bar : bool
            Show a progress bar.
        began_cached : bool, optional
            Whether the run that goes on began so. Cached features are rounded to float16: to
            end as an undisturbed run, it keeps to what it began with.

        Raises
        ------
        SERError
            If the run began with the cache, which has no room now.
        """
        encoder, limit_gb = self.hparams.encoder, self.hparams.feature_cache_gb
        if limit_gb == 0 or not can_cache(encoder):
            return
        if began_cached is False:
            if if_main_process():
                logger.info("front end: computed in every epoch, as in those before")
            return
        cache = FeatureCache(encoder, limit_gb, self.device)
        try:
            cache.fill(rows, bar)
        except NoRoom as found:
            if began_cached:
                raise SERError(
                    "The epochs so far were trained on cached features, which are rounded, and "
                    f"there is {found}. Free the disk, raise --feature_cache_gb, or begin anew "
                    "in another --output_folder."
                ) from None
            if if_main_process():
                logger.warning(f"front end: {found}. It is computed in every epoch.")
        else:
            self.cache = cache

    def dataset(self, rows: Mapping[str, dict], cached: bool) -> DynamicItemDataset:
        """Utterances as waveforms, or as features of the cache."""
        features_of = self.cache.features_of if cached and self.cache else None
        rate_hz = self.hparams.encoder.sample_rate_hz
        return make_dataset(rows, self.hparams.emotions, rate_hz, features_of)

    def training_options(self, rows: Mapping[str, dict]) -> dict:
        """Arguments of the loader that trains on these utterances."""
        options = {"collate_fn": collate, **self.device_options()}
        batch_size = self.hparams.batch_size
        if self.hparams.batching == "random":
            _say_what_repeats(len(rows), "utterances")
            return {**options, "batch_size": batch_size, "shuffle": True}
        durations_s = [row["duration"] for row in rows.values()]
        sampler = length_batches(durations_s, batch_size, self.hparams.seed)
        _say_what_repeats(len(sampler), "batches")
        return {**options, "batch_sampler": sampler}

    def evaluation(self, rows: Mapping[str, dict], cached: bool) -> SaveableDataLoader:
        """A loader over this rank's share, with little padding: shorter clips come first."""
        by_length = dict(sorted(rows.items(), key=lambda item: item[1]["duration"]))
        return evaluation_loader(
            self.dataset(by_length, cached),
            self.hparams.batch_size,
            rank(),
            world_size(),
            **self.device_options(),
        )

    def device_options(self) -> dict:
        """Of any loader. A GPU must not wait for reading; a CPU would only lose to workers."""
        if torch.device(self.device).type != "cuda":
            return {}
        if "fork" not in multiprocessing.get_all_start_methods():  # Windows
            return {"pin_memory": True}
        share = available_cpus() // torch.cuda.device_count()
        # A dataset's functions cannot be pickled, as the other ways to start a worker do.
        return {
            "num_workers": max(1, min(MOST_WORKERS, share)),
            "multiprocessing_context": "fork",
            "pin_memory": True,
        }


def _say_what_repeats(count: int, what: str) -> None:
    """Torch's distributed sampler repeats the first until every process has as many."""
    repeated = -count % world_size()
    if repeated and if_main_process():
        logger.info(
            f"{repeated} of {count} {what} are trained on twice in an epoch, so that "
            f"{world_size()} processes take as many steps."
        )
