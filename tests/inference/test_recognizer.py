"""What predict() can be given."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

import ser_brain
from ser_brain import EmotionRecognizer
from ser_brain.core.errors import SERError
from ser_brain.inference import recognizer as rounding
from ser_brain.inference.recognizer import Input, Scores, named_inputs
from tests.inference.tiny_models import write_model
from tests.models.test_encoders import FAMILIES, clips

SAMPLES = np.sin(np.arange(16_000) / 20).astype("float32")[:, None] * [0.5, 0.25]


def test_a_file():
    (clip,), several = named_inputs("a.wav", None)
    assert (clip.name, several) == ("a.wav", False)


def test_arrays_bring_their_rate_or_get_one():
    clips, several = named_inputs([SAMPLES, (SAMPLES, 8000), "a.wav"], 16_000)
    assert several
    assert [clip.rate_hz for clip in clips] == [16_000, 8000, None]
    assert [clip.name for clip in clips] == ["clip 0", "clip 1", "a.wav"]


def test_a_folder_is_its_audio_in_order(tmp_path):
    hidden = ("._b.wav", ".Trash/old.wav")
    for name in ("b.wav", "deep/c.FLAC", "a.ogg", "labels.csv", *hidden):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    clips, several = named_inputs(tmp_path, None)
    assert several
    assert [clip.path.name for clip in clips] == ["a.ogg", "b.wav", "c.FLAC"]


@pytest.mark.parametrize(
    "x, message",
    [
        (SAMPLES, "No sampling rate for the clip"),
        (None, "a NoneType; expected a file"),
        ([b"riff"], "Cannot score clip 0, which is a bytes"),
    ],
)
def test_what_is_no_audio(x, message):
    with pytest.raises(SERError, match=message):
        named_inputs(x, None)


def test_a_folder_without_audio(tmp_path):
    with pytest.raises(SERError, match="No audio in the folder .*: Expected files with .wav"):
        named_inputs(tmp_path, None)
    for name in ("a.m4a", "b.m4a", "c"):
        (tmp_path / name).touch()
    with pytest.raises(
        SERError, match="found 2 .m4a, 1 without an ending. Expected .* .ffmpeg -i X X.wav"
    ):
        named_inputs(tmp_path, None)


def test_a_path_without_its_ending_is_told_which_file_there_is(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 16_000)
    with pytest.raises(SERError, match="missing; there is a.wav"):
        Input("a", path=tmp_path / "a").read(60)


@pytest.mark.parametrize("name, atol", [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.mp3", 0.2)])
def test_files_are_read_with_all_channels(name, atol, tmp_path):
    soundfile.write(tmp_path / name, SAMPLES, 16_000)
    samples, rate_hz = Input(name, path=tmp_path / name).read(60)
    assert rate_hz == 16_000
    np.testing.assert_allclose(samples[4000:8000].std(0), SAMPLES[4000:8000].std(0), atol=atol)


def test_problems_of_files(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(SERError, match="missing"):
        Input("a", path=path).read(60)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SERError, match="git-LFS stub"):
        Input("a", path=path).read(60)
    soundfile.write(path, SAMPLES, 16_000)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SERError, match="truncated"):
        Input("a", path=path).read(60)


def test_a_long_file_is_refused_unread(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 100)
    with pytest.raises(SERError, match="160.0 s is too long"):
        Input("a", path=tmp_path / "a.wav").read(60)


def test_silent_files_are_left_to_the_waveforms_checks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    assert len(Input("a", path=tmp_path / "a.wav").read(60)[0]) == 16_000


@pytest.fixture(scope="module")
def recognizer(wav2vec2_folder):
    return EmotionRecognizer.from_pretrained(wav2vec2_folder, device="cpu")


def waves(*lengths):
    return [wave.numpy() for wave in clips(list(lengths))]


def test_importing_the_package_stays_light():
    code = "import sys, ser_brain; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_package_has_nothing_else():
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        ser_brain.Recogniser  # noqa: B018


def test_what_it_says_of_itself(recognizer):
    assert recognizer.name == "tiny wav2vec2-base"
    assert recognizer.emotions == ["anger", "sadness", "neutral"]
    assert recognizer.va_range == (1.0, 5.0)
    assert recognizer.sample_rate_hz == 16_000
    assert (recognizer.min_samples, recognizer.max_samples) == (400, None)
    assert recognizer.card["source"] == "wav2vec2"
    assert recognizer.device == "cpu"


def test_a_device_that_is_not_there(wav2vec2_folder):
    with pytest.raises(SERError, match="this machine has: cpu"):
        EmotionRecognizer.from_pretrained(wav2vec2_folder, device="abacus")


def test_scores_do_not_depend_on_the_batch(recognizer):
    batch = waves(4800, 32_000, 401, 16_161)
    together = recognizer.score(batch)
    for wave_S, scores in zip(batch, together, strict=True):
        (alone,) = recognizer.score([wave_S])
        for name in ("log_probabilities", "valence_arousal", "embedding"):
            one, other = getattr(scores, name), getattr(alone, name)
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)
            assert one.dtype == np.float32 and one.ndim == 1


def test_no_clips_no_scores(recognizer):
    assert recognizer.score([]) == []


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((8000, 2), "float32"), r"shape \(8000, 2\)"),
        (np.zeros(8000), "type float64"),
        (np.full(8000, np.inf, "float32"), "finite"),
        (np.zeros(399, "float32"), "too short"),
    ],
)
def test_what_is_no_waveform(recognizer, bad, message):
    with pytest.raises(SERError, match=message):
        recognizer.score([*waves(8000), bad])


def test_a_file_an_array_and_the_score_agree(recognizer, tmp_path):
    (wave_S,) = waves(20_000)
    soundfile.write(tmp_path / "a.wav", wave_S, 16_000, subtype="FLOAT")
    of_file = recognizer.predict(tmp_path / "a.wav", embedding=True)
    of_array = recognizer.predict(wave_S, 16_000, embedding=True)
    (scores,) = recognizer.score([wave_S])
    assert of_file.pop("name") == str(tmp_path / "a.wav")
    assert of_array.pop("name") == "the clip"
    assert of_file == of_array
    assert of_file == {
        **scores.named(recognizer.emotions, recognizer.va_range),
        "warnings": [],
        "embedding": scores.embedding.tolist(),
    }
    assert "embedding" not in recognizer.predict((wave_S, 16_000))


def test_one_clip_that_cannot_be_scored_is_an_error(recognizer):
    with pytest.raises(SERError, match="too short"):
        recognizer.predict(np.zeros(10, "float32"), 16_000)


def test_of_several_each_has_its_row(recognizer, tmp_path, caplog):
    for name, wave_S in zip("ac", waves(8000, 9000), strict=True):
        soundfile.write(tmp_path / f"{name}.wav", wave_S, 16_000)
    (tmp_path / "b.wav").write_text("no audio")
    rows = recognizer.predict(tmp_path)
    assert [row["name"][-5:] for row in rows] == ["a.wav", "b.wav", "c.wav"]
    assert rows[1] == {
        "name": str(tmp_path / "b.wav"),
        "error": "Cannot read the file: unreadable.",
    }
    assert rows[0]["emotion"] and rows[2]["emotion"]
    assert "1 of 3 clips could not be scored" in caplog.text


def test_warnings_go_with_the_prediction(recognizer):
    row = recognizer.predict(np.zeros(16_000, "int16"), 8000)
    assert [warning.split(":")[0] for warning in row["warnings"]] == [
        "silent",
        "recorded at 8000 Hz",
    ]


def test_a_window_of_a_stream_is_scored_as_the_clip_that_it_is(recognizer):
    (wave_S,) = waves(100_000)
    stream = recognizer.stream(16_000, window_s=4.0, hop_s=2.0)
    rows = [
        row for at in range(0, 100_000, 7000) for row in stream.feed(wave_S[at : at + 7000])
    ]
    rows += stream.finish()
    assert [(row["start_s"], row["stop_s"]) for row in rows] == [(0, 4), (2, 6), (2.25, 6.25)]
    for row in rows:
        clip_S = wave_S[round(row["start_s"] * 16_000) : round(row["stop_s"] * 16_000)]
        alone = recognizer.predict(clip_S, 16_000)
        assert row["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


def test_a_model_with_one_head(tmp_path):
    write_model(tmp_path, "compact", va_range=None)
    recognizer = EmotionRecognizer.from_pretrained(tmp_path)
    (scores,) = recognizer.score(waves(8000))
    assert scores.valence_arousal is None and recognizer.va_range is None


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_in_bfloat16_are_near_those_in_float32(tmp_path, family):
    write_model(tmp_path / "model", family)
    exact, rough = (
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu", precision=precision)
        for precision in ("fp32", "bf16")
    )
    for wave in clips([3200, 1600]):
        (one,), (other,) = exact.score([wave.numpy()]), rough.score([wave.numpy()])
        differences = []
        for name in ("log_probabilities", "valence_arousal", "embedding"):
            array = getattr(other, name)
            assert array.dtype == np.float32
            differences.append(abs(array - getattr(one, name)).max())
        assert 0 < max(differences) < 0.1


def test_products_and_convolutions_are_kept_in_bfloat16_alone(tmp_path):
    write_model(tmp_path / "model")
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "model", precision="bf16")
    encoder = recognizer._model.encoder
    narrow = {name for name, p in encoder.named_parameters() if p.dtype == torch.bfloat16}
    assert "feature_extractor.conv_layers.0.conv.weight" in narrow
    assert "encoder.layers.0.feed_forward.output_dense.weight" in narrow
    assert not any("norm" in name or "pos_conv" in name for name in narrow)
    heads = [recognizer._model.emotion_head, recognizer._model.va_head]
    assert {p.dtype for head in heads for p in head.parameters()} == {torch.float32}


def test_what_is_emulated_is_said(tmp_path, caplog, monkeypatch):
    write_model(tmp_path / "model")
    caplog.set_level(logging.WARNING)
    for units, said in ((True, False), (False, True)):
        caplog.clear()
        monkeypatch.setattr(rounding, "has_bf16", lambda device, units=units: units)
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu", precision="bf16")
        assert ("bf16 is emulated here" in caplog.text) is said


def test_an_unknown_precision(tmp_path):
    with pytest.raises(SERError, match="Bad precision 'int8'; expected one of: .*bf16"):
        EmotionRecognizer.from_pretrained(tmp_path, device="cpu", precision="int8")


EMOTIONS = ["anger", "sadness", "neutral"]


def test_scores_have_names():
    scores = Scores(
        np.log(np.array([0.2, 0.7, 0.1], "float32")), np.array([1.5, 4.0], "float32"), None
    )
    row = scores.named(EMOTIONS, (1.0, 5.0))
    assert row["emotion"] == "sadness"
    assert row["probabilities"] == pytest.approx({"anger": 0.2, "sadness": 0.7, "neutral": 0.1})
    assert (row["valence"], row["arousal"], row["va_range"]) == (1.5, 4.0, [1.0, 5.0])
    json.dumps(row)


def test_what_a_model_does_not_say_is_none():
    row = Scores(None, None, np.zeros(2)).named([], None)
    assert set(row.values()) == {None}
    assert row.keys() == {"emotion", "probabilities", "valence", "arousal", "va_range"}
