"""From rows to batches: signals, target tensors, loaders.

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

from ser_brain.errors import SERError
from ser_brain.losses import NO_EMOTION
from ser_brain.recordings import load_signal

FACTS = ("wav", "start", "stop", "duration", "emotion", "valence", "arousal")


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

    @sb.utils.data_pipeline.takes("wav", "start", "stop", "duration")
    @sb.utils.data_pipeline.provides("signal")
    def signal(wav: str, start: float | None, stop: float | None, duration: float) -> Tensor:
        return load_signal(wav, start, stop, sample_rate_hz, duration)

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
    rows: Mapping[str, dict],
    shortest: int,
    longest: int | None,
    rate_hz: int,
    max_clip_s: float = math.inf,
) -> None:
    """Stop if a clip does not fit the encoder, or is longer than the run's settings allow.

    Parameters
    ----------
    rows : mapping
        id -> row of :class:`ser_brain.labelling.CorpusData`.
    shortest, longest : int
        The encoder's receptive field and limit, in samples at ``rate_hz``; no limit is None.
    rate_hz : int
    max_clip_s : float
        The setting, in seconds: the longest clip decides how much memory is needed.

    Raises
    ------
    SERError
        Naming how many clips, and the first five with their lengths.
    """
    shortest_s = shortest / rate_hz
    longest_s = math.inf if longest is None else longest / rate_hz
    cut = "Cut such clips, or leave them out of the corpus"
    for what, low_s, high_s, advice in (
        (
            f"shorter than the encoder's receptive field ({shortest_s:.3f} s)",
            shortest_s,
            math.inf,
            "Leave such clips out of the corpus",
        ),
        (f"longer than the encoder takes ({longest_s:g} s)", 0, longest_s, cut),
        (
            f"longer than max_clip_s ({max_clip_s:g} s)",
            0,
            max_clip_s,
            f"{cut}; or give train.py a higher --max_clip_s for this run, if the machine has "
            "the memory",
        ),
    ):
        off = _outside(rows, low_s, high_s)
        if off:
            count = "1 utterance is" if len(off) == 1 else f"{len(off)} utterances are"
            raise SERError(f"{count} {what}: {', '.join(off[:5])}. {advice}.")


def _outside(rows: Mapping[str, dict], low_s: float, high_s: float) -> list[str]:
    """The clips whose length is not between two, each with it."""
    rounding_s = 1e-6  # of a manifest's durations
    lengths_s = {utterance_id: row["duration"] for utterance_id, row in rows.items()}
    return [
        f"{utterance_id} ({s:.4g} s)"
        for utterance_id, s in lengths_s.items()
        if not low_s - rounding_s <= s <= high_s + rounding_s
    ]
