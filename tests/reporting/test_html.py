"""Pages and the folders they are written to."""

import base64
import functools
import hashlib
import json
import os
import re

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import changed_files, write_checksums
from ser_brain.core.tables import Table, to_csv
from ser_brain.reporting import html
from ser_brain.reporting.html import render, rewritten, written_files

ESTIMATE = {"value": 0.123456, "low": 0.1, "high": 0.2}
PAGE = """{% extends "base.html" %}{% from "macros.html" import show with context %}
{% block main %}{{ show(table, "t") }}{% endblock %}"""


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A page with one table."""
    for path in html.TEMPLATES.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "page.html").write_text(PAGE)
    monkeypatch.setattr(html, "TEMPLATES", tmp_path)
    monkeypatch.setattr(html, "pages", functools.cache(html.pages.__wrapped__))

    def show(*rows, head=("Name", "UAR"), **facts):
        return render("page.html", table=Table("t", "<b>", list(head), list(rows), **facts))

    return show


def test_how_a_table_is_shown(shown):
    page = shown(["fold 10", ESTIMATE], ["fold 2", None], ["fold 1", 1200])
    values = re.findall(r'<td class="number" data-value="(.*?)">', page)
    assert values == ["0.123456", "", "1200"]
    assert '<th scope="row">fold 10</th>' in page
    assert '<th scope="col" class="number">UAR</th>' in page
    page = shown(["a", None], ["b", "best of all"])  # a column with a word, to the left
    assert '<td data-value="">–</td>' in page
    assert '<th scope="col">UAR</th>' in page
    best = ["a", ESTIMATE | {"best": True}, ESTIMATE]
    page = shown(best, head=["Name", "UAR", "WA"], over=["", "emodb", "emodb"])
    assert page.count("<strong>0.123</strong>") == 1
    assert '<th scope="colgroup" colspan="2">emodb</th>' in page


def test_the_download_is_the_csv_of_the_table(shown):
    page = shown(["<script>", ESTIMATE])
    payload = re.search(r'href="data:text/csv;charset=utf-8;base64,(.*?)"', page)[1]
    table = Table("t", "", ["Name", "UAR"], [["<script>", ESTIMATE]])
    assert base64.b64decode(payload).decode() == to_csv(table)
    assert page.count("<script>") == 1 and "&lt;b&gt;" in page


def test_the_policy_knows_the_scripts_of_the_page_and_no_other(shown):
    (html.TEMPLATES / "more.js").write_text("more();")
    for scripts in (("page.js",), ("page.js", "more.js")):
        page = render("page.html", scripts, table=Table("t", "", ["a"]))
        inline = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in page
        assert ("more();" in inline) == (len(scripts) == 2)


LISTS = {"files.json", "SHA256SUMS"}


def write(folder, *names, own=False):
    with rewritten(folder, own) as new:
        for name in names:
            (new / name).write_text(name)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def content(folder):
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_only_what_an_earlier_report_wrote_is_removed(tmp_path, caplog):
    caplog.set_level("INFO")
    write(tmp_path, "index.html", "old-confusion.svg")
    (tmp_path / "notes.txt").write_text("mine")
    for name in ("report", "files.json", "model"):  # what killed processes left
        (tmp_path / f".partial-{name}-a1b2c3d4").mkdir()
    write(tmp_path, "index.html", "new-confusion.svg")
    # The model may be one that a command writes into the same folder at the moment.
    kept = {"notes.txt", ".partial-model-a1b2c3d4"}
    assert names_in(tmp_path) == {"index.html", "new-confusion.svg", *kept, *LISTS}
    assert f"{tmp_path}: removed old-confusion.svg of an earlier report" in caplog.text


def test_nothing_outside_the_folder_is_removed(tmp_path):
    folder = tmp_path / "report"
    write(folder, "index.html")
    (tmp_path / "precious").write_text("")
    listed = {"written": ["../precious", "..", "index.html", "SHA256SUMS"]}
    (folder / "files.json").write_text(json.dumps(listed))
    write(folder, "page.html")
    assert (tmp_path / "precious").exists() and names_in(folder) == {"page.html", *LISTS}


def data_set(folder):
    (folder / "report").mkdir()
    (folder / "report" / "a.wav").write_text("a")
    write_checksums(folder / "report")


def holding(name):
    def make(folder):
        write(folder / "report", own=True)
        (folder / "report" / name).write_text("mine")

    return make


def of_a_run(folder):
    (folder / "hyperparams.yaml").write_text("")
    write(folder / "report", "index.html", own=True)


@pytest.mark.parametrize(
    "make, said",
    [
        (data_set, "contains SHA256SUMS, not written by a report. Choose"),
        (holding("results.json"), "contains results.json, not written by a report"),
        (of_a_run, "report is the report of a run. Choose another folder"),
    ]
    + [
        (holding(mark), f"contains {mark}: it is a run, folds or a model. Choose")
        for mark in ("hyperparams.yaml", "folds.json", "config.json")
    ],
    ids=["data set", "file", "report of a run", "run", "folds", "model"],
)
def test_what_no_report_wrote_is_not_replaced(tmp_path, make, said):
    make(tmp_path)
    before = content(tmp_path)
    with pytest.raises(SERError, match=said):
        write(tmp_path / "report", "index.html", "results.json")
    assert content(tmp_path) == before


@pytest.mark.parametrize("damaged", ["", "{}", '{"written": [1]}', "[", "\0"])
def test_a_damaged_list_of_files(tmp_path, damaged, caplog):
    """Then nobody knows whose the files are: only those of the report's own folder give way."""
    write(tmp_path, "index.html", "old.svg", own=True)
    (tmp_path / "files.json").write_text(damaged)
    with pytest.raises(
        SERError, match="contains SHA256SUMS, files.json, not written by a report"
    ):
        write(tmp_path, "index.html")
    write(tmp_path, "index.html", own=True)
    assert f"{tmp_path / 'files.json'} is damaged" in caplog.text
    assert names_in(tmp_path) == {"index.html", "old.svg", *LISTS}


