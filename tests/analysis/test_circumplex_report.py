"""The page, its files and the command, on planted data."""

import base64
import csv
import hashlib
import json
import re

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.analysis.circumplex import analysis
from ser_brain.core.files import read_json
from tests.analysis.planted import FOUR, circle, points, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, an untrained baseline, and the report of both."""
    home = tmp_path_factory.mktemp("circumplex")
    write_run(home / "run", points(circle(FOUR), 5, 6), FOUR, experiment="tuned")
    write_run(
        home / "run",
        points(circle(FOUR), 5, 5, seed=1),
        FOUR,
        "z<b>other",
        experiment="tuned",
        synthetic=True,
    )
    nothing = np.zeros((4, 2))
    facts = {"experiment": "untrained", "layer": "layer 1"}
    write_run(home / "untrained", points(nothing, 5, 6, seed=2), FOUR, **facts)
    write_run(home / "untrained", points(nothing, 5, 5, seed=3), FOUR, "z<b>other", **facts)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RESAMPLES", "PERMUTATIONS"):
            patch.setattr(analysis, name, 60)
        command = ["circumplex", str(home / "run"), "--baseline", str(home / "untrained")]
        assert main(command) == 0
    return home


def page_of(home):
    return (home / "run" / "circumplex" / "index.html").read_text(encoding="utf-8")


def test_the_page_is_one_file_that_asks_for_nothing(made):
    page = page_of(made)
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)
    assert page.count('<img src="data:image/svg+xml;base64,') == 14
    assert "z<b>other" not in page and "&lt;b&gt;other" in page


def test_both_scripts_run_under_the_policy_and_no_other(made):
    page = page_of(made)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert "scatter3d" in script and "aria-sort" in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in page


def test_the_turnable_picture_holds_every_point(made):
    found = re.findall(r"data-points='([^']*)'", page_of(made))
    assert len(found) == 2
    data = json.loads(found[0])
    assert [emotion["name"] for emotion in data["emotions"]] == FOUR
    assert len(data["points"]) == 120
    assert all(len(point) == 4 and point[3] in range(4) for point in data["points"])
    assert max(abs(value) for point in data["points"] for value in point[:3]) == 1


def test_synthetic_speech_is_marked(made):
    page = page_of(made)
    assert "Synthetic speech (z&lt;b&gt;other): it says nothing about accuracy" in page


def test_what_few_emotions_can_say_is_said(made):
    page = page_of(made)
    assert "3 emotions (anger, happiness, sadness) have only one circular order" in page
    assert "4 emotions (anger, happiness, sadness, neutral) have 3 circular orders" in page


def test_results_hold_every_model_and_set(made):
    results = read_json(made / "run" / "circumplex" / "results.json", "results")
    assert {label: list(of) for label, of in results["models"].items()} == {
        "tiny, tuned": ["planted", "z<b>other"],
        "tiny, untrained, layer 1": ["planted", "z<b>other"],
    }
    assert results["permutations"] == 60 and results["bootstrap"]["resamples"] == 60


def rows_of(home, name):
    with open(home / "run" / "circumplex" / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_stability_has_a_line_for_every_model_and_the_chance_of_every_set(made):
    rows = rows_of(made, "stability")
    assert [(row["Test set"], row["Model"]) for row in rows] == [
        ("planted", "tiny, tuned"),
        ("planted", "tiny, untrained, layer 1"),
        ("planted", "chance"),
        ("z<b>other", "tiny, tuned"),
        ("z<b>other", "tiny, untrained, layer 1"),
        ("z<b>other", "chance"),
    ]
    tuned, untrained, chance = rows[:3]
    assert float(tuned["Mahalanobis"]) > 2 * float(untrained["Mahalanobis"])
    assert float(untrained["Mahalanobis"]) == pytest.approx(
        float(chance["Mahalanobis"]), rel=0.6
    )
    assert chance["Angular error"] == "90.0" and chance["AUC valence, map"] == "0.5"


def test_the_comparison_is_paired(made):
    rows = rows_of(made, "comparison")
    assert {row["Other model"] for row in rows} == {"tiny, untrained, layer 1"}
    for row in rows:
        difference = float(row["This model"]) - float(row["Other"])
        assert float(row["Difference"]) == pytest.approx(difference)
        assert float(row["Difference low"]) <= difference + 1e-9, row
        assert float(row["Difference high"]) >= difference - 1e-9, row
    distance = next(row for row in rows if row["Statistic"].startswith("Mahalanobis"))
    assert float(distance["Difference low"]) > 0


def test_every_figure_is_there_for_a_paper(made):
    names = {path.name for path in (made / "run" / "circumplex").glob("planted-*")}
    expected = ("scree", "parts", "models", "distances", "circle", "placed", "separability")
    kinds = (".svg", ".png", ".pdf", "-untitled.svg", "-untitled.pdf")
    assert names == {f"planted-{what}{kind}" for what in expected for kind in kinds}


def test_the_command_says_it_in_words(made, capsys, monkeypatch):
    for name in ("RESAMPLES", "PERMUTATIONS"):
        monkeypatch.setattr(analysis, name, 20)
    out = made / "elsewhere"
    run = str(made / "run")
    command = [
        "circumplex",
        run,
        "--test_set",
        "planted",
        "--components",
        "2",
        "--out",
        str(out),
    ]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("Test set  Model")
    assert "Order violations" in said and f"report: {out / 'index.html'}" in said
    assert not list(out.glob("*other*"))
    # Two components have no third one to turn.
    assert "data-points" not in (out / "index.html").read_text()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--components", "0"], "Bad --components 0; expected 1 or more."),
        (["--components", "99"], "99 components asked of 120 points in 8 dimensions"),
        (["--test_set", "planned"], "Bad test set 'planned'; expected one of: planted, "),
        (["--space", "va"], "has neither log_probabilities nor predicted_valence"),
        (["--baseline", "nowhere"], "No run folder nowhere"),
    ],
)
def test_mistakes_are_told_in_one_line(made, capsys, arguments, said):
    assert main(["circumplex", str(made / "run"), *arguments]) == 2
    assert said in capsys.readouterr().err
