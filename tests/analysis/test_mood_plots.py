"""."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from ser_brain.analysis.mood.description import density, share_inside
from ser_brain.analysis.mood.plots import (
    LINE_PT,
    MARK_PT,
    Measured,
    MoodMap,
    course,
    label_offsets,
    mood_map,
    mood_maps,
    splits,
    track,
)

WORDS = ("A $title", "a/protocol with {braces}, $x$ and <tags>")
SHARE_GG = share_inside(density(np.zeros((1, 2)), np.ones(1)))
FULL = MoodMap(SHARE_GG, np.zeros(2), np.array([[0, 0.5], [0.5, 0]]), np.zeros((2, 2)))
SOME = MoodMap(SHARE_GG, np.zeros(2))
HOURS = np.arange("2026-03-02T08", "2026-03-02T12", dtype="datetime64[h]")
DAYS = np.arange("2026-03-02", "2026-03-06", dtype="datetime64[D]")
GAP = np.array([0.1, np.nan, 0.3, 0.2])
SPEECH = np.nan_to_num(GAP)
SPANS = [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[3])]
FIGURES = {
    "map": lambda stem: mood_map(stem, FULL, *WORDS),
    "maps": lambda stem: mood_maps(stem, {"a $": SOME, "b": MoodMap()}, *WORDS),
    "one of many": lambda stem: mood_maps(stem, {"a": MoodMap(), "b": SOME}, *WORDS),
    "course": lambda stem: course(
        stem, DAYS, {"Valence": Measured(GAP, GAP, (0.1, 0.2))}, SPEECH, SPANS, *WORDS
    ),
    "one silent hour": lambda stem: course(
        stem, HOURS[:1], {"Range": Measured(GAP[1:2])}, np.zeros(1), [], *WORDS
    ),
    "track": lambda stem: track(stem, np.stack([GAP, GAP], 1), list("abcd"), *WORDS),
    "one place": lambda stem: track(stem, np.zeros((1, 2)), ["a"], *WORDS),
    "splits": lambda stem: splits(
        stem, {"range": np.array([0.1, 0.2])}, {"range": 0.2}, {"range": "p = 0.5"}, *WORDS
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_both_files_are_written(tmp_path, name):
    FIGURES[name](tmp_path / "x")
    assert {"x.png", "x.svg", "x.pdf"} <= {path.name for path in tmp_path.iterdir()}
    assert "</svg>" in (tmp_path / "x.svg").read_text()


def test_a_silent_day_says_so(tmp_path):
    FIGURES["maps"](tmp_path / "x")
    svg = (tmp_path / "x.svg").read_text()
    assert svg.count("<!-- no speech -->") == 1
    assert svg.count("<!-- sleepiness -->") == 2


def test_all_words_are_around_the_large_map(tmp_path):
    FIGURES["map"](tmp_path / "x")
    svg = (tmp_path / "x.svg").read_text()
    assert all(f"<!-- {word} -->" in svg for word in ("happy", "at ease", "droopy", "tense"))


@pytest.mark.parametrize("days, spread_pt", [(14, 30), (38, 60)])
def test_labels_of_days_cover_neither_each_other_nor_a_mark(days, spread_pt):
    points_P2 = np.random.default_rng(0).normal(0, spread_pt, (days, 2))
    middles_P2 = points_P2 + label_offsets(points_P2, [21] * days)
    for p, middle_2 in enumerate(middles_P2):
        apart_P2 = np.abs(np.delete(middles_P2, p, axis=0) - middle_2)
        assert np.all((apart_P2[:, 0] >= 21 - 1e-9) | (apart_P2[:, 1] >= LINE_PT - 1e-9))
        apart_P2 = np.abs(points_P2 - middle_2)
        free_P2 = apart_P2 >= np.array([21 + MARK_PT, LINE_PT + MARK_PT]) / 2 - 1e-9
        assert free_P2.any(axis=1).all()
    assert label_offsets(np.zeros((0, 2)), []).shape == (0, 2)


def test_no_line_crosses_a_silent_day(tmp_path, monkeypatch):
    """What is drawn as one line has a hole where the day is missing."""
    drawn = []
    plot = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda axes, *a, **k: drawn.append(a) or plot(axes, *a, **k)
    )
    track(tmp_path / "x", np.stack([GAP, GAP], 1), list("abcd"), *WORDS)
    lines = [a for a in drawn if len(a) == 2 and len(np.atleast_1d(a[0])) == 4]
    assert len(lines) == 2 and all(np.isnan(x[1]) for x, _ in lines)
