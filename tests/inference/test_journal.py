"""What is done is known again, and nothing that was not written to its end."""

import os

import pytest

from ser_brain.errors import SERError
from ser_brain.inference.journal import Journal
from ser_brain.inference.left_out import LeftOut, merged, table


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
    silent = LeftOut(str(files[1]), 0.0, 4.0, "silent")
    journal.add(120, [files[0]], (files[1], 7), [silent])
    again = Journal(journal.path)
    assert again.settings == {"model": "m"} and again.bytes_written == 120
    assert again.remaining(files) == {files[1]: 7, files[2]: 0}
    assert again.left_out == [silent]
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
        LeftOut("a.wav", 0.0, 4.0, "silent"),
        LeftOut("a.wav", 5.0, 9.0, "silent"),
        LeftOut("a.wav", 9.0, 13.0, "far too loud"),
        LeftOut("b.wav", 9.0, 13.0, "far too loud"),
        LeftOut("b.wav", 13.0, None, "unreadable"),
        LeftOut("c.wav", None, None, "missing"),
        LeftOut("c.wav", None, None, "missing"),
    ]
    assert merged(kept) == kept
    joined = merged([kept[1], LeftOut("a.wav", 9.0, 10.0, "silent")])
    assert table(joined).rows == [["a.wav", 5.0, 10.0, "silent"]]
