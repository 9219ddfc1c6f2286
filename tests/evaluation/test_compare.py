"""Comparisons of two models on the same utterances."""

import itertools
import json

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json
from ser_brain.evaluation import metrics as ours
from ser_brain.evaluation.compare import (
    KINDS,
    changed_answers,
    compare_predictions,
    compare_runs,
    pair_predictions,
    training_notes,
)
from ser_brain.evaluation.evaluate import evaluate
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.comparison import comparison_lines
from tests import fake_run

EMOTIONS = fake_run.EMOTIONS


def pair_of(tmp_path, rows, other_rows, **changes):
    one = fake_run.read(tmp_path / "one", rows)
    other = fake_run.read(tmp_path / "other", other_rows, **changes)
    return pair_predictions(one, other, ("X", "Y"))


def two(tmp_path, count=80, kind="multiobjective", speakers=5):
    """Two models that err at different places; the truth is the same."""
    rows, rng = fake_run.rows(count, kind, speakers=speakers), np.random.default_rng(1)
    return pair_of(tmp_path, rows, [_other_answer(row, rng) for row in rows])


def _other_answer(row, rng):
    row = dict(row)
    if "predicted_emotion" in row:
        scores = rng.normal(size=len(EMOTIONS)) + 2 * np.eye(4)[EMOTIONS.index(row["emotion"])]
        log_probs = (scores - np.log(np.exp(scores).sum())).tolist()
        row["log_probabilities"] = dict(zip(EMOTIONS, log_probs, strict=True))
        row["predicted_emotion"] = EMOTIONS[int(np.argmax(log_probs))]
    if "predicted_valence" in row:
        row["predicted_valence"] = row["valence"] * 0.5 + rng.normal()
    return row


def test_which_answers_changed(tmp_path):
    rows = fake_run.rows(5, "classification")
    truth = ["anger", "anger", "anger", "sadness", None]
    sides = [
        ["anger", "sadness", "sadness", "sadness", "anger"],
        ["sadness", "anger", "neutral", "sadness", "sadness"],
    ]
    for row, true in zip(rows, truth, strict=True):
        row["emotion"] = true
    sides = [list(map(fake_run.answered, rows, side)) for side in sides]
    found = changed_answers(pair_of(tmp_path, *sides))
    assert found["same"] == 1
    assert found["counts"] == dict.fromkeys(KINDS, 1)
    assert [line["change"] for line in found["changed"]] == list(KINDS)
    assert found["changed"][0] == {
        "id": "fake_0000",
        "speaker": rows[0]["speaker"],
        "emotion": "anger",
        "a": "anger",
        "b": "sadness",
        "change": "right to wrong",
    }


def test_the_metrics_are_those_of_the_evaluation(tmp_path):
    both = two(tmp_path)
    tasks = compare_predictions(both, 200)["tasks"]
    for side, predictions in (("a", both.one), ("b", both.other)):
        results = evaluate(predictions, 1, 5)
        expected = {"emotion": results["classification"]} | results["regression"]
        for task, found in tasks.items():
            for name, metric in found["metrics"].items():
                value = expected[task]["metrics"][name]["value"]
                assert metric[side] == pytest.approx(value, abs=1e-9)
    found = tasks["emotion"]
    for metric in found["metrics"].values():
        difference = metric["difference"]
        assert difference["value"] == metric["b"] - metric["a"]
        assert difference["low"] < difference["value"] < difference["high"]
        assert 0 < metric["p"] <= 1
    assert found["primary"] == "uar" and "ece" not in found["metrics"]
    assert (found["n"], found["drawn"]["unit"], found["drawn"]["count"]) == (80, "speaker", 5)
    assert found["drawn"]["notes"] == [
        "Only 5 speakers: take the intervals as a rough guide.",
        "Only 5 speakers: p cannot fall below 0.0625, so no difference can reach .05.",
    ]


def test_values_are_swapped_about_one_centre(tmp_path):
    """p by hand: swap the raw predictions of each set of speakers and take CCC anew."""
    both = two(tmp_path, 40, "regression")
    true_N = both.one.true_values_NV[:, 0]
    one_N, other_N = (side.predicted_values_NV[:, 0] for side in (both.one, both.other))
    assert abs(one_N.mean() - other_N.mean()) > 0.5
    speakers = np.array([row["speaker"] for row in both.one.rows])

    def apart(swapped):
        swap_N = np.isin(speakers, swapped)
        sides = np.where(swap_N, other_N, one_N), np.where(swap_N, one_N, other_N)
        return np.diff([ours.ccc(ours.value_statistics(true_N, n).sum(0)) for n in sides])[0]

    names = sorted(set(speakers))
    every = [c for n in range(6) for c in itertools.combinations(names, n)]
    observed = apart(())
    expected = np.mean([abs(apart(swapped)) >= abs(observed) - 1e-9 for swapped in every])
    found = compare_predictions(both, 10)["tasks"]["valence"]["metrics"]["ccc"]
    assert found["difference"]["value"] == pytest.approx(observed, abs=1e-9)
    assert found["p"] == expected


