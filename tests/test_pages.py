import base64
import hashlib
import re

import pytest

from ser_brain import pages
from ser_brain.pages import render
from ser_brain.tables import Table, to_csv

ESTIMATE = {"value": 0.123456, "low": 0.1, "high": 0.2}
PAGE = """{% extends "base.html" %}{% from "macros.html" import show with context %}
{% block main %}{{ show(table, "t") }}{% endblock %}"""


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A page with one table."""
    for path in pages.TEMPLATES.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "page.html").write_text(PAGE)
    monkeypatch.setattr(pages, "TEMPLATES", tmp_path)

    def show(*rows, head=("Name", "UAR"), **facts):
        return render("page.html", table=Table("t", "<b>", list(head), list(rows), **facts))

    return show


def test_numbers_are_sorted_by_value_and_words_as_they_read(shown):
    page = shown(["fold 10", ESTIMATE], ["fold 2", None], ["fold 1", 1200])
    values = re.findall(r'<td class="number" data-value="(.*?)">', page)
    assert values == ["0.123456", "", "1200"]
    assert '<th scope="row">fold 10</th>' in page
    assert '<th scope="col" class="number">UAR</th>' in page


def test_a_column_with_a_word_is_set_to_the_left(shown):
    page = shown(["a", None], ["b", "best of all"])
    assert '<td data-value="">–</td>' in page
    assert '<th scope="col">UAR</th>' in page


def test_the_best_is_bold_and_headings_span_columns(shown):
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


def test_only_long_tables_scroll_by_themselves(shown):
    assert 'class="scroll"' in shown(*[["a", 1]] * 30)
    assert 'class="scroll long"' in shown(*[["a", 1]] * 31)


def test_the_policy_knows_the_scripts_of_the_page_and_no_other(shown):
    (pages.TEMPLATES / "more.js").write_text("more();")
    for scripts in (("page.js",), ("page.js", "more.js")):
        page = render("page.html", scripts, table=Table("t", "", ["a"]))
        inline = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in page
        assert ("more();" in inline) == (len(scripts) == 2)
