"""The headline of a run, and its verdict in plain English."""

import re

import pytest

from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.summary import summary, summary_text, verdict
from tests import fake_run


def estimate(low, high):
    return {"value": None, "low": low, "high": high}


def test_set(low=None, high=None, classes=4, ccc=None, role="test", unit="speaker", unknown=0):
    drawn = {"n": 9, "drawn": {"unit": unit}}
    found = {"metrics": {"uar": estimate(low, high)}, "classes_present": classes, **drawn}
    regression = None
    if ccc:
        axes = zip(("valence", "arousal"), ccc, strict=True)
        regression = {
            axis: {"metrics": {"ccc": estimate(*each)}, **drawn} for axis, each in axes
        }
    counts = {"without_speaker": unknown}
    return {"classification": found, "regression": regression, "role": role, "counts": counts}


test_set.__test__ = False
GOOD, POOR, BAD = test_set(0.5, 0.7), test_set(0.2, 0.4), test_set(0.0, 0.2)
TWO_CLASSES, SEEN = test_set(0.6, 0.7, classes=2), test_set(0.9, 1.0, role="train")
ONE, MORE = "(the 95 % interval of UAR", "(the 95 % intervals of UAR"


@pytest.mark.parametrize(
    "test_sets, said",
    [
        ([GOOD], f"above chance on a {ONE} excludes 0.25)"),
        ([GOOD, SEEN], f"above chance on a {ONE} excludes 0.25)"),
        ([GOOD] * 3, f"above chance on all three test sets {MORE} exclude 0.25)"),
        ([GOOD, TWO_CLASSES], f"above chance on both test sets {MORE} exclude 0.25 to 0.5)"),
        (
            [POOR, POOR, BAD],
            f"no better than chance on a and b {MORE} include 0.25); below chance on c {ONE} "
            "excludes 0.25)",
        ),
        (
            [GOOD, test_set()],
            f"above chance on a {ONE} excludes 0.25); no verdict on b (too few speakers)",
        ),
        ([test_set(0.5, 0.7, unit="utterance")], "no verdict on a (too few speakers)"),
        ([test_set(0.7, 0.9, classes=1)], "no verdict on a (a single class)"),
        (
            [test_set(0.5, 0.7, unit="utterance", unknown=9)],
            f"above chance on a {ONE} excludes 0.25)",
        ),
    ],
)
def test_the_verdict(test_sets, said):
    assert verdict(dict(zip("abc", test_sets, strict=False))) == [f"Emotion classes: {said}."]


def test_the_verdict_on_values():
    alike = verdict({"a": test_set(0.5, 0.7, ccc=[(0.1, 0.3), (0.4, 0.5)])})
    assert alike[1:] == [
        "Valence and arousal: above chance on a (the 95 % interval of CCC excludes 0)."
    ]
    differ = verdict({"a": test_set(0.5, 0.7, ccc=[(-0.1, 0.3), (0.4, 0.5)])})
    assert [line.partition(" on ")[0] for line in differ[1:]] == [
        "Valence: no better than chance",
        "Arousal: above chance",
    ]


def test_the_summary_for_a_terminal(tmp_path):
    fake_run.write(tmp_path, "one")
    fake_run.write(tmp_path, "two", fake_run.rows(30, rated=False), synthetic=True)
    results = evaluate_run(read_run(tmp_path), resamples=20)
    lines = summary_text(results).splitlines()
    assert lines[0] == fake_run.card()["protocol"]
    assert lines[2].split() == ["Test", "set", "one", "two"]
    assert re.fullmatch(r"UAR +0\.\d{3} \[0\.\d{3}, .*\] +0\.\d{3} \[0\.\d{3}, .*\]", lines[5])
    assert lines[7].split() == ["Chance", "UAR", "0.250", "0.250"]
    assert re.fullmatch(r"CCC valence +0\.\d{3} \[.*\]  +–", lines[8])
    assert lines[-1] == "Synthetic speech (two): it says nothing about accuracy on people."
    assert lines[-3:-1] == verdict(results["test_sets"])


def test_a_set_without_labels_has_no_chance(tmp_path):
    fake_run.write(tmp_path, "none", fake_run.rows(20, labelled=False))
    found = evaluate_run(read_run(tmp_path), resamples=20)["test_sets"]
    (row,) = summary(found).rows
    assert row[4] is None and not any(line.startswith("Emotion") for line in verdict(found))
