"""Tables of predictions as timelines: cells, points, probabilities, times, speakers."""

import json

import numpy as np
import pytest

from ser_brain.analysis.mood.table import points, probabilities, read_rows
from ser_brain.analysis.mood.timeline import read_clock, read_timeline
from ser_brain.core.errors import SERError


def written(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1.5,x\n",
        "\ufeffa;b\n1,5;x\n",
        " a \tb\r\n1.5\t x \r\n\r\n",
        '{"a": 1.5, "b": "x"}\n\n',
        '\n{"a": "1.5", "b": "x"}',
        'a,b\n"1.5",x\n',
    ],
)
def test_tables_as_they_are_found(tmp_path, text):
    rows = read_rows(written(tmp_path, text))
    assert rows.numbers("a").tolist() == [1.5]
    assert rows.cells[0]["b"] == "x"


CELLS = ["", "nan", "inf", "-", "1e999", "null", '"1,5"']  # no decimal comma beside commas
JSON_VALUES = ["null", "true", "[1]", "NaN", '"x"']


@pytest.mark.parametrize(
    "text",
    [f"id,a\nu1,1\n\nu2,{cell}\n" for cell in CELLS]
    + [f'{{"a": 1}}\n\n\n{{"id": "u2", "a": {value}}}\n' for value in JSON_VALUES],
)
def test_cells_that_are_no_number(tmp_path, text):
    rows = read_rows(written(tmp_path, text))
    message = r"line 4 \(id u2\): a is .*; expected a number. Correct or remove the row"
    with pytest.raises(SERError, match=message):
        rows.numbers("a")


def test_points_are_brought_to_one_scale(table):
    va_N2, notes = points(read_rows(table(2, valence=[1, 5.2], arousal=[3, 4])), (1, 5))
    assert va_N2 == pytest.approx(np.array([[-1, 0], [1.1, 0.5]]))
    assert notes == [
        "Points are the model's valence and arousal, scale 1 to 5.",
        "Points slightly outside the scale, kept unchanged: 1.",
    ]


def test_ratings_are_never_taken_for_predictions(table):
    predicted = {"predicted_valence": 0.5, "predicted_arousal": -0.5}
    rows = read_rows(table(valence=5, arousal=5, suffix="jsonl", **predicted))
    va_N2, notes = points(rows, (-1, 1))
    assert va_N2.tolist() == [[0.5, -0.5]] * 4
    assert "predicted_valence and predicted_arousal" in notes[0]
    rows = read_rows(table(suffix="jsonl", log_probabilities={"anger": 0.0}))
    assert points(rows, (-1, 1)) is None


def test_what_is_adapted_is_said(table):
    emotions = ["neutral", "anger", "anger", "anger"]
    path = table(
        p_anger=0.25, p_neutral=0.75, adapted_to=[1, 2, 3, 4], unadapted_emotion=emotions
    )
    found = read_timeline(path)
    assert found.notes[-1] == (
        "Emotions are adapted to the voice without labels, each by itself and the pieces "
        "before it (1 to 4). Unadapted, the share of neutral is 0.25."
    )
    assert found.neutral_N.all()


LOG = np.log([0.25, 0.75]).tolist()


@pytest.mark.parametrize(
    "columns",
    [
        {"p_anger": 0.25, "p_neutral": 0.75},
        {"probabilities": {"anger": 0.25, "neutral": 0.75}, "suffix": "jsonl"},
        {"log_probabilities": {"anger": LOG[0], "neutral": LOG[1]}, "suffix": "jsonl"},
        {"p_anger": 0.26, "p_neutral": 0.78},  # Rounded; scaled to one.
    ],
)
def test_probabilities_in_every_form(table, columns):
    classes, probs_NC = probabilities(read_rows(table(3, **columns)))
    assert classes == ["anger", "neutral"]
    assert probs_NC == pytest.approx(np.array([[0.25, 0.75]] * 3))
    assert probabilities(read_rows(table())) is None


def test_classes_that_change_from_row_to_row(table):
    cells = [{"anger": 0.0}, {"neutral": 0.0}]
    rows = read_rows(table(2, suffix="jsonl", log_probabilities=cells))
    with pytest.raises(SERError, match="line 2: log_probabilities has other classes"):
        probabilities(rows)


def test_points_come_from_classes_where_there_is_nothing_else(table):
    classes = {"p_happiness": [1.0, 0.4], "p_neutral": [0.0, 0.6]}
    found = read_timeline(table(2, valence=None, arousal=None, **classes))
    expected = np.outer([1, 0.4], [0.991, 0.136])
    assert found.va_N2 == pytest.approx(expected, abs=1e-3)
    assert found.neutral_N.tolist() == [False, True]
    assert "points are the places of the classes" in found.notes[0]
    with pytest.raises(SERError, match="Class 'other' has no place on the circumplex"):
        read_timeline(table(2, valence=None, arousal=None, p_other=1.0))


