"""From rows to batches."""

import math

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.data.dataset import (
    TARGETS,
    collate,
    evaluation_loader,
    load_signal,
    make_dataset,
    require_files,
    require_lengths,
)

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
    assert set(items[0]) == {"id", "signal", *TARGETS}


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
        r"short0 \(0\.02 s\), short1 .*, short4 \(0\.02 s\)\. Remove such clips from the "
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
        r"or remove them from the corpus; or give train\.py a higher --max_clip_s, if the "
        r"machine has the memory\.$"
    )
    with pytest.raises(SERError, match=match):
        require_lengths(rows, 400, None, 16000, max_clip_s=60)
    require_lengths(rows, 400, None, 16000, max_clip_s=3600)


def test_a_rounded_duration_is_not_too_short():
    frames = 401  # 0.0250625 s, which the manifest rounds to 0.025062
    require_lengths({"a": row("", duration=round(frames / 16000, 6))}, frames, None, 16000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
def test_whatever_the_files_rate(tone, rate_hz):
    signal_S = load_signal(tone(rate_hz=rate_hz, seconds=0.2), None, None, 16000)
    assert signal_S.dtype == torch.float32
    assert abs(len(signal_S) - 3200) <= 1
    middle = slice(800, 2400)  # Away from the filter's edges.
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3200) / 16000)
    np.testing.assert_allclose(signal_S.numpy()[middle], expected[middle], atol=5e-3)


def test_channels_are_averaged(tone):
    mono = load_signal(tone("mono.wav", level=0.3), None, None, 16000)
    stereo = load_signal(tone("stereo.wav", channels=2, level=0.2), None, None, 16000)
    torch.testing.assert_close(stereo, mono)  # (0.2 + 0.4) / 2


@pytest.mark.parametrize("rate_hz", [16000, 8000])
def test_a_segment_of_a_file(tone, rate_hz):
    path = tone(rate_hz=rate_hz)
    samples, _ = soundfile.read(path, dtype="float32")
    signal_S = load_signal(path, 0.02, 0.05, rate_hz)
    np.testing.assert_array_equal(
        signal_S.numpy(), samples[round(0.02 * rate_hz) : round(0.05 * rate_hz)]
    )
    assert len(load_signal(path, 0.02, 0.05, 16000)) == 480
    assert len(load_signal(path, 0.04, None, 16000)) == 960


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite(tmp_path, value):
    samples = np.zeros(1600, dtype=np.float32)
    samples[7] = value
    soundfile.write(tmp_path / "bad.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(
        SERError, match=r"Cannot use .*bad\.wav: its samples are not all finite"
    ):
        load_signal(str(tmp_path / "bad.wav"), None, None, 16000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
@pytest.mark.parametrize("off_s", [0.0, 0.09, -0.09])
def test_a_recording_as_long_as_the_manifest_says(tone, rate_hz, off_s):
    path = tone(rate_hz=rate_hz, seconds=0.5)
    assert len(load_signal(path, None, None, 16000, 0.5 + off_s)) == 8000
    assert len(load_signal(path, 0.1, 0.3, 16000, 0.2 + off_s)) == 3200


@pytest.mark.parametrize(
    ("start_s", "stop_s", "duration_s", "found"),
    [
        (None, None, 0.39, r"it has 0\.50 s, expected 0\.39 s"),
        (None, None, 0.61, r"it has 0\.50 s, expected 0\.61 s"),
        (0.2, 0.8, 0.6, r"it has 0\.30 s from 0\.2 s on, expected 0\.60 s"),
    ],
)
def test_another_recording_of_the_same_name(tone, start_s, stop_s, duration_s, found):
    with pytest.raises(SERError, match=f"a.wav is not the recording .*: {found}"):
        load_signal(tone(seconds=0.5), start_s, stop_s, 16000, duration_s)


def test_missing_recordings_are_counted(tone, tmp_path):
    names = [tone("there.wav"), *(str(tmp_path / f"gone {n}.wav") for n in range(5))]
    rows = {f"u{n}": {"wav": wav} for n, wav in enumerate([*names, *names])}
    require_files({"u0": rows["u0"]})
    gone = ", ".join(str(tmp_path / f"gone {n}.wav") for n in range(3))
    with pytest.raises(SERError, match=f"5 of 6 recordings are missing: {gone}\\. Give the"):
        require_files(rows)


def test_shares_are_those_of_the_votes_or_all_of_the_label(tone):
    wav = tone()
    rows = {
        "voted": row(wav, "anger", votes={"anger": 3, "sadness": 1}, weight=0.5),
        "divided": row(wav, None, votes={"anger": 2, "sadness": 2}),
        "labelled": row(wav, "sadness", votes=None),
        "neither": row(wav, None),
    }
    batch = collate([*make_dataset(rows, EMOTIONS, 16000)])
    expected = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0, 1], [math.nan] * 2])
    torch.testing.assert_close(batch.emotion_shares, expected, equal_nan=True)
    torch.testing.assert_close(batch.emotion_weight, torch.tensor([0.5, 1, 1, 1]))
