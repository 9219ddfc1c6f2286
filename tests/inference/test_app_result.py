"""A recording is scored with the numbers of ``ser predict``."""

import csv
import io

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.data.labels import WORD_ANGLE_DEG
from ser_brain.inference.app import result as module
from ser_brain.inference.app.result import ScoredRecording, nearest_words, score_recording
from ser_brain.inference.recognizer import Scores
from ser_brain.inference.segments import Skipped
from tests.inference.stand_in import RATE_HZ, StandIn, noise, stand_in_model, write


@pytest.mark.parametrize("word", WORD_ANGLE_DEG)
@pytest.mark.parametrize("radius", [0.2, 1.3])
def test_in_its_own_direction_a_word_is_nearest(word, radius):
    angle = np.radians(WORD_ANGLE_DEG[word])
    assert nearest_words(radius * np.cos(angle), radius * np.sin(angle))[0] == word


def test_the_circle_closes_and_its_middle_has_no_word():
    """Pleased (353.2 degrees) and happy (7.8) are neighbours."""
    assert set(nearest_words(1.0, 0.0, count=2)) == {"pleased", "happy"}
    assert nearest_words(0.0, 0.0) == []


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The working folder, where every model is the stand-in."""
    return stand_in_model(tmp_path, monkeypatch)


def predicted(name, *options):
    """What ``ser predict --out`` writes."""
    assert main(["predict", name, "--model", "model", "--out", "out.csv", *options]) == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        return file.read()


@pytest.mark.parametrize("seconds, rate_hz", [(2, RATE_HZ), (0.3, 44_100), (29, 8000)])
def test_a_clip_has_the_row_of_ser_predict(there, seconds, rate_hz):
    path = write(there / "uploads/my clip, 1.wav", noise(seconds, rate_hz=rate_hz), rate_hz)
    shown = score_recording(StandIn(), path, None)
    write(there / path.name, noise(seconds, rate_hz=rate_hz), rate_hz)
    assert shown.csv() == predicted(path.name)
    assert shown.window_s is None and len(shown.rows) == 1
    assert shown.warnings.keys() == set(filter(None, shown.rows[0]["warnings"].split("; ")))


def test_windows_have_the_rows_of_ser_predict(there):
    path = write(
        there / "long.flac", np.concatenate([noise(13.3), np.zeros(160_000), noise(7)])
    )
    shown = score_recording(StandIn(), path, 4.0)
    assert shown.csv() == predicted("long.flac", "--window", "4", "--hop", "2")
    assert [row["start"] for row in shown.rows] == [*range(0, 14, 2), 20, 22, 24, 26, 26.3]
    assert shown.skipped == [Skipped("long.flac", 14, 22, "silent")]


def test_too_long_for_one_clip_is_cut_and_said(there):
    path = write(there / "long.wav", noise(31))
    shares = []
    shown = score_recording(StandIn(), path, None, shares.append)
    assert shown.window_s == 4 and shown.hop_s == 2 and len(shown.rows) == 15
    assert "takes at most 30 s as one clip" in shown.notes[0]
    assert shares == pytest.approx(np.arange(15) / 15, abs=0.04)
    assert shown.csv() == predicted("long.wav", "--window", "4", "--hop", "2")


def test_progress_is_told_before_each_window_and_can_end_it(there):
    path = write(there / "long.wav", noise(150))
    shares = []
    shown = score_recording(StandIn(), path, 4.0, shares.append)
    assert shares == pytest.approx(np.arange(74) / 74, abs=0.04)
    assert len(shown.rows) == 74

    def end(share):
        raise SERError("enough")

    model = StandIn()
    with pytest.raises(SERError, match="enough"):
        score_recording(model, path, 4.0, end)
    assert model.batches == []


def test_arrays_are_what_the_rows_say(there):
    shown = score_recording(StandIn(), write(there / "a.wav", noise(9)), 4.0)
    assert shown.probs_NC.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert shown.probs_NC[2, 1] == shown.rows[2]["p_neutral"]
    assert shown.values_N2[1].tolist() == [shown.rows[1]["valence"], shown.rows[1]["arousal"]]
    assert shown.spans_N2.tolist() == [[0, 4], [2, 6], [4, 8], [5, 9]]


def test_what_a_model_lacks_is_none(there):
    model = StandIn()
    model.emotions, model.va_range = [], None
    model.score = lambda waveforms: [Scores(None, None, np.zeros(2)) for _ in waveforms]
    shown = score_recording(model, write(there / "a.wav", noise(2)), None)
    assert shown.probs_NC is None and shown.values_N2 is None
    assert shown.columns == ["file", "start", "stop", "warnings"]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "was deleted, as all are"),
        (np.zeros(RATE_HZ), "The recording is silent"),
        (noise(0.05), "too short: it must last 0.1 s"),
        ("no sound", "Use WAV, FLAC, OGG, Opus, MP3 or AIFF"),
        ("", "The file is empty"),
        (np.full(RATE_HZ, np.nan), "not numbers"),
    ],
)
def test_errors_are_in_the_words_of_a_visitor(there, content, message):
    path = there / "a.wav"
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        write(path, content, subtype="FLOAT")
    with pytest.raises(SERError, match=message):
        score_recording(StandIn(), path, None)


def test_no_page_is_waited_for_longer_than_an_hour(there, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_S", 60.0)
    path = write(there / "a.wav", noise(61))
    with pytest.raises(SERError, match="lasts 1 minutes; this page takes 1. `ser predict"):
        score_recording(StandIn(), path, None)


def test_a_window_that_the_model_cannot_take_is_refused(there):
    model = StandIn()
    model.max_samples = 3 * RATE_HZ
    path = write(there / "a.wav", noise(9))
    with pytest.raises(SERError, match="Bad window of 4 s; this model .* 0.1 to 3 s"):
        score_recording(model, path, 4.0)
    assert score_recording(model, path, None).window_s == 3


def test_an_emotion_of_any_name_keeps_its_column():
    """Issue 13, S9: the page's table has the header of ``ser predict``."""
    columns = ["file", 'p_a,"b']
    row = {"file": "x.wav", 'p_a,"b': 0.5}
    facts = {"columns": columns, "rows": [row], "emotions": ['a,"b'], "skipped": []}
    shown = ScoredRecording("m", "x.wav", 1.0, None, va_range=None, notes=[], **facts)
    assert [*csv.reader(io.StringIO(shown.csv()))] == [columns, ["x.wav", "0.5"]]
