"""The output of a frozen front end, computed once and kept between epochs, runs and folds.

The cache has a folder for each front end, named after its weights, settings and versions, and
there a file for each clip, named after the audio: what has changed is never found. If several
runs need the same features, one computes them while the others wait.

Axes: T frames, C channels.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import random
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process, run_on_main
from torch import Tensor
from tqdm import tqdm

from ser_brain.core.errors import SERError
from ser_brain.core.files import atomic_path, cache_folder, remove, remove_partial, sha256_of
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import get_logger, told
from ser_brain.data.audio import RESAMPLER
from ser_brain.data.dataset import load_signal
from ser_brain.models.encoders.base import Encoder
from ser_brain.training.device import gather, rank, world_size

logger = get_logger(__name__)
# Raise it when a change of the code changes the output of a front end.
FORMAT_VERSION = 1
LIBRARIES = ("torchaudio", "transformers")  # whose versions may change it too
BEHIND_THE_FRONT = ("name", "freeze", "layer")  # settings that do not affect it
SUFFIX = ".f16"
CHECKSUM = 4  # bytes at the beginning of a file: CRC-32 of the rest
IN_USE_S = 24 * 3600  # a file read within this time may belong to a running training
LONGEST_WAIT = timedelta(days=30)  # of the other ranks, while the main one waits for a run


class Damaged(Exception):
    """A file exists, but its content is not what was written."""


class NoRoom(Exception):
    """The features do not fit into the cache; the message says what they would need."""


def can_cache(encoder: Encoder) -> bool:
    """Whether a front end has weights and they are frozen.

    One without weights, such as log-mel, is faster than reading its output.
    """
    weights = [p for module in encoder.front_modules() for p in module.parameters()]
    return bool(weights) and not encoder.trains_front


class FeatureCache:
    """Features of a frozen front end, in files of the user's cache.

    Parameters
    ----------
    encoder : Encoder
        One for which :func:`can_cache` holds.
    limit_gb : float
        Of all cached features together; those unused for longest are removed first.
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
        self.files: dict[str, Path] = {}  # utterance -> its file
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SERError(
                f"Cannot write {self.folder}: {error.strerror}. Set SER_CACHE to another "
                "folder; a new run can do without the cache: --feature_cache_gb=0."
            ) from None
        self.channels = self._front(torch.zeros(encoder.min_samples)).shape[1]

    def fill(self, rows: Mapping[str, dict], bar: bool) -> None:
        """Compute the features of the clips that have none.

        Parameters
        ----------
        rows : mapping
            id -> row of :class:`ser_brain.data.labelling.CorpusData`.
        bar : bool
            Show a progress bar.

        Raises
        ------
        NoRoom
            If the limit or the disk is too small; on every rank.
        """
        self.files = {i: self.folder / name for i, name in audio_names(rows).items()}
        missing = self._missing(self.files)
        if any(gather(missing)):
            with self._locked():
                # Another run may have computed some while this one waited for the lock.
                self._compute({i: rows[i] for i in self._missing(missing)}, bar)
        if if_main_process():
            logger.info(f"front end: {len(rows)} clips are in the cache {self.folder}")

    def features_of(self, utterance_id: str) -> Tensor:
        """Features of one clip, (T, C) float16.

        Raises
        ------
        SERError
            If its file was removed or damaged since the cache was filled.
        """
        file = self.files[utterance_id]
        try:
            return torch.from_numpy(self._read(file))
        except (Damaged, OSError):
            raise SERError(
                f"The cached features {file} were damaged or removed during the run. The same "
                "command computes them again and continues after the last finished epoch."
            ) from None

    def _missing(self, ids: Iterable[str]) -> list[str]:
        return [i for i in ids if not self._is_sound(self.files[i])]

    def _is_sound(self, file: Path) -> bool:
        try:
            self._read(file)
        except FileNotFoundError:
            return False
        except (Damaged, OSError):
            logger.warning(f"The cached features {file} are damaged; computing them again.")
            remove(file)
            return False
        return True

    def _read(self, file: Path) -> np.ndarray:
        features_TC = read_features(file, self.channels)
        with contextlib.suppress(OSError):  # another user's file, or a read-only disk
            os.utime(file)  # it was used now
        return features_TC

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let no other run fill the cache, whatever its front end: they share the limit."""
        if world_size() == 1:
            with held(self.root / NAME, self.root, wait=True):
                yield
            return
        # The other ranks wait with the main one, for longer than the 2 h of other barriers.
        together = torch.distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
        main = if_main_process()
        with held(self.root / NAME, self.root, wait=True) if main else contextlib.nullcontext():
            torch.distributed.barrier(together)
            yield

    def _compute(self, rows: Mapping[str, dict], bar: bool) -> None:
        shortage = run_on_main(self._make_room, [rows])
        if shortage:
            raise NoRoom(shortage)
        missing = list(rows)
        random.Random(rank()).shuffle(missing)  # so that ranks begin with different clips
        # All ranks take from the same list; only the first reports its progress.
        main = if_main_process()
        clips = told(missing, "front end", "clips", len(missing)) if main else missing
        hidden = not (bar and main)
        for utterance_id in tqdm(clips, "front end", len(missing), unit="clip", disable=hidden):
            file, row = self.files[utterance_id], rows[utterance_id]
            if not file.exists():
                wav, rate_hz = row["wav"], self.encoder.sample_rate_hz
                place = (row["start"], row["stop"], rate_hz, row["duration"])
                write_features(file, self._float16(load_signal(wav, *place), wav))
        ddp_barrier()  # until every rank's share is there

    def _make_room(self, rows: Mapping[str, dict]) -> str:
        """Make room for the features of some clips; say what is missing, or nothing."""
        rate_hz = self.encoder.sample_rate_hz
        samples_N = torch.tensor([round(r["duration"] * rate_hz) for r in rows.values()]).long()
        frames_N = self.encoder.frame_lengths(samples_N).tolist()
        needed = sum(CHECKSUM + 2 * frames * self.channels for frames in frames_N)
        total = self._remove_unused(needed)
        free = shutil.disk_usage(self.root).free
        clips = f"{len(rows)} of {len(self.files)} clips"
        if needed <= min(self.limit_bytes - total, free):
            gb = f"{needed / 1e9:.2f} GB"
            logger.info(f"front end: computing {clips} ({gb}) into {self.folder}")
            return ""
        limit = f"feature_cache_gb is {self.limit_bytes / 1e9:g} ({total / 1e9:.2f} in use)"
        if total + needed > self.limit_bytes:
            limit += f", {math.ceil((total + needed) / 1e7) / 100:.2f} would be enough"
        return (
            f"no room to cache {clips}: they take {needed / 1e9:.2f} GB; {limit}; the disk has "
            f"{free / 1e9:.2f} GB free"
        )

    def _remove_unused(self, needed: int) -> int:
        """Remove files unused for longest until so many bytes fit; the bytes that are left.

        Files of this run stay, and those used within a day, which another run may be reading.
        """
        for folder in self.root.glob("*/"):
            remove_partial(folder)
        cached = {}
        for file in self.root.glob(f"*/*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # someone else has removed it
                cached[file] = file.stat()
        total = sum(stat.st_size for stat in cached.values())
        unused_since = time.time() - IN_USE_S
        others = cached.keys() - set(self.files.values())
        for file in sorted(others, key=lambda file: cached[file].st_mtime):
            if total + needed <= self.limit_bytes or cached[file].st_mtime > unused_since:
                break
            with contextlib.suppress(OSError):  # another user's file, or a read-only disk
                file.unlink(missing_ok=True)
                total -= cached[file].st_size
        return total

    def _float16(self, signal_S: Tensor, wav: str) -> np.ndarray:
        features_TC = self._front(signal_S)
        if not features_TC.abs().max() <= torch.finfo(torch.float16).max:
            raise SERError(
                f"The front end of {self.encoder.name} gives values beyond float16 for {wav}; "
                "give --feature_cache_gb=0."
            )
        return features_TC.half().cpu().numpy()

    @torch.no_grad()
    def _front(self, signal_S: Tensor) -> Tensor:
        lengths_B = torch.tensor([len(signal_S)], device=self.device)
        return self.encoder.front(signal_S[None].to(self.device), lengths_B)[0][0]


def front_digest(encoder: Encoder) -> str:
    """SHA-256 of what decides a front end's output: weights, settings, versions, device."""
    # A GPU rounds differently, so features of one kind of device are not given to another.
    device = next(encoder.parameters()).device.type
    versions = " ".join(map(version, LIBRARIES))
    facts = f"{FORMAT_VERSION} {RESAMPLER} {encoder.sample_rate_hz} {device} {versions}"
    digest = hashlib.sha256(facts.encode())
    settings = encoder.settings()
    kept = {key: settings[key] for key in settings if key not in BEHIND_THE_FRONT}
    kept["config"] = {k: v for k, v in kept.get("config", {}).items() if "drop" not in k}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for module in encoder.front_modules():
        for name, tensor in module.state_dict().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def audio_names(rows: Mapping[str, dict]) -> dict[str, str]:
    """Utterance -> file name for its audio: the file's content, and which part of it.

    Raises
    ------
    SERError
        If an audio file cannot be read.
    """
    content: dict[str, str] = {}
    names = {}
    for utterance_id, row in rows.items():
        wav = row["wav"]
        if wav not in content:
            try:
                content[wav] = sha256_of(wav)
            except OSError as error:
                problem = f"Cannot use {wav}: {error.strerror}. Prepare the corpus again."
                raise SERError(problem) from None
        part = f"{content[wav]} {row['start']} {row['stop']}"
        names[utterance_id] = hashlib.sha256(part.encode()).hexdigest()[:32] + SUFFIX
    return names


def write_features(path: Path, features_TC: np.ndarray) -> None:
    """Write a clip's float16 features atomically."""
    payload = np.ascontiguousarray(features_TC, dtype="<f2").tobytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(zlib.crc32(payload).to_bytes(CHECKSUM, "little") + payload)


def read_features(path: Path, channels: int) -> np.ndarray:
    """Read a clip's features, (T, C) float16.

    Raises
    ------
    Damaged
        If the checksum is not that of the content.
    FileNotFoundError
    """
    content = np.fromfile(path, dtype=np.uint8)
    payload = content[CHECKSUM:]
    whole = len(payload) > 0 and len(payload) % (2 * channels) == 0
    checksum = content[:CHECKSUM].tobytes()
    if not whole or zlib.crc32(payload).to_bytes(CHECKSUM, "little") != checksum:
        raise Damaged(str(path))
    return payload.view("<f2").reshape(-1, channels)
