"""."""

from dataclasses import replace

import numpy as np
import pytest

from ser_brain.analysis.circumplex import bootstrap as resampling
from ser_brain.analysis.circumplex.bootstrap import (
    Draws,
    draw,
    estimate,
    mean_over_parts,
    mirrored,
)
from ser_brain.evaluation.significance import Clusters
from tests.analysis.planted import FOUR, circle, cloud, points


def test_a_speaker_is_one_cluster_in_every_part():
    """Two models judge the same people; a third judges others."""
    same = points(circle(FOUR), 2, 3)
    clouds = [cloud(*same), cloud(*same), cloud(*points(circle(FOUR), 2, 2), prefix="x")]
    draws = draw(clouds, 50, np.random.default_rng(0))
    assert draws.clusters.count == 5
    assert draws.clusters.unit == "speaker"
    np.testing.assert_array_equal(draws.of(clouds[0]), draws.of(clouds[1]))
    assert not set(draws.of(clouds[0])) & set(draws.of(clouds[2]))
    assert draws.counts_BS.shape == (50, 5)
    assert (draws.counts_BS.sum(axis=1) == 5).all()


def test_unknown_speakers_are_drawn_by_utterance():
    points_ND, emotion_N, speakers = points(circle(FOUR), 2, 3)
    unknown = cloud(points_ND, emotion_N, speakers)
    unknown = replace(unknown, speakers=[None] * len(emotion_N))
    draws = draw([unknown], 5, np.random.default_rng(0))
    assert draws.clusters.unit == "utterance"
    assert draws.counts_BS.shape == (5, 24)


def test_very_many_utterances_are_drawn_in_groups(monkeypatch):
    monkeypatch.setattr(resampling, "MOST_CLUSTERS", 10)
    points_ND, emotion_N, speakers = points(circle(FOUR), 2, 3)
    many = replace(cloud(points_ND, emotion_N, speakers), speakers=[None] * len(emotion_N))
    draws = draw([many], 5, np.random.default_rng(0))
    assert draws.counts_BS.shape == (5, 10)
    assert set(draws.of(many)) == set(range(10))
    assert draws.clusters.unit == "utterance"


def test_the_mean_over_parts_leaves_out_undefined_ones():
    found = mean_over_parts([np.array([1.0, np.nan]), np.array([3.0, np.nan])])
    assert found[0] == 2
    assert np.isnan(found[1])


def _draws(count):
    return Draws(Clusters(np.arange(count), count, "speaker", ""), {}, np.zeros((0, count)))


def test_an_estimate_with_percentiles_and_mirrored():
    drawn = np.linspace(3, 7, 1001)
    plain, basic = estimate(4.0, drawn, _draws(10_000)), mirrored(4.0, drawn, _draws(10_000))
    assert plain["low"] == pytest.approx(3.1, abs=0.01)
    assert plain["high"] == pytest.approx(6.9, abs=0.01)
    assert basic["low"] == pytest.approx(8 - 6.9, abs=0.01)
    assert basic["high"] == pytest.approx(8 - 3.1, abs=0.01)


def test_what_is_undefined_has_no_interval():
    nothing = {"value": None, "low": None, "high": None}
    assert estimate(np.nan, np.ones(9), _draws(5)) == nothing
    assert mirrored(np.nan, np.ones(9), _draws(5)) == nothing
    assert mirrored(2.0, np.full(9, np.nan), _draws(5))["low"] is None
