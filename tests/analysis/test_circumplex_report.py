"""The whole analysis of planted spaces, and its page, files and command."""

import base64
import csv
import hashlib
import json
import re

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.analysis.circumplex import report
from ser_brain.analysis.circumplex.data import read_sets
from ser_brain.analysis.circumplex.distances import reduce_sets
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.evaluation.runs import read_run
from tests.analysis.planted import (
    FOUR,
    SEVEN,
    circle,
    cloud,
    embedding_set,
    points,
    rotation,
    write_run,
)

ODD = "z<b>other"  # a set whose name must be escaped


@pytest.fixture(autouse=True, scope="module")
def few_draws():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RESAMPLES", "PERMUTATIONS"):
            patch.setattr(report, name, 60)
        yield


def analysed(planted, space="embedding", components=3):
    (reduced,) = reduce_sets({"planted": planted}, space, components).values()
    return report.analyse(reduced, space)


def results_of(*arguments):
    results = analysed(*arguments).results
    json.dumps(results, allow_nan=False)
    return results


def a_set(emotions=SEVEN, parts=("fold 1", "fold 2"), **options):
    clouds = {
        part: cloud(
            *points(circle(emotions), 5, 5, seed=n, turn_DD=rotation(8, n), **options),
            prefix=f"{part}-",
        )
        for n, part in enumerate(parts)
    }
    return embedding_set(clouds, emotions)


def of_one(*of_points, **options):
    return embedding_set({"run": cloud(*of_points, **options)}, FOUR)


def test_a_planted_circle_from_end_to_end():
    results = results_of(a_set(noise=0.6))
    assert results["utterances"] == 350 and results["speakers"] == 10
    assert results["points"] == dict.fromkeys(SEVEN, 50)
    assert results["fitted_on"] == "planted"
    assert results["order"]["words"]["violations"]["value"] == 0
    assert results["order"]["words"]["correlation"]["p_names"] < 0.01
    assert results["order"]["neutral_as_calm"] is None
    assert results["placement"]["mean_error"]["value"] < 6
    for axis in ("arousal", "valence"):
        assert results["separability"]["map"][axis]["auc"]["value"] > 0.8
    assert results["variance"]["fold 1"]["components"] == 3
    pairs, mean = (results["distances"][name] for name in ("pairs", "mean"))
    values = [pair["shared"]["value"] for pair in pairs]
    assert len(pairs) == 21 and values == sorted(values, reverse=True)
    # Fear and anger are the nearest words, 17 degrees apart.
    assert set(pairs[-1]["between"]) == {"anger", "fear"}
    assert mean["low"] > 2 * results["distances"]["chance"]
    assert results["distances"]["parts"]["fold 1"] == pytest.approx(mean["value"], rel=0.3)


@pytest.mark.parametrize("speakers", [1, 3])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33: one speaker, so that utterances are drawn; and three."""
    of_points = points(circle(FOUR), 12, speakers)
    order = np.random.default_rng(0).permutation(len(of_points[0]))
    names = [f"planted_{n}" for n in order]
    shuffled = (of_points[0][order], of_points[1][order], [of_points[2][n] for n in order])
    found = []
    for folder, some, ids in (("a", of_points, None), ("b", shuffled, names)):
        write_run(tmp_path / folder, some, FOUR, ids=ids)
        sets = read_sets(read_run(tmp_path / folder, True, False), {"run": "run"}, "embedding")
        found.append(results_of(sets["planted"]))
    assert found[0] == found[1]
    if speakers == 1:
        assert found[0]["speakers"] is None
        assert "there is only one speaker" in found[0]["interval_note"]


def test_two_emotions_have_distances_and_no_order():
    results = results_of(a_set(["anger", "sadness"]), "embedding", 2)
    assert len(results["distances"]["pairs"]) == 1
    assert results["order"] == {"words": None, "neutral_as_calm": None}
    assert results["placement"]["mean_error"] is None
    assert results["separability"]["map"]["arousal"]["auc"]["value"] is None
    assert results["separability"]["best"]["arousal"]["auc"]["value"] > 0.9
    assert results["separability"]["map"]["valence"] is None


@pytest.mark.parametrize("clips", [1, 25])
def test_an_emotion_whose_points_coincide_is_named(clips):
    points_ND, emotion_N, speakers = points(circle(FOUR), 5, 5)
    points_ND[emotion_N == 1] = 3.0
    rows = np.append(np.flatnonzero(emotion_N != 1), np.flatnonzero(emotion_N == 1)[:clips])
    planted = of_one(points_ND[rows], emotion_N[rows], [speakers[n] for n in rows])
    message = "Singular covariance on planted, run: all points of happiness coincide"
    with pytest.raises(SERError, match=message):
        analysed(planted)


def test_predicted_valence_and_arousal_are_not_placed():
    plane = points(circle(FOUR, 1.0), 5, 6, size=2, noise=0.2, turn_DD=np.eye(2))
    found = analysed(of_one(*plane), "va")
    np.testing.assert_array_equal(found.placed["run"], plane[0])
    assert found.results["variance"]["run"]["components"] == 2
    assert found.results["placement"]["mean_error"]["value"] < 8
    assert found.results["placement"]["emotions"][0]["left_out_error"] is None


def test_a_space_of_lengths_is_distinguished_from_one_of_emotions():
    """The widest direction is how long a clip is."""
    points_ND, emotion_N, speakers = points(circle(FOUR), 5, 6, turn_DD=np.eye(8))
    duration_N = np.random.default_rng(0).uniform(1, 5, len(points_ND))
    points_ND[:, 7] += 20 * duration_N
    duration_N[0] = np.nan
    results = results_of(of_one(points_ND, emotion_N, speakers, duration_N=duration_N))
    assert results["variance"]["run"]["length_correlation"] > 0.99
    unknown = results_of(of_one(points_ND, emotion_N, speakers))
    assert unknown["variance"]["run"]["length_correlation"] is None


@pytest.fixture(scope="module")
def made(tmp_path_factory, few_draws):
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
    assert ODD not in page
    assert "Synthetic speech (z&lt;b&gt;other): it says nothing about accuracy" in page
    assert "3 emotions (anger, happiness, sadness) have only one circular order" in page
    assert "4 emotions (anger, happiness, sadness, neutral) have 3 circular orders" in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert "scatter3d" in script and "aria-sort" in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in page


def test_the_interactive_scatter_plot_holds_every_point(made):
    found = re.findall(r"data-points='([^']*)'", page_of(made))
    assert len(found) == 2
    data = json.loads(found[0])
    assert [emotion["name"] for emotion in data["emotions"]] == FOUR
    assert len(data["points"]) == 120
    assert all(len(point) == 4 and point[3] in range(4) for point in data["points"])
    assert max(abs(value) for point in data["points"] for value in point[:3]) == 1


def test_results_and_stability_hold_every_model_and_set(made):
    results = read_json(made / "run" / "circumplex" / "results.json", "results")
    models = ["tiny, tuned", "tiny, untrained, layer 1"]
    assert {label: list(of) for label, of in results["models"].items()} == dict.fromkeys(
        models, ["planted", ODD]
    )
    assert results["permutations"] == 60 and results["bootstrap"]["resamples"] == 60
    rows = rows_of(made, "stability")
    expected = [(name, model) for name in ("planted", ODD) for model in [*models, "chance"]]
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
    kinds = (".svg", ".png", "-untitled.svg", "-untitled.pdf")
    assert names == {f"planted-{what}{kind}" for what in expected for kind in kinds}


def test_the_command_prints_the_main_numbers(made, capsys):
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
