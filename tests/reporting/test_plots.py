"""Figures: their files, and what they show."""

import re

import numpy as np
import pytest
from matplotlib.axes import Axes

from ser_brain.core.errors import SERError
from ser_brain.evaluation.calibration import reliability_bins
from ser_brain.reporting.plots.classification import (
    confusion,
    heat_map,
    over_prediction,
    reliability_diagram,
)
from ser_brain.reporting.plots.regression import distribution, errors, scatter
from ser_brain.reporting.plots.speakers import SpeakerResults, Speakers, speaker_strip
from ser_brain.reporting.plots.training import curves_of, read_train_log, training

pytestmark = pytest.mark.usefixtures("drawn")
RNG = np.random.default_rng(0)
TRUE_N = RNG.uniform(1, 5, 50)
PAIRS = {"valence": (TRUE_N, TRUE_N + 0.3), "arousal": (TRUE_N, np.full(50, 3.0))}
COUNTS_CC = np.array([[5, 1], [0, 0]])  # The second class never occurs.
FILES = (".svg", ".png", "-untitled.svg", "-untitled.pdf")
WORDS = ("A $title", "a/protocol with {braces}, $x$ and <tags>")
MANY_N = RNG.uniform(-1, 1, 6_000)
BINS = reliability_bins(np.array([0, 1, 0]), np.log([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]))
CLASSES = [  # Too often, too seldom, never predicted, never true.
    {"emotion": "x" * 60, "support": 2, "predicted": 5, "over_prediction": 2.5},
    {"emotion": "y$", "support": 900, "predicted": 1, "over_prediction": 1 / 900},
    {"emotion": "z", "support": 3, "predicted": 0, "over_prediction": 0.0},
    {"emotion": "w", "support": 0, "predicted": 7, "over_prediction": None},
]


def speakers(count):
    names = [f"speaker ${i}" for i in range(count)]
    genders = [("female", "male", "other", None)[i % 4] for i in range(count)]
    values_S3 = np.linspace([0.4, 0.3, 0.5], [0.8, 0.7, 0.9], count)
    values_S3[0] = np.nan
    results = {
        "UAR": SpeakerResults(values_S3, 0.6, (0, 1)),
        "MAE": SpeakerResults(values_S3, 0.5, None),
    }
    return speaker_strip, Speakers(names, genders, [10] * count), results


def cell(value, **more):
    return {"value": value, "low": None, "high": None, **more}


def map_of(rows, columns):
    cells = [[cell((r + c) / 24) for c in range(columns)] for r in range(rows)]
    cells[0][0] = None
    names = [f"a_long_test_set_name_$that$_is_broken {r}\nchance 0.250" for r in range(rows)]
    models = [f"model ${c}" for c in range(columns)]
    return heat_map, {"UAR": cells}, names, models, [0.25] * rows


THREE = {"a": COUNTS_CC, "$b": COUNTS_CC, "c": COUNTS_CC}
RATES = {"Loss": {"training": [[(1, 2.0)]]}, "Learning rate": {"heads": [[(1, 0.0)]]}}
FOLDS = {"Loss": {"training": [[(1, 2.0), (2, 1.0)], [(1, 3.0)]]}}
FIGURES = {
    "confusion": (confusion, {"a": COUNTS_CC}, ["x$", "y"]),
    "panels": (confusion, THREE, ["x", "y"]),
    "scatter": (scatter, PAIRS, [1, 5], {"valence": "r = 1", "arousal": "r = –"}),
    "distribution": (distribution, PAIRS, [1, 5]),
    "errors": (errors, PAIRS, [-1, 1]),
    "one value": (errors, {"valence": (np.ones(1), np.ones(1))}, [1, 5]),
    "training": (training, RATES),
    "training of folds": (training, FOLDS),
    "density": (scatter, {"valence": (MANY_N, MANY_N**2)}, [-1, 1], {"valence": ""}),
    "reliability": (reliability_diagram, {"as trained": BINS, "calibrated": BINS}),
    "over-prediction": (over_prediction, {"$a, deu": CLASSES, "b": CLASSES[:1]}),
    "speakers": speakers(3),
    "many speakers": speakers(100),
    "heat map": map_of(1, 1),
    "large heat map": map_of(8, 12),
}


