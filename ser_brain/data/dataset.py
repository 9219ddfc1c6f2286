"""From labelled rows to batches: signals, targets, loaders. Shapes: B clips, S samples."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.labels import DIMENSIONS, NO_EMOTION, VALENCE_AROUSAL

# Another recording under the same name rarely has the same length. The same recording in
# another format may differ by the padding of an encoder.
SAME_LENGTH_S = 0.1
PLACE = ("wav", "start", "stop", "duration")
FACTS = (*PLACE, "emotion")
TARGETS = ("emotion_index", "emotion_shares", "emotion_weight", "valence_arousal")
TARGETS += ("value_weight",)
# What only training needs, and rows of other origin may lack.
TRAINING_FACTS = ("corpus", "speaker", "votes", "weight", "weight_of_values", *DIMENSIONS)


def load_signal(
    wav: str,
    start_s: float | None,
    stop_s: float | None,
    rate_hz: int,
    duration_s: float | None = None,
) -> Tensor:
    """Read an utterance as mono at the encoder's rate.

    Parameters
    ----------
    wav : str
    start_s, stop_s : float or None
        Its place in the file; None is the file's start or end.
    rate_hz : int
        The encoder's.
    duration_s : float, optional
        Its length in the manifest; None accepts any.

    Returns
    -------
    Tensor, shape (S,), float32

    Raises
    ------
    SERError
        If the file cannot be read, has another length than in the manifest, or has samples
        that are not finite.
    """
    try:
        samples, found_hz = audio.read(wav, start_s, stop_s)
    except audio.AudioProblem as problem:
        raise SERError(f"Cannot use {wav}: {problem}. Prepare the corpus again.") from None
    found_s = len(samples) / found_hz
    if duration_s is not None and abs(found_s - duration_s) > SAME_LENGTH_S:
        place = "" if start_s is None else f" from {start_s:g} s on"
        raise SERError(
            f"{wav} is not the recording that was prepared: it has {found_s:.2f} s{place}, "
            f"expected {duration_s:.2f} s. Give the --data_folder from which the corpus was "
            "prepared, or prepare it again."
        )
    signal_S = torch.from_numpy(samples)
    if not torch.isfinite(signal_S).all():
        raise SERError(f"Cannot use {wav}: its samples are not all finite.")
    return signal_S if found_hz == rate_hz else audio.resampler(found_hz, rate_hz)(signal_S)


def load_batch(rows: Sequence[Mapping], rate_hz: int) -> tuple[Tensor, Tensor]:
    """Read utterances as one padded batch (B, S), and their lengths (B,) in samples."""
    signals = [
        load_signal(row["wav"], row["start"], row["stop"], rate_hz, row["duration"])
        for row in rows
    ]
    lengths_B = torch.tensor([len(signal_S) for signal_S in signals])
    return torch.nn.utils.rnn.pad_sequence(signals, batch_first=True), lengths_B


def batches(lengths: Sequence[float], most: float) -> list[list[int]]:
    """Put clips of these lengths into batches of similar lengths, shortest first.

    A batch has at most this length with its padding; a longer clip is a batch by itself.
    Returns places in ``lengths``, each once.

    Examples
    --------
    >>> batches([3, 9, 4, 2], most=8)
    [[3, 0], [2], [1]]
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if found and lengths[place] * (len(found[-1]) + 1) <= most:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def require_files(rows: Mapping[str, dict]) -> None:
    """Stop before a model runs if recordings are missing."""
    files = {str(audio.split_channel(row["wav"])[0]) for row in rows.values()}
    missing = sorted(file for file in files if not os.path.isfile(file))
    if missing:
        raise SERError(
            f"{len(missing)} of {len(files)} recordings are missing: {', '.join(missing[:3])}. "
            "Give the folder of the corpus with --data_folder, or prepare the corpus again."
        )


