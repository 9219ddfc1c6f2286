"""``EmotionRecognizer``: what it scores and what it says."""

import json
import logging

import numpy as np
import pandas
import pytest
import soundfile
import torch

from ser_brain import EmotionRecognizer
from ser_brain.core.errors import SERError
from ser_brain.inference import recognizer as module
from ser_brain.inference.recognizer import Scores
from ser_brain.inference.waveform import SILENT
from tests.inference.tiny_models import write_model
from tests.models.test_encoders import FAMILIES, clips

SCORES = ("log_probabilities", "valence_arousal", "embedding")


@pytest.fixture(scope="module")
def recognizer(wav2vec2_folder):
    return EmotionRecognizer.from_pretrained(wav2vec2_folder, device="cpu")


def waves(*lengths):
    return [wave.numpy() for wave in clips(list(lengths))]


def test_its_attributes(recognizer):
    assert recognizer.name == "tiny wav2vec2-base"
    assert recognizer.emotions == ["anger", "sadness", "neutral"]
    assert recognizer.va_range == (1.0, 5.0)
    assert recognizer.sample_rate_hz == 16_000
    assert (recognizer.min_samples, recognizer.max_samples) == (400, None)
    assert recognizer.card["source"] == "wav2vec2"
    assert recognizer.device == "cpu"


@pytest.mark.parametrize(
    "option, message",
    [
        ({"device": "abacus"}, "this machine has: cpu"),
        ({"precision": "int8"}, "Bad precision 'int8'; expected one of: .*bf16"),
    ],
)
def test_options_that_do_not_exist(wav2vec2_folder, option, message):
    with pytest.raises(SERError, match=message):
        EmotionRecognizer.from_pretrained(wav2vec2_folder, **{"device": "cpu", **option})


def test_scores_do_not_depend_on_the_batch(recognizer):
    batch = waves(4800, 32_000, 401, 16_161)
    for wave_S, scores in zip(batch, recognizer.score(batch), strict=True):
        (alone,) = recognizer.score([wave_S])
        for name in SCORES:
            one, other = getattr(scores, name), getattr(alone, name)
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=0)
            assert one.dtype == np.float32 and one.ndim == 1
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
def test_what_is_not_a_waveform(recognizer, bad, message):
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
    with pytest.raises(SERError, match="too short"):
        recognizer.predict(wave_S[:10], 16_000)


def test_of_several_clips_each_has_its_row(recognizer, tmp_path, caplog):
    for name, wave_S in zip("ac", waves(8000, 9000), strict=True):
        soundfile.write(tmp_path / f"{name}.wav", wave_S, 16_000)
    (tmp_path / "b.wav").write_text("no audio")
    rows = recognizer.predict(tmp_path)
    assert [row["name"][-5:] for row in rows] == ["a.wav", "b.wav", "c.wav"]
    assert rows[1] == {
        "name": str(tmp_path / "b.wav"),
        "error": "Cannot read the file: unreadable: text, not audio.",
    }
    assert rows[0]["emotion"] and rows[2]["emotion"]
    assert "1 of 3 clips could not be scored" in caplog.text


def test_a_column_of_clips_becomes_a_table_with_its_index(recognizer):
    one, other = waves(8000, 9000)
    clips = pandas.Series([one, other[:10]], index=["x", "y"])
    found = recognizer.predict(clips, 16_000)
    frame = found.to_frame()
    assert frame.index.tolist() == ["x", "y"] and frame.attrs["va_range"] == [1.0, 5.0]
    values = ["p_anger", "p_sadness", "p_neutral", "valence", "arousal"]
    assert list(frame) == ["name", "emotion", *values, "warnings", "error"]
    assert frame.loc["x", "p_anger"] == found[0]["probabilities"]["anger"]
    assert "too short" in frame.loc["y", "error"] and pandas.isna(frame.loc["y", "emotion"])
    assert json.loads(json.dumps(found)) == found.to_dict() and type(found[0].to_dict()) is dict
    said = f"{found[0]['emotion']} ({found[0]['emotion']} 0."
    assert repr(found[0]).startswith(f"clip 0: {said}")
    assert repr(found[1]) == f"clip 1: {found[1]['error']}"
    lines = repr(found).splitlines()
    assert lines[0].split() == ["name", "emotion", "probability", *values[3:], "error"]
    assert found._repr_html_().count("<tr>") == 3


