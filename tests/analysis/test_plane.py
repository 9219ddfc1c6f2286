"""The plane that figures share: labels and ellipses."""

import numpy as np
import pytest
from scipy.stats import chi2

from ser_brain.analysis.plots import ellipse, spread


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