@pytest.mark.parametrize(
    "changes, va_range, message",
    [
        ({"valence": [0.1, 3.0]}, (-1, 1), r"line 3 \(id b\): valence is 3, far outside .*1 5"),
        ({"arousal": [0.5, 3.0]}, (1, 5), r"line 2 \(id a\): arousal is 0.5, far outside"),
        ({"arousal": None}, (-1, 1), "has valence but no arousal; expected both"),
        ({"valence": [0.1, "nan"]}, (-1, 1), r"line 3 \(id b\): valence is 'nan'"),
        ({}, (1, -1), "Bad --va_range 1 -1; expected LOW below HIGH"),
        ({"p_anger": 0.5, "p_fear": 0.2}, (1, 5), "line 2 .*: class probabilities sum to 0.7"),
        ({"p_anger": 1.5, "p_fear": -0.5}, (1, 5), "sum to 1 or one is negative"),
        ({"p_anger": ["0.5", ""], "p_fear": 0.5}, (1, 5), "line 3 .*: p_anger is empty"),
        ({"valence": None, "arousal": None}, (1, 5), "has neither valence and arousal nor cl"),
        ({"duration": [1, -1]}, (1, 5), "line 3 .*: the piece lasts -1 s; expected seconds"),
        ({"duration": [1, 0]}, (1, 5), "line 3 .*: the piece lasts 0 s"),
        ({"duration": [2, 4200]}, (1, 5), r"piece lasts 4200 s; .* milliseconds\?"),
        ({"duration": None}, (1, 5), "has neither a column duration"),
        ({"time": [""] * 2}, (1, 5), "time is ''"),
    ],
)
def test_bad_tables(table, changes, va_range, message):
    columns = {"valence": 2.0, "arousal": 2.0} if va_range == (1, 5) else {}
    with pytest.raises(SERError, match=message):
        read_timeline(table(2, **{**columns, "id": ["a", "b"], **changes}), va_range)


def test_too_few_rows(table, tmp_path):
    with pytest.raises(SERError, match="has one row; a course over time needs two or more"):
        read_timeline(table(1))
    with pytest.raises(SERError, match="has no column time"):  # which more rows would not help
        read_timeline(written(tmp_path, "file,speaker\na.wav,anna\n"))
    with pytest.raises(SERError, match="has no rows; expected one for each piece of speech"):
        read_rows(written(tmp_path, "a,b\n"))


def clock(table, times, zone=None):
    return read_clock(read_rows(table(len(times), time=list(times))), zone)


def local(clock):
    return [str(moment)[:16] for moment in clock.local_N]


@pytest.mark.parametrize(
    "times, zone, found, note",
    [
        (["2026-03-02 08:00", "2026-03-02T08:00:30.5"], None, [], "the table has no zone"),
        # The clock goes forward on 29 March, and back on 25 October.
        (["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"], None, [], "+01:00, UTC+02:00"),
        (["2026-10-25T02:30+02:00", "2026-10-25T02:10+01:00"], None, [], "table's own clock"),
        (["2026-03-02T23:30Z", "2026-07-02T22:30Z"], None, [], "(UTC)"),
        (["2026-03-02T23:30Z"], "Europe/Berlin", ["2026-03-03T00:30"], "of Europe/Berlin."),
        (["2026-07-02T22:30Z"], "Europe/Berlin", ["2026-07-03T00:30"], "of Europe/Berlin."),
    ],
)
def test_clocks(table, times, zone, found, note):
    """Without a zone of the user, hours are those that are written."""
    read = clock(table, times, zone)
    assert local(read) == (found or [time.replace(" ", "T")[:16] for time in times])
    assert note in read.note and (np.diff(read.instant_N) > np.timedelta64(0)).all()


@pytest.mark.parametrize(
    "times, zone, message",
    [
        (["2026-03-02T08:00"] * 2, None, "line 3 has the same time as the row before"),
        (["2026-10-25T02:30", "2026-10-25T02:10"], None, "line 3 is earlier than .*autumn"),
        (["2026-03-02T08:00", "2026-03-02T08:00Z"], None, "line 3 has a time with a zone, .*2"),
        (["2026-03-02", "2026-03-03"], None, "line 2: time is '2026-03-02'; expected one like"),
        (["2026-03-02T08:00", "yesterday at eight"], None, "line 3: time is 'yesterday"),
        (["2026-02-30T08:00", "x"], None, "line 2: time is '2026-02-30T08:00'"),
        (["2026-03-02T08:00", "2026-03-03T08:00"], "Europe/Berlin", "--zone converts times"),
        (["2026-03-02T08:00Z", "2026-03-03T08:00Z"], "Berlin", "Unknown time zone 'Berlin'"),
        (["2026-03-02T08:00Z", "2026-03-03T08:00Z"], "../x", "Unknown time zone '../x'"),
        (["2026-03-02T08:00Z", "9999-12-31T23:00-08:00"], None, "outside the calendar"),
    ],
)
def test_bad_times(table, times, zone, message):
    with pytest.raises(SERError, match=message):
        clock(table, times, zone)


