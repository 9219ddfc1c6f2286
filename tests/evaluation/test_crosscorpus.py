"""Every model on every test set."""

import json

import pytest

from ser_brain.core.errors import SERError
from ser_brain.evaluation.crosscorpus import cross
from ser_brain.evaluation.evaluate import evaluate
from ser_brain.evaluation.runs import read_run
from tests import fake_run


def said_by(rows, right):
    """Rows of a model that is right of the given share of every speaker's utterances."""
    found = []
    for n, row in enumerate(rows):
        true = fake_run.EMOTIONS.index(row["emotion"])
        said = fake_run.EMOTIONS[true if n % 10 < 10 * right else (true + 1) % 4]
        found.append(fake_run.answered({**row, "speaker": f"fake_{n // 10}"}, said))
    return found


def of_kind(kind, count=40):
    """The same truth, and of the same answers those that a kind of model gives."""
    hidden = {
        "regression": ("log_probabilities", "predicted_emotion"),
        "classification": ("predicted_valence", "predicted_arousal"),
        "multiobjective": (),
    }[kind]
    return [
        {key: value for key, value in row.items() if key not in hidden}
        for row in fake_run.rows(count)
    ]


def run_of(folder, sets):
    """A run; sets: test set -> (share right, changes of its card)."""
    for name, (right, changes) in sets.items():
        rows = said_by(fake_run.rows(120, "classification"), right)
        fake_run.write(folder, name, rows, **{"experiment": folder.name, **changes})
    return read_run(folder)


def runs_of(tmp_path, **rows):
    """Runs on the test set x, named after their experiment."""
    for name, each in rows.items():
        fake_run.write(tmp_path / name, "x", each, experiment=name)
    return [read_run(tmp_path / name) for name in rows]


def test_the_numbers_are_those_of_the_evaluation(tmp_path):
    run = run_of(tmp_path / "m", {"fake": (0.6, {})})
    matrix = cross([run], 20)
    cell = matrix["test_sets"]["fake"]["cells"]["m"]
    expected = evaluate(run.pooled("fake"), 1, 20)["classification"]
    for metric in ("wa", "uar", "macro_f1"):
        assert cell["metrics"][metric] == expected["metrics"][metric]
    assert cell["confusion"] == expected["confusion"]
    assert matrix["metrics"] == ["wa", "uar", "macro_f1"]
    assert matrix["test_sets"]["fake"]["chance"] == [0.25]
    assert cell["best"] == [] and matrix["tests"] == 0
    json.dumps(matrix, allow_nan=False)


def test_best_and_significant(tmp_path):
    good, poor, same = (
        run_of(tmp_path / name, {"x": (right, {}), "y": (right, {})})
        for name, right in (("good", 0.8), ("poor", 0.3), ("same", 0.8))
    )
    matrix = cross([good, poor, same], 10)
    assert matrix["tests"] == 4
    for row in matrix["test_sets"].values():
        best = {label: "uar" in cell["best"] for label, cell in row["cells"].items()}
        assert best == {"good": True, "poor": False, "same": True}
        assert row["cells"]["good"]["against_first"] == {}
        tested = row["cells"]["poor"]["against_first"]["uar"]
        # 12 speakers who all agree: 2 of 4,096 sets of swaps are as extreme; 4 tests.
        assert tested["p"] == 2 / 4096 and tested["p_holm"] == 4 * tested["p"]
        values = {m: c["metrics"]["uar"]["value"] for m, c in row["cells"].items()}
        assert tested["difference"]["value"] == pytest.approx(values["poor"] - values["good"])
        assert row["cells"]["same"]["against_first"]["uar"]["p_holm"] == 1.0


def test_a_set_that_a_model_was_trained_on(tmp_path):
    runs = [
        run_of(tmp_path / "seen", {"x": (1.0, {"role": "train"})}),
        run_of(tmp_path / "a", {"x": (0.5, {})}),
        run_of(tmp_path / "b", {"x": (0.4, {}), "y": (0.4, {})}),
    ]
    matrix = cross(runs, 5)
    cells = matrix["test_sets"]["x"]["cells"]
    assert [cell["best"] != [] for cell in cells.values()] == [False, True, False]
    assert matrix["tests"] == 0
    assert list(matrix["test_sets"]["y"]["cells"]) == ["b"]


def test_values_of_a_regression_model(tmp_path):
    kinds = {"r": "regression", "m": "multiobjective", "c": "classification"}
    matrix = cross(runs_of(tmp_path, **{n: of_kind(kind) for n, kind in kinds.items()}), 5)
    row = matrix["test_sets"]["x"]
    assert matrix["metrics"] == ["wa", "uar", "macro_f1", "valence ccc", "arousal ccc"]
    assert list(row["cells"]["r"]["metrics"]) == ["valence ccc", "arousal ccc"]
    assert list(row["cells"]["m"]["against_first"]) == ["valence ccc", "arousal ccc"]
    assert row["cells"]["c"]["against_first"] == {}
    assert row["chance"] == [0.25]


def test_other_utterances_of_one_test_set(tmp_path):
    rows = said_by(fake_run.rows(60, "classification"), 0.5)
    matrix = cross(runs_of(tmp_path, a=rows[:30], b=rows[30:], c=rows[20:]), 5)
    row = matrix["test_sets"]["x"]
    assert row["same_utterances"] is False
    assert all(cell["best"] == [] for cell in row["cells"].values())
    assert row["cells"]["b"]["against_first"] == {}
    assert row["cells"]["c"]["against_first"]["uar"]["n"] == 10


def test_other_labels_of_one_test_set(tmp_path):
    rows = fake_run.rows(10, "classification")
    other = [{**rows[0], "emotion": None}, *rows[1:]]
    with pytest.raises(SERError, match="true emotion of 1 of 10 .* differs between b and c"):
        cross(runs_of(tmp_path, a=fake_run.rows(10, "regression"), b=rows, c=other), 5)
