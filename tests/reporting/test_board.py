"""The board: who shares a column, who is ranked, and how a board grows."""

import json
import os
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.special import log_softmax

from ser_brain.__main__ import main
from ser_brain.core.files import read_json
from ser_brain.evaluation.board import AVERAGED, board
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.board import by_metric, calibration, gaps, legend, models
from tests import fake_run
from tests.evaluation.test_crosscorpus import run_of

FOREIGN = {"protocol": "b/speaker/intended/4-class/seed 1"}  # the rows are of the corpus "fake"
OWN = {"protocol": "fake/speaker/intended/4-class/seed 1"}


@pytest.fixture
def runs(tmp_path):
    """Eleven speakers; ``close`` misses as few as ``good``; ``seen`` was trained on x."""
    sets = {
        "good": (0.9, FOREIGN),
        "close": (0.9, OWN),
        "poor": (0.3, FOREIGN),
        "seen": (1.0, {**OWN, "role": "train"}),
    }
    return [run_of(tmp_path / name, {"x": each}) for name, each in sets.items()]


def test_ranks_the_top_group_and_the_marks(runs):
    found = board(runs, 20)
    (column,) = found["test_sets"].values()
    ranking = column["ranking"]["uar"]
    assert ranking["ranks"] == {"good": 1, "close": 1, "poor": 3}
    assert ranking["best"] == "good" and ranking["top"] == ["good", "close"]
    assert ranking["p_holm"]["poor"] < 0.05 <= ranking["p_holm"]["close"]
    roles = {label: cell["role"] for label, cell in column["cells"].items()}
    assert roles == {"good": "test", "close": "same corpus", "poor": "test", "seen": "train"}
    table = by_metric(found, "uar")
    names = ["good", "close", "poor", "seen", "Chance", "Majority class"]
    assert [row[0] for row in table.rows] == names
    assert [row[1]["marks"] for row in table.rows[:4]] == ["", "°", "", "†"]
    assert [row[1]["best"] for row in table.rows[:4]] == [True, True, False, False]
    assert len(legend(found)) == 3
    assert table.rows[-2][1:] == [0.25, None]


def test_baselines_are_those_of_the_labels(runs):
    (column,) = board(runs, 0)["test_sets"].values()
    counts = column["emotions"]
    most = max(counts.values())
    majority = column["baselines"]["Majority class"]
    f1 = 2 * most / (most + sum(counts.values()))
    assert majority["uar"] == 0.25 and majority["macro_f1"] == pytest.approx(f1 / 4)


def test_other_utterances_classes_and_scales(tmp_path):
    """A subset has its own column; another scale, name, or lack of classes does not matter."""
    rows = fake_run.rows(60)
    fake_run.write(tmp_path / "all", "x", rows, experiment="all")
    fake_run.write(tmp_path / "some", "x", rows[:40], experiment="some")
    regression = fake_run.rows(60, "regression")
    for row in regression:  # on a scale from 0 to 1
        for key in ("valence", "arousal", "predicted_valence", "predicted_arousal"):
            row[key] = (row[key] - 1) / 4
    changes = {"experiment": "unit", "va_range": [0, 1]}
    fake_run.write(tmp_path / "unit", "x-drawn", regression, **changes)
    found = board([read_run(tmp_path / name) for name in ("all", "some", "unit")], 5)
    cells = [list(column["cells"]) for column in found["test_sets"].values()]
    assert cells == [["all", "unit"], ["some"]]
    assert list(found["test_sets"])[1] == "x, 40 clips, 4 classes"
    both = found["test_sets"]["x, 60 clips, 4 classes"]
    assert set(both["ranking"]["valence ccc"]["ranks"]) == {"all", "unit"}


