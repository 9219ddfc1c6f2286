"""What a frozen network makes of clips, computed once and kept between epochs, runs and folds.

:class:`FeatureCache` keeps the output of a frozen front end, :class:`EmbeddingCache` the pooled
output of a wholly frozen encoder. The cache has a folder for each network, named after its
weights, settings and versions, and there a file for each clip, named after the audio: what has
changed is never found. If several runs need the same features, one computes them while the
others wait.

Axes: N clips, T frames, C channels, P numbers of a clip's statistics.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import random
import shutil
import tempfile
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process, run_on_main
from torch import Tensor
from torch.nn import Module
from tqdm import tqdm

from ser_brain.core.errors import SERError
from ser_brain.core.files import atomic_path, cache_folder, remove, remove_partial, sha256_of
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import Progress, get_logger
from ser_brain.data.audio import RESAMPLER, split_channel
from ser_brain.data.dataset import batches, load_batch
from ser_brain.models.encoders.base import Encoder
from ser_brain.models.encoders.pretrained import add_weights, weights_digest
from ser_brain.models.model import EmotionModel, exact_convolutions
from ser_brain.training.device import gather, rank, world_size

logger = get_logger(__name__)
# Raise it when a change of the code changes the output of a front end.
FORMAT_VERSION = 2
LIBRARIES = ("torchaudio", "transformers")  # whose versions may change it too
BEHIND_THE_FRONT = ("name", "freeze", "layer")  # settings that do not affect it
CHECKSUM = 4  # bytes at the beginning of a file: CRC-32 of the rest
IN_USE_S = 24 * 3600  # a file read within this time may belong to a running training
IN_MEMORY = 2**30  # bytes of embeddings that are read at once
BATCH_S = 40.0  # of padded audio that is embedded together
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
    """Features (T, C) of a frozen front end, float16, in files of the user's cache.

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

    what = "front end"
    kind, suffix = np.dtype("<f2"), ".f16"

    def __init__(self, encoder: Encoder, limit_gb: float, device: str) -> None:
        self.encoder = encoder
        self.limit_bytes = limit_gb * 1e9
        self.device = device
        self.root = cache_folder() / "features"
        self.folder = self.root / self._digest()[:16]
        self.files: dict[str, Path] = {}  # utterance -> its file
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SERError(
                f"Cannot write {self.folder}: {error.strerror}. Set SER_CACHE to another "
                "folder; a new run can do without the cache: --feature_cache_gb=0."
            ) from None
        silence = torch.zeros(1, encoder.min_samples)
        (self.channels,) = self._run(silence, torch.tensor([encoder.min_samples])).shape[2:]

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
        names = audio_names(rows)
        self.files = {i: self.folder / (name + self.suffix) for i, name in names.items()}
        missing = self._missing(self.files)
        if any(gather(missing)):
            with self._locked():
                # Another run may have computed some while this one waited for the lock.
                self._compute({i: rows[i] for i in self._missing(missing)}, bar)
        if if_main_process():
            logger.info(f"{self.what}: {len(rows)} clips are in the cache {self.folder}")

    def features_of(self, utterance_id: str) -> Tensor:
        """Features (T, C) of one clip.

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
        features_TC = read_features(file, self.channels, self.kind)
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
        batches = self.batches(rows)
        random.Random(rank()).shuffle(batches)  # so that ranks begin with different clips
        # All ranks take from the same list; only the first reports its progress.
        progress = Progress(self.what, "clips", len(rows))
        main = if_main_process()
        with tqdm(
            total=len(rows), desc=self.what, unit="clip", disable=not (bar and main)
        ) as t:
            for batch in batches:
                todo = [i for i in batch if not self.files[i].exists()]
                computed = self.compute([rows[i] for i in todo]) if todo else []
                for utterance_id, features_TC in zip(todo, computed, strict=True):
                    wav = rows[utterance_id]["wav"]
                    write_features(self.files[utterance_id], self._rounded(features_TC, wav))
                t.update(len(batch))
                if main and not bar:
                    progress.add(len(batch))
        ddp_barrier()  # until every rank's share is there

    def batches(self, rows: Mapping[str, dict]) -> list[list[str]]:
        """Ids of clips that are computed together: here, each alone."""
        return [[utterance_id] for utterance_id in rows]

    def compute(self, rows: Sequence[Mapping]) -> list[np.ndarray]:
        """Features (T, C) of some clips, as one padded batch."""
        batch_BS, lengths_B = load_batch(rows, self.encoder.sample_rate_hz)
        features_BTC = self._run(batch_BS, lengths_B).cpu().numpy()
        sizes = self._sizes(lengths_B)
        return [features_BTC[row, :size] for row, size in enumerate(sizes)]

    def _make_room(self, rows: Mapping[str, dict]) -> str:
        """Make room for the features of some clips; say what is missing, or nothing."""
        rate_hz = self.encoder.sample_rate_hz
        samples_N = torch.tensor([round(r["duration"] * rate_hz) for r in rows.values()]).long()
        size = self.kind.itemsize * self.channels
        needed = sum(CHECKSUM + size * frames for frames in self._sizes(samples_N))
        total = self._remove_unused(needed)
        free = shutil.disk_usage(self.root).free
        clips = f"{len(rows)} of {len(self.files)} clips"
        if needed <= min(self.limit_bytes - total, free):
            gb = f"{needed / 1e9:.2f} GB"
            logger.info(f"{self.what}: computing {clips} ({gb}) into {self.folder}")
            return ""
        limit = f"feature_cache_gb is {self.limit_bytes / 1e9:g} ({total / 1e9:.2f} in use)"
        if total + needed > self.limit_bytes:
            limit += f", {math.ceil((total + needed) / 1e7) / 100:.2f} would be enough"
        return (
            f"no room to cache {clips}: they take {needed / 1e9:.2f} GB; {limit}; the disk has "
            f"{free / 1e9:.2f} GB free"
        )

    def _remove_unused(self, needed: int) -> int:
        """Remove files unused for longest until ``needed`` bytes fit; the bytes that are left.

        Files of this run stay, and those used within a day, which another run may be reading.
        """
        for folder in self.root.glob("*/"):
            remove_partial(folder)
        cached = {}
        for file in self.root.glob("*/*.f[13]*"):  # of both kinds of cache
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

    def _rounded(self, features_TC: np.ndarray, wav: str) -> np.ndarray:
        if not np.abs(features_TC).max() <= np.finfo(self.kind).max:
            raise SERError(
                f"The {self.what} of {self.encoder.name} gives values beyond "
                f"{self.kind.name} for {wav}; give --feature_cache_gb=0."
            )
        return features_TC.astype(self.kind)

    def _digest(self) -> str:
        return front_digest(self.encoder)

    def _sizes(self, lengths_B: Tensor) -> list[int]:
        """Rows T of the features of clips of these lengths."""
        return self.encoder.frame_lengths(lengths_B).tolist()

    @torch.no_grad()
    def _run(self, batch_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Features (B, T, C) of a padded batch."""
        with exact_convolutions(self.device):
            return self.encoder.front(batch_BS.to(self.device), lengths_B.to(self.device))[0]


