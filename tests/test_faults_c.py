"""Issue 13, corpora and tables: each fault as a user met it, and what is right instead."""

import json

import numpy as np
import pytest
import soundfile

from data_prep.__main__ import main
from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.manifest import read_manifest

RATE_HZ = 16000
PIECES_S = [(0.0, 1.0), (1.0, 2.0), (1.5, 3.0)]


@pytest.fixture
def talk(tmp_path):
    """A recording of three seconds."""
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ)
    soundfile.write(tmp_path / "talk.wav", noise, RATE_HZ)
    return tmp_path


def prepare_table(folder, header, rows, *options):
    """Exit code of ``python -m data_prep table``, and the manifest."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    where = ["--data_folder", str(folder), "--manifest_folder", str(folder / "m")]
    code = main(["table", "--name", "mine", "--csv", "t.csv", *where, *options])
    manifest = folder / "m" / "mine.json"
    return code, json.loads(manifest.read_text(encoding="utf-8")) if code == 0 else {}


def clock(seconds):
    return f"0 days 00:00:{seconds:09.6f}"


def with_end(start, stop):
    return start, stop


def with_duration(start, stop):
    return start, stop - start


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("start,end", with_end),
        ("start,stop", with_end),
        ("begin,end", with_end),
        ("start_time,end_time", with_end),
        ("Start Time,End Time", with_end),
        ("onset,offset", with_end),
        ("start,duration", with_duration),
        ("offset,duration", with_duration),
        ("onset,duration", with_duration),
        ("start_s,duration_s", with_duration),
        ("start_ms,end_ms", lambda *times: [1000 * time for time in times]),
        ("start,end", lambda *times: [clock(time) for time in times]),
        ("start,end", lambda *times: [clock(time).removeprefix("0 days ") for time in times]),
        ("start,end", lambda *times: [f"0:{time:.2f}" for time in times]),
    ],
)
def test_pieces_of_a_file_have_both_their_ends(talk, columns, cells):
    """Issue 13, 1: the end was ignored, and every piece lasted to the end of the file."""
    rows = [["talk.wav", *cells(*piece), "sad", "a"] for piece in PIECES_S]
    code, manifest = prepare_table(talk, f"file,{columns},emotion,speaker", rows)
    assert code == 0
    found = [(entry["start"], entry["stop"], entry["duration"]) for entry in manifest.values()]
    assert found == [(start, stop, stop - start) for start, stop in PIECES_S]


def test_an_end_alone_counts_from_the_beginning_of_the_file(talk):
    """Issue 13, 1: ``end`` alone was ignored."""
    code, manifest = prepare_table(talk, "file,end,label", [["talk.wav", 1.25, "sad"]])
    assert code == 0
    assert [entry["duration"] for entry in manifest.values()] == [1.25]


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        ("start,dur_frames", "'dur_frames' may say where they stop"),
        ("start,finish", "--stop_column or --duration_column"),
        ("start,segment_end", "pass over it with --ignore_columns segment_end"),
        ("end,segment_start", "'segment_start' may say where they start"),
    ],
)
def test_one_end_is_refused_where_the_other_may_stand_unread(talk, capsys, columns, advice):
    """Issue 13, 1: a start was read alone although the table knew the end."""
    rows = [["talk.wav", 0.5, 1, "sad"]]
    code, _ = prepare_table(talk, f"path,{columns},emotion", rows)
    assert code == 2 and advice in capsys.readouterr().err
    ignored = columns.split(",")[1]
    code, _ = prepare_table(talk, f"path,{columns},emotion", rows, "--ignore_columns", ignored)
    assert code == 0


def test_columns_that_are_not_used_are_always_named(talk, capsys):
    """Issue 13, 1: a column that was not understood was passed over in silence."""
    header, rows = "file,label,mood,duration", [["talk.wav", "sad", "x", 3]]
    for _ in range(2):  # the second time the manifest is up to date
        code, _ = prepare_table(talk, header, rows)
        said = capsys.readouterr().err
        assert code == 0 and "t.csv: columns not used: mood, duration." in said
        assert "columns read: path (file), emotion (label)." in said


def test_a_stop_before_its_start_is_refused_wherever_it_stands(talk, capsys):
    """Issue 13, 1: ``stop < start`` read to the end of the file."""
    code, _ = prepare_table(talk, "path,start,stop,emotion", [["talk.wav", 2, 1, "sad"]])
    assert code == 2 and "1 stop before its start: talk.wav 2-1 s" in capsys.readouterr().err
    with pytest.raises(audio.AudioProblem, match="stop before its start"):
        audio.read(talk / "talk.wav", 2.0, 1.0)
    prepare_table(talk, "path,start,stop,emotion", [["talk.wav", 1, 2, "sad"]])
    manifest = talk / "m" / "mine.json"
    (talk / "m" / "mine.card.json").unlink()
    manifest.write_text(manifest.read_text().replace('"stop": 2.0', '"stop": 0.5'))
    with pytest.raises(SERError, match="stop of 'mine_talk_1.000_2.000' is 0.5"):
        read_manifest(manifest, talk)


def test_an_explicit_map_goes_before_the_words_for_nothing(talk):
    """Issue 13, 9: ``--emotion_map none=neutral`` left the rows without a label."""
    rows = [["talk.wav", 0, 1, "none"], ["talk.wav", 1, 2, "n/a"], ["talk.wav", 2, 3, "NA"]]
    pairs = ("--emotion_map", "none=neutral", "n/a=calm")
    code, manifest = prepare_table(talk, "path,start,end,label", rows, *pairs)
    labels = [entry["labels"]["intended"] for entry in manifest.values()]
    assert code == 0
    assert labels == [
        {"emotion": "neutral", "raw": "none"},
        {"emotion": "calm", "raw": "n/a"},
        {"emotion": None, "raw": None},
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("spk01", "Spk01"),
        ("spk1", "spk01"),
        ("7", "007"),
        ("spk 1", "spk_1"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("anna", "anna\u200b"),
    ],
)
def test_speakers_whose_names_differ_by_writing_alone_are_told(talk, capsys, names):
    """Issue 13, 3: ``spk01`` and ``Spk01`` were two speakers without a warning."""
    rows = [["talk.wav", at, at + 1, "sad", name] for at, name in enumerate(names)]
    code, manifest = prepare_table(talk, "path,start,end,label,speaker", rows)
    assert code == 0 and len({entry["speaker"] for entry in manifest.values()}) == 2
    shown = " = ".join(ascii(name)[1:-1] for name in sorted(names))
    assert f"speakers that may be the same: {shown}" in capsys.readouterr().err


def test_other_speakers_are_not_told_of(talk, capsys):
    """Issue 13, 3: names that only begin alike are of different people."""
    rows = [["talk.wav", at, at + 1, "sad", n] for at, n in enumerate(("s1", "s11", "1s"))]
    code, _ = prepare_table(talk, "path,start,end,label,speaker", rows)
    assert code == 0 and "may be the same" not in capsys.readouterr().err


def test_an_offset_that_is_no_end_is_not_taken_for_one(talk, capsys):
    """Issue 13, 1: beside a start that is no onset, an offset may mean anything."""
    rows = [["talk.wav", 1, 2, "sad"]]
    code, _ = prepare_table(talk, "file,start,offset,label", rows)
    assert code == 2 and "'offset' may say where they stop" in capsys.readouterr().err