def test_seconds_after_a_beginning(table):
    rows = read_rows(table(2, time=None, start=[0.5, 7200]))
    found = read_clock(rows, recorded_at="2026-03-02T23:00+01:00")
    assert local(found) == ["2026-03-02T23:00", "2026-03-03T01:00"]
    assert np.diff(found.instant_N) == np.timedelta64(7_199_500_000, "us")


TWO = {"file": ["a.wav", "b.wav"]}


@pytest.mark.parametrize(
    "changes, recorded_at, message",
    [
        ({"start": 1.0}, None, "has start in seconds but no time; give the beginning"),
        ({"start": 1.0}, "today", "--recorded_at: time is 'today'"),
        (
            {"start": 0, **TWO},
            "2026-03-02T23:00",
            "pieces of 2 files, .* --recorded_at a table",
        ),
        ({"start": 0, **TWO}, None, "pieces of 2 files, .* --recorded_at a table .* 2026-"),
        ({"start": 1e300}, "2026-03-02T23:00", "A start of anna.csv is outside the calendar"),
        ({}, None, "has no column time .* and no column start"),
        ({"time": "x"}, "2026-03-02T23:00", "has a column time; --recorded_at is for"),
    ],
)
def test_bad_beginnings(table, changes, recorded_at, message):
    rows = read_rows(table(2, **{"time": None, **changes}))
    with pytest.raises(SERError, match=message):
        read_clock(rows, recorded_at=recorded_at)