@pytest.mark.parametrize("sums", ["damaged", None])  # a report of an earlier version had none
def test_damaged_checksums_give_way(tmp_path, sums):
    write(tmp_path, "index.html", "old.svg")
    (tmp_path / "SHA256SUMS").unlink()
    if sums:
        (tmp_path / "SHA256SUMS").write_text(sums)
    write(tmp_path, "index.html")
    assert names_in(tmp_path) == {"index.html", *LISTS} and changed_files(tmp_path) == []
    assert written_files(tmp_path) == names_in(tmp_path)
    (tmp_path / "index.html").write_text("edited")
    assert changed_files(tmp_path) == ["index.html"]
    with pytest.raises(SERError, match="Cannot write"):
        write(tmp_path / "index.html" / "report", "index.html")


@pytest.mark.parametrize("moves", range(7))
def test_a_report_that_was_stopped_while_it_moved_can_be_written_again(
    tmp_path, monkeypatch, moves
):
    write(tmp_path, "index.html", "old.svg")
    replace, done = os.replace, []

    def stop(*paths):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(paths)
        replace(*paths)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", stop)
        write(tmp_path, "index.html", "new.svg")
    write(tmp_path, "index.html", "newer.svg")
    assert names_in(tmp_path) == {"index.html", "newer.svg", *LISTS}
    assert changed_files(tmp_path) == []


def test_a_report_that_fails_or_is_not_alone_leaves_the_earlier_one(tmp_path):
    write(tmp_path, "index.html")
    with pytest.raises(SERError, match="no label"), rewritten(tmp_path) as new:
        (new / "index.html").write_text("half")
        with pytest.raises(SERError, match="is in use by process"):
            write(tmp_path, "other.html")
        raise SERError("no label")
    assert names_in(tmp_path) == {"index.html", *LISTS}
    assert (tmp_path / "index.html").read_text() == "index.html"
