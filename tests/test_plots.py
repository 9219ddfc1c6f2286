import re
import subprocess
import sys

import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.plots.calibration import reliability_diagram
from ser_brain.plots.confusion import confusion
from ser_brain.plots.frame import new_figure
from ser_brain.plots.over_prediction import over_prediction
from ser_brain.plots.speakers import SpeakerResults, Speakers, speaker_strip
from ser_brain.plots.training import training
from ser_brain.plots.values import distribution, errors, scatter
from ser_brain.reliability import reliability

RNG = np.random.default_rng(0)
TRUE_N = RNG.uniform(1, 5, 50)
PAIRS = {"valence": (TRUE_N, TRUE_N + 0.3), "arousal": (TRUE_N, np.full(50, 3.0))}
COUNTS_CC = np.array([[5, 1], [0, 0]])  # The second class never occurs.
WORDS = ("A $title", "a/protocol with {braces}, $x$ and <tags>")

MANY_N = RNG.uniform(-1, 1, 6_000)
BINS = reliability(np.array([0, 1, 0]), np.log([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]))
CLASSES = [  # Too often, too seldom, never predicted, never true.
    {"emotion": "x" * 60, "support": 2, "predicted": 5, "over_prediction": 2.5},
    {"emotion": "y$", "support": 900, "predicted": 1, "over_prediction": 1 / 900},
    {"emotion": "z", "support": 3, "predicted": 0, "over_prediction": 0.0},
    {"emotion": "w", "support": 0, "predicted": 7, "over_prediction": None},
]


def speakers(stem, count):
    names = [f"speaker ${i}" for i in range(count)]
    genders = [("female", "male", "other", None)[i % 4] for i in range(count)]
    values_S3 = np.linspace([0.4, 0.3, 0.5], [0.8, 0.7, 0.9], count)
    values_S3[0] = np.nan
    results = {
        "UAR": SpeakerResults(values_S3, 0.6, (0, 1)),
        "MAE": SpeakerResults(values_S3, 0.5, None),
    }
    speaker_strip(stem, Speakers(names, genders, [10] * count), results, *WORDS)


FIGURES = {
    "confusion": lambda stem: confusion(stem, {"a": COUNTS_CC}, ["x$", "y"], *WORDS),
    "panels": lambda stem: confusion(
        stem, {"a": COUNTS_CC, "$b": COUNTS_CC, "c": COUNTS_CC}, ["x", "y"], *WORDS
    ),
    "scatter": lambda stem: scatter(
        stem, PAIRS, [1, 5], {"valence": "r = 1", "arousal": "r = –"}, *WORDS
    ),
    "distribution": lambda stem: distribution(stem, PAIRS, [1, 5], *WORDS),
    "errors": lambda stem: errors(stem, PAIRS, [-1, 1], *WORDS),
    "one value": lambda stem: errors(
        stem, {"valence": (np.ones(1), np.ones(1))}, [1, 5], "", ""
    ),
    "training": lambda stem: training(
        stem,
        {"Loss": {"training": [[(1, 2.0)]]}, "Learning rate": {"heads": [[(1, 0.0)]]}},
        *WORDS,
    ),
    "training of folds": lambda stem: training(
        stem, {"Loss": {"training": [[(1, 2.0), (2, 1.0)], [(1, 3.0)]]}}, *WORDS
    ),
    "density": lambda stem: scatter(
        stem, {"valence": (MANY_N, MANY_N**2)}, [-1, 1], {"valence": ""}, *WORDS
    ),
    "reliability": lambda stem: reliability_diagram(
        stem, {"as trained": BINS, "calibrated": BINS}, *WORDS
    ),
    "over-prediction": lambda stem: over_prediction(
        stem, {"$a, deu": CLASSES, "b": CLASSES[:1]}, *WORDS
    ),
    "speakers": lambda stem: speakers(stem, 3),
    "many speakers": lambda stem: speakers(stem, 100),
}


@pytest.mark.parametrize("name", FIGURES)
def test_both_files_are_written(tmp_path, name):
    FIGURES[name](tmp_path / "x.y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.y.png", "x.y.svg"]
    assert (tmp_path / "x.y.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "x.y.svg").read_text()
    assert "</svg>" in svg and "dc:date" not in svg


def test_a_figure_is_the_same_each_time(tmp_path):
    for stem in ("a", "b"):
        FIGURES["confusion"](tmp_path / stem)
    for suffix in ("svg", "png"):
        one, other = (tmp_path / f"{stem}.{suffix}" for stem in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_many_predictions_make_no_large_file(tmp_path):
    for name in ("density", "many speakers"):
        FIGURES[name](tmp_path / name)
        assert (tmp_path / f"{name}.svg").stat().st_size < 300_000


@pytest.mark.filterwarnings("error")
def test_long_names_leave_room_for_the_panel(tmp_path):
    name = "n" * 200
    confusion(tmp_path / "c", {name: COUNTS_CC, "b": COUNTS_CC}, [name, "y"], *WORDS)
    over_prediction(tmp_path / "o", {name: CLASSES}, *WORDS)


def test_words_are_broken_to_the_width():
    figure = new_figure(3, 2, "T" * 10 + " word" * 20, "p/" * 100)
    title, subtitle = (text.get_text() for text in figure.texts)
    assert len(title) == 30 and title.endswith("…")
    assert subtitle.count("\n") == 4
    assert figure.get_figheight() > 2 + 4 * 0.14


def test_no_pyplot():
    code = "import sys, ser_brain.report; print('matplotlib.pyplot' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match="Cannot write"):
        FIGURES["errors"](tmp_path / "file" / "x")


@pytest.mark.parametrize("epochs, ticks", [([1], ["1"]), ([3], ["3"]), ([1, 2], ["1", "2"])])
def test_epochs_are_whole_numbers(tmp_path, epochs, ticks):
    points = [(epoch, 1.5) for epoch in epochs]
    training(tmp_path / "x", {"Loss": {"training": [points]}}, *WORDS)
    svg = (tmp_path / "x.svg").read_text()
    found = re.findall(r'id="xtick_\d+">.*?<!-- (.*?) -->', svg, re.DOTALL)
    assert found == ticks
