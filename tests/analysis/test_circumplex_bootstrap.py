"""Drawn speakers and intervals."""

from dataclasses import replace

import numpy as np
import pytest

from ser_brain.analysis.circumplex import bootstrap
from ser_brain.analysis.circumplex.bootstrap import (
    Draws,
    basic_estimate,
    draw,
    mean_over_parts,
    percentile_estimate,
)
from ser_brain.evaluation.significance import Clusters
from tests.analysis.planted import FOUR, circle, cloud, points


def test_a_speaker_is_one_cluster_in_every_part():
    """Two models are tested on the same people, a third on others."""
    same = points(circle(FOUR), 2, 3)
    clouds = [cloud(*same), cloud(*same), cloud(*points(circle(FOUR), 2, 2), prefix="x")]
    draws = draw(clouds, 50, np.random.default_rng(0))
    assert (draws.clusters.count, draws.clusters.unit) == (5, "speaker")
    np.testing.assert_array_equal(*(draws.clusters_of(one) for one in clouds[:2]))
    assert not set(draws.clusters_of(clouds[0])) & set(draws.clusters_of(clouds[2]))
    assert draws.counts_BS.shape == (50, 5)
    assert (draws.counts_BS.sum(axis=1) == 5).all()


@pytest.mark.parametrize("most, drawn", [(2_000, 24), (10, 10)])
def test_utterances_of_unknown_speakers_are_drawn_singly_or_in_groups(monkeypatch, most, drawn):
    monkeypatch.setattr(bootstrap, "MOST_CLUSTERS", most)
    known = cloud(*points(circle(FOUR), 2, 3))
    unknown = replace(known, speakers=[None] * len(known.ids))
    draws = draw([unknown], 5, np.random.default_rng(0))
    assert draws.clusters.unit == "utterance"
    assert draws.counts_BS.shape == (5, drawn)
    assert set(draws.clusters_of(unknown)) == set(range(drawn))


def test_the_mean_over_parts_skips_undefined_ones():
    found = mean_over_parts([np.array([1.0, np.nan]), np.array([3.0, np.nan])])
    assert found[0] == 2 and np.isnan(found[1])


def _draws(count):
    return Draws(Clusters(np.arange(count), count, "speaker", ""), {}, np.zeros((0, count)))


def test_percentile_and_basic_intervals():
    drawn = np.linspace(3, 7, 1001)
    plain, basic = (
        f(4.0, drawn, _draws(10_000)) for f in (percentile_estimate, basic_estimate)
    )
    assert (plain["low"], plain["high"]) == pytest.approx((3.1, 6.9), abs=0.01)
    assert (basic["low"], basic["high"]) == pytest.approx((8 - 6.9, 8 - 3.1), abs=0.01)


def test_undefined_values_have_no_interval():
    undefined = {"value": None, "low": None, "high": None}
    assert percentile_estimate(np.nan, np.ones(9), _draws(5)) == undefined
    assert basic_estimate(np.nan, np.ones(9), _draws(5)) == undefined
    assert basic_estimate(2.0, np.full(9, np.nan), _draws(5))["low"] is None
