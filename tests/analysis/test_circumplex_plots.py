"""."""

import re

import numpy as np
import pytest

from ser_brain.analysis.circumplex import (
    plots as circumplex,
)
from ser_brain.analysis.circumplex import (
    plots as circumplex_circle,
)
from ser_brain.analysis.circumplex import (
    plots as circumplex_marks,
)
from ser_brain.analysis.circumplex import (
    plots as circumplex_numbers,
)
from ser_brain.analysis.circumplex import (
    plots as circumplex_placed,
)
from ser_brain.analysis.circumplex.data import MAPPED
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.reporting.html import TEMPLATES

WORDS = ("A title", "a protocol")


def written(stem):
    sizes = {kind: stem.with_suffix(f".{kind}").stat().st_size for kind in ("svg", "png")}
    assert min(sizes.values()) > 1000
    return stem.with_suffix(".svg").read_text(encoding="utf-8")


def test_every_emotion_has_a_mark_of_its_own():
    assert set(circumplex_marks.MARKS) == set(MAPPED)
    colours, markers = zip(*circumplex_marks.MARKS.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(MAPPED)


def test_the_script_of_the_page_draws_every_marker():
    script = (TEMPLATES / "scatter3d.js").read_text(encoding="utf-8")
    known = set(re.findall(r'"?([^\s"{]+)"?: \[\d', script))
    assert {marker for _, marker in circumplex_marks.MARKS.values()} <= known


def test_components_and_placed_points(tmp_path):
    rng = np.random.default_rng(0)
    emotions = ["anger", "sadness", "neutral"]
    points_N2, emotion_N = rng.normal(size=(90, 2)), np.repeat([0, 1, 2], 30)
    scatter = circumplex.Scatter(
        points_N2, emotion_N, np.eye(3)[:, :2], np.stack([np.eye(2)] * 3), (0.6, 0.2)
    )
    circumplex.components(tmp_path / "parts", {"fold 1": scatter}, emotions, *WORDS)
    written(tmp_path / "parts")
    points = {name: (points_N2, emotion_N) for name in "abcd"}
    circumplex_placed.placed(tmp_path / "placed", points, emotions, np.zeros((3, 2)), *WORDS)
    written(tmp_path / "placed")


def test_an_ellipse_holds_the_share_it_says(tmp_path):
    """Drawn for a known covariance; counted on many points of that Gaussian."""
    from matplotlib.figure import Figure

    covariance_22 = np.array([[4.0, 1.5], [1.5, 1.0]])
    axes = Figure().subplots()
    circumplex._ellipse(axes, np.array([1.0, 2.0]), covariance_22, "anger")
    (ellipse,) = axes.patches
    rng = np.random.default_rng(0)
    points_N2 = rng.multivariate_normal([1, 2], covariance_22, size=20_000)
    inside = ellipse.get_path().contains_points(
        ellipse.get_patch_transform().inverted().transform(points_N2)
    )
    assert inside.mean() == pytest.approx(circumplex.ELLIPSE_SHARE, abs=0.01)


def test_a_circle_without_angles_is_drawn_empty(tmp_path):
    nothing = {"value": None, "low": None, "high": None}
    centroid = {"emotion": "anger", "angle": nothing, "radius": 1.0, "source": "Russell (1980)"}
    circumplex_circle.circle(tmp_path / "circle", {"a": [centroid]}, *WORDS)
    written(tmp_path / "circle")


def test_numbers(tmp_path):
    ratios = {"a model": np.array([0.5, 0.3, 0.2]), "another": np.full(40, 1 / 40)}
    circumplex_numbers.scree(tmp_path / "scree", ratios, (0.6, 0.8, 0.95), *WORDS)
    written(tmp_path / "scree")
    matrix = {"a": np.array([[0.0, 2.0], [2.0, np.nan]])}
    circumplex_numbers.distances(tmp_path / "apart", matrix, ["anger", "sadness"], *WORDS)
    written(tmp_path / "apart")
    auc = {"auc": {"value": 0.9, "low": None, "high": None}}
    results = {"a": {way: {"arousal": auc, "valence": None} for way in WAYS}}
    circumplex_numbers.separability(tmp_path / "auc", results, WAYS, *WORDS)
    written(tmp_path / "auc")