def make_dataset(
    rows: Mapping[str, dict],
    emotions: Sequence[str],
    sample_rate_hz: int,
    features_of: Callable[[str], Tensor] | None = None,
    augmented: Callable[[Tensor, str], Tensor] | None = None,
    dimensions: Sequence[str] = VALENCE_AROUSAL,
) -> DynamicItemDataset:
    """A SpeechBrain dataset of ``id``, ``signal`` and the targets.

    These are ``emotion_index``, ``emotion_shares`` (E,) (the shares of the raters' votes; of an
    utterance without votes 1 for its emotion; NaN without either), ``emotion_weight`` (how much
    the utterance counts in a loss of the emotion), ``valence_arousal`` (D,) (NaN where there is
    none) and ``value_weight`` (how much it counts in a loss of these).

    Parameters
    ----------
    rows : mapping
        id -> row of :class:`ser_brain.data.labelling.CorpusData`, and ``weight`` and
        ``weight_of_values`` where ``emotion_weight`` and ``value_weight`` are not 1.
    emotions : sequence of str
        The classes, in the order of the model's outputs.
    sample_rate_hz : int
        The encoder's.
    features_of : callable, optional
        id -> output of the encoder's front end, (T frames, C channels). The items then have
        ``features`` instead of ``signal``, and no audio is read.
    augmented : callable, optional
        (signal, id) -> the signal that the items have in its place.
    dimensions : sequence of str
        What ``valence_arousal`` holds; it is named after the two that it holds by default.
    """
    index = {emotion: place for place, emotion in enumerate(emotions)}

    @sb.utils.data_pipeline.takes("id", *PLACE)
    @sb.utils.data_pipeline.provides("signal")
    def signal(utterance_id: str, *place: object) -> Tensor:
        wav, start_s, stop_s, duration_s = place
        signal_S = load_signal(wav, start_s, stop_s, sample_rate_hz, duration_s)
        return augmented(signal_S, utterance_id) if augmented else signal_S

    @sb.utils.data_pipeline.takes("id")
    @sb.utils.data_pipeline.provides("features")
    def features(utterance_id: str) -> Tensor:
        return features_of(utterance_id)

    @sb.utils.data_pipeline.takes("emotion", *dimensions)
    @sb.utils.data_pipeline.provides("emotion_index", "valence_arousal")
    def targets(emotion: str | None, *ratings: float | None):
        yield index.get(emotion, NO_EMOTION)
        point = (math.nan if value is None else value for value in ratings)
        yield torch.tensor([*point], dtype=torch.float32)

    @sb.utils.data_pipeline.takes("emotion", "votes", "weight", "weight_of_values")
    @sb.utils.data_pipeline.provides("emotion_shares", "emotion_weight", "value_weight")
    def shares(emotion: str | None, votes: Mapping[str, float] | None, *weights: float | None):
        counts = votes or ({emotion: 1.0} if emotion in index else {})
        total = sum(counts.values()) or math.nan
        yield torch.tensor([counts.get(e, 0.0) / total for e in emotions], dtype=torch.float32)
        for weight in weights:
            yield torch.tensor(1.0 if weight is None else weight, dtype=torch.float32)

    return DynamicItemDataset(
        {
            utterance_id: {
                **{key: row[key] for key in FACTS},
                **{key: row.get(key) for key in TRAINING_FACTS},
            }
            for utterance_id, row in rows.items()
        },
        [signal, features, targets, shares],
        ["id", "features" if features_of else "signal", *TARGETS],
    )


collate = functools.partial(PaddedBatch, padded_keys=["signal", "features"])


def evaluation_loader(
    dataset: DynamicItemDataset, batch_size: int, rank: int, ranks: int, **options: object
) -> SaveableDataLoader:
    """A loader of this rank's share, in order; each utterance is on exactly one rank."""
    share = torch.utils.data.Subset(dataset, range(rank, len(dataset), ranks))
    return SaveableDataLoader(share, batch_size=batch_size, collate_fn=collate, **options)


def require_lengths(
    rows: Mapping[str, dict],
    shortest: int,
    longest: int | None,
    rate_hz: int,
    max_clip_s: float = math.inf,
) -> None:
    """Stop if a clip does not fit the encoder, or is longer than the settings allow.

    Parameters
    ----------
    rows : mapping
        id -> row of :class:`ser_brain.data.labelling.CorpusData`.
    shortest, longest : int
        The encoder's receptive field and limit, in samples at ``rate_hz``; None: no limit.
    rate_hz : int
    max_clip_s : float
        The setting, in seconds. The longest clip decides how much memory is needed.

    Raises
    ------
    SERError
        With the number of clips, and the first five with their lengths.
    """
    shortest_s = shortest / rate_hz
    longest_s = math.inf if longest is None else longest / rate_hz
    cut = "Cut such clips, or remove them from the corpus"
    for what, low_s, high_s, advice in (
        (
            f"shorter than the encoder's receptive field ({shortest_s:.3f} s)",
            shortest_s,
            math.inf,
            "Remove such clips from the corpus",
        ),
        (f"longer than the encoder takes ({longest_s:g} s)", 0, longest_s, cut),
        (
            f"longer than max_clip_s ({max_clip_s:g} s)",
            0,
            max_clip_s,
            f"{cut}; or give train.py a higher --max_clip_s, if the machine has the memory",
        ),
    ):
        off = _outside(rows, low_s, high_s)
        if off:
            count = "1 utterance is" if len(off) == 1 else f"{len(off)} utterances are"
            raise SERError(f"{count} {what}: {', '.join(off[:5])}. {advice}.")


def _outside(rows: Mapping[str, dict], low_s: float, high_s: float) -> list[str]:
    rounding_s = 1e-6  # of durations in a manifest
    lengths_s = {utterance_id: row["duration"] for utterance_id, row in rows.items()}
    return [
        f"{utterance_id} ({s:.4g} s)"
        for utterance_id, s in lengths_s.items()
        if not low_s - rounding_s <= s <= high_s + rounding_s
    ]
