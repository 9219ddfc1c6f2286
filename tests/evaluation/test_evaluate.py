"""The evaluation of a test set: every metric, its interval, and subgroups."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from ser_brain.evaluation.evaluate import evaluate
from ser_brain.evaluation.metrics import (
    ALL_METRICS,
    LABEL_METRICS,
    SCORE_METRICS,
    VALUE_METRICS,
)
from tests import fake_run


def evaluation_of(tmp_path, rows, seed=1, resamples=100, **card):
    results = evaluate(fake_run.read(tmp_path, rows, **card), seed, resamples)
    json.dumps(results, allow_nan=False)  # Plain and without NaN.
    return results


def uar_of(rows):
    true, said = ([row[key] for row in rows] for key in ("emotion", "predicted_emotion"))
    return pytest.approx(sk.balanced_accuracy_score(true, said))


def test_every_metric_with_its_interval(tmp_path):
    rows = fake_run.rows(200, speakers=12)
    results = evaluation_of(tmp_path, rows)
    assert results["kind"] == "multiobjective"
    found = results["classification"]["metrics"]
    assert list(found) == [*LABEL_METRICS, *SCORE_METRICS]
    assert found["uar"]["value"] == uar_of(rows)
    true, said = [r["emotion"] for r in rows], [r["predicted_emotion"] for r in rows]
    expected = sk.confusion_matrix(true, said, labels=fake_run.EMOTIONS).tolist()
    assert results["classification"]["confusion"] == expected
    for dimension in ("valence", "arousal"):
        result = results["regression"][dimension]
        assert list(result["metrics"]) == list(VALUE_METRICS)
        error = np.mean([abs(r[f"predicted_{dimension}"] - r[dimension]) for r in rows])
        assert result["metrics"]["mae"]["value"] == pytest.approx(error)
        assert "ccc" not in result["unit_scale_metrics"]
    tables = [found, *[r["metrics"] for r in results["regression"].values()]]
    for name, metric in ((n, m) for table in tables for n, m in table.items()):
        if ALL_METRICS[name].resampled:
            assert metric["low"] <= metric["value"] <= metric["high"]
        else:
            assert metric["low"] is None and name in ("ece", "max_abs_error")


@pytest.mark.parametrize("speakers", [1, 6, None])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33: where utterances were drawn, the ends of intervals moved."""
    rows = fake_run.rows(80, speakers=speakers or 2)
    if speakers is None:
        rows[3]["speaker"] = None
    shuffled = [rows[n] for n in np.random.default_rng(5).permutation(len(rows))]
    one = evaluation_of(tmp_path / "one", rows, temperature=1.7)
    assert evaluation_of(tmp_path / "other", shuffled, temperature=1.7) == one
    other = evaluation_of(tmp_path / "one", rows, seed=2, temperature=1.7)["classification"]
    found = one["classification"]["metrics"]["uar"]
    assert other["metrics"]["uar"] != found  # other draws, of the same value
    assert other["metrics"]["uar"]["value"] == found["value"]


def test_the_unit_scale_is_what_rescaled_ratings_give(tmp_path):
    rows = fake_run.rows(50, "regression")
    as_rated = evaluation_of(tmp_path, rows)["regression"]["valence"]["unit_scale_metrics"]
    for row in rows:
        for key in ("valence", "arousal", "predicted_valence", "predicted_arousal"):
            row[key] = (row[key] - 3) / 2
    rescaled = evaluation_of(tmp_path, rows, va_range=[-1, 1])["regression"]["valence"]
    for name, metric in as_rated.items():
        assert metric == pytest.approx(rescaled["metrics"][name], abs=1e-9)


def test_a_test_set_without_labels(tmp_path):
    results = evaluation_of(tmp_path, fake_run.rows(40, rated=False, labelled=False))
    valence = results["regression"]["valence"]
    assert results["classification"]["n"] == valence["n"] == 0
    none = {"value": None, "low": None, "high": None}
    assert results["classification"]["metrics"]["uar"] == valence["metrics"]["ccc"] == none
    assert results["interval_notes"] == []


def test_what_is_left_out_is_counted(tmp_path):
    rows = fake_run.rows(50)
    rows[0]["emotion"] = None
    rows[1]["emotion"] = rows[2]["emotion"] = "fear"
    rows[3]["valence"] = None
    rows[4]["arousal"] = 5.5
    rows[5]["duration"] = rows[6]["speaker"] = None
    results = evaluation_of(tmp_path, rows)
    counts = results["counts"]
    assert counts["with_emotion"] == results["classification"]["n"] == 47
    assert counts["without_emotion"] == counts["without_duration"] == 1
    assert counts["without_speaker"] == results["regression"]["arousal"]["outside_range"] == 1
    assert counts["outside_classes"] == {"fear": 2}
    assert (counts["with_valence"], counts["with_arousal"]) == (49, 50)
    assert counts["duration_s"] == pytest.approx(49 * 1.5)
    assert counts["label_sources"] == {"intended": 50}
    assert results["classification"]["drawn"]["unit"] == "utterance"
    assert "the speaker of 1 of 47 utterances is unknown" in results["interval_notes"][0]


