"""."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import WHAT_IT_IS, analyse
from ser_brain.analysis.mood.description import span
from ser_brain.analysis.mood.report import summary, write_report
from ser_brain.analysis.mood.simulation import SPANS, planted, simulate
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.tables import to_csv
from ser_brain.reporting.html import ReportFigure


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The report of the simulated person, and the facts it was made from."""
    folder = tmp_path_factory.mktemp("demo")
    table = folder / "simulated.csv"
    table.write_text(to_csv(simulate()), encoding="utf-8")
    mood = analyse(read_timeline(table), None, tuple(map(span, SPANS)))
    page = write_report(mood, folder, "ser mood --demo", planted())
    return folder, page.read_text(encoding="utf-8"), mood.facts()


def test_the_page_says_what_it_is_before_anything_else(demo):
    _, page, _ = demo
    main = page.partition("<main")[2]
    first = re.search(r"<p[^>]*>(.*?)</p>", main, re.S).group(1)
    assert first.replace("&#39;", "'") == WHAT_IT_IS
    assert "no diagnosis" in WHAT_IT_IS and "errors" in WHAT_IT_IS
    assert "Simulated: nobody spoke" in main


def test_the_page_holds_everything(demo):
    _, page, _ = demo
    assert page.count("data:image/svg+xml;base64,") == 6
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "ser mood --demo" in page


def test_the_numbers_lie_beside_it(demo):
    folder, _, facts = demo
    assert json.loads((folder / "mood.json").read_text(encoding="utf-8")) == facts
    with open(folder / "days.csv", encoding="utf-8") as file:
        days = list(csv.DictReader(file))
    assert len(days) == 14
    assert days[10] == {
        "Day": "Thu 2026-03-12", "Speech (s)": "0", "Pieces": "0",
        "Valence": "", "Arousal": "", "Range": "", "Neutral": "",
    }  # fmt: skip
    assert float(days[0]["Valence"]) == facts["steps"][0]["valence"]
    with open(folder / "change.csv", encoding="utf-8") as file:
        change = {row["Mean of days"]: row for row in csv.DictReader(file)}
    valence = facts["change"]["measures"]["valence"]
    assert float(change["Valence"]["B − A low"]) == valence["difference"]["low"]
    assert float(change["Valence"]["Planted"]) == planted()["valence"]
    p = facts["change"]["outcomes"]["centroid"]["p_adjusted"]
    assert float(change["Centroid (distance)"]["p, corrected"]) == p


def test_every_figure_is_there_in_every_format(demo):
    folder, _, _ = demo
    names = {"map", "periods", "course", "track", "change_maps", "change_splits"}
    for suffix in (".svg", ".png", ".pdf", "-untitled.svg", "-untitled.pdf"):
        assert {f"{name}{suffix}" for name in names} <= {path.name for path in folder.iterdir()}


def test_the_planted_change_is_found(demo):
    _, _, facts = demo
    outcomes = facts["change"]["outcomes"]
    assert outcomes["centroid"]["p_adjusted"] <= 0.05 < outcomes["range"]["p_adjusted"]
    text = summary(facts, planted())
    assert WHAT_IT_IS in text and "Planted" in text and "Week of 2026-03-09" in text


def test_a_short_table_with_odd_names(timeline, tmp_path):
    """Two pieces at one place: no range, no classes, and no test that nobody asked for."""
    one = replace(timeline([[0.5, 0.5]] * 2), name="<b>$x$.csv", speaker="<script>")
    page = write_report(analyse(one), tmp_path, "ser mood '<i>'").read_text(encoding="utf-8")
    assert "<b>" not in page and "<i>" not in page and page.count("<script>") == 1
    assert "&lt;script&gt;" in page
    assert "No change was tested." in page and not (tmp_path / "change.csv").exists()
    facts = json.loads((tmp_path / "mood.json").read_text(encoding="utf-8"))
    assert facts["whole"]["range"] is None and facts["change"] is None
    assert "Neutral" not in (tmp_path / "hours.csv").read_text(encoding="utf-8")


def test_too_few_days_are_called_that(timeline, tmp_path, monkeypatch):
    nothing = ReportFigure("", "", "")  # Figures are not looked at here.
    drawn = {"whole": nothing, "by_period": nothing, "courses": [], "of_change": []}
    for name, found in drawn.items():
        monkeypatch.setattr(
            f"ser_brain.analysis.mood.figures.{name}", lambda *_, found=found: found
        )
    starts = [f"2026-03-{d:02d}T08:{m:02d}" for d in range(2, 8) for m in range(12)]
    rng = np.random.default_rng(0)
    one = timeline(rng.normal(0, 0.2, (72, 2)), local_N=starts)
    spans = span("2026-03-02..2026-03-04"), span("2026-03-05..2026-03-07")
    page = write_report(analyse(one, "day", spans), tmp_path).read_text(encoding="utf-8")
    assert "With so few days no change, however large, can reach 0.05." in page