def test_folds_are_ranked_as_their_ensemble(tmp_path):
    """Two folds that predict the same foreign set are paired with a model that predicts it."""
    temperatures = {"fold-1": 1.0, "fold-2": 2.0}
    for seed, (name, temperature) in enumerate(temperatures.items()):
        rows = fake_run.rows(60, "classification")
        other = fake_run.rows(60, "classification", seed=seed)
        for row, said in zip(rows, other, strict=True):
            row |= {key: said[key] for key in ("log_probabilities", "predicted_emotion")}
        changes = {"experiment": "folds", "temperature": temperature}
        fake_run.write(tmp_path / "folds" / name, "x", rows, **changes)
    parts = {name: name for name in temperatures}
    (tmp_path / "folds" / "folds.json").write_text(json.dumps({"parts": parts}))
    fake_run.write(tmp_path / "one", "x", fake_run.rows(60, "classification"), experiment="one")
    found = board([read_run(tmp_path / name) for name in ("folds", "one")], 5)
    (column,) = found["test_sets"].values()
    assert set(column["ranking"]["uar"]["ranks"]) == {"folds", "one"}
    assert len(column["ranking"]["uar"]["p_holm"]) == 1
    cell = column["cells"]["folds"]
    assert cell["notes"][0] == AVERAGED

    first, second = (
        read_predictions(tmp_path / "folds" / p / "predictions" / "x.jsonl") for p in parts
    )
    scores_NC = (first.log_probs_NC + log_softmax(second.log_probs_NC / 2, axis=1)) / 2
    right_N = scores_NC.argmax(1) == first.true_N
    recalls = [right_N[first.true_N == n].mean() for n in range(4)]
    assert cell["metrics"]["uar"]["value"] == pytest.approx(np.mean(recalls))
    nll = -log_softmax(scores_NC, axis=1)[range(60), first.true_N].mean()
    assert cell["calibration"]["nll, answered"]["value"] == pytest.approx(nll)


def test_a_model_s_own_record_says_where_its_temperature_is_from(tmp_path):
    for name, changes in (
        ("fitted", {"temperature": 1.7}),
        ("folds", {"temperature": 1.0}),
        ("none", {}),
        ("adapted", {"temperature": 1.25, "adapted": {"clips": 60}}),
    ):
        fake_run.write(tmp_path / name, "x", experiment=name, **changes)
    further = {"experiment": "adapted", "adapted": {"clips": 1200}}
    fake_run.write(tmp_path / "adapted", "y", **further)
    runs = {name: read_run(tmp_path / name) for name in ("fitted", "folds", "none", "adapted")}
    found = board(list(runs.values()), 0)
    table = calibration(found)
    shown = {tuple(row[:2]): row[-1] for row in table.rows}
    assert shown["fitted", "x"] == "1.70" and shown["folds", "x"] == "1.00"
    assert shown["none", "x"] == shown["Chance", "x"] == "–"
    assert "exactly 1, none was fitted: inner folds" in table.caption
    alone = calibration(board([runs["fitted"]], 0)).caption
    assert "fitted on validation data" in alone and "exactly 1" not in alone
    assert "validation" not in calibration(board([runs["none"]], 0)).caption
    adapted = {row[0]: row[4] for row in models(found).rows}
    assert adapted["adapted"] == "to 60 to 1,200 unlabelled clips of the test set"
    assert adapted["fitted"] == "–"


def test_gaps_between_ages_say_why_they_have_no_interval(tmp_path):
    ages = {"fake_0": 21, "fake_1": 29, "fake_2": "elderly"}
    rows = fake_run.rows(120, "classification", speakers=9)
    rows = [{**row, "age": ages.get(row["speaker"], 30)} for row in rows]
    fake_run.write(tmp_path / "m", "x", rows)
    found = board([read_run(tmp_path / "m")], 5)
    (gap,) = (row for row in gaps(found).rows if row[2:4] == ["age", "UAR"])
    assert {gap[5], gap[6]} <= {"under 30", "30 to 49", "elderly"}
    few = "elderly" if "elderly" in gap[5:7] else "under 30"
    count = {"elderly": "1 speaker", "under 30": "2 speakers"}[few]
    assert gap[7] == f"no interval: {few} has {count}, of 5 needed"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.addresses += [v for k, v in attributes if k in ("src", "href")]


def test_a_board_grows_and_moves(tmp_path, runs, capsys):
    folders = [str(run.folder) for run in runs]
    out = tmp_path / "site" / "board"
    assert main(["board", *folders[:2], "--out", str(out)]) == 0
    assert main(["board", folders[2], folders[0], "--out", str(out)]) == 0
    models = read_json(out / "board.json", "board")["models"]
    assert list(models) == ["good", "close", "poor"]
    assert models["poor"]["folder"] == os.path.join("..", "..", "poor")
    page = (out / "index.html").read_text(encoding="utf-8")
    kept = (".csv", "board.json")
    outside = [a for a in Page(page).addresses if not a.startswith(("#", "data:"))]
    assert all(a.startswith("./") and a.endswith(kept) for a in outside)
    assert "poor" in page
    (tmp_path / "poor").rename(tmp_path / "gone")
    capsys.readouterr()
    assert main(["board", "--out", str(out)]) == 2
    assert "poor, a model of" in capsys.readouterr().err
    assert main(["board", "--out", str(tmp_path / "none")]) == 2
    assert "has no board yet" in capsys.readouterr().err
