"""What a notebook shows of a report."""

import pytest

from ser_brain import Report
from ser_brain.core.errors import SERError
from ser_brain.core.tables import Table, to_csv, to_text
from ser_brain.reporting.report import write_report
from ser_brain.reporting.summary import summary
from tests import fake_run


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of a run: what was written, and what it was computed from."""
    run = tmp_path_factory.mktemp("run")
    fake_run.write(run)
    _, results = write_report(run, resamples=20)
    return Report(run), results


def test_the_tables_of_a_report_come_back_with_every_digit(report):
    written, results = report
    expected = summary(results["test_sets"])
    assert next(iter(written.tables)) == "summary"
    assert written.tables["summary"].rows == expected.rows
    assert {name: to_csv(table) for name, table in written.tables.items()} == {
        path.stem: path.read_text(encoding="utf-8") for path in written.folder.glob("*.csv")
    }
    assert written.results == results


def test_a_notebook_shows_a_report_its_tables_and_its_figures(report):
    written, _ = report
    shown, table = written._repr_html_(), written.tables["summary"]
    assert table._repr_html_() in shown
    assert all(name in shown for name in [*written.tables, *written.figures])
    figure = written.figures["fake-confusion"]
    picture, _ = figure._repr_png_()
    assert picture == (written.folder / "fake-confusion.png").read_bytes()
    assert figure.svg.is_file() and figure.pdf.is_file()
    assert repr(table) == to_text(table) in repr(written)


def test_a_table_shows_no_markup_of_its_own():
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "best": True, "marks": "*"}
    table = Table("t", "<i>all</i>", ["<b>", "n"], [["<script>", 3], [estimate, None]])
    shown = table._repr_html_()
    assert "<caption>&lt;i&gt;all&lt;/i&gt;</caption>" in shown
    assert '<th style="text-align: left">&lt;b&gt;</th>' in shown
    assert '<td style="text-align: left">&lt;script&gt;</td>' in shown
    assert "<b>0.500*</b> <small>[0.400, 0.600]</small>" in shown
    assert '<td style="text-align: right">3</td>' in shown


def test_a_folder_without_a_report_says_what_writes_one(tmp_path):
    with pytest.raises(SERError, match="has no report; of a run, ser report .* writes one"):
        Report(tmp_path)
