import itertools

import fake_run
import numpy as np
import pytest
from sklearn import metrics as theirs

from ser_brain import metrics as ours
from ser_brain.bootstrap import clusters_of, interval, resample
from ser_brain.comparison import compare
from ser_brain.label_metrics import confusion_cells
from ser_brain.pairing import pair
from ser_brain.predictions import Predictions, read_predictions

EMOTIONS = fake_run.EMOTIONS
NO_P = dict.fromkeys([*ours.LABEL_METRICS, *ours.SCORE_METRICS])


def two(tmp_path, count=80, kind="multiobjective", speakers=5, other=None):
    """Two models that err at different places; the truth is the same."""
    rows = fake_run.rows(count, kind, speakers=speakers)
    rng = np.random.default_rng(1)
    said = other or [_other_answer(row, rng) for row in rows]
    found = []
    for name, each in (("one", rows), ("other", said)):
        found.append(read_predictions(fake_run.write(tmp_path / name, "fake", each)))
    return pair(*found)


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
    found = compare(both, 20)["tasks"]["emotion"]
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
        return np.diff([ours.regression(true_N, side)["ccc"] for side in sides])[0]

    names = sorted(set(speakers))
    every = [c for n in range(6) for c in itertools.combinations(names, n)]
    observed = apart(())
    expected = np.mean([abs(apart(swapped)) >= abs(observed) - 1e-9 for swapped in every])
    found = compare(both, 10)["tasks"]["valence"]["metrics"]["ccc"]
    assert found["difference"]["value"] == pytest.approx(observed, abs=1e-9)
    assert found["p"] == expected


def test_a_model_does_not_differ_from_itself(tmp_path):
    rows = fake_run.rows(30)
    tasks = compare(two(tmp_path, other=rows, count=30), 50)["tasks"]
    assert list(tasks) == ["emotion", "valence", "arousal"]
    for task in tasks.values():
        for metric in task["metrics"].values():
            assert metric["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
            assert metric["p"] == 1.0


def test_a_seed_gives_the_same_intervals(tmp_path):
    both = two(tmp_path, speakers=20)
    assert compare(both, 30) == compare(both, 30)


@pytest.mark.parametrize("speakers", [1, 20])
def test_the_order_of_rows_changes_no_number(tmp_path, speakers):
    """Issue 13, no. 33."""
    both = two(tmp_path, speakers=speakers)
    orders = [np.random.default_rng(seed).permutation(80) for seed in (1, 2)]
    sides = zip((both.one, both.other), orders, strict=True)
    shuffled = pair(*(side.chosen(order) for side, order in sides))
    assert compare(shuffled, 30) == compare(both, 30)


def test_tasks_without_labels_are_left_out(tmp_path):
    rows = fake_run.rows(12, rated=False, labelled=False)
    one = read_predictions(fake_run.write(tmp_path, "fake", rows))
    found = compare(pair(one, one), 5)
    assert found["tasks"] == {}
    assert found["answers"]["same"] == found["both"] == 12


def test_a_regression_model_gives_no_answers(tmp_path):
    assert compare(two(tmp_path, 12, "regression"), 5)["answers"] is None


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
    return pair(*sides)


def test_the_interval_covers_the_truth_and_uses_the_pairing(monkeypatch):
    """120 test sets; the true difference is measured on 10,000 other speakers."""
    monkeypatch.setattr("ser_brain.comparison.swap_test", lambda *_: NO_P)
    rng = np.random.default_rng(5)
    true_NK = [t.sum(0) for t in _emotion_cells(simulated(rng, 10_000, each=4))]
    truth = np.diff([ours.LABEL_METRICS["uar"].function(t) for t in true_NK])[0]
    covered, width, unpaired_width = 0, 0.0, 0.0
    for _ in range(120):
        both = simulated(rng, 12)
        found = compare(both, 200)["tasks"]["emotion"]["metrics"]["uar"]["difference"]
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
