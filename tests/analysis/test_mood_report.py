"""The page and its files, of the simulated person and of odd tables."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import WHAT_IT_IS, analyse
from ser_brain.analysis.mood.description import span
from ser_brain.analysis.mood.plots import LINE_PT, MARK_PT, label_offsets
from ser_brain.analysis.mood.report import summary, write_report
from ser_brain.analysis.mood.simulation import SPANS, planted, simulate
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.tables import to_csv


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The report of the simulated person, and the facts it was made from."""
    folder = tmp_path_factory.mktemp("demo")
    table = folder / "simulated.csv"
    table.write_text(to_csv(simulate()), encoding="utf-8")
    mood = analyse(read_timeline(table), None, tuple(map(span, SPANS)))
    page = write_report(mood, folder, "ser mood --demo", planted())
    return folder, page.read_text(encoding="utf-8"), mood.facts()


def test_the_page_states_what_it_is_first(demo):
    _, page, _ = demo
    main = page.partition("<main")[2]
    first = re.search(r"<p[^>]*>(.*?)</p>", main, re.S).group(1)
    assert first.replace("&#39;", "'") == WHAT_IT_IS
    assert "no diagnosis" in WHAT_IT_IS and "errors" in WHAT_IT_IS
    assert "Simulated data: nobody spoke" in main
    assert page.count("data:image/svg+xml;base64,") == 6
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "ser mood --demo" in page


def test_the_numbers_are_next_to_it(demo):
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
    names = {"map", "periods", "course", "track", "change_maps", "change_splits"}
    for suffix in (".svg", ".png", "-untitled.svg", "-untitled.pdf"):
        assert {f"{name}{suffix}" for name in names} <= {path.name for path in folder.iterdir()}


def test_the_planted_change_is_found(demo):
    _, _, facts = demo
    outcomes = facts["change"]["outcomes"]
    assert outcomes["centroid"]["p_adjusted"] <= 0.05 < outcomes["range"]["p_adjusted"]
    text = summary(facts, planted())
    assert WHAT_IT_IS in text and "Planted" in text and "Week of 2026-03-09" in text


def test_a_short_table_with_odd_names(timeline, tmp_path, drawn):
    """Two pieces at one place, with a silent hour between; no range, no classes, no test."""
    starts = ["2026-03-02T08:00", "2026-03-02T10:00"]
    one = timeline([[0.5, 0.5]] * 2, local_N=starts)
    one = replace(one, name="<b>$x$.csv", speaker="<script>")
    page = write_report(analyse(one), tmp_path, "ser mood '<i>'").read_text(encoding="utf-8")
    assert "<b>" not in page and "<i>" not in page and page.count("<script>") == 1
    assert "&lt;script&gt;" in page
    assert "No change was tested." in page and not (tmp_path / "change.csv").exists()
    facts = json.loads((tmp_path / "mood.json").read_text(encoding="utf-8"))
    assert facts["whole"]["range"] is None and facts["change"] is None
    assert "Neutral" not in (tmp_path / "hours.csv").read_text(encoding="utf-8")
    svg = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert all(f"<!-- {word} -->" in svg for word in ("happy", "at ease", "droopy", "tense"))
    svg = (tmp_path / "periods.svg").read_text(encoding="utf-8")
    assert svg.count("<!-- no speech -->") == 1 and svg.count("<!-- sleepiness -->") == 3


def test_too_few_days_are_reported(timeline, tmp_path):
    starts = [f"2026-03-{d:02d}T08:{m:02d}" for d in range(2, 8) for m in range(12)]
    rng = np.random.default_rng(0)
    one = timeline(rng.normal(0, 0.2, (72, 2)), local_N=starts)
    spans = span("2026-03-02..2026-03-04"), span("2026-03-05..2026-03-07")
    page = write_report(analyse(one, "day", spans), tmp_path).read_text(encoding="utf-8")
    assert "With so few days, no change can reach 0.05, however large it is." in page


@pytest.mark.parametrize("days, spread_pt", [(14, 30), (38, 60)])
def test_labels_of_days_cover_neither_each_other_nor_a_mark(days, spread_pt):
    points_P2 = np.random.default_rng(0).normal(0, spread_pt, (days, 2))
    middles_P2 = points_P2 + label_offsets(points_P2, [21] * days)
    for p, middle_2 in enumerate(middles_P2):
        apart_P2 = np.abs(np.delete(middles_P2, p, axis=0) - middle_2)
        assert np.all((apart_P2[:, 0] >= 21 - 1e-9) | (apart_P2[:, 1] >= LINE_PT - 1e-9))
        apart_P2 = np.abs(points_P2 - middle_2)
        free_P2 = apart_P2 >= np.array([21 + MARK_PT, LINE_PT + MARK_PT]) / 2 - 1e-9
        assert free_P2.any(axis=1).all()
    assert label_offsets(np.zeros((0, 2)), []).shape == (0, 2)
