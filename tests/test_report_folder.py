import pytest

from ser_brain.checksums import changed_files
from ser_brain.errors import SERError
from ser_brain.report_folder import rewritten


def write(folder, *names):
    with rewritten(folder) as new:
        for name in names:
            (new / name).write_text(name)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_only_what_an_earlier_report_wrote_is_removed(tmp_path):
    write(tmp_path, "index.html", "old-confusion.svg")
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, "index.html", "new-confusion.svg")
    assert names_in(tmp_path) == {"index.html", "new-confusion.svg", "notes.txt", "SHA256SUMS"}


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path):
    write(tmp_path, "index.html")
    with pytest.raises(SERError, match="no label"):
        with rewritten(tmp_path) as new:
            (new / "index.html").write_text("half")
            raise SERError("no label")
    assert names_in(tmp_path) == {"index.html", "SHA256SUMS"}
    assert (tmp_path / "index.html").read_text() == "index.html"


def test_nothing_outside_the_folder_is_removed(tmp_path):
    folder = tmp_path / "report"
    write(folder, "index.html")
    (tmp_path / "precious").write_text("")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  ../precious\n")
    with pytest.raises(SERError, match="Bad list of files .*; delete it"):
        write(folder, "index.html")
    assert (tmp_path / "precious").exists()


def test_a_bad_list_of_files(tmp_path):
    (tmp_path / "SHA256SUMS").write_text("files")
    with pytest.raises(SERError, match="Bad list of files .*; delete it"):
        write(tmp_path, "index.html")


def test_what_it_wrote_is_noted(tmp_path):
    write(tmp_path, "index.html", "results.json")
    assert changed_files(tmp_path) == []
    (tmp_path / "index.html").write_text("edited")
    assert changed_files(tmp_path) == ["index.html"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match="Cannot write"):
        write(tmp_path / "file" / "report", "index.html")


def test_what_a_killed_report_left_is_removed(tmp_path):
    (tmp_path / ".partial-a1b2c3d4").mkdir()
    write(tmp_path, "index.html")
    assert names_in(tmp_path) == {"index.html", "SHA256SUMS"}


def test_two_at_once(tmp_path):
    with rewritten(tmp_path) as new:
        (new / "index.html").write_text("")
        with pytest.raises(SERError, match="is in use by process"):
            write(tmp_path, "other.html")
    assert names_in(tmp_path) == {"index.html", "SHA256SUMS"}
