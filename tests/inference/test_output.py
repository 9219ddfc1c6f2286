"""What is done is known again, and nothing that was not written to its end."""

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.inference.output import Journal, PredictionOutput
from ser_brain.inference.predict import Chunk
from ser_brain.inference.segments import Skipped, merged, skipped_table


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.wav", "b\u2028.wav", "c.wav")]
    for path in paths:
        path.write_text("sound")
    return paths


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "out.csv.journal")
    journal.begin({"model": "m"})
    return journal


def test_it_is_read_as_it_was_written(journal, files):
    silent = Skipped(str(files[1]), 0.0, 4.0, "silent")
    journal.add(120, [files[0]], (files[1], 7), [silent])
    again = Journal(journal.path)
    assert again.settings == {"model": "m"} and again.bytes_written == 120
    assert again.remaining(files) == {files[1]: 7, files[2]: 0}
    assert again.skipped == [silent]
    again.add(300, [files[1]])
    for known in (again, Journal(journal.path)):
        assert known.remaining(files) == {files[2]: 0} and known.bytes_written == 300


def test_half_a_line_does_not_count(journal, files):
    journal.add(120, [files[0]])
    with open(journal.path, "a") as file:
        file.write('{"bytes": 300, "fil')
    again = Journal(journal.path)
    assert again.bytes_written == 120 and list(again.remaining(files)) == files[1:]
    again.add(200, [files[1]])
    assert Journal(journal.path).remaining(files) == {files[2]: 0}


def test_no_journal(tmp_path):
    assert Journal(tmp_path / "absent").settings is None


def test_a_file_that_changed(journal, files):
    journal.add(120, [files[0]], (files[1], 7))
    files[0].unlink()  # is not needed any more
    assert journal.remaining(files) == {files[1]: 7, files[2]: 0}
    os.utime(files[1], (0, 0))
    with pytest.raises(SERError, match="b.* has changed since it was scored"):
        journal.remaining(files)


@pytest.mark.parametrize("content", ["\n", "[1]\n[2]\n", '{}\n{"bytes": 3}\n'])
def test_what_is_no_journal(tmp_path, content):
    path = tmp_path / "out.csv.journal"
    path.write_text(content)
    with pytest.raises(SERError, match="Cannot read .*out.csv.journal .* give another --out"):
        Journal(path)


def test_neighbours_are_put_together_only_where_they_touch():
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
    assert skipped_table(joined).rows == [["a.wav", 5.0, 10.0, "silent"]]


COLUMNS = ["file", "start", "stop", "emotion", "p_anger", "warnings"]
FORMATS = [".csv", ".jsonl", ".parquet"]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path(f'{name}, "x".wav') for name in "abcd"]
    for path in paths:
        path.write_text("sound")
    return paths


def rows_of(path, count=1):
    return [
        dict(zip(COLUMNS, [str(path), float(n), n + 1.0, "anger", 0.75, ""], strict=True))
        for n in range(count)
    ]


def open_output(suffix, **settings):
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
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        found = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    return [{name: str(cell) for name, cell in row.items()} for row in found]


def expected(paths, count=1):
    rows = [row for path in paths for row in rows_of(path, count)]
    return [{name: str(cell) for name, cell in row.items()} for row in rows]


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_are_there_when_all_are(clips, suffix):
    output = open_output(suffix)
    assert output.remaining(clips) == dict.fromkeys(clips, 0)
    output.add(Chunk(finished=clips[:2]), rows_of(clips[0], 2) + rows_of(clips[1], 2))
    assert not output.path.exists()
    output.finish()
    assert read(suffix) == expected(clips[:2], 2)
    assert not output.part.exists() and not output.skipped_path.exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_half_a_chunk_does_not_count(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk(finished=[clips[0]], unfinished=(clips[1], 2)), rows_of(clips[0], 2))
    with open(output.part, "a", encoding="utf-8") as file:  # killed while it was writing
        file.write(str(rows_of(clips[1]))[:20])
    again = open_output(suffix)
    assert again.remaining(clips) == {clips[1]: 2, clips[2]: 0, clips[3]: 0}
    again.add(Chunk(finished=clips[1:]), [row for c in clips[1:] for row in rows_of(c, 2)])
    again.finish()
    assert read(suffix) == expected(clips, 2)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_finished_table_takes_further_files(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk(finished=clips[:2]), rows_of(clips[0]) + rows_of(clips[1]))
    output.finish()
    again = open_output(suffix)
    assert again.remaining(clips) == {clips[2]: 0, clips[3]: 0}
    again.add(Chunk(finished=[clips[2]]), rows_of(clips[2]))
    assert read(suffix) == expected(clips[:2])  # until all is there
    # Killed here; the third run needs what the first two wrote.
    third = open_output(suffix)
    assert third.remaining(clips) == {clips[3]: 0}
    third.add(Chunk(finished=[clips[3]]), rows_of(clips[3]))
    third.finish()
    assert read(suffix) == expected(clips)


