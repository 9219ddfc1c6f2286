"""The tables of subgroups."""

from ser_brain.reporting.report_tables import file_tables, further_metrics, of_grouping


def estimate(value):
    return {"value": value, "low": None, "high": None}


def level(uar, utterances=10, **facts):
    metrics = {"uar": estimate(uar), "valence mae": estimate(None)}
    return {"utterances": utterances, "speakers": 1, "metrics": metrics, **facts}


GAP = {"highest": "b", "lowest": "a", "value": 0.4, "low": 0.1, "high": 0.6}
CLASSES = [{"emotion": "anger", "over_prediction": 1.5}]
GENDERS = {
    "levels": {"a": level(0.5, per_class=CLASSES), "b": level(0.9, per_class=CLASSES)},
    "unknown": 3,
    "gaps": {"uar": GAP},
}
SPEAKERS = {
    "levels": {
        "c": level(None, gender=None, classes_present=0),
        "b": level(0.9, gender="male", classes_present=4),
        "a": level(0.5, 1200, gender="female", classes_present=3),
    },
    "unknown": 0,
    "gaps": {"uar": GAP},
}


def test_genders_side_by_side():
    (table,) = of_grouping("gender", GENDERS)
    assert table.caption == "By gender; unknown for 3 utterances."
    assert table.head[1] == "a (n = 10, 1 speaker)"
    assert table.rows == [
        ["UAR", estimate(0.5), estimate(0.9), GAP, "b over a"],
        ["Predicted / true, anger", 1.5, 1.5, None, None],
    ]


def test_speakers_below_each_other_the_lowest_first():
    widest, table = of_grouping("speaker", SPEAKERS)
    assert table.head == ["Speaker", "Gender", "Utterances", "Classes", "UAR"]
    assert [row[0] for row in table.rows] == ["a", "b", "c"]
    assert table.rows[0] == ["a", "female", 1200, 3, estimate(0.5)]
    assert table.rows[2][1] == "unknown"
    assert widest.rows == [["UAR", "b", "a", GAP]]
    assert "extremes of 3 speakers are far apart by chance" in widest.caption


def test_groups_without_a_label_have_no_table():
    unlabelled = {
        "levels": {name: level(None, gender=None) for name in "ab"},
        "unknown": 0,
        "gaps": {},
    }
    assert of_grouping("speaker", unlabelled) == of_grouping("gender", unlabelled) == []


def test_a_temperature_of_1_was_not_fitted():
    def detail(temperature):
        metrics = {name: estimate(0.5) for name in ("weighted_f1", "nll", "brier", "ece")}
        after = {"temperature": temperature, "metrics": metrics}
        result = {"n": 9, "metrics": metrics, "calibrated": after}
        return further_metrics({"a": {"classification": result}}).detail

    assert "inner folds" not in detail(1.3)
    assert "inner folds" in detail(1.0) and "inner folds" in detail([1.0, 1.3])


def test_the_long_tables_hold_every_metric():
    evaluation = {"classification": None, "regression": None, "groups": {"gender": GENDERS}}
    groups, gaps = file_tables({"x": evaluation}, ["run"]).values()
    assert groups.rows[1] == ["x", "gender", "a", 10, 1, "MAE valence", estimate(None)]
    assert len(groups.rows) == 4
    assert gaps.rows == [["x", "gender", "UAR", "b", "a", GAP]]