def test_a_model_does_not_differ_from_itself(tmp_path):
    """So the same speakers are drawn for both: other speakers would make a wide interval."""
    tasks = compare_predictions(pair_of(tmp_path, *[fake_run.rows(30)] * 2), 50)["tasks"]
    assert list(tasks) == ["emotion", "valence", "arousal"]
    for metric in (m for task in tasks.values() for m in task["metrics"].values()):
        assert metric["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert metric["p"] == 1.0
    rows = fake_run.rows(12, rated=False, labelled=False)
    found = compare_predictions(pair_of(tmp_path, rows, rows), 5)
    assert found["tasks"] == {} and found["answers"]["same"] == found["both"] == 12


@pytest.mark.parametrize("speakers", [1, 20])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33."""
    both = two(tmp_path, speakers=speakers)
    orders = [np.random.default_rng(seed).permutation(80) for seed in (1, 2)]
    sides = zip((both.one, both.other), orders, strict=True)
    shuffled = pair_predictions(*(side.chosen(order) for side, order in sides))
    assert compare_predictions(shuffled, 30) == compare_predictions(both, 30)


def test_utterances_are_matched_by_id(tmp_path):
    rows = fake_run.rows(30)
    both = pair_of(tmp_path, rows[:20], rows[:4:-1])
    assert both.one.ids == both.other.ids == [row["id"] for row in rows[5:20]]
    assert (both.only_one, both.only_other) == (5, 10)
    assert both.classes and both.dimensions == ["valence", "arousal"]
    for name in ("true_N", "predicted_N", "log_probs_NC", "predicted_values_NV"):
        assert np.array_equal(getattr(both.one, name), getattr(both.other, name))
    assert both.other.rows == rows[5:20]
    with pytest.raises(
        SERError, match="X and Y share no .* of fake .*fake_0000 and fake_0005.*ser folds"
    ):
        pair_of(tmp_path / "none", rows[:5], rows[5:])


@pytest.mark.parametrize(
    "kind, row_3, card, said",
    [
        (
            "multiobjective",
            {"emotion": None, "label_source": "rated_voice"},
            {},
            "true emotion of 1 of 5 utterances of fake differs between X and Y "
            r"\(fake_0003: \w+ from intended, None from rated_voice\). Evaluate both",
        ),
        ("regression", {"valence": None}, {}, "true valence and arousal of 1 of 5 .*2.5"),
        ("regression", {"valence": 1.5}, {}, "true valence and arousal of 1 of 5 .*2.5"),
        ("regression", {"valence": 2.5 + 1e-9}, {}, None),  # rounding
        (
            "regression",
            {},
            {"va_range": [0, 5]},
            r"va_range is \[1, 5\] .* and \[0, 5\] for the",
        ),
    ],
)
def test_other_labels_classes_or_scales(tmp_path, kind, row_3, card, said):
    rows = fake_run.rows(5, kind)
    rows[3]["valence"] = 2.5
    changed = [{**row, **row_3} if card or n == 3 else row for n, row in enumerate(rows)]
    if said is None:
        assert pair_of(tmp_path, rows, changed, **card).dimensions
        return
    with pytest.raises(SERError, match=said):
        pair_of(tmp_path, rows, changed, **card)


def run_of(folder, seed=0, train=("x", "y"), **changes):
    rows = fake_run.rows(24, seed=0)
    for n in range(seed * 4, seed * 4 + 4):
        rows[n] = fake_run.answered(rows[n], "sadness")
    fake_run.write(folder, "fake", rows, **changes)
    fake_run.write(folder, "other", rows[:12], **changes)
    if train is not None:
        write_json(folder / "splits.json", {"train": list(train)})
    return read_run(folder)


def test_every_common_test_set_is_compared(tmp_path):
    one = run_of(tmp_path / "a", experiment="classes")
    fake_run.write(tmp_path / "b", "more", fake_run.rows(5))
    other = run_of(tmp_path / "b", 1)
    found = compare_runs(one, other, resamples=10)
    assert list(found["test_sets"]) == ["fake", "other"]
    assert found["not_shared"] == ["more"]
    assert (found["a"]["label"], found["b"]["label"]) == ("classes", "multiobjective")
    assert found["a"]["folder"] == str(tmp_path / "a")
    json.dumps(found, allow_nan=False)
    seen = run_of(tmp_path / "seen", experiment="old", role="train")
    chosen = compare_runs(seen, other, ["other"], 5)
    assert list(chosen["test_sets"]) == ["other"]
    assert chosen["notes"][1:] == ["old was trained on utterances of other."]
    tasks = [task for c in found["test_sets"].values() for task in c["tasks"].values()]
    primaries = [task["metrics"][task["primary"]] for task in tasks]
    smallest = min(metric["p"] for metric in primaries)
    assert min(m["p_holm"] for m in primaries) == pytest.approx(min(1, 6 * smallest))
    assert len(tasks) == 6 and "p_holm" not in tasks[0]["metrics"]["wa"]


def test_folds_pair_by_id_and_part(tmp_path):
    rows = fake_run.rows(20)
    for run, parts in (("a", (1, 2)), ("b", (2, 3))):
        for n in parts:
            protocol = f"fake/speaker-2fold-fold{n}/seed 1"
            fake_run.write(tmp_path / run / str(n), "fake", rows, protocol=protocol)
        folds = {"parts": {f"fold {n}": str(n) for n in parts}}
        write_json(tmp_path / run / "folds.json", folds)
    compared = compare_runs(read_run(tmp_path / "a"), read_run(tmp_path / "b"), resamples=5)
    found = compared["test_sets"]["fake"]
    assert found["both"] == found["only_a"] == found["only_b"] == 20
    assert compared["notes"] == ["The parts differ: fold 1, fold 2; and fold 2, fold 3."]


PROTOCOLS = "The protocols differ, which may explain a difference between the models."
OTHERS = "They were trained on different utterances (run: 1 only in A, 2 only in B)."
SAME = "Both were trained on the same utterances."
UNKNOWN = "Not every part has a splits.json, so training data cannot be compared."


@pytest.mark.parametrize(
    "train, changes, expected",
    [
        (("y", "x"), {}, [SAME]),
        (("x", "z", "w"), {}, [OTHERS]),
        (("x", "y"), {"protocol": "fake/random/seed 1"}, [PROTOCOLS, SAME]),
        (None, {}, [UNKNOWN]),
    ],
)
def test_whether_the_match_is_fair(tmp_path, train, changes, expected):
    one = run_of(tmp_path / "a")
    assert training_notes(one, run_of(tmp_path / "b", train=train, **changes)) == expected


def test_a_part_of_a_corpus_is_compared_with_the_whole(tmp_path):
    """Only where no name is in both, and with the set that shares the most utterances."""
    rows = fake_run.rows(60)
    for name, test_set, part in (
        ("a", "fake", rows),
        ("b", "fake-10-per-class", rows[20:]),
        ("b", "fake-2-per-class", rows[:8]),
    ):
        fake_run.write(tmp_path / name, test_set, part, experiment=name)
    one, other = (read_run(tmp_path / name) for name in "ab")
    compared = compare_runs(one, other, resamples=5)
    (found,) = compared["test_sets"].values()
    assert found["test_set"] == "fake / fake-10-per-class"
    assert (found["both"], found["only_a"], found["only_b"]) == (40, 20, 0)
    assert compared["not_shared"] == ["fake-2-per-class"]
    said = "fake of A is compared with fake-10-per-class of B on the utterances that both have."
    assert said in comparison_lines(compared)
    swapped = compare_runs(other, one, ["fake-2-per-class / fake"], resamples=5)
    assert [each["both"] for each in swapped["test_sets"].values()] == [8]
    assert swapped["not_shared"] == []
    fake_run.write(tmp_path / "b", "fake", rows[:30], experiment="b")
    assert list(compare_runs(one, read_run(tmp_path / "b"), resamples=5)["test_sets"]) == [
        "fake"
    ]


def test_what_cannot_be_compared(tmp_path):
    one = run_of(tmp_path / "a")
    others = [{**row, "id": f"more_{row['id']}"} for row in fake_run.rows(5)]
    fake_run.write(tmp_path / "b", "more", others)
    said = r"a \(fake, other\) and .*b \(more\) share no test set: neither a name nor an utt"
    with pytest.raises(SERError, match=said):
        compare_runs(one, read_run(tmp_path / "b"))
    with pytest.raises(SERError, match="Bad test set 'fakr'; expected one of: fake, other"):
        compare_runs(one, run_of(tmp_path / "c"), ["fakr"])
    for kind in ("classification", "regression"):
        fake_run.write(tmp_path / kind, "fake", fake_run.rows(9, kind), experiment=kind)
    runs = [read_run(tmp_path / kind) for kind in ("classification", "regression")]
    with pytest.raises(SERError, match="have nothing to compare"):
        compare_runs(*runs)
