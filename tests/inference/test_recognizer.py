"""EmotionRecognizer: one line to load, one to predict."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import ser_brain
from ser_brain import EmotionRecognizer
from ser_brain.errors import SERError
from tests.inference.tiny_models import write_model
from tests.test_encoders_tiny import clips


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
