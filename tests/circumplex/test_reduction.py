import numpy as np
import pytest

from ser_brain.circumplex import reduction
from ser_brain.errors import SERError
from tests.circumplex.planted import rotation


@pytest.fixture
def known():
    """Variances 16, 9, 4, 1 along turned axes, to the last digit."""
    rng = np.random.default_rng(0)
    normal_ND = rng.normal(size=(200, 4))
    whole_ND, _ = np.linalg.qr(normal_ND - normal_ND.mean(axis=0))
    return (whole_ND * np.array([4.0, 3.0, 2.0, 1.0])) @ rotation(4) + 10


def test_explained_variance_is_the_planted_one(known):
    found = reduction.fit(known, 2)
    np.testing.assert_allclose(found.ratio_R, np.array([16, 9, 4, 1]) / 30)
    assert reduction.components_for(found.ratio_R) == [2, 2, 3]
    assert found.share(known) == pytest.approx(25 / 30)


def test_projection_keeps_distances_within_the_components(known):
    found = reduction.fit(known, 4)
    projected = found.project(known)
    apart = np.linalg.norm(known[0] - known[1])
    assert np.linalg.norm(projected[0] - projected[1]) == pytest.approx(apart)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)


def test_what_is_fitted_on_one_set_is_applied_to_others(known):
    found = reduction.fit(known, 1)
    across = 10 + rotation(4)[3] * np.linspace(-5, 5, 11)[:, None]
    assert found.share(across) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.ptp(found.project(across)), 0, atol=1e-6)


def test_too_many_components_name_what_there_is(known):
    with pytest.raises(SERError, match="5 components asked of 200 points in 4 dimensions"):
        reduction.fit(known, 5)
    flat = np.column_stack([known[:, :2], known[:, 0] + known[:, 1]])
    with pytest.raises(SERError, match="which span 2; give --components 2 or fewer"):
        reduction.fit(flat, 3)


def test_points_that_are_all_equal():
    with pytest.raises(SERError, match="All 5 points are equal"):
        reduction.fit(np.ones((5, 3)), 1)
    with pytest.raises(SERError, match="All 5 points are equal"):
        reduction.as_they_are(np.ones((5, 2)))


def test_points_that_are_not_finite(known):
    known[3, 1] = np.nan
    with pytest.raises(SERError, match="1 of 200 points are NaN or infinite"):
        reduction.fit(known, 2)


def test_a_plane_that_means_something_stays_as_it_is():
    plane = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    found = reduction.as_they_are(plane)
    np.testing.assert_array_equal(found.project(plane), plane)
    np.testing.assert_allclose(found.ratio_R, [0.2, 0.8])
