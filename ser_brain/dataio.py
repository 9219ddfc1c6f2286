"""From rows to batches: reading, resampling, target tensors, loaders.

Shapes: S samples, T frames, C channels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor

from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.losses import NO_EMOTION
from ser_brain.resampling import resampler

FACTS = ("wav", "start", "stop", "emotion", "valence", "arousal")


def load_signal(wav: str, start_s: float | None, stop_s: float | None, rate_hz: int) -> Tensor:
    """Read an utterance as mono at the encoder's rate.

    Returns
    -------
    Tensor, shape (S,), float32

    Raises
    ------
    SERError
        If the file cannot be read or holds values that are not finite.
    """
    try:
        samples, found_hz = audio.read(wav, start_s, stop_s)
    except audio.AudioProblem as problem:
        raise SERError(f"Cannot use {wav}: {problem}. Prepare the corpus again.") from None
    signal_S = torch.from_numpy(samples)
    if not torch.isfinite(signal_S).all():
        raise SERError(f"Cannot use {wav}: its samples are not all finite.")
    return signal_S if found_hz == rate_hz else resampler(found_hz, rate_hz)(signal_S)


def make_dataset(
    rows: Mapping[str, dict],
    emotions: Sequence[str],
    sample_rate_hz: int,
    features_of: Callable[[str], Tensor] | None = None,
) -> DynamicItemDataset:
    """A SpeechBrain dataset of ``id``, ``signal``, ``emotion_index`` and ``valence_arousal``.

    Parameters
    ----------
    rows : mapping
        id -> row of :class:`ser_brain.labelling.CorpusData`.
    emotions : sequence of str
        The classes, in the order of the model's outputs.
    sample_rate_hz : int
        The encoder's.
    features_of : callable, optional
        id -> what the encoder's front end gives, (T, C). The items then have these
        ``features`` in place of ``signal``, and no audio is read.
    """
    index = {emotion: place for place, emotion in enumerate(emotions)}

    @sb.utils.data_pipeline.takes("wav", "start", "stop")
    @sb.utils.data_pipeline.provides("signal")
    def signal(wav: str, start: float | None, stop: float | None) -> Tensor:
        return load_signal(wav, start, stop, sample_rate_hz)

    @sb.utils.data_pipeline.takes("id")
    @sb.utils.data_pipeline.provides("features")
    def features(utterance_id: str) -> Tensor:
        return features_of(utterance_id)

    @sb.utils.data_pipeline.takes("emotion", "valence", "arousal")
    @sb.utils.data_pipeline.provides("emotion_index", "valence_arousal")
    def targets(emotion: str | None, valence: float | None, arousal: float | None):
        yield index.get(emotion, NO_EMOTION)
        point = (math.nan if value is None else value for value in (valence, arousal))
        yield torch.tensor([*point], dtype=torch.float32)

    return DynamicItemDataset(
        {utterance_id: {key: row[key] for key in FACTS} for utterance_id, row in rows.items()},
        [signal, features, targets],
        ["id", "features" if features_of else "signal", "emotion_index", "valence_arousal"],
    )


collate = functools.partial(PaddedBatch, padded_keys=["signal", "features"])


def evaluation_loader(
    dataset: DynamicItemDataset, batch_size: int, rank: int, ranks: int, **options: object
) -> SaveableDataLoader:
    """A loader over this rank's share, in order: each utterance on exactly one rank."""
    share = torch.utils.data.Subset(dataset, range(rank, len(dataset), ranks))
    return SaveableDataLoader(share, batch_size=batch_size, collate_fn=collate, **options)


def require_lengths(
    rows: Mapping[str, dict], shortest: int, longest: int | None, rate_hz: int
) -> None:
    """Stop before training if a clip does not fit the encoder.

    Parameters
    ----------
    shortest, longest : int
        The encoder's receptive field and limit, in samples at ``rate_hz``; no limit is None.

    Raises
    ------
    SERError
        Naming how many clips and the first five.
    """
    longest_s = math.inf if longest is None else longest / rate_hz
    rounding_s = 1e-6  # of a manifest's durations
    for what, off in (
        (
            f"shorter than the encoder's receptive field ({shortest / rate_hz:.3f} s)",
            [i for i, row in rows.items() if row["duration"] < shortest / rate_hz - rounding_s],
        ),
        (
            f"longer than the encoder takes ({longest_s:g} s)",
            [i for i, row in rows.items() if row["duration"] > longest_s + rounding_s],
        ),
    ):
        if off:
            raise SERError(
                f"{len(off)} utterances are {what}: {', '.join(off[:5])}. "
                "Leave them out of the corpus or cut them."
            )
