"""Reference angles and statistics of angles, against hand-computed values and a search."""

import collections
import itertools

import numpy as np
import pytest

from ser_brain.analysis.circumplex.angles import (
    align,
    angle_difference,
    circular_correlation,
    correspondence_index,
    distinct_orders,
    order_violations,
    polar,
    reference_angles,
    reference_points,
    reference_source,
    sides,
)
from ser_brain.data.labels import EMOTIONS


def test_angle_and_radius_about_the_mean_of_centroids():
    angle, radius = polar(np.array([[3.0, 5.0], [2.0, 6.0], [1.0, 5.0], [2.0, 4.0]]))
    np.testing.assert_allclose(angle, [0, 90, 180, 270])
    np.testing.assert_allclose(radius, 1)


def test_study_2_table_1_has_one_violation():
    """Found on Emo-DB: sad, disgust, fear, happy, anger, boredom (neutral has no angle)."""
    found = [51.65, 67.37, 172.78, 183.12, 185.23, 353.36]
    russell = [207.5, 150.0, 116.0, 7.8, 99.0, 242.0]
    # Happy is between fear and anger; one exchange with anger gives Russell's order.
    assert order_violations(found, russell) == 1


@pytest.mark.parametrize("size", [3, 4, 5, 6])
def test_violations_are_the_shortest_way_by_exchanges_on_the_circle(size):
    """Against a search over all circular orders, through every exchange of neighbours."""

    def canonical(order):
        turns = [order[n:] + order[:n] for n in range(size)]
        return min([*turns, *(turn[::-1] for turn in turns)])

    start = canonical(tuple(range(size)))
    steps, waiting = {start: 0}, collections.deque([start])
    while waiting:
        order = waiting.popleft()
        for n in range(size):
            other = list(order)
            other[n], other[(n + 1) % size] = other[(n + 1) % size], other[n]
            other = canonical(tuple(other))
            if other not in steps:
                steps[other] = steps[order] + 1
                waiting.append(other)
    assert len(steps) == distinct_orders(size)
    reference = np.arange(size) * 360 / size
    for order in itertools.permutations(range(size)):
        angles = np.empty(size)
        angles[list(order)] = reference
        assert order_violations(angles, reference) == steps[canonical(order)], order


def test_violations_ignore_rotation_reflection_and_the_order_of_equal_angles():
    reference = np.array([7.8, 99.0, 116.0, 207.5, 242.0])
    angles = np.array([10.0, 120.0, 90.0, 200.0, 300.0])
    for turned in (angles, angles + 123, 77 - angles, -angles):
        assert order_violations(turned % 360, reference) == 1
    equal = [0.0, 100.0, 150.0, 150.0, 250.0]
    assert order_violations([0, 100, 150, 160, 250], equal) == 0
    assert order_violations([0, 100, 160, 150, 250], equal) == 0


def test_circular_correlation_by_hand():
    """Differences of 90, 180 and 90 degrees against 60, 120 and 60."""
    found = circular_correlation(np.array([0.0, 90.0, 180.0]), np.array([0.0, 60.0, 120.0]))
    half = np.sqrt(3) / 2
    assert found == pytest.approx((half + 0 + half) / np.sqrt(2 * (3 * half**2)))
    assert np.isnan(circular_correlation(np.array([0.0, 50.0]), np.array([0.0, 90.0])))


def test_circular_correlation_ignores_rotation_and_the_size_of_a_batch():
    one, other = np.random.default_rng(0).uniform(0, 360, (2, 4, 6))
    plain = circular_correlation(one, other)
    assert plain.shape == (4,)
    np.testing.assert_allclose(circular_correlation(one + 40, other - 80), plain)
    np.testing.assert_allclose(circular_correlation(-one, other), -plain)
    np.testing.assert_allclose(circular_correlation(one[2], other[2]), plain[2])


@pytest.mark.parametrize("sign, shift", [(1, 50.0), (-1, 170.0)])
def test_alignment_finds_a_planted_rotation_and_reflection(sign, shift):
    reference = np.array([7.8, 99.0, 207.5, 242.0])
    found_sign, found_shift = align((sign * (reference - shift)) % 360, reference)
    assert found_sign == sign and found_shift == pytest.approx(shift)


def test_correspondence_index_of_a_circle_and_of_its_opposite():
    angles = np.array([0.0, 40.0, 100.0, 170.0, 250.0])
    chord = 2 * np.abs(np.sin(np.radians(angle_difference(angles[:, None], angles)) / 2))
    assert correspondence_index(chord, angles) == 1
    assert correspondence_index(-chord, angles) == -1
    assert np.isnan(correspondence_index(np.zeros((2, 2)), np.array([0.0, 10.0])))


def test_correspondence_index_by_hand():
    """Circle: AB 20 < BC 70 < AC 90. Distances: AB 1, BC 5, AC 4: two of three agree."""
    distance = np.array([[0, 1, 4], [1, 0, 5], [4, 5, 0.0]])
    found = correspondence_index(distance, np.array([0.0, 20.0, 90.0]))
    assert found == pytest.approx(1 / 3)


def test_reference_angles_are_russells_and_others_are_marked():
    known = reference_angles(EMOTIONS)
    assert known["happiness"] == 7.8 and known["sadness"] == 207.5
    assert "neutral" not in known and "other" not in known
    assigned = [emotion for emotion in known if reference_source(emotion) == "assigned"]
    assert assigned == ["disgust", "contempt"]


def test_reference_points_are_on_the_circle_and_neutral_at_its_centre():
    found = reference_points(["anger", "neutral"])
    expected = [np.cos(np.radians(99)), np.sin(np.radians(99))]
    np.testing.assert_allclose(found, [expected, [0, 0]])


def test_sides_of_an_axis():
    emotions = ["fear", "calm", "boredom", "surprise", "neutral"]
    assert sides(emotions, "arousal") == (["fear", "surprise"], ["calm", "boredom"])
    assert sides(emotions, "valence") == (["calm", "surprise"], ["fear", "boredom"])
