import numpy as np
import pytest
from scipy.stats import gaussian_kde, multivariate_normal

from ser_brain.mood.density import BANDWIDTH, CENTRES, STEP, density, share_inside

GRID_GG2 = np.stack(np.meshgrid(CENTRES, CENTRES), axis=-1)


def test_one_point_is_the_kernel():
    place = [CENTRES[50], CENTRES[30]]
    expected = multivariate_normal(place, BANDWIDTH**2 * np.eye(2)).pdf(GRID_GG2)
    found = density(np.array([place]), np.array([3.0]))
    assert found == pytest.approx(expected, abs=0.01 * expected.max())
    assert np.unravel_index(found.argmax(), found.shape) == (30, 50)  # Rows are arousal.


def test_many_points_agree_with_scipy():
    """scipy scales its kernel to the data: give it data that scatter alike all round."""
    rng = np.random.default_rng(0)
    va_N2 = rng.normal(0, 0.3, (400, 2))
    seconds_N = rng.uniform(0.5, 5, 400)
    covariance = np.cov(va_N2.T, aweights=seconds_N)
    white_N2 = va_N2 @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    white_N2 *= 0.3
    covariance = np.cov(white_N2.T, aweights=seconds_N)
    assert covariance == pytest.approx(0.09 * np.eye(2))
    kde = gaussian_kde(white_N2.T, bw_method=BANDWIDTH / 0.3, weights=seconds_N)
    expected = kde(GRID_GG2.reshape(-1, 2).T).reshape(len(CENTRES), -1)
    found = density(white_N2, seconds_N)
    assert found == pytest.approx(expected, abs=0.02 * expected.max())
    assert found.sum() * STEP**2 == pytest.approx(1)


def test_weight_is_speaking_time():
    va_N2 = np.array([[-0.5, 0.0], [0.5, 0.0]])
    found = density(va_N2, np.array([3.0, 1.0]))
    left = found[:, CENTRES < 0].sum() / found.sum()
    assert left == pytest.approx(0.75, abs=1e-3)


def test_the_corner_of_the_scale_and_beyond_is_on_the_grid():
    found = density(np.array([[1.2, -1.2]]), np.ones(1))
    assert found.sum() * STEP**2 == pytest.approx(1)
    assert found[0].max() < 0.01 * found.max()


def test_the_smallest_area_of_a_normal_distribution_is_a_disc():
    """P(r <= R) = 1 - exp(-R^2 / 2 s^2)."""
    inside_GG = share_inside(density(np.zeros((1, 2)), np.ones(1)))
    radius_GG = np.linalg.norm(GRID_GG2, axis=-1)
    # One point between four cells is counted in one of them: half a cell off either axis.
    for share in (0.2, 0.5, 0.8, 0.95):
        area = (inside_GG <= share).sum() * STEP**2
        expected = np.pi * -2 * BANDWIDTH**2 * np.log(1 - share)
        assert area == pytest.approx(expected, rel=0.05)
    assert inside_GG[radius_GG > 1].min() > 0.99
