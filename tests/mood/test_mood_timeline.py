import json

import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.mood.timeline import read_timeline


def test_a_table_becomes_a_timeline(table):
    found = read_timeline(table(3, p_anger=0.4, p_neutral=0.6, speaker="anna"))
    assert (found.name, found.speaker) == ("anna.csv", "anna")
    assert found.va_N2 == pytest.approx(np.array([[0.1, -0.2]] * 3))
    assert found.seconds_N.tolist() == [2, 2, 2]
    assert found.neutral_N.all()
    assert str(found.local_N[1]).startswith("2026-03-02T08:01:00")
    assert len(found.notes) == 2


def test_our_own_predictions_with_times(tmp_path):
    """Rows as a predictions file has them; what raters said stays out."""
    path = tmp_path / "anna.jsonl"
    rows = [
        {
            "id": f"a{i}",
            "speaker": "anna",
            "duration": 1.5,
            "emotion": "anger",
            "valence": 5.0,
            "arousal": 5.0,
            "log_probabilities": {"anger": -9.0, "neutral": 0.0},
            "predicted_emotion": "neutral",
            "predicted_valence": 2.0,
            "predicted_arousal": 3.0,
            "time": f"2026-03-02T08:00:0{2 * i}Z",
        }
        for i in range(3)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_timeline(path, va_range=(1, 5))
    assert found.va_N2.tolist() == [[-0.5, 0.0]] * 3
    assert found.neutral_N.all()


def test_no_second_counts_twice(table):
    """Windows of 4 s every second: 13 s of speech, not 40."""
    times = [f"2026-03-02T08:00:{i:02d}" for i in range(10)]
    found = read_timeline(table(10, time=times, duration=4.0))
    assert found.seconds_N.tolist() == [1.0] * 9 + [4.0]
    assert "9 of 10 pieces run into the next" in found.notes[-1]


def test_windows_of_one_recording_as_ser_predict_writes_them(tmp_path):
    path = tmp_path / "recording.csv"
    path.write_text(
        "file,start,stop,emotion,p_anger,p_neutral,valence,arousal,warnings\n"
        "r.wav,0.0,4.0,anger,0.7,0.3,2.0,4.0,\n"
        "r.wav,1.0,5.0,neutral,0.2,0.8,3.0,3.0,\n"
        "r.wav,9.5,10.0,neutral,0.4,0.6,3.0,3.0,shorter than 1 s\n",
        encoding="utf-8",
    )
    found = read_timeline(path, (1, 5), recorded_at="2026-03-02T08:00:00")
    assert found.seconds_N.tolist() == [1, 4, 0.5]
    assert found.neutral_N.tolist() == [False, True, True]
    assert found.va_N2.tolist() == [[-0.5, 0.5], [0, 0], [0, 0]]
    assert str(found.local_N[2]) == "2026-03-02T08:00:09.500000"


def test_one_speaker_of_several(table):
    path = table(5, speaker=["a", "b", "a", "", "a"])
    found = read_timeline(path, speaker="a")
    assert (len(found.seconds_N), found.speaker) == (3, "a")
    assert found.notes[-1] == "2 rows of others or of nobody are left out."
    with pytest.raises(SERError, match="has rows of a, b and of nobody; .* --speaker NAME"):
        read_timeline(path)
    with pytest.raises(SERError, match="Bad speaker 'c'; expected one of: a, b"):
        read_timeline(path, speaker="c")


def test_no_speaker_is_one_speaker(table):
    assert read_timeline(table(speaker="")).speaker is None
    with pytest.raises(SERError, match="has no column speaker to find 'a' in"):
        read_timeline(table(), speaker="a")


@pytest.mark.parametrize(
    "count, changes, message",
    [
        (1, {}, "has one row; a course over time needs two or more"),
        (
            3,
            {"duration": [1, -1, 1]},
            "line 3: the piece lasts -1 s; expected seconds",
        ),
        (3, {"duration": [1, 1, 0]}, r"line 4: the piece lasts 0 s"),
        (3, {"duration": [2, 4200, 3]}, r"line 3: the piece lasts 4200 s; .* milliseconds\?"),
        (3, {"duration": ["1", "", "1"]}, "line 3: duration is empty"),
        (3, {"duration": None}, "has no column duration"),
        (3, {"valence": None, "arousal": None}, "has neither valence and arousal nor class"),
    ],
)
def test_tables_that_cannot_be(table, count, changes, message):
    with pytest.raises(SERError, match=message):
        read_timeline(table(count, **changes))


def test_points_come_from_classes_where_there_is_nothing_else(table):
    path = table(2, valence=None, arousal=None, p_happiness=1.0, p_neutral=0.0)
    found = read_timeline(path)
    assert found.va_N2 == pytest.approx(np.array([[0.991, 0.136]] * 2), abs=1e-3)
    assert "points are the places of the classes" in found.notes[0]