class EmbeddingCache(FeatureCache):
    """Statistics (1, P) that a wholly frozen encoder gives of clips, float32.

    Parameters
    ----------
    model : EmotionModel
        Of which encoder and pooling count; see :meth:`EmotionModel.statistics`.
    limit_gb, device
        See :class:`FeatureCache`.

    Attributes
    ----------
    encoder_sha256 : str
        Digest of the encoder's weights, without those that weigh its layers.
    """

    what = "embeddings"
    kind, suffix = np.dtype("<f4"), ".f32"

    def __init__(self, model: EmotionModel, limit_gb: float, device: str) -> None:
        self.model = model
        self.encoder_sha256 = weights_digest(model.encoder)  # a large one takes seconds
        super().__init__(model.encoder, limit_gb, device)

    def _digest(self) -> str:
        pool = self.model.pool
        facts = [pool.kind, *([] if pool.spectrum is None else [pool.spectrum.name])]
        return digest_of(self.encoder, (), ("name", "freeze"), self.encoder_sha256, *facts)

    def batches(self, rows: Mapping[str, dict]) -> list[list[str]]:
        """Clips of similar length, which need little padding."""
        ids = list(rows)
        lengths_s = [row["duration"] for row in rows.values()]
        return [[ids[n] for n in places] for places in batches(lengths_s, BATCH_S)]

    def matrix(self, rows: Mapping[str, dict], bar: bool) -> np.ndarray:
        """Statistics (N, P) of clips, from the cache where there is room for them; see `fill`.

        More than a gigabyte is read from a file as it is needed.
        """
        shape = len(rows), self.channels
        if 4 * shape[0] * shape[1] <= IN_MEMORY:
            matrix_NP = np.empty(shape, np.float32)
        else:
            with tempfile.TemporaryFile(dir=self.root) as file:
                matrix_NP = np.memmap(file, np.float32, "w+", shape=shape)
        place = {utterance_id: n for n, utterance_id in enumerate(rows)}
        try:
            if self.limit_bytes == 0:
                raise NoRoom("feature_cache_gb is 0")
            self.fill(rows, bar)
        except NoRoom as found:
            logger.info(f"embeddings: {found}. They are computed for this run alone.")
            for batch in self.batches(rows):
                computed = self.compute([rows[i] for i in batch])
                for utterance_id, statistics_1P in zip(batch, computed, strict=True):
                    matrix_NP[place[utterance_id]] = statistics_1P[0]
            return matrix_NP
        for utterance_id, n in place.items():
            matrix_NP[n] = self.features_of(utterance_id)[0].numpy()
        return matrix_NP

    def _sizes(self, lengths_B: Tensor) -> list[int]:
        return [1] * len(lengths_B)

    @torch.no_grad()
    def _run(self, batch_BS: Tensor, lengths_B: Tensor) -> Tensor:
        given = batch_BS.to(self.device), lengths_B.to(self.device)
        with exact_convolutions(self.device):
            return self.model.statistics(*given)[:, None]


