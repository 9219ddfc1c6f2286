import json

import pytest

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
    assert names_in(tmp_path) == {"index.html", "new-confusion.svg", "notes.txt", "files.json"}


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path):
    write(tmp_path, "index.html")
    with pytest.raises(SERError, match="no label"):
        with rewritten(tmp_path) as new:
            (new / "index.html").write_text("half")
            raise SERError("no label")
    assert names_in(tmp_path) == {"index.html", "files.json"}
    assert (tmp_path / "index.html").read_text() == "index.html"


def test_nothing_outside_the_folder_is_removed(tmp_path):
    folder = tmp_path / "report"
    write(folder, "index.html")
    (tmp_path / "precious").write_text("")
    (folder / "files.json").write_text(json.dumps({"written": ["../precious", ".."]}))
    write(folder, "index.html")
    assert (tmp_path / "precious").exists()


def test_a_bad_list_of_files(tmp_path):
    (tmp_path / "files.json").write_text('{"written": [1]}')
    with pytest.raises(SERError, match="Bad list of a report's files .*delete it"):
        write(tmp_path, "index.html")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match="Cannot write"):
        write(tmp_path / "file" / "report", "index.html")
