"""Tables over models, sets and parts; the others are read in the report's tests."""

from types import SimpleNamespace

import numpy as np
import pytest

from ser_brain.analysis.circumplex import tables
from ser_brain.analysis.circumplex.data import Draws
from ser_brain.evaluation.significance import Clusters

MANY = Draws(Clusters(np.arange(10_000), 10_000, "speaker", ""), {}, np.zeros((0, 1)))


def estimate(value):
    return {"value": value, "low": None, "high": None}


def results(distance, auc, parts=("run",)):
    """As little of an analysis's results as the tables read, alike in every part."""
    axis = {"auc": estimate(auc), "parts": dict.fromkeys(parts, auc)}
    ways = {
        way: {"arousal": axis, "valence": None, "difference": None} for way in ("map", "best")
    }
    tested = {"value": 0.9, "chance_labels": 0.6, "parts": dict.fromkeys(parts, 0.9)}
    return {
        "parts": list(parts),
        "variance": {
            p: {"length_correlation": 0.3, "components_for": [1, 2, 9]} for p in parts
        },
        "distances": {
            "mean": estimate(distance),
            "chance": 0.5,
            "parts": {part: distance + n for n, part in enumerate(parts)},
        },
        "order": {"words": {"correlation": tested}, "neutral_as_calm": None},
        "placement": {"mean_error": None, "parts": {}},
        "separability": ways,
    }


def analysis(distance, auc, distance_B, auc_B):
    drawn = {"distance": distance_B, "arousal map": auc_B, "arousal best": auc_B}
    return SimpleNamespace(results=results(distance, auc), drawn=drawn, draws=MANY)


def test_differences_of_distances_are_mirrored_and_those_of_aucs_are_not():
    skewed_B = np.linspace(3, 7, 1001)
    first = analysis(5.0, 0.9, 2 + skewed_B, skewed_B)
    second = analysis(1.0, 0.5, np.full(1001, 2.0), np.zeros(1001))
    table = tables.comparison({"run": {"set": first}, "other": {"set": second}})
    found = {row[2]: row[-1] for row in table.rows}
    assert list(found) == [
        "Mahalanobis, mean of pairs",
        "AUC arousal, on the map",
        "AUC arousal, on the best axis",
    ]
    distance, auc = list(found.values())[:2]
    # Percentiles 3.1 and 6.9, mirrored at 4: 1.1 and 4.9.
    assert distance["value"] == 4
    assert (distance["low"], distance["high"]) == pytest.approx((1.1, 4.9), abs=0.01)
    assert auc["value"] == pytest.approx(0.4)
    assert (auc["low"], auc["high"]) == pytest.approx((3.1, 6.9), abs=0.01)


def test_stability_has_parts_their_mean_and_spread_and_chance():
    models = {"run": {"set": results(2.0, 0.8, ("fold 1", "fold 2", "fold 3"))}}
    table = tables.stability(models)
    columns = dict(zip(table.head, zip(*table.rows, strict=True), strict=True))
    parts = ("fold 1", "fold 2", "fold 3", "mean", "standard deviation", None)
    assert columns["Part"] == parts and columns["Model"] == ("run",) * 5 + ("chance",)
    assert columns["Mahalanobis"] == (2, 3, 4, 3, 1, 0.5)
    assert columns["AUC valence, map"] == (None,) * 5 + (0.5,)
    chance = {name: column[-1] for name, column in columns.items()}
    assert chance["Circular correlation"] == 0.6 and chance["Angular error"] == 90
    assert chance["Length"] is None and chance["Violations, neutral as calm"] is None


def test_the_summary_has_a_line_for_every_model():
    models = {"run": {"set": results(2.0, 0.8)}, "other": {"set": results(1.0, 0.6)}}
    rows = tables.summary(models).rows
    assert [row[:2] for row in rows] == [["set", "run"], ["set", "other"]]
    assert rows[1][2]["value"] == 1.0 and rows[1][3] == 0.9 and rows[1][6] is None
