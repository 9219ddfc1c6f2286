"""."""

import collections
import itertools

import numpy as np
import pytest

from ser_brain.analysis.circumplex import angles
from ser_brain.analysis.circumplex import angles as p
from ser_brain.data.labels import EMOTIONS


def test_angle_and_radius_about_the_mean_of_centroids():
    angle, radius = p.polar(np.array([[3.0, 5.0], [2.0, 6.0], [1.0, 5.0], [2.0, 4.0]]))
    np.testing.assert_allclose(angle, [0, 90, 180, 270])
    np.testing.assert_allclose(radius, 1)


def test_study_2_table_1_has_one_violation():
    """Found on Emo-DB: sad, disgust, fear, happy, anger, boredom (neutral has no angle)."""
    found = [51.65, 67.37, 172.78, 183.12, 185.23, 353.36]
    russell = [207.5, 150.0, 116.0, 7.8, 99.0, 242.0]
    # Happy stands between fear and anger; one exchange with anger mends the order.
    assert p.order_violations(found, russell) == 1


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
    assert len(steps) == p.distinct_orders(size)
    reference = np.arange(size) * 360 / size
    for order in itertools.permutations(range(size)):
        angles = np.empty(size)
        angles[list(order)] = reference
        assert p.order_violations(angles, reference) == steps[canonical(order)], order


def test_violations_do_not_see_rotation_and_reflection():
    reference = np.array([7.8, 99.0, 116.0, 207.5, 242.0])
    angles = np.array([10.0, 120.0, 90.0, 200.0, 300.0])
    expected = p.order_violations(angles, reference)
    assert expected == 1
    for turned in (angles + 123, 77 - angles, (angles * -1) % 360):
        assert p.order_violations(turned % 360, reference) == expected


def test_emotions_at_one_angle_may_stand_in_either_order():
    reference = [0.0, 100.0, 150.0, 150.0, 250.0]
    assert p.order_violations([0, 100, 150, 160, 250], reference) == 0
    assert p.order_violations([0, 100, 160, 150, 250], reference) == 0


def test_circular_correlation_by_hand():
    """Differences of 90, 180 and 90 degrees against 60, 120 and 60."""
    found = p.circular_correlation(np.array([0.0, 90.0, 180.0]), np.array([0.0, 60.0, 120.0]))
    half = np.sqrt(3) / 2
    expected = (half + 0 + half) / np.sqrt(2 * (3 * half**2))
    assert found == pytest.approx(expected)


def test_circular_correlation_sees_neither_rotation_nor_the_size_of_a_batch():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, 360, (2, 4, 6))
    plain = p.circular_correlation(one, other)
    assert plain.shape == (4,)
    np.testing.assert_allclose(p.circular_correlation(one + 40, other - 80), plain)
    np.testing.assert_allclose(p.circular_correlation(-one, other), -plain)
    np.testing.assert_allclose(p.circular_correlation(one[2], other[2]), plain[2])


def test_two_angles_have_no_circular_correlation():
    assert np.isnan(p.circular_correlation(np.array([0.0, 50.0]), np.array([0.0, 90.0])))


def test_alignment_finds_a_planted_rotation_and_reflection():
    reference = np.array([7.8, 99.0, 207.5, 242.0])
    for sign, shift in ((1, 50.0), (-1, 170.0)):
        found_sign, found_shift = p.alignment((sign * (reference - shift)) % 360, reference)
        assert found_sign == sign
        assert found_shift == pytest.approx(shift)


def test_mean_angle_over_parts_leaves_out_what_is_undefined():
    parts = [np.array([350.0, 90.0]), np.array([10.0, np.nan])]
    np.testing.assert_allclose(p.turn(p.mean_angle(parts), [0.0, 90.0]), 0, atol=1e-9)


def test_correspondence_of_a_circle_and_of_its_opposite():
    angles = np.array([0.0, 40.0, 100.0, 170.0, 250.0])
    chord = 2 * np.abs(np.sin(np.radians(p.turn(angles[:, None], angles)) / 2))
    assert p.correspondence(chord, angles) == 1
    assert p.correspondence(-chord, angles) == -1
    assert np.isnan(p.correspondence(np.zeros((2, 2)), np.array([0.0, 10.0])))


def test_correspondence_by_hand():
    """Circle: AB 20 < BC 70 < AC 90. Distances: AB 1, BC 5, AC 4: two of three agree."""
    distance = np.array([[0, 1, 4], [1, 0, 5], [4, 5, 0.0]])
    assert p.correspondence(distance, np.array([0.0, 20.0, 90.0])) == pytest.approx(1 / 3)


def test_the_angles_are_russells_and_the_rest_is_marked():
    known = angles.angles_deg(EMOTIONS)
    assert known["happiness"] == 7.8
    assert known["sadness"] == 207.5
    assert "neutral" not in known and "other" not in known
    sources = {emotion: angles.source_of(emotion) for emotion in known}
    assert [e for e, source in sources.items() if source == "assigned"] == [
        "disgust",
        "contempt",
    ]


def test_neutral_stands_at_calms_place_where_asked():
    assert angles.angles_deg(["neutral"], neutral_as_calm=True) == {"neutral": 316.2}


def test_targets_lie_on_the_circle_and_neutral_at_its_centre():
    found = angles.targets(["anger", "neutral"])
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0])
    assert found[0] == pytest.approx([np.cos(np.radians(99)), np.sin(np.radians(99))])


def test_sides_of_an_axis():
    emotions = ["fear", "calm", "boredom", "surprise", "neutral"]
    assert angles.sides(emotions, "arousal") == (["fear", "surprise"], ["calm", "boredom"])
    assert angles.sides(emotions, "valence") == (["calm", "surprise"], ["fear", "boredom"])
