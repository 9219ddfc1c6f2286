"""The table of a corpus: pieces of files, columns that are not read, names written alike."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from data_prep.__main__ import main as data_prep
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.manifest import read_manifest
from tests.inference.stand_in import RATE_HZ
from tests.tiny_corpus import loaded

PIECES_S = [(0.0, 1.0), (1.0, 2.0), (1.5, 3.0)]


@pytest.fixture
def table(tmp_path, capsys):
    """``python -m data_prep table`` of a recording of 3 s; gives its entries and errors."""
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ)
    soundfile.write(tmp_path / "talk.wav", samples, RATE_HZ)
    where = ["--data_folder", str(tmp_path), "--manifest_folder", str(tmp_path / "m")]

    def table(columns, rows, *options, code=0):
        lines = [f"path,{columns}", *(",".join(["talk.wav", *map(str, row)]) for row in rows)]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = data_prep(["table", "--name", "mine", "--csv", "t.csv", *where, *options])
        said = capsys.readouterr().err
        assert found == code, said
        return [*loaded(tmp_path / "m/mine.json").values()] if code == 0 else [], said

    return table


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
def test_pieces_of_a_file_have_both_their_ends(table, columns, cells):
    """The end was ignored, and every segment lasted to the end of the file."""
    rows = [[*cells(*piece), "sad", "a"] for piece in PIECES_S]
    entries, _ = table(f"{columns},emotion,speaker", rows)
    found = [(entry["start"], entry["stop"], entry["duration"]) for entry in entries]
    assert found == [(start, stop, stop - start) for start, stop in PIECES_S]


def test_an_end_alone_counts_from_the_beginning_of_the_file(table):
    """``end`` alone was ignored."""
    (entry,), _ = table("end,label", [[1.25, "sad"]])
    assert entry["duration"] == 1.25


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        ("start,dur_frames", "'dur_frames' may be where they stop"),
        ("start,num_frames", "'num_frames' may be where they stop"),
        ("start,finish", "--stop_column or --duration_column"),
        ("start,Segment Length", "ignore it with --ignore_columns 'Segment Length'"),
        ("start,segment_end", "ignore it with --ignore_columns segment_end"),
        ("end,segment_start", "'segment_start' may be where they start"),
        ("start,offset", "'offset' may be where they stop"),  # beside an onset it is the end
        ("from,to", "ignore them: --ignore_columns from to."),
        ("start_sample,end_sample", "ignore them: --ignore_columns start_sample end_sample."),
        ("t0,t1", "ignore them: --ignore_columns t0 t1."),
    ],
)
def test_an_end_that_may_stand_unread_is_refused(table, columns, advice):
    """A start was read alone, or whole files, although the table knew the ends."""
    rows, pair = [[0.5, 1, "sad"]], columns.split(",")
    assert advice in table(f"{columns},emotion", rows, code=2)[1]
    table(
        f"{columns},emotion", rows, "--ignore_columns", *pair[-2 if "them" in advice else -1 :]
    )
    named = ["--start_column", pair[0], "--stop_column", pair[1]]
    if "them" in advice:
        assert table(f"{columns},emotion", rows, *named)[0][0]["duration"] == 0.5


def test_columns_that_are_not_used_are_always_named(table):
    """A column that was not understood was passed over in silence."""
    for _ in range(2):  # the second time the manifest is up to date
        _, said = table("label,mood,duration", [["sad", "x", 3]])
        assert "t.csv: columns not used: mood, duration." in said
        assert "columns read: path, emotion (label)." in said


def test_a_stop_before_its_start_is_refused_wherever_it_stands(table, tmp_path):
    """``stop < start`` read to the end of the file."""
    _, said = table("start,stop,emotion", [[2, 1, "sad"]], code=2)
    assert "1 stop before its start: talk.wav 2-1 s" in said
    with pytest.raises(audio.AudioProblem, match="stop before its start"):
        audio.read(tmp_path / "talk.wav", 2.0, 1.0)
    table("start,stop,emotion", [[1, 2, "sad"]])
    manifest = tmp_path / "m" / "mine.json"
    (tmp_path / "m" / "mine.card.json").unlink()
    manifest.write_text(manifest.read_text().replace('"stop": 2.0', '"stop": 0.5'))
    match = "Bad stop in entry 'mine_talk_1.000_2.000' .*: found 0.5"
    with pytest.raises(SERError, match=match):
        read_manifest(manifest)


def test_an_explicit_map_goes_before_the_words_for_nothing(table):
    """``--emotion_map none=neutral`` left the rows without a label."""
    rows = [[0, 1, "none"], [1, 2, "n/a"], [2, 3, "NA"]]
    entries, _ = table("start,end,label", rows, "--emotion_map", "none=neutral", "n/a=calm")
    assert [entry["labels"]["intended"] for entry in entries] == [
        {"emotion": "neutral", "raw": "none"},
        {"emotion": "calm", "raw": "n/a"},
        {"emotion": None, "raw": None},
    ]


@pytest.mark.parametrize(
    "names, alike",
    [
        (("spk01", "Spk01"), True),
        (("spk1", "spk01"), True),
        (("7", "007"), True),
        (("spk 1", "spk_1"), True),
        (("Zo\u00eb", "Zoe\u0308"), True),
        (("anna", "anna\u200b"), True),
        (("s1", "s11", "1s"), False),
    ],
)
def test_speakers_whose_names_differ_by_writing_alone_are_told(table, names, alike):
    """``spk01`` and ``Spk01`` were two speakers without a warning."""
    rows = [[at, at + 1, "sad", name] for at, name in enumerate(names)]
    entries, said = table("start,end,label,speaker", rows)
    assert len({entry["speaker"] for entry in entries}) == len(names)
    shown = " = ".join(ascii(name)[1:-1] for name in sorted(names))
    assert (f"speakers that may be the same: {shown}" in said) == alike
    assert ("may be the same" in said) == alike
