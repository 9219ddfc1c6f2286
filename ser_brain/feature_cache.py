"""What a frozen front end makes of every clip, kept between epochs, runs and folds.

One file a clip, in a folder named after the front end (its weights, settings and code) and
named after the audio: what changed is never found. Files appear whole, so runs at the same time
share the work and need no lock.

Axes: T frames, C channels.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process, run_on_main
from torch import Tensor
from tqdm import tqdm

from ser_brain.dataio import load_signal
from ser_brain.encoders.base import Encoder
from ser_brain.errors import SERError
from ser_brain.feature_file import SUFFIX, Damaged, read_features, write_features
from ser_brain.feature_names import audio_names, front_digest
from ser_brain.files import remove
from ser_brain.log import get_logger
from ser_brain.user_cache import cache_folder

logger = get_logger(__name__)

IN_USE_S = 24 * 3600  # a file read since may belong to a run that goes on
LARGEST = torch.finfo(torch.float16).max


class FeatureCache:
    """Features of a frozen front end, in files of the user's cache.

    Parameters
    ----------
    encoder : Encoder
        Of which :func:`can_cache` holds.
    limit_gb : float
        Of all cached features together; what was not used for longest makes room.
    device : str
        Where the encoder is.

    Raises
    ------
    SERError
        If the cache cannot be written.
    """

    def __init__(self, encoder: Encoder, limit_gb: float, device: str) -> None:
        self.encoder = encoder
        self.limit_bytes = limit_gb * 1e9
        self.device = device
        self.root = cache_folder() / "features"
        self.folder = self.root / front_digest(encoder)[:16]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SERError(
                f"Cannot write {self.folder}: {error.strerror}. Set SER_CACHE to another "
                "folder, or give --feature_cache_gb=0."
            ) from None
        shortest = encoder.min_samples
        self.channels = self._front(torch.zeros(shortest)).shape[1]

    def fill(self, rows: Mapping[str, dict], bar: bool) -> bool:
        """Compute the features of the clips that have none.

        Parameters
        ----------
        rows : mapping
            id -> row of :class:`ser_brain.labelling.CorpusData`.
        bar : bool
            Show a progress bar.

        Returns
        -------
        bool
            Whether :meth:`features_of` has them; False where the limit leaves no room.
        """
        self.files = {i: self.folder / name for i, name in audio_names(rows).items()}
        missing = [i for i, file in self.files.items() if not self._is_sound(file)]
        if not run_on_main(self._make_room, [{i: rows[i]["duration"] for i in missing}]):
            return False
        # Runs and ranks that fill the same cache begin at different clips.
        random.Random(os.getpid()).shuffle(missing)
        bar = bar and if_main_process()
        for utterance_id in tqdm(missing, desc="front end", unit="clip", disable=not bar):
            file, row = self.files[utterance_id], rows[utterance_id]
            if not file.exists():
                place = (row["wav"], row["start"], row["stop"])
                signal_S = load_signal(*place, self.encoder.sample_rate_hz)
                write_features(file, self._rounded(signal_S, row["wav"]))
        ddp_barrier()  # until every rank's share is there
        return True

    def features_of(self, utterance_id: str) -> Tensor:
        """Features of one clip, (T, C) float16.

        Raises
        ------
        SERError
            If its file went away or was damaged since the cache was filled.
        """
        file = self.files[utterance_id]
        try:
            return torch.from_numpy(_read(file, self.channels))
        except (Damaged, OSError):
            raise SERError(
                f"The cached features {file} were damaged or removed during the run. The same "
                "command computes them again and goes on after the last finished epoch."
            ) from None

    def _is_sound(self, file: Path) -> bool:
        try:
            _read(file, self.channels)
        except FileNotFoundError:
            return False
        except (Damaged, OSError):
            logger.warning(f"The cached features {file} are damaged; computing them again.")
            remove(file)
            return False
        return True

    def _rounded(self, signal_S: Tensor, wav: str) -> np.ndarray:
        features_TC = self._front(signal_S)
        if not features_TC.abs().max() <= LARGEST:
            raise SERError(
                f"The front end of {self.encoder.name} gives values beyond float16 for {wav}; "
                "give --feature_cache_gb=0."
            )
        return features_TC.half().cpu().numpy()

    @torch.no_grad()
    def _front(self, signal_S: Tensor) -> Tensor:
        lengths_B = torch.tensor([len(signal_S)], device=self.device)
        return self.encoder.front(signal_S[None].to(self.device), lengths_B)[0][0]

    def _make_room(self, durations_s: Mapping[str, float]) -> bool:
        """Whether the features of the missing clips fit, after the oldest were removed."""
        rate_hz, used = self.encoder.sample_rate_hz, set(self.files.values())
        samples_N = torch.tensor([round(d * rate_hz) for d in durations_s.values()]).long()
        needed = int(self.encoder.frame_lengths(samples_N).sum()) * 2 * self.channels
        held = self._held()
        total = sum(stat.st_size for stat in held.values())
        begun = time.time() - IN_USE_S
        for file in sorted(held.keys() - used, key=lambda file: held[file].st_mtime):
            if total + needed <= self.limit_bytes or held[file].st_mtime > begun:
                break
            with contextlib.suppress(OSError):  # another user's, or a disk that is only read
                file.unlink(missing_ok=True)
                total -= held[file].st_size
        free = shutil.disk_usage(self.root).free
        if needed > min(self.limit_bytes - total, free):
            logger.warning(
                f"front end: no room to cache {len(durations_s)} clips, {needed / 1e9:.2f} GB "
                f"(feature_cache_gb: {self.limit_bytes / 1e9:g}, {total / 1e9:.2f} in use; "
                f"{free / 1e9:.2f} free on the disk). It is computed in every epoch."
            )
            return False
        logger.info(
            f"front end: {len(self.files)} clips in the cache {self.folder}, of them "
            f"{len(durations_s)} to compute ({needed / 1e9:.2f} GB)"
        )
        return True

    def _held(self) -> dict[Path, os.stat_result]:
        """Every cached file, of any front end; another run may be removing some."""
        held = {}
        for file in self.root.glob(f"*/*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                held[file] = file.stat()
        return held


def _read(file: Path, channels: int) -> np.ndarray:
    """Read features and remember when."""
    features_TC = read_features(file, channels)
    with contextlib.suppress(OSError):  # another user's, or a disk that is only read
        os.utime(file)
    return features_TC


def can_cache(encoder: Encoder) -> bool:
    """Whether a front end has weights, and they are frozen.

    A front end without weights, such as log-mel, costs less than reading its output.
    """
    weights = [p for module in encoder.front_modules() for p in module.parameters()]
    return bool(weights) and not encoder.trains_front