@pytest.fixture
def recordings(table, tmp_path):
    """Predictions of three recordings, as ser predict writes them, and when they began."""

    def write(began, files=("b/mon.wav", "b/mon.wav", "a/tue.wav", "a/tue.wav"), **changes):
        bounds = {
            "start": [0.0, 4.0] * (len(files) // 2),
            "stop": [4.0, 8.0] * (len(files) // 2),
        }
        columns = {"time": None, "duration": None, "file": list(files), **bounds, **changes}
        times = tmp_path / "times.csv"
        times.write_text(began, encoding="utf-8")
        return table(len(files), **columns), str(times)

    return write


@pytest.mark.parametrize(
    "began, clock",
    [
        ("file,time\nmon.wav,2026-03-02T23:00\ntue.wav,2026-03-01T08:00\n", "no zone"),
        ("path;Time\n/home/b/mon.wav;2026-03-02 23:00Z\ntue;2026-03-01 08:00Z\n", "(UTC)"),
        ('{"file": "b/mon.wav", "time": "2026-03-02T23:00"}\n'
         '{"file": "a/tue.wav", "time": "2026-03-01T08:00"}\n', "no zone"),
    ],
)  # fmt: skip
def test_a_table_says_when_each_recording_began(recordings, began, clock):
    """The rows are put in order, whatever the order of the files."""
    path, times = recordings(began, valence=[0.1, 0.2, 0.3, 0.4])
    found = read_timeline(path, recorded_at=times)
    expected = ["03-01T08:00:00", "03-01T08:00:04", "03-02T23:00:00", "03-02T23:00:04"]
    assert [str(moment)[5:19] for moment in found.local_N] == expected
    assert found.va_N2[:, 0] == pytest.approx([0.3, 0.4, 0.1, 0.2])
    assert found.seconds_N.tolist() == [4] * 4
    assert clock in found.notes[1] and len(found.notes) == 2


BEGAN = "file,time\nmon.wav,2026-03-02T23:00\ntue.wav,2026-03-03T08:00\n"


def test_other_recordings_in_the_table_are_counted(recordings):
    path, times = recordings(f"{BEGAN}wed.wav,sometime\nmon.wav,2026-03-02T23:00\n")
    notes = read_timeline(path, recorded_at=times).notes
    assert notes[-1] == "Files of times.csv without rows here, not used: 1."


def test_both_channels_of_a_recording_began_together(recordings):
    path, times = recordings(BEGAN, ("b/mon.wav#left",) * 2 + ("a/tue.wav#right",) * 2)
    assert len(read_timeline(path, recorded_at=times).seconds_N) == 4


def test_recordings_that_overlap_do_not_count_twice(recordings):
    path, times = recordings(
        "file,time\nmon.wav,2026-03-02T23:00:03\ntue.wav,2026-03-02T23:00\n"
    )
    found = read_timeline(path, recorded_at=times)
    assert found.seconds_N.tolist() == [3, 1, 3, 4]
    assert found.notes[-1].startswith("Recordings overlap in time: a/tue.wav and b/mon.wav. ")
    path, times = recordings("file,time\nmon.wav,2026-03-02T23:00\ntue.wav,2026-03-02T23:00\n")
    with pytest.raises(SERError, match=r"same time .* \(a/tue.wav and b/mon.wav\); .* twice"):
        read_timeline(path, recorded_at=times)


@pytest.mark.parametrize(
    "began, changes, message",
    [
        (BEGAN, {"time": "2026-03-02T08:00"}, "anna.csv has a column time; --recorded_at is"),
        (BEGAN, {"file": None}, "anna.csv has no column file; with a table of --recorded_at"),
        (BEGAN, {"start": None}, "anna.csv has no column start; with a table"),
        (BEGAN, {"start": 1e300}, "A start of anna.csv is outside the calendar"),
        (BEGAN, {"file": ["mon.wav", "", "tue.wav", ""]}, "line 3: the name of the file is"),
        ("file,time\nmon.wav,2026-03-02T23:00\n", {}, "no time for 1 of 2 files .*: a/tue.wav"),
        ("file,time\n", {}, "times.csv has no time for 2 of 2 files of anna.csv: b/mon"),
        ("file,when\nmon.wav,x\n", {}, "times.csv has no column time; its columns are: "),
        ("name,time\nmon.wav,x\n", {}, "times.csv has no column file; its columns are: "),
        ("file,time\nmon.wav,monday\n", {}, "times.csv, line 2: time is 'monday'; expected"),
        (f"{BEGAN}b/mon.wav,2026-03-02T22:00\n", {}, "line 4: .* has another time .* 2"),
        (BEGAN.replace(":00\nt", ":00Z\nt"), {}, "line 2 has a time with a zone, .* 3"),
        (BEGAN, {"file": ["a/mon.wav", "b/mon.wav"] * 2}, "'mon.wav' is the name of 2 of"),
    ],
)  # fmt: skip
def test_bad_tables_of_beginnings(recordings, began, changes, message):
    path, times = recordings(began, **changes)
    with pytest.raises(SERError, match=message):
        read_timeline(path, recorded_at=times)
    with pytest.raises(
        SERError, match="is 'times.csx'; expected a time .* or a table that exist"
    ):
        read_timeline(path, recorded_at="times.csx")


def test_our_own_predictions_with_times(tmp_path):
    """Rows as a predictions file has them; ratings are ignored."""
    path = tmp_path / "anna.jsonl"
    rated = {"id": "a", "speaker": "anna", "duration": 1.5, "emotion": "anger"}
    rated |= {"valence": 5.0, "arousal": 5.0, "predicted_emotion": "neutral"}
    predicted = {"predicted_valence": 2.0, "predicted_arousal": 3.0}
    predicted["log_probabilities"] = {"anger": -9.0, "neutral": 0.0}
    rows = [{**rated, **predicted, "time": f"2026-03-02T08:00:0{i}Z"} for i in (0, 2, 4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_timeline(path, va_range=(1, 5))
    assert (found.name, found.speaker) == ("anna.jsonl", "anna")
    assert found.va_N2.tolist() == [[-0.5, 0.0]] * 3
    assert found.seconds_N.tolist() == [1.5] * 3
    assert found.neutral_N.all() and len(found.notes) == 2


def test_no_second_counts_twice(table):
    """Windows of 4 s every second: 13 s of speech, not 40."""
    times = [f"2026-03-02T08:00:{i:02d}" for i in range(10)]
    found = read_timeline(table(10, time=times, duration=4.0, p_anger=1.0))
    assert found.seconds_N.tolist() == [1.0] * 9 + [4.0]
    assert "9 of 10 pieces overlap the next" in found.notes[-1]
    assert found.neutral_N is None  # no class is neutral


def test_pieces_without_a_gap_do_not_overlap(table):
    """0.9 - 0.6 is a little more than 0.3, which is no overlap."""
    starts = [0.3 * i for i in range(10)]
    times = [f"2026-03-02T08:00:{start:09.6f}" for start in starts]
    bounds = {"start": starts, "stop": [start + 0.3 for start in starts]}
    found = read_timeline(table(10, time=times, duration=None, **bounds, p_anger=1.0))
    assert found.seconds_N == pytest.approx([0.3] * 10)
    assert not any("overlap" in note for note in found.notes)


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
    assert found.notes[-1] == "2 rows of other or unknown speakers are skipped."
    with pytest.raises(SERError, match="of a, b and rows without a speaker; .* --speaker"):
        read_timeline(path)
    with pytest.raises(SERError, match="Bad speaker 'c'; expected one of: a, b"):
        read_timeline(path, speaker="c")
    assert read_timeline(table(speaker="")).speaker is None
    with pytest.raises(SERError, match="has no column speaker to find 'a' in"):
        read_timeline(table(), speaker="a")
