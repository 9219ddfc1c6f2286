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

ODD = "z<b>other"  # a set whose name must be escaped


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, an untrained baseline, and the report of both."""
    home = tmp_path_factory.mktemp("circumplex")
    run, untrained = home / "run", home / "untrained"
    tuned = {"experiment": "tuned"}
    write_run(run, points(circle(FOUR), 5, 6), FOUR, **tuned)
    write_run(run, points(circle(FOUR), 5, 5, seed=1), FOUR, ODD, **tuned, synthetic=True)
    nothing = np.zeros((4, 2))
    facts = {"experiment": "untrained", "layer": "layer 1"}
    write_run(untrained, points(nothing, 5, 6, seed=2), FOUR, **facts)
    write_run(untrained, points(nothing, 5, 5, seed=3), FOUR, ODD, **facts)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RESAMPLES", "PERMUTATIONS"):
            patch.setattr(analysis, name, 60)
        assert main(["circumplex", str(run), "--baseline", str(untrained)]) == 0
    return home


def page_of(home):
    return (home / "run" / "circumplex" / "index.html").read_text(encoding="utf-8")


def rows_of(home, name):
    with open(home / "run" / "circumplex" / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_page_is_one_file_that_loads_nothing_and_runs_only_our_scripts(made):
    page = page_of(made)
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)
    assert page.count('<img src="data:image/svg+xml;base64,') == 14
    assert ODD not in page and "&lt;b&gt;other" in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert "scatter3d" in script and "aria-sort" in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in page


def test_the_page_states_what_readers_must_know(made):
    page = page_of(made)
    assert "Synthetic speech (z&lt;b&gt;other): it says nothing about accuracy" in page
    assert "3 emotions (anger, happiness, sadness) have only one circular order" in page
    assert "4 emotions (anger, happiness, sadness, neutral) have 3 circular orders" in page


def test_the_interactive_scatter_plot_holds_every_point(made):
    found = re.findall(r"data-points='([^']*)'", page_of(made))
    assert len(found) == 2
    data = json.loads(found[0])
    assert [emotion["name"] for emotion in data["emotions"]] == FOUR
    assert len(data["points"]) == 120
    assert all(len(point) == 4 and point[3] in range(4) for point in data["points"])
    assert max(abs(value) for point in data["points"] for value in point[:3]) == 1


def test_results_hold_every_model_and_set(made):
    results = read_json(made / "run" / "circumplex" / "results.json", "results")
    assert {label: list(of) for label, of in results["models"].items()} == {
        "tiny, tuned": ["planted", ODD],
        "tiny, untrained, layer 1": ["planted", ODD],
    }
    assert results["permutations"] == 60 and results["bootstrap"]["resamples"] == 60


def test_stability_has_a_row_for_every_model_and_for_chance(made):
    rows = rows_of(made, "stability")
    models = ["tiny, tuned", "tiny, untrained, layer 1", "chance"]
    expected = [(name, model) for name in ("planted", ODD) for model in models]
    assert [(row["Test set"], row["Model"]) for row in rows] == expected
    tuned, untrained, chance = (float(row["Mahalanobis"]) for row in rows[:3])
    assert tuned > 2 * untrained
    assert untrained == pytest.approx(chance, rel=0.6)


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


def test_every_figure_is_written_for_papers(made):
    names = {path.name for path in (made / "run" / "circumplex").glob("planted-*")}
    expected = ("scree", "parts", "models", "distances", "circle", "placed", "separability")
    kinds = (".svg", ".png", ".pdf", "-untitled.svg", "-untitled.pdf")
    assert names == {f"planted-{what}{kind}" for what in expected for kind in kinds}


def test_the_command_prints_the_main_numbers(made, capsys, monkeypatch):
    for name in ("RESAMPLES", "PERMUTATIONS"):
        monkeypatch.setattr(analysis, name, 20)
    out = made / "elsewhere"
    options = ["--test_set", "planted", "--components", "2", "--out", str(out)]
    assert main(["circumplex", str(made / "run"), *options]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("Test set  Model")
    assert "Order violations" in printed and f"report: {out / 'index.html'}" in printed
    assert not list(out.glob("*other*"))
    # Two components are too few for a plot in three.
    assert "<canvas" not in (out / "index.html").read_text()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--components", "0"], "Bad --components 0; expected 1 or more."),
        (["--components", "99"], "Cannot fit 99 components: 120 points in 8 dimensions span"),
        (["--test_set", "planned"], "Bad test set 'planned'; expected one of: planted, "),
        (["--space", "va"], "has neither log_probabilities nor predicted_valence"),
        (["--baseline", "nowhere"], "No run folder nowhere"),
    ],
)
def test_user_errors(made, capsys, arguments, message):
    assert main(["circumplex", str(made / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
