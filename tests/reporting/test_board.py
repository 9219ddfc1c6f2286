"""The board: who shares a column, who is ranked, and how a board grows."""

import os
from html.parser import HTMLParser

import pytest

from ser_brain.__main__ import main
from ser_brain.core.files import read_json
from ser_brain.evaluation.board import board
from ser_brain.evaluation.runs import read_run
from ser_brain.reporting.board import by_metric, legend
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
    """A subset has its own column; another scale and a model without classes do not."""
    rows = fake_run.rows(60)
    fake_run.write(tmp_path / "all", "x", rows, experiment="all")
    fake_run.write(tmp_path / "some", "x", rows[:40], experiment="some")
    regression = fake_run.rows(60, "regression")
    for row in regression:  # on a scale from 0 to 1
        for key in ("valence", "arousal", "predicted_valence", "predicted_arousal"):
            row[key] = (row[key] - 1) / 4
    changes = {"experiment": "unit", "va_range": [0, 1]}
    fake_run.write(tmp_path / "unit", "x", regression, **changes)
    found = board([read_run(tmp_path / name) for name in ("all", "some", "unit")], 5)
    cells = [list(column["cells"]) for column in found["test_sets"].values()]
    assert cells == [["all", "unit"], ["some"]]
    assert list(found["test_sets"])[1] == "x, 40 clips, 4 classes"
    both = found["test_sets"]["x, 60 clips, 4 classes"]
    assert set(both["ranking"]["valence ccc"]["ranks"]) == {"all", "unit"}


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