def test_classes_are_chosen_and_an_answer_can_be_refused(recognizer):
    clip = waves(8000)[0], 16_000
    whole = recognizer.predict(clip)["probabilities"]
    part = recognizer.predict(clip, classes=["neutral", "anger"])
    together = whole["neutral"] + whole["anger"]
    expected = {name: whole[name] / together for name in ("neutral", "anger")}
    assert part["probabilities"] == pytest.approx(expected)
    assert part["renormalised"] == pytest.approx(together) and part["emotion"] in expected
    sure = max(part["probabilities"].values())
    chosen = {"classes": ["neutral", "anger"]}
    assert recognizer.predict(clip, min_confidence=sure, **chosen) == part
    refused = recognizer.predict(clip, min_confidence=sure + 1e-6, **chosen)
    assert refused == {**part, "emotion": "no_answer"}
    (streamed,) = recognizer.stream(16_000, 0.5, 0.5, min_confidence=1.0).feed(clip[0])
    assert (
        streamed["emotion"] == "no_answer" and streamed["probabilities"].keys() == whole.keys()
    )


@pytest.mark.parametrize(
    "option, message",
    [
        ({"classes": ["anger", "hapiness"]}, "Bad class 'hapiness'; expected one of: sadness"),
        ({"classes": ["angry"]}, "Bad class 'angry'; expected one of: anger"),
        ({"classes": ["anger"]}, r"Bad classes \['anger'\]; expected a list of two or more"),
        ({"classes": "anger"}, "Bad classes 'anger'; expected a list of two or more"),
        ({"min_confidence": 60}, "Bad min_confidence 60; expected a probability"),
    ],
)
def test_answers_that_cannot_be_asked_for(recognizer, option, message):
    with pytest.raises(SERError, match=message):
        recognizer.predict("absent.wav", **option)


def test_warnings_go_with_the_prediction(recognizer):
    row = recognizer.predict(np.full(16_000, 30, "int16"), 8000)
    kinds = [warning.split(":")[0] for warning in row["warnings"]]
    assert kinds == ["very quiet", "off centre", "recorded at 8000 Hz"]


def test_silence_has_no_emotion(recognizer, tmp_path):
    silence = np.zeros(16_000, "float32")
    file = tmp_path / "silent.wav"
    soundfile.write(file, silence, 16_000)
    for clip in ((silence, 16_000), file, file.read_bytes()):
        with pytest.raises(SERError, match="^silent: no sample is above -80 dBFS"):
            recognizer.predict(clip)
    (of_list,) = recognizer.predict([file])
    (window,) = recognizer.stream(16_000, 1.0, 1.0).feed(silence)
    assert of_list["error"] == window["error"] == SILENT


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
    for windows, message in (((16_000, 61), "Bad window"), ((1, 4), "Bad sampling rate 1")):
        with pytest.raises(SERError, match=message):
            recognizer.stream(*windows)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_in_bfloat16_are_near_those_in_float32(tmp_path, family):
    write_model(tmp_path / "model", family)
    exact, rough = (
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu", precision=precision)
        for precision in ("fp32", "bf16")
    )
    for wave in waves(3200, 1600):
        (one,), (other,) = exact.score([wave]), rough.score([wave])
        assert all(getattr(other, name).dtype == np.float32 for name in SCORES)
        differences = [abs(getattr(other, n) - getattr(one, n)).max() for n in SCORES]
        assert 0 < max(differences) < 0.1


def test_only_linear_layers_and_convolutions_are_stored_in_bfloat16(wav2vec2_folder):
    model = EmotionRecognizer.from_pretrained(wav2vec2_folder, precision="bf16").model
    narrow = {name for name, p in model.named_parameters() if p.dtype == torch.bfloat16}
    assert "encoder.feature_extractor.conv_layers.0.conv.weight" in narrow
    assert "encoder.encoder.layers.0.feed_forward.output_dense.weight" in narrow
    assert not any(part in name for name in narrow for part in ("norm", "pos_conv", "head"))


@pytest.mark.parametrize("supported", [True, False])
def test_emulated_bfloat16_is_pointed_out(wav2vec2_folder, caplog, monkeypatch, supported):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(module, "has_bf16", lambda device: supported)
    EmotionRecognizer.from_pretrained(wav2vec2_folder, device="cpu", precision="bf16")
    assert ("only emulates bf16" in caplog.text) is not supported


def test_scores_have_names():
    log_probs_C, values_2 = np.log(np.array([0.2, 0.7, 0.1])), np.array([1.5, 4.0], "float32")
    row = Scores(log_probs_C, values_2, np.zeros(2)).named(["anger", "sadness", "fear"], (1, 5))
    assert row["emotion"] == "sadness"
    assert row["probabilities"] == pytest.approx({"anger": 0.2, "sadness": 0.7, "fear": 0.1})
    assert (row["valence"], row["arousal"], row["va_range"]) == (1.5, 4.0, [1, 5])
    json.dumps(row)
    assert set(Scores(None, None, np.zeros(2)).named([], None).values()) == {None}