def draw(stem, name):
    function, *content = FIGURES[name]
    function(stem, *content, *WORDS)


@pytest.mark.parametrize("name", FIGURES)
def test_all_files_are_written(tmp_path, name):
    draw(tmp_path / "x.y", name)
    assert {path.name for path in tmp_path.iterdir()} == {f"x.y{end}" for end in FILES}
    assert (tmp_path / "x.y.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "x.y-untitled.pdf").read_bytes().startswith(b"%PDF")
    for end in (".svg", "-untitled.svg"):
        svg = (tmp_path / f"x.y{end}").read_text()
        assert "</svg>" in svg and "dc:date" not in svg
        assert ("A $title" in svg) == (end == ".svg")
        assert len(svg) < 300_000 or name not in ("density", "many speakers")


def test_a_figure_is_the_same_each_time(tmp_path):
    for stem in ("a", "b"):
        draw(tmp_path / stem, "confusion")
    for end in FILES:
        one, other = (tmp_path / f"{stem}{end}" for stem in "ab")
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.filterwarnings("error")
def test_long_names_leave_room_for_the_panel(tmp_path):
    name = "n" * 200
    confusion(tmp_path / "c", {name: COUNTS_CC, "b": COUNTS_CC}, [name, "y"], *WORDS)
    over_prediction(tmp_path / "o", {name: CLASSES}, *WORDS)


@pytest.mark.parametrize("epochs, ticks", [([1], ["1"]), ([3], ["3"]), ([1, 2], ["1", "2"])])
def test_epochs_are_whole_numbers(tmp_path, epochs, ticks):
    points = [(epoch, 1.5) for epoch in epochs]
    training(tmp_path / "x", {"Loss": {"training": [points]}}, *WORDS)
    svg = (tmp_path / "x.svg").read_text()
    found = re.findall(r'id="xtick_\d+">.*?<!-- (.*?) -->', svg, re.DOTALL)
    assert found == ticks


def test_numbers_marks_and_bold(tmp_path, monkeypatch):
    said = {}
    monkeypatch.setattr(
        Axes,
        "text",
        lambda self, x, y, s, **how: said.update({(y, x): (s, how["weight"], how["color"])}),
    )
    row = [cell(0.9, best=True, marks="*"), cell(0.1, marks="†"), None]
    heat_map(tmp_path / "x", {"CCC": [row]}, ["s"], ["a", "b", "c"], [0.0], *WORDS)
    assert said[0, 0] == ("0.900*", "bold", "white")
    assert said[0, 1][:2] == ("0.100†", "normal")
    assert said[0, 2][0] == "–"


def test_colour_is_what_lies_above_chance(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(Axes, "imshow", lambda _, values, **how: shown.append(values.tolist()))
    rows = [[cell(0.25), cell(1.0)], [cell(0.2), cell(0.75)], [cell(1.0), cell(1.0)]]
    chance = [0.25, 0.5, 1.0]
    heat_map(tmp_path / "x", {"UAR": rows}, list("abc"), list("de"), chance, *WORDS)
    assert shown == [[[0.0, 1.0], [0.0, 0.5], [0.0, 0.0]]]


def test_curves():
    log = [
        {"epoch": e, "train": {"loss": 2.0, "nll": 1.0, "mse": 1.0}, "valid": {"uar": v}}
        for e, v in [(1, 0.5), (2, float("nan")), (3, None)]
    ]
    found = curves_of(log)
    assert list(found) == ["Loss", "NLL (nats)", "MSE", "UAR"]
    assert found["UAR"] == {"validation": [(1, 0.5)]}
    # A single loss is shown once.
    assert list(curves_of([{"epoch": 1, "train": {"loss": 1.0, "nll": 1.0}}])) == ["NLL (nats)"]
    assert curves_of([]) == {}


@pytest.mark.parametrize("line, message", [("{", "not JSON"), ("{}", "an integer 'epoch'")])
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "train_log.jsonl"
    assert read_train_log(path) == []
    path.write_text(f'{{"epoch": 1}}\n{line}\n')
    with pytest.raises(SERError, match=f"line 2: .*{message}"):
        read_train_log(path)
