import math

import pytest
import torch

from ser_brain.dataio import (
    collate,
    evaluation_loader,
    make_dataset,
    require_lengths,
)
from ser_brain.errors import SERError

EMOTIONS = ["anger", "sadness"]


def row(wav, emotion="anger", valence=None, arousal=None, **facts):
    return {
        "wav": wav, "start": None, "stop": None, "duration": 0.1, "sample_rate": 16000,
        "emotion": emotion, "valence": valence, "arousal": arousal, **facts,
    }  # fmt: skip


def test_a_file_that_went_away_since_is_told_of_through_the_dataset(tmp_path):
    dataset = make_dataset({"a": row(str(tmp_path / "gone.wav"))}, EMOTIONS, 16000)
    match = r"Cannot use .*gone\.wav: unreadable .*\. Prepare the corpus again"
    with pytest.raises(SERError, match=match):
        dataset[0]


def test_targets(tone):
    wav = tone()
    rows = {
        "both": row(wav, "sadness", 2.0, 4.5),
        "class": row(wav, "anger"),
        "point": row(wav, None, 1.0, 3.0),
        "half": row(wav, "anger", 1.0, None),
    }
    items = [*make_dataset(rows, EMOTIONS, 16000)]
    assert [item["id"] for item in items] == list(rows)
    assert [item["emotion_index"] for item in items] == [1, 0, -1, 0]
    points = torch.stack([item["valence_arousal"] for item in items])
    nan = math.nan
    expected = torch.tensor([[2.0, 4.5], [nan, nan], [1.0, 3.0], [1.0, nan]])
    torch.testing.assert_close(points, expected, equal_nan=True)
    assert set(items[0]) == {"id", "signal", "emotion_index", "valence_arousal"}


def test_the_order_of_the_classes_is_the_settings(tone):
    rows = {"a": row(tone(), "anger")}
    assert make_dataset(rows, ["sadness", "anger"], 16000)[0]["emotion_index"] == 1


def test_literal_braces_in_a_path(tone):
    dataset = make_dataset({"a{0}": row(tone("{data_root} {x}.wav"))}, EMOTIONS, 16000)
    assert (dataset[0]["id"], len(dataset[0]["signal"])) == ("a{0}", 1600)


def test_a_batch_is_padded_and_tells_lengths(tone):
    rows = {
        "short": row(tone("s.wav", seconds=0.05)),
        "long": row(tone("l.wav", seconds=0.1), "sadness", 1.0, 2.0),
    }
    batch = collate([*make_dataset(rows, EMOTIONS, 16000)])
    waveforms_BS, shares_B = batch.signal
    assert waveforms_BS.shape == (2, 1600)
    assert shares_B.tolist() == [0.5, 1.0]
    assert waveforms_BS[0, 800:].abs().sum() == 0
    assert batch.emotion_index.tolist() == [0, 1]
    assert batch.valence_arousal.shape == (2, 2)
    assert batch.id == ["short", "long"]


@pytest.mark.parametrize("count, ranks", [(7, 1), (7, 2), (7, 3), (2, 4), (1, 3)])
def test_each_utterance_is_on_one_rank(tone, count, ranks):
    wav = tone()
    dataset = make_dataset({f"u{n}": row(wav) for n in range(count)}, EMOTIONS, 16000)
    shares = [
        [i for batch in evaluation_loader(dataset, 2, rank, ranks) for i in batch.id]
        for rank in range(ranks)
    ]
    assert sorted(i for share in shares for i in share) == sorted(dataset.data_ids)
    assert all(share == sorted(share) for share in shares)  # In order.
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_clips_must_fit_the_encoder():
    rows = {f"u{n}": row("", duration=d) for n, d in enumerate([0.025, 1.0, 30.0])}
    require_lengths(rows, 400, 480000, 16000)
    require_lengths(rows, 400, None, 16000)
    rows |= {f"short{n}": row("", duration=0.02) for n in range(7)}
    match = (
        r"7 utterances are shorter than the encoder's receptive field \(0\.025 s\): "
        r"short0 \(0\.02 s\), short1 .*, short4 \(0\.02 s\)\. Leave such clips out of the "
        r"corpus\.$"
    )
    with pytest.raises(SERError, match=match):
        require_lengths(rows, 400, 480000, 16000)
    rows = {"a": row("", duration=30.1)}
    match = r"^1 utterance is longer than the encoder takes \(30 s\): a \(30\.1 s\)\. Cut such"
    with pytest.raises(SERError, match=match):
        require_lengths(rows, 400, 480000, 16000)


def test_a_clip_of_an_hour_stops_before_memory_ends():
    rows = {"minute": row("", duration=60.0), "hour": row("", duration=3600.0)}
    match = (
        r"^1 utterance is longer than max_clip_s \(60 s\): hour \(3600 s\)\. Cut such clips, "
        r"or leave them out of the corpus; or give train\.py a higher --max_clip_s for this "
        r"run, if the machine has the memory\.$"
    )
    with pytest.raises(SERError, match=match):
        require_lengths(rows, 400, None, 16000, max_clip_s=60)
    require_lengths(rows, 400, None, 16000, max_clip_s=3600)


def test_a_rounded_duration_is_not_too_short():
    frames = 401  # 0.0250625 s, which the manifest rounds to 0.025062
    require_lengths({"a": row("", duration=round(frames / 16000, 6))}, frames, None, 16000)
