"""Marks, and figures of borderline content; ordinary ones are drawn by the report's tests."""

import re

import numpy as np

from ser_brain.analysis.circumplex.data import MAPPED
from ser_brain.analysis.circumplex.plots import (
    MARKS,
    plot_circle,
    plot_distances,
    plot_placed,
    plot_scree,
    plot_separability,
)
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.reporting.html import TEMPLATES
from tests.analysis.planted import cloud


def test_every_emotion_has_a_mark_of_its_own_that_the_page_can_draw():
    assert set(MARKS) == set(MAPPED)
    colours, markers = zip(*MARKS.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(MAPPED)
    script = (TEMPLATES / "scatter3d.js").read_text(encoding="utf-8")
    assert set(markers) <= set(re.findall(r'"?([^\s"{]+)"?: \[\d', script))


def test_borderline_content_is_drawn(tmp_path):
    """No angle, an undefined distance, no interval, an axis without sides, four panels."""
    titles = ("A title", "a protocol")
    undefined = {"value": None, "low": None, "high": None}
    centroid = {"emotion": "anger", "angle": undefined, "radius": 1.0, "source": "assigned"}
    plot_circle(tmp_path / "circle", {"a": [centroid]}, *titles)
    matrix = {"a": np.array([[0.0, 2.0], [2.0, np.nan]])}
    plot_distances(tmp_path / "distances", matrix, ["anger", "sadness"], *titles)
    ratios = {"a model": np.array([0.5, 0.3, 0.2]), "another": np.full(40, 1 / 40)}
    plot_scree(tmp_path / "scree", ratios, (0.6, 0.8, 0.95), *titles)
    auc = {"auc": {"value": 0.9, "low": None, "high": None}}
    results = {"a": {way: {"arousal": auc, "valence": None} for way in WAYS}}
    plot_separability(tmp_path / "auc", results, WAYS, *titles)
    clouds = dict.fromkeys("abcd", cloud(9 * np.eye(2), np.arange(2), ["s", "t"]))
    plot_placed(tmp_path / "placed", clouds, ["anger", "sadness"], np.zeros((2, 2)), *titles)
    names = {"circle", "distances", "scree", "auc", "placed"}
    written = {path.name for path in tmp_path.iterdir() if path.stat().st_size > 1000}
    assert written >= {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
