"""Marks, labels, ellipses, and figures of borderline content; the reports draw the others."""

import re

import numpy as np
import pytest
from scipy.stats import chi2

from ser_brain.analysis.circumplex import report
from ser_brain.analysis.circumplex.data import MAPPED
from ser_brain.analysis.circumplex.plots import MARKS, draw_figures
from ser_brain.analysis.plots import ellipse, spread
from ser_brain.reporting.html import TEMPLATES
from tests.analysis.planted import circle, cloud, points, reduced


def test_every_emotion_has_a_mark_of_its_own_that_the_page_can_draw():
    assert set(MARKS) == set(MAPPED)
    colours, markers = zip(*MARKS.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(MAPPED)
    script = (TEMPLATES / "scatter3d.js").read_text(encoding="utf-8")
    assert set(markers) <= set(re.findall(r'"?([^\s"{]+)"?: \[\d', script))


def test_two_emotions_of_six_models(tmp_path, monkeypatch, drawn):
    """No angle, no place, an axis without sides, no interval, more models than panels."""
    for name in ("RESAMPLES", "PERMUTATIONS"):
        monkeypatch.setattr(report, name, 20)
    pair = ["anger", "sadness"]
    one = cloud(*points(circle(pair), 6, 3))
    found = report.analyse(reduced({"run": one}, pair), "embedding")
    figures = draw_figures(tmp_path, dict.fromkeys("abcdef", found))
    drawn = {section: len(figures) for section, figures in figures.items()}
    expected = {"components": 3, "distances": 1, "separability": 1}
    assert drawn == {**expected, "circle": 0, "placement": 0}
    text = (tmp_path / "planted-models.svg").read_text(encoding="utf-8")
    assert "<!-- e -->" in text and "<!-- f -->" not in text


def test_labels_are_moved_as_little_as_possible():
    heights = [0.0, 0.05, 0.06, 0.5]
    moved = spread(heights, 0.1)
    assert np.diff(moved).min() >= 0.1 - 1e-12
    assert moved[:3].mean() == pytest.approx(np.mean(heights[:3]))
    assert spread([0.0, 1.0, 2.0], 0.5) == pytest.approx([0, 1, 2])


def test_an_ellipse_is_a_contour_of_its_gaussian():
    covariance_22 = np.array([[0.09, -0.04], [-0.04, 0.04]])
    squared_radius = chi2.ppf(0.8, 2)
    curve_K2 = ellipse(np.array([0.2, -0.1]), covariance_22, squared_radius) - [0.2, -0.1]
    squared_K = np.einsum("ki,ij,kj->k", curve_K2, np.linalg.inv(covariance_22), curve_K2)
    assert squared_K == pytest.approx(squared_radius)
    assert curve_K2[0] == pytest.approx(curve_K2[-1])