def test_groups_and_their_gap(tmp_path):
    rows = fake_run.rows(120, "classification", speakers=10)
    for n, row in enumerate(rows):  # Always right on women, never on men.
        place = fake_run.EMOTIONS.index(row["emotion"]) - (row["gender"] == "male")
        rows[n] = fake_run.answered(row, fake_run.EMOTIONS[place])
    rows[0]["gender"] = None
    groups = evaluation_of(tmp_path, rows)["groups"]
    assert list(groups) == ["gender", "speaker"]  # One language and corpus: nothing to compare.
    assert groups["gender"]["unknown"] == 1
    levels = groups["gender"]["levels"]
    assert levels["female"]["metrics"]["uar"]["value"] == 1.0
    assert levels["male"]["metrics"]["uar"]["value"] == 0.0
    assert levels["female"]["speakers"] == 5
    sides, ends = (
        {"highest": "female", "lowest": "male"},
        {"value": 1.0, "low": 1.0, "high": 1.0},
    )
    assert groups["gender"]["gaps"]["uar"] == sides | ends


@pytest.mark.parametrize("speakers", [2, 4, 8])
def test_groups_of_fewer_than_five_speakers_have_no_interval(tmp_path, speakers):
    groups = evaluation_of(tmp_path, fake_run.rows(160, speakers=speakers))["groups"]
    for level in groups["gender"]["levels"].values():
        assert level["metrics"]["uar"]["low"] is None
    for grouping in ("gender", "speaker"):
        assert groups[grouping]["gaps"]["uar"]["low"] is None
    # Of one speaker by himself the interval says how far other clips of his would move it.
    assert all(s["metrics"]["uar"]["low"] for s in groups["speaker"]["levels"].values())


def test_a_group_with_one_rated_speaker_has_no_interval_of_values(tmp_path):
    rows = fake_run.rows(160, speakers=16)
    women = [row for row in rows if row["gender"] == "female"]
    for row in women:
        if row["speaker"] != women[0]["speaker"]:
            row["valence"] = None
    gender = evaluation_of(tmp_path, rows)["groups"]["gender"]
    metrics = gender["levels"]["female"]["metrics"]
    assert metrics["valence ccc"]["low"] is None is gender["gaps"]["valence ccc"]["low"]
    assert "female has 1 speaker, of 5 needed" in gender["gaps"]["valence ccc"]["note"]
    assert metrics["arousal ccc"]["low"] is not None is not metrics["uar"]["low"]


def test_every_metric_of_every_group(tmp_path):
    rows = fake_run.rows(120, speakers=3)
    rows[0]["speaker"] = None
    groups = evaluation_of(tmp_path, rows)["groups"]
    of_values = (f"{d} {name}" for d in ("valence", "arousal") for name in VALUE_METRICS)
    every = {*LABEL_METRICS, *SCORE_METRICS, *of_values}
    for found in groups.values():
        assert found["gaps"].keys() == every
        assert all(level["metrics"].keys() == every for level in found["levels"].values())
    assert groups["gender"]["gaps"]["ece"]["low"] is None
    women = [r for r in rows if r["gender"] == "female"]
    level = groups["gender"]["levels"]["female"]
    anger = next(line for line in level["per_class"] if line["emotion"] == "anger")
    assert anger["predicted"] == sum(r["predicted_emotion"] == "anger" for r in women)
    speakers = groups["speaker"]
    assert speakers["unknown"] == 1
    assert list(speakers["levels"]) == ["fake_0", "fake_1", "fake_2"]
    for name, level in speakers["levels"].items():
        own = [r for r in rows if r["speaker"] == name]
        uar = level["metrics"]["uar"]
        assert uar["value"] == uar_of(own) and uar["low"] <= uar["value"] <= uar["high"]
        assert (level["utterances"], level["speakers"]) == (len(own), 1)
        assert level["gender"] == own[0]["gender"]
    values = [level["metrics"]["uar"]["value"] for level in speakers["levels"].values()]
    assert speakers["gaps"]["uar"]["value"] == pytest.approx(max(values) - min(values))


def test_a_temperature_moves_probabilities_and_no_decision(tmp_path):
    rows = fake_run.rows(80, "classification")
    plain = evaluation_of(tmp_path, rows)["classification"]
    found = evaluation_of(tmp_path, rows, temperature=2.0)["classification"]
    calibrated = found.pop("calibrated")
    assert found == plain and "calibrated" not in plain
    assert calibrated["temperature"] == 2.0
    emotions = sorted(fake_run.EMOTIONS)
    scores_NC = np.array([[r["log_probabilities"][e] for e in emotions] for r in rows])
    probs_NC = np.exp(scores_NC / 2) / np.exp(scores_NC / 2).sum(1, keepdims=True)
    nll = calibrated["metrics"]["nll"]
    expected = sk.log_loss([r["emotion"] for r in rows], probs_NC, labels=emotions)
    assert nll["value"] == pytest.approx(expected)
    assert nll["low"] < nll["value"] < nll["high"]
    assert list(calibrated["metrics"]) == list(SCORE_METRICS)


def test_an_utterance_that_several_models_predict_counts_once(tmp_path):
    rows = [
        {**row, "id": f"{row['id']} ({model})", "utterance": row["id"]}
        for model in ("a", "b")
        for row in fake_run.rows(20)
    ]
    results = evaluation_of(tmp_path, rows)
    counts = results["counts"]
    assert (counts["predictions"], counts["utterances"]) == (40, 20)
    assert (counts["with_emotion"], counts["with_valence"]) == (20, 20)
    assert counts["duration_s"] == pytest.approx(20 * 1.5)
    assert results["classification"]["n"] == 40
    levels = results["groups"]["gender"]["levels"]
    assert sum(level["utterances"] for level in levels.values()) == 20
