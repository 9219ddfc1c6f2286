"""Comparisons of two models on the same utterances."""

import itertools
import json
import shutil

import numpy as np
import pytest
from sklearn import metrics as theirs

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
from ser_brain.evaluation.metrics import confusion_cells
from ser_brain.evaluation.predictions import Predictions, read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import clusters_of, interval, resample
from tests import fake_run

EMOTIONS = fake_run.EMOTIONS


def test_which_answers_changed(tmp_path):
    rows = fake_run.rows(5, "classification")
    truth = ["anger", "anger", "anger", "sadness", None]
    first = ["anger", "sadness", "sadness", "sadness", "anger"]
    second = ["sadness", "anger", "neutral", "sadness", "sadness"]

    def answer(said):
        return [
            {
                **row,
                "emotion": true,
                "predicted_emotion": emotion,
                "log_probabilities": {
                    e: float(np.log(0.7 if e == emotion else 0.1)) for e in EMOTIONS
                },
            }
            for row, true, emotion in zip(rows, truth, said, strict=True)
        ]

    one, other = (
        read_predictions(fake_run.write(tmp_path / name, "fake", answer(said)))
        for name, said in (("one", first), ("other", second))
    )
    found = changed_answers(pair_predictions(one, other))
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


NO_P = dict.fromkeys([*ours.LABEL_METRICS, *ours.SCORE_METRICS])


def two(tmp_path, count=80, kind="multiobjective", speakers=5, other=None):
    """Two models that err at different places; the truth is the same."""
    rows = fake_run.rows(count, kind, speakers=speakers)
    rng = np.random.default_rng(1)
    said = other or [_other_answer(row, rng) for row in rows]
    found = []
    for name, each in (("one", rows), ("other", said)):
        found.append(read_predictions(fake_run.write(tmp_path / name, "fake", each)))
    return pair_predictions(*found)


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


