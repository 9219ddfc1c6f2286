import subprocess
import sys

import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.plots.confusion import confusion
from ser_brain.plots.frame import new_figure
from ser_brain.plots.training import training
from ser_brain.plots.values import distribution, errors, scatter

RNG = np.random.default_rng(0)
TRUE_N = RNG.uniform(1, 5, 50)
PAIRS = {"valence": (TRUE_N, TRUE_N + 0.3), "arousal": (TRUE_N, np.full(50, 3.0))}
COUNTS_CC = np.array([[5, 1], [0, 0]])  # The second class never occurs.
WORDS = ("A $title", "a/protocol with {braces}, $x$ and <tags>")

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
        stem, {"Loss": {"training": [(1, 2.0)]}, "Learning rate": {"heads": [(1, 0.0)]}}, *WORDS
    ),
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


def test_words_are_broken_to_the_width():
    figure = new_figure(3, 2, "T" * 10 + " word" * 20, "p/" * 100)
    title, subtitle = (text.get_text() for text in figure.texts)
    assert len(title) <= 30 and title.endswith("…")
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
