import json
import shutil

import fake_run
import pytest

from ser_brain.errors import SERError
from ser_brain.files import write_json
from ser_brain.run_comparison import compare_runs, training_notes
from ser_brain.runs import read_run


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
                "The protocols differ: a difference between the models may come from that.",
                "Both were trained on the same utterances.",
            ],
        ),
        (
            None,
            {},
            ["Not every part has a splits.json: training data cannot be compared."],
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
    with pytest.raises(SERError, match="predict nothing that could be compared"):
        compare_runs(read_run(tmp_path / "b"), read_run(tmp_path / "d"))