@pytest.mark.parametrize("suffix", FORMATS)
def test_killed_after_the_last_row(clips, suffix):
    open_output(suffix).add(Chunk(finished=clips), [r for c in clips for r in rows_of(c)])
    again = open_output(suffix)
    assert again.remaining(clips) == {}
    again.finish()
    assert read(suffix) == expected(clips)


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_to_do_leaves_the_table_as_it_is(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk(finished=clips), rows_of(clips[0]))
    output.finish()
    before = output.path.stat().st_mtime_ns
    again = open_output(suffix)
    again.add(Chunk(), [])
    again.finish()
    assert output.path.stat().st_mtime_ns == before


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_row_at_all_is_a_table_without_rows(clips, suffix):
    output = open_output(suffix)
    output.add(Chunk([Skipped("a.wav", None, None, "missing")]), [])
    output.finish()
    assert read(suffix) == []
    assert output.skipped_path.read_text() == "file,start,stop,reason\na.wav,,,missing\n"


def test_what_is_left_out_is_listed_as_long_as_it_is(clips):
    silent = [Skipped(str(clips[0]), n, n + 4.0, "silent") for n in (0.0, 1.0)]
    missing = Skipped("e.wav", None, None, "missing")
    output = open_output(".csv")
    output.add(Chunk([*silent, missing], finished=clips[:1]), rows_of(clips[0]))
    output.finish()
    again = open_output(".csv")
    assert [(item.file, item.stop_s) for item in again.skipped] == [(str(clips[0]), 5.0)]
    assert again.remaining([clips[0], Path("e.wav")]) == {Path("e.wav"): 0}  # tried again
    again.finish()
    name = '"a, ""x"".wav"'
    assert again.skipped_path.read_text() == f"file,start,stop,reason\n{name},0.0,5.0,silent\n"
    again.path.unlink()  # Who takes the table away begins anew.
    new = open_output(".csv")
    assert new.skipped == [] and new.remaining(clips) == dict.fromkeys(clips, 0)
    new.add(Chunk(finished=clips[:1]), rows_of(clips[0]))
    new.finish()
    assert read(".csv") == expected(clips[:1]) and not new.skipped_path.exists()


def test_a_table_of_other_settings_is_left_alone(clips):
    output = open_output(".csv", window=4.0)
    output.add(Chunk(finished=clips[:1]), rows_of(clips[0]))
    for _ in range(2):  # with the rows in out.csv.part, then in out.csv
        with pytest.raises(SERError, match=r"made with other settings: window 4.0, now None"):
            open_output(".csv", window=None)
        output.finish()


def test_a_table_of_another_origin_is_left_alone(clips):
    Path("out.csv").write_text("my own\n")
    with pytest.raises(SERError, match="out.csv exists without out.csv.journal"):
        open_output(".csv")
    assert Path("out.csv").read_text() == "my own\n"


def test_rows_that_vanished(clips):
    output = open_output(".csv")
    output.add(Chunk(finished=clips[:1]), rows_of(clips[0]))
    output.part.write_text("file")
    again = open_output(".csv")
    with pytest.raises(SERError, match="out.csv.part holds 4 bytes, but its journal records"):
        again.add(Chunk(finished=clips[1:]), rows_of(clips[1]))


@pytest.mark.parametrize("name, suffix", [("out.xlsx", ".xlsx"), ("out", "")])
def test_an_unknown_format(clips, name, suffix):
    message = f"Bad --out suffix '{suffix}'; expected one of: .csv, .jsonl, .parquet"
    with pytest.raises(SERError, match=message):
        PredictionOutput(Path(name), COLUMNS, {})


def test_parquet_without_pyarrow(clips, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SERError, match="needs pyarrow: pip install 'ser-recipes.parquet.'"):
        PredictionOutput(Path("out.parquet"), COLUMNS, {})


def test_a_folder_that_cannot_be_written_to(clips):
    Path("folder").write_text("a file")
    output = PredictionOutput(Path("folder/out.csv"), COLUMNS, {})
    with pytest.raises(SERError, match="Cannot write folder/out.csv"):
        output.add(Chunk(finished=clips), rows_of(clips[0]))


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_emotion_of_any_name_keeps_its_column(clips, suffix, monkeypatch):
    """Issue 13, S9: a class named ``a,"b`` broke the header of the table."""
    named = ["file", 'p_a,"b', "p_two\nlines"]
    monkeypatch.setattr(f"{__name__}.COLUMNS", named)
    row = dict(zip(named, [str(clips[0]), 0.25, 0.75], strict=True))
    output = open_output(suffix)
    output.add(Chunk(finished=clips[:1]), [row])
    output.finish()
    assert read(suffix) == [{name: str(cell) for name, cell in row.items()}]
