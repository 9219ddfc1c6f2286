"""What a frozen front end makes of every clip, kept between epochs, runs and folds.

One file a clip, in a folder named after the front end (its weights, settings and code) and
named after the audio: what changed is never found. Of several runs one computes; the others
wait, and find what they share with it.

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
from collections.abc import Iterable, Iterator, Mapping, Set
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
from ser_brain.data import resampling
from ser_brain.data.dataset import load_signal
from ser_brain.models.encoders.base import Encoder
from ser_brain.training import device as ranks

SUFFIX = ".f16"
HEAD = 4  # bytes: CRC-32 of the rest


class Damaged(Exception):
    """A file is there, but is not what was written."""


def bytes_of(frames: int, channels: int) -> int:
    """Size of a file.

    Examples
    --------
    >>> bytes_of(49, 512)
    50180
    """
    return HEAD + frames * channels * 2


def write_features(path: Path, features_TC: np.ndarray) -> None:
    """Write a clip's float16 features; the file is whole or not there."""
    payload = np.ascontiguousarray(features_TC, dtype="<f2").tobytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(zlib.crc32(payload).to_bytes(HEAD, "little") + payload)


def read_features(path: Path, channels: int) -> np.ndarray:
    """Read a clip's features, (T, C) float16.

    Raises
    ------
    Damaged
        The checksum is not that of the content.
    FileNotFoundError
    """
    content = np.fromfile(path, dtype=np.uint8)
    payload = content[HEAD:]
    whole = len(payload) > 0 and len(payload) % (2 * channels) == 0
    if not whole or zlib.crc32(payload).to_bytes(HEAD, "little") != content[:HEAD].tobytes():
        raise Damaged(str(path))
    return payload.view("<f2").reshape(-1, channels)


# Raise it with a change of the code that changes what a front end gives.
FORMAT_VERSION = 1
LIBRARIES = ("torchaudio", "transformers")  # theirs may change it too
BEHIND_THE_FRONT = ("name", "freeze", "layer")  # settings that do not reach it


def front_digest(encoder: Encoder) -> str:
    """SHA-256 over what decides what a front end gives: weights, settings, versions, device."""
    # A GPU rounds otherwise: what one device computed is not given to another kind.
    device = next(encoder.parameters()).device.type
    versions = " ".join(map(version, LIBRARIES))
    facts = (
        f"{FORMAT_VERSION} {resampling.RESAMPLER} {encoder.sample_rate_hz} {device} {versions}"
    )
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
    """Utterance -> file name that stands for its audio: content of the file, and which part.

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


IN_USE_S = 24 * 3600  # a file read since may belong to a run that goes on


class NoRoom(Exception):
    """The cache cannot take all it is to hold; says what that would need."""


def make_room(root: Path, needed_bytes: int, limit_bytes: float, kept: Set[Path]) -> str:
    """Remove what was not used for longest until more fits; for who holds the cache's lock.

    Parameters
    ----------
    root : Path
        Of the cache, with a folder for each front end.
    needed_bytes : int
        That are to be written.
    limit_bytes : float
        That all files may take together.
    kept : set of Path
        Files that stay; so does what was used within a day.

    Returns
    -------
    str
        What is missing, in words; empty where there is room.
    """
    for folder in root.glob("*/"):
        remove_partial(folder)
    held = _held(root)
    total = sum(stat.st_size for stat in held.values())
    begun = time.time() - IN_USE_S
    for file in sorted(held.keys() - kept, key=lambda file: held[file].st_mtime):
        if total + needed_bytes <= limit_bytes or held[file].st_mtime > begun:
            break
        with contextlib.suppress(OSError):  # another user's, or a disk that is only read
            file.unlink(missing_ok=True)
            total -= held[file].st_size
    free = shutil.disk_usage(root).free
    if needed_bytes <= min(limit_bytes - total, free):
        return ""
    limit = f"feature_cache_gb is {limit_bytes / 1e9:g} ({total / 1e9:.2f} in use)"
    if total + needed_bytes > limit_bytes:
        limit += f", {math.ceil((total + needed_bytes) / 1e7) / 100:.2f} would do"
    return (
        f"they take {needed_bytes / 1e9:.2f} GB; {limit}; the disk has {free / 1e9:.2f} GB free"
    )


def _held(root: Path) -> dict[Path, os.stat_result]:
    """Every cached file, of any front end; someone may be removing some."""
    held = {}
    for file in root.glob(f"*/*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            held[file] = file.stat()
    return held


logger = get_logger(__name__)
LONGEST_WAIT = timedelta(days=30)  # of the ranks, for another run; they have 2 h for the rest
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
                "folder; a run that has not begun can do without: --feature_cache_gb=0."
            ) from None
        shortest = encoder.min_samples
        self.channels = self._front(torch.zeros(shortest)).shape[1]

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
            Of the limit or the disk; on every rank.
        """
        self.files = {i: self.folder / name for i, name in audio_names(rows).items()}
        missing = self._unsound(self.files)
        if any(ranks.gather(missing)):
            with self._alone():
                self._compute({i: rows[i] for i in self._unsound(missing)}, bar)
        if if_main_process():
            logger.info(f"front end: {len(rows)} clips are in the cache {self.folder}")

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

    def _unsound(self, ids: Iterable[str]) -> list[str]:
        return [i for i in ids if not self._is_sound(self.files[i])]

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

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other run fills the cache, with whatever front end: the limit is of all."""
        if ranks.count() == 1:
            with held(self.root / NAME, self.root, wait=True):
                yield
            return
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
        random.Random(ranks.rank()).shuffle(missing)  # ranks begin at different clips
        bar = bar and if_main_process()
        # Ranks take what is missing from one list; the first alone tells how far they are.
        clips = (
            told(missing, "front end", "clips", len(missing)) if if_main_process() else missing
        )
        for utterance_id in tqdm(
            clips, "front end", len(missing), unit="clip", disable=not bar
        ):
            file, row = self.files[utterance_id], rows[utterance_id]
            if not file.exists():
                wav, rate_hz = row["wav"], self.encoder.sample_rate_hz
                place = (row["start"], row["stop"], rate_hz, row["duration"])
                write_features(file, self._rounded(load_signal(wav, *place), wav))
        ddp_barrier()  # until every rank's share is there

    def _make_room(self, rows: Mapping[str, dict]) -> str:
        rate_hz = self.encoder.sample_rate_hz
        samples_N = torch.tensor([round(r["duration"] * rate_hz) for r in rows.values()]).long()
        frames_N = self.encoder.frame_lengths(samples_N).tolist()
        needed = sum(bytes_of(frames, self.channels) for frames in frames_N)
        shortage = make_room(self.root, needed, self.limit_bytes, set(self.files.values()))
        clips = f"{len(rows)} of {len(self.files)} clips"
        if shortage:
            return f"no room to cache {clips}: {shortage}"
        logger.info(f"front end: computing {clips} ({needed / 1e9:.2f} GB) into {self.folder}")
        return ""

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
