"""``ser predict --out``: a table is complete or absent, and a stopped run continues."""

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.output import PredictionOutput
from ser_brain.inference.predict import Chunk
from ser_brain.inference.segments import Skipped, merged

COLUMNS = ["file", "start", "stop", "emotion", 'p_a,"b', "p_two\nlines", "warnings"]
FORMATS = pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path(f'{name}\u2028, "x".wav') for name in "abcd"]
    for path in paths:
        path.write_text("sound")
    return paths


def rows_of(*paths, count=1):
    return [
        dict(zip(COLUMNS, [str(path), float(n), n + 1.0, "anger", 0.75, 0.25, ""], strict=True))
        for path in paths
        for n in range(count)
    ]


def open_output(suffix=".csv", **settings):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    return PredictionOutput(Path(f"out{suffix}"), COLUMNS, {"model": "m", **settings})


def read(suffix):
    """Cells as text, whatever the format."""
    path = Path(f"out{suffix}")
    if suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            return [*csv.DictReader(file)]
    if suffix == ".jsonl":
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    else:
        found = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    return as_text(found)


def as_text(rows):
    return [{name: str(cell) for name, cell in row.items()} for row in rows]


@FORMATS
def test_the_table_appears_when_all_rows_are_there(clips, suffix):
    """Also for an emotion of any name (issue 13, S9)."""
    output = open_output(suffix)
    assert output.remaining(clips) == dict.fromkeys(clips, 0)
    output.add(Chunk(finished=clips[:2]), rows_of(*clips[:2], count=2))
    assert not output.path.exists()
    output.finish()
    assert read(suffix) == as_text(rows_of(*clips[:2], count=2))
    assert not output.part.exists() and not output.skipped_path.exists()
    before = output.path.stat().st_mtime_ns
    again = open_output(suffix)  # without new files, the table stays as it is
    again.add(Chunk(), [])
    again.finish()
    assert output.path.stat().st_mtime_ns == before


@FORMATS
def test_half_a_chunk_does_not_count(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk(finished=clips[:1], unfinished=(clips[1], 2)), rows_of(clips[0], count=2))
    with open(output.part, "a", encoding="utf-8") as file:  # killed while it was writing
        file.write(str(rows_of(clips[1]))[:20])
    with open(f"out{suffix}.journal", "a") as file:
        file.write('{"bytes": 300, "fil')
    again = open_output(suffix)
    assert again.remaining(clips) == {clips[1]: 2, clips[2]: 0, clips[3]: 0}
    again.add(Chunk(finished=clips[1:]), rows_of(*clips[1:], count=2))
    again.finish()
    assert read(suffix) == as_text(rows_of(*clips, count=2))


@FORMATS
def test_a_finished_table_takes_further_files(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk(finished=clips[:2]), rows_of(*clips[:2]))
    output.finish()
    again = open_output(suffix)
    assert again.remaining(clips) == {clips[2]: 0, clips[3]: 0}
    again.add(Chunk(finished=[clips[2]]), rows_of(clips[2]))
    assert read(suffix) == as_text(rows_of(*clips[:2]))  # until all is there
    # Killed here; the third run needs what the first two wrote.
    third = open_output(suffix)
    assert third.remaining(clips) == {clips[3]: 0}
    third.add(Chunk(finished=[clips[3]]), rows_of(clips[3]))
    # Killed again, after the last row.
    fourth = open_output(suffix)
    assert fourth.remaining(clips) == {}
    fourth.finish()
    assert read(suffix) == as_text(rows_of(*clips))


@FORMATS
def test_without_any_row_there_is_an_empty_table(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk([Skipped("a.wav", None, None, "missing")]), [])
    output.finish()
    assert read(suffix) == []
    assert output.skipped_path.read_text() == "file,start,stop,reason\na.wav,,,missing\n"


def test_what_is_skipped_is_listed_as_long_as_it_is(clips):
    silent = [Skipped(str(clips[0]), n, n + 4.0, "silent") for n in (0.0, 1.0)]
    missing = Skipped("e.wav", None, None, "missing")
    output = open_output()
    output.add(Chunk([*silent, missing], finished=clips[:1]), rows_of(clips[0]))
    output.finish()
    again = open_output()
    assert [(item.file, item.stop_s) for item in again.skipped] == [(str(clips[0]), 5.0)]
    assert again.remaining([clips[0], Path("e.wav")]) == {Path("e.wav"): 0}  # tried again
    again.finish()
    with open(again.skipped_path, encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)][1:] == [[str(clips[0]), "0.0", "5.0", "silent"]]
    again.path.unlink()  # without its table, a run begins anew
    new = open_output()
    assert new.skipped == [] and new.remaining(clips) == dict.fromkeys(clips, 0)
    new.add(Chunk(finished=clips[:1]), rows_of(clips[0]))
    new.finish()
    assert read(".csv") == as_text(rows_of(clips[0])) and not new.skipped_path.exists()


