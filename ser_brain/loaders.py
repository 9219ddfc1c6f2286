"""Datasets and loaders of an experiment, as its settings and the device want them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping

import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import if_main_process

from ser_brain import ranks
from ser_brain.batching import length_batches
from ser_brain.dataio import collate, evaluation_loader, make_dataset
from ser_brain.errors import SERError
from ser_brain.feature_cache import FeatureCache, can_cache
from ser_brain.feature_room import NoRoom
from ser_brain.fold_processes import processors
from ser_brain.log import get_logger

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
            id -> row of :class:`ser_brain.labelling.CorpusData`.
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
            ranks.rank(),
            ranks.count(),
            **self.device_options(),
        )

    def device_options(self) -> dict:
        """Of any loader. A GPU must not wait for reading; a CPU would only lose to workers."""
        if torch.device(self.device).type != "cuda":
            return {}
        if "fork" not in multiprocessing.get_all_start_methods():  # Windows
            return {"pin_memory": True}
        share = processors() // torch.cuda.device_count()
        # A dataset's functions cannot be pickled, as the other ways to start a worker do.
        return {
            "num_workers": max(1, min(MOST_WORKERS, share)),
            "multiprocessing_context": "fork",
            "pin_memory": True,
        }


def _say_what_repeats(count: int, what: str) -> None:
    """Torch's distributed sampler repeats the first until every process has as many."""
    repeated = -count % ranks.count()
    if repeated and if_main_process():
        logger.info(
            f"{repeated} of {count} {what} are trained on twice in an epoch, so that "
            f"{ranks.count()} processes take as many steps."
        )