def test_the_metrics_are_scikit_learns(tmp_path):
    both = two(tmp_path)
    found = compare_predictions(both, 20)["tasks"]["emotion"]
    for side, predictions in (("a", both.one), ("b", both.other)):
        true_N, predicted_N = predictions.true_N, predictions.predicted_N
        expected = {
            "uar": theirs.balanced_accuracy_score(true_N, predicted_N),
            "wa": theirs.accuracy_score(true_N, predicted_N),
            "macro_f1": theirs.f1_score(true_N, predicted_N, average="macro"),
            "nll": theirs.log_loss(true_N, np.exp(predictions.log_probs_NC)),
        }
        for name, value in expected.items():
            assert found["metrics"][name][side] == pytest.approx(value, abs=1e-9)
    for metric in found["metrics"].values():
        assert metric["difference"]["value"] == metric["b"] - metric["a"]
        assert metric["difference"]["low"] < metric["difference"]["high"]
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
    true_N = both.one.true_va_N2[:, 0]
    one_N, other_N = (side.predicted_va_N2[:, 0] for side in (both.one, both.other))
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
    rows = fake_run.rows(30)
    tasks = compare_predictions(two(tmp_path, other=rows, count=30), 50)["tasks"]
    assert list(tasks) == ["emotion", "valence", "arousal"]
    for task in tasks.values():
        for metric in task["metrics"].values():
            assert metric["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
            assert metric["p"] == 1.0


@pytest.mark.parametrize("speakers", [1, 20])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33."""
    both = two(tmp_path, speakers=speakers)
    orders = [np.random.default_rng(seed).permutation(80) for seed in (1, 2)]
    sides = zip((both.one, both.other), orders, strict=True)
    shuffled = pair_predictions(*(side.chosen(order) for side, order in sides))
    assert compare_predictions(shuffled, 30) == compare_predictions(both, 30)


def test_tasks_without_labels_are_left_out(tmp_path):
    rows = fake_run.rows(12, rated=False, labelled=False)
    one = read_predictions(fake_run.write(tmp_path, "fake", rows))
    found = compare_predictions(pair_predictions(one, one), 5)
    assert found["tasks"] == {}
    assert found["answers"]["same"] == found["both"] == 12


def simulated(rng, speakers, each=15, edge=0.6):
    """Two models on speakers who are easy or hard for both, and a little for either."""
    true_N = rng.integers(4, size=speakers * each)
    easy_S = rng.normal(size=speakers)
    sides = []
    for model in range(2):
        skill_S = 0.2 + 1.2 * easy_S + 0.4 * rng.normal(size=speakers) + model * edge
        right_N = rng.random(len(true_N)) < np.repeat(1 / (1 + np.exp(-skill_S)), each)
        wrong_N = (true_N + rng.integers(1, 4, size=len(true_N))) % 4
        sides.append(
            Predictions(
                card=fake_run.card(test_set="fake"),
                ids=[str(n) for n in range(len(true_N))],
                rows=[
                    {"id": str(n), "emotion": EMOTIONS[t], "speaker": str(n // each)}
                    for n, t in enumerate(true_N)
                ],
                true_N=true_N,
                predicted_N=np.where(right_N, true_N, wrong_N),
                log_probs_NC=np.full((len(true_N), 4), np.log(0.25)),
                true_va_N2=None,
                predicted_va_N2=None,
                embeddings_ND=None,
            )
        )
    return pair_predictions(*sides)


def test_the_interval_covers_the_truth_and_uses_the_pairing(monkeypatch):
    """120 test sets; the true difference is measured on 10,000 other speakers."""
    monkeypatch.setattr("ser_brain.evaluation.compare.paired_permutation_test", lambda *_: NO_P)
    rng = np.random.default_rng(5)
    true_NK = [t.sum(0) for t in _emotion_cells(simulated(rng, 10_000, each=4))]
    truth = np.diff([ours.LABEL_METRICS["uar"].function(t) for t in true_NK])[0]
    covered, width, unpaired_width = 0, 0.0, 0.0
    for _ in range(120):
        both = simulated(rng, 12)
        found = compare_predictions(both, 200)["tasks"]["emotion"]["metrics"]["uar"][
            "difference"
        ]
        covered += found["low"] <= truth <= found["high"]
        width += found["high"] - found["low"]
        clusters = clusters_of([row["speaker"] for row in both.one.rows])
        draws = [
            ours.LABEL_METRICS["uar"].function(
                resample(cells_NCC.reshape(-1, 16), clusters, 100, rng).reshape(-1, 4, 4)
            )
            for cells_NCC in _emotion_cells(both)
        ]
        low, high = interval(draws[1] - draws[0], clusters.count)
        unpaired_width += high - low
    assert 0.88 <= covered / 120 <= 0.99
    assert width < 0.75 * unpaired_width


def _emotion_cells(both):
    return [
        confusion_cells(side.true_N, side.predicted_N, 4).reshape(-1, 4, 4)
        for side in (both.one, both.other)
    ]


def written(folder, rows, **changes):
    return read_predictions(fake_run.write(folder, "fake", rows, **changes))


def pair_of(tmp_path, rows, other_rows, **changes):
    one = written(tmp_path / "one", rows)
    return pair_predictions(one, written(tmp_path / "other", other_rows, **changes), ("X", "Y"))


def test_utterances_are_matched_by_id(tmp_path):
    rows = fake_run.rows(30)
    both = pair_of(tmp_path, rows[:20], rows[:4:-1])
    assert both.one.ids == both.other.ids == [row["id"] for row in rows[5:20]]
    assert (both.only_one, both.only_other) == (5, 10)
    assert both.classes and both.values
    for name in ("true_N", "predicted_N", "log_probs_NC", "predicted_va_N2"):
        assert np.array_equal(getattr(both.one, name), getattr(both.other, name))
    assert both.other.rows == rows[5:20]


def test_no_utterance_in_common(tmp_path):
    rows = fake_run.rows(10)
    with pytest.raises(
        SERError, match="X and Y share no utterance of fake .*fake_0000 and fake_0005"
    ):
        pair_of(tmp_path, rows[:5], rows[5:])


def test_other_labels(tmp_path):
    rows = fake_run.rows(10)
    other = {**rows[3], "emotion": None, "label_source": "rated_voice"}
    with pytest.raises(
        SERError,
        match="true emotion of 1 of 10 utterances of fake differs between X and Y "
        r"\(fake_0003: \w+ from intended, None from rated_voice\). Evaluate both",
    ):
        pair_of(tmp_path, rows, [*rows[:3], other, *rows[4:]])


@pytest.mark.parametrize("valence", [None, 1.5])
def test_other_ratings(tmp_path, valence):
    rows = fake_run.rows(4)
    rows[0]["valence"] = 2.5
    other = [{**rows[0], "valence": valence}, *rows[1:]]
    with pytest.raises(SERError, match="true valence and arousal of 1 of 4 .*2.5"):
        pair_of(tmp_path, rows, other)


def test_rounding_is_no_difference(tmp_path):
    rows = fake_run.rows(4)
    other = [{**row, "valence": row["valence"] + 1e-9} for row in rows]
    assert pair_of(tmp_path, rows, other).values


def test_other_classes(tmp_path):
    rows = fake_run.rows(5, "classification")
    even = dict.fromkeys(["anger", "calm"], float(np.log(0.5)))
    fewer = [{**row, "log_probabilities": even, "predicted_emotion": "calm"} for row in rows]
    with pytest.raises(
        SERError, match=r"compared on fake: emotions is \['anger', .* \['anger', 'c"
    ):
        pair_of(tmp_path, rows, fewer, emotions=["anger", "calm"])


def test_other_scales(tmp_path):
    rows = fake_run.rows(5, "regression")
    with pytest.raises(
        SERError, match=r"va_range is \[1, 5\] for the first and \[0, 5\] for the"
    ):
        pair_of(tmp_path, rows, rows, va_range=[0, 5])


def run_of(folder, seed=0, train=("x", "y"), **changes):
    rows = fake_run.rows(24, seed=0)
    for row in rows[seed * 4 : seed * 4 + 4]:
        row["log_probabilities"] = row["log_probabilities"] | {
            row["predicted_emotion"]: row["log_probabilities"]["sadness"],
            "sadness": row["log_probabilities"][row["predicted_emotion"]],
        }
        row["predicted_emotion"] = "sadness"
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
    assert list(compare_runs(one, other, ["other"], 10)["test_sets"]) == ["other"]


def test_p_is_corrected_for_primary_metrics_only(tmp_path):
    found = compare_runs(run_of(tmp_path / "a"), run_of(tmp_path / "b", 1), resamples=10)
    tasks = [task for c in found["test_sets"].values() for task in c["tasks"].values()]
    assert len(tasks) == 6
    smallest = min(task["metrics"][task["primary"]]["p"] for task in tasks)
    corrected = [task["metrics"][task["primary"]]["p_holm"] for task in tasks]
    assert min(corrected) == pytest.approx(min(1, 6 * smallest))
    assert "p_holm" not in tasks[0]["metrics"]["wa"]


def test_folds_pair_by_id_and_part(tmp_path):
    rows = fake_run.rows(20)
    for run, parts in (("a", (1, 2)), ("b", (2, 3))):
        names = {f"fold {n}": str(n) for n in parts}
        for n in parts:
            protocol = f"fake/speaker-2fold-fold{n}/seed 1"
            fake_run.write(tmp_path / run / str(n), "fake", rows, protocol=protocol)
        write_json(tmp_path / run / "folds.json", {"parts": names})
    found = compare_runs(read_run(tmp_path / "a"), read_run(tmp_path / "b"), resamples=5)
    assert found["test_sets"]["fake"]["both"] == 20
    assert found["test_sets"]["fake"]["only_a"] == found["test_sets"]["fake"]["only_b"] == 20
    assert found["notes"] == ["The parts differ: fold 1, fold 2; and fold 2, fold 3."]


@pytest.mark.parametrize(
    "train, changes, expected",
    [
        (("y", "x"), {}, ["Both were trained on the same utterances."]),
        (
            ("x", "z", "w"),
            {},
            ["They were trained on different utterances (run: 1 only in A, 2 only in B)."],
        ),
        (
            ("x", "y"),
            {"protocol": "fake/random/seed 1"},
            [
                "The protocols differ, which may explain a difference between the models.",
                "Both were trained on the same utterances.",
            ],
        ),
        (
            None,
            {},
            ["Not every part has a splits.json, so training data cannot be compared."],
        ),
    ],
)
def test_whether_the_match_is_fair(tmp_path, train, changes, expected):
    one = run_of(tmp_path / "a")
    assert training_notes(one, run_of(tmp_path / "b", train=train, **changes)) == expected


def test_a_set_that_a_model_was_trained_on_is_named(tmp_path):
    one = run_of(tmp_path / "a", experiment="old", role="train")
    notes = compare_runs(one, run_of(tmp_path / "b", 1), ["other"], 5)["notes"]
    assert notes[1:] == ["old was trained on utterances of other."]


def test_what_cannot_be_compared(tmp_path):
    one = run_of(tmp_path / "a")
    fake_run.write(tmp_path / "b", "more", fake_run.rows(5))
    with pytest.raises(SERError, match=r"a \(fake, other\) and .*b \(more\) share no test set"):
        compare_runs(one, read_run(tmp_path / "b"))
    with pytest.raises(SERError, match="Bad test set 'fakr'; expected one of: fake, other"):
        compare_runs(one, run_of(tmp_path / "c"), ["fakr"])
    shutil.rmtree(tmp_path / "b")
    for name, kind in (("b", "classification"), ("d", "regression")):
        fake_run.write(tmp_path / name, "fake", fake_run.rows(9, kind), experiment=kind)
    with pytest.raises(SERError, match="have nothing to compare"):
        compare_runs(read_run(tmp_path / "b"), read_run(tmp_path / "d"))