def front_digest(encoder: Encoder) -> str:
    """Digest of a front end; what follows it does not count."""
    return digest_of(encoder, encoder.front_modules(), BEHIND_THE_FRONT)


def digest_of(
    encoder: Encoder, modules: Iterable[Module], ignored: Collection[str], *facts: str
) -> str:
    """SHA-256 of what decides the output of modules: weights, settings, versions, device."""
    # A GPU rounds differently, so features of one kind of device are not given to another.
    tensors = itertools.chain(encoder.parameters(), encoder.buffers())
    device = next((tensor.device.type for tensor in tensors), "cpu")  # without any: openSMILE
    versions = " ".join(map(version, (*LIBRARIES, *encoder.libraries)))
    known = [FORMAT_VERSION, RESAMPLER, encoder.sample_rate_hz, device, versions]
    digest = hashlib.sha256(" ".join(map(str, [*known, *facts])).encode())
    settings = encoder.settings()
    kept = {key: settings[key] for key in settings if key not in ignored}
    kept["config"] = {k: v for k, v in kept.get("config", {}).items() if "drop" not in k}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for module in modules:
        add_weights(digest, module.state_dict())
    return digest.hexdigest()


def audio_names(rows: Mapping[str, dict]) -> dict[str, str]:
    """Utterance -> name for its audio: a hash of the file's content and which part of it.

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
                file, channel = split_channel(wav)
                content[wav] = sha256_of(file) + (f" {channel}" if channel else "")
            except OSError as error:
                problem = f"Cannot use {wav}: {error.strerror}. Prepare the corpus again."
                raise SERError(problem) from None
        part = f"{content[wav]} {row['start']} {row['stop']}"
        names[utterance_id] = hashlib.sha256(part.encode()).hexdigest()[:32]
    return names


def write_features(path: Path, features_TC: np.ndarray) -> None:
    """Write a clip's features atomically."""
    payload = np.ascontiguousarray(features_TC).tobytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(zlib.crc32(payload).to_bytes(CHECKSUM, "little") + payload)


def read_features(path: Path, channels: int, kind: np.dtype) -> np.ndarray:
    """Read a clip's features, (T, C) of a type.

    Raises
    ------
    Damaged
        If the checksum is not that of the content.
    FileNotFoundError
    """
    content = np.fromfile(path, dtype=np.uint8)
    payload = content[CHECKSUM:]
    whole = len(payload) > 0 and len(payload) % (kind.itemsize * channels) == 0
    checksum = content[:CHECKSUM].tobytes()
    if not whole or zlib.crc32(payload).to_bytes(CHECKSUM, "little") != checksum:
        raise Damaged(str(path))
    return payload.view(kind).reshape(-1, channels)