def test_only_neighbours_that_touch_are_joined():
    kept = [
        Skipped("a.wav", 0.0, 4.0, "silent"),
        Skipped("a.wav", 5.0, 9.0, "silent"),
        Skipped("a.wav", 9.0, 13.0, "far too loud"),
        Skipped("b.wav", 9.0, 13.0, "far too loud"),
        Skipped("b.wav", 13.0, None, "unreadable"),
        Skipped("c.wav", None, None, "missing"),
        Skipped("c.wav", None, None, "missing"),
    ]
    assert merged(kept) == kept
    joined = merged([kept[1], Skipped("a.wav", 9.0, 10.0, "silent")])
    assert joined == [Skipped("a.wav", 5.0, 10.0, "silent")]
    within = [Skipped("a.wav", 0.0, 4.0, "silent"), Skipped("a.wav", 1.0, 3.0, "silent")]
    assert merged(within) == within[:1]


def test_a_table_of_another_origin_is_not_touched(clips):
    output = open_output(window=4.0)
    output.add(Chunk(finished=clips[:1]), rows_of(clips[0]))
    for _ in range(2):  # with the rows in out.csv.part, then in out.csv
        with pytest.raises(SERError, match=r"made with other settings: window 4.0, now None"):
            open_output(window=None)
        output.finish()
    Path("out.csv.journal").unlink()
    before = output.path.read_text()
    with pytest.raises(SERError, match="out.csv exists without out.csv.journal"):
        open_output(window=4.0)
    assert output.path.read_text() == before


def test_what_changed_meanwhile(clips):
    output = open_output()
    chunk = Chunk(finished=clips[:1], unfinished=(clips[1], 7))
    output.add(chunk, rows_of(clips[0]))
    clips[0].unlink()  # no longer needed
    assert open_output().remaining(clips[:2]) == {clips[1]: 7}
    output.part.write_text("file")
    with pytest.raises(SERError, match="out.csv.part holds 4 bytes, but its journal records"):
        open_output().add(Chunk(finished=clips[1:]), rows_of(clips[1]))
    os.utime(clips[1], (0, 0))
    with pytest.raises(SERError, match="b.* has changed since it was scored"):
        open_output().remaining(clips)


def test_a_recording_of_which_one_channel_was_scored_has_changed(clips):
    left = Path(f"{clips[0]}#left")
    open_output().add(Chunk(finished=[left]), rows_of(left))
    assert open_output().remaining([left]) == {}
    clips[0].write_text("another sound")
    with pytest.raises(SERError, match="#left has changed since it was scored"):
        open_output().remaining([left])


@pytest.mark.parametrize("content", ["\n", "[1]\n[2]\n", '{}\n{"bytes": 3}\n'])
def test_a_journal_that_cannot_be_read(clips, content):
    Path("out.csv.journal").write_text(content)
    with pytest.raises(SERError, match="Cannot read .*out.csv.journal .* give another --out"):
        open_output()


@pytest.mark.parametrize("name, suffix", [("out.xlsx", ".xlsx"), ("out", "")])
def test_an_unknown_format(name, suffix):
    message = f"Bad --out suffix '{suffix}'; expected one of: .csv, .jsonl, .parquet"
    with pytest.raises(SERError, match=message):
        PredictionOutput(Path(name), COLUMNS, {})


def test_parquet_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SERError, match="needs pyarrow: pip install 'ser-recipes.parquet.'"):
        PredictionOutput(Path("out.parquet"), COLUMNS, {})


def test_a_folder_that_cannot_be_written_to(clips):
    Path("folder").write_text("a file")
    output = PredictionOutput(Path("folder/out.csv"), COLUMNS, {})
    with pytest.raises(SERError, match="Cannot write folder/out.csv"):
        output.add(Chunk(finished=clips), rows_of(clips[0]))
