"""Runs and baselines as sets of points; drawn speakers and intervals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ser_brain.analysis.circumplex import data
from ser_brain.analysis.circumplex.data import (
    MIN_CLIPS,
    Draws,
    baseline_models,
    basic_estimate,
    draw,
    mean_over_parts,
    percentile_estimate,
    read_models,
    read_sets,
)
from ser_brain.core.errors import SERError
from ser_brain.evaluation.runs import read_run
from ser_brain.evaluation.significance import Clusters
from tests.analysis.planted import FOUR, circle, cloud, points, rotation, write_folds, write_run
from tests.fake_run import edited

ALL = points(circle(FOUR), 5, 4)


def some(rows):
    """Some of all points, by index or by a mask."""
    rows = np.arange(len(ALL[0]))[rows]
    return ALL[0][rows], ALL[1][rows], [ALL[2][n] for n in rows]


def run_of(folder):
    return read_run(folder, embeddings=True, scores=False)


def read(folder, space="embedding", names=()):
    run = run_of(folder)
    return read_sets(run, {part: part for part in run.parts}, space, names)


def row_numbers(cloud):
    return [int(i.removeprefix("planted_")) for i in cloud.id_N]


def halves(folder):
    """A run of two folds, each with the utterances of two speakers in a space of its own."""
    parts = {}
    for fold, speakers in ((1, ("s0", "s1")), (2, ("s2", "s3"))):
        rows = np.flatnonzero(np.isin(ALL[2], speakers))
        points_ND, *labels = some(rows)
        ids = [f"planted_{n}" for n in rows]
        turned = points_ND @ rotation(8, fold), *labels
        parts[f"fold {fold}"] = write_run(folder / str(fold), turned, FOUR, ids=ids)
    return write_folds(folder, parts)


def test_each_layer_is_a_model_whose_folds_are_parts(tmp_path):
    names = ["fold 1, layer 2", "fold 2, layer 2", "fold 1, layer last"]
    parts = {name: write_run(tmp_path / str(n), ALL, FOUR) for n, name in enumerate(names)}
    write_run(tmp_path / "2", ALL, FOUR, "more")
    run = run_of(write_folds(tmp_path, parts))
    models = read_models(run, "embedding")
    found = {label: {n: list(s.clouds) for n, s in sets.items()} for label, sets in models}
    assert found == {
        "tiny, untuned, layer 2": {"planted": ["fold 1", "fold 2"]},
        "tiny, untuned, layer last": {"planted": ["fold 1"], "more": ["fold 1"]},
    }
    with pytest.raises(SERError, match="Bad test set 'more'; expected one of: planted"):
        read_models(run, "embedding", ["more"])


def test_a_baseline_is_read_on_the_runs_utterances(tmp_path):
    """In its one space, or in that of the same fold."""
    run = run_of(halves(tmp_path / "run"))
    ((_, sets),) = read_models(run, "embedding")
    baseline = run_of(write_run(tmp_path / "baseline", ALL, FOUR, layer="layer 3"))
    ((label, found),) = baseline_models(sets, baseline, "embedding")
    assert label == "tiny, untuned, layer 3"
    for part, one in found["planted"].clouds.items():
        of_run = sets["planted"].clouds[part]
        np.testing.assert_array_equal(one.id_N, of_run.id_N)
        np.testing.assert_allclose(one.points_ND, ALL[0][row_numbers(one)], rtol=1e-6)
        np.testing.assert_array_equal(one.emotion_N, of_run.emotion_N)
    ((_, found),) = baseline_models(sets, run, "embedding")
    for part, one in found["planted"].clouds.items():
        np.testing.assert_array_equal(one.points_ND, sets["planted"].clouds[part].points_ND)


def test_baselines_that_do_not_fit_are_refused(tmp_path):
    ((_, sets),) = read_models(run_of(halves(tmp_path / "run")), "embedding")
    few = run_of(write_run(tmp_path / "few", some(slice(40)), FOUR))
    with pytest.raises(SERError, match="lacks utterances of planted. Embed the same manifests"):
        baseline_models(sets, few, "embedding")
    names = ("seed 1", "seed 2")
    parts = {name: write_run(tmp_path / "other" / name[-1], ALL, FOUR) for name in names}
    other = run_of(write_folds(tmp_path / "other", parts))
    message = "has the parts seed 1, seed 2, the run has fold 1, fold"
    with pytest.raises(SERError, match=message):
        baseline_models(sets, other, "embedding")


def test_a_set_is_read_with_its_labels(tmp_path):
    write_run(tmp_path, ALL, FOUR)
    planted = read(tmp_path)["planted"]
    cloud = planted.clouds["run"]
    rows = row_numbers(cloud)
    assert sorted(rows) == list(range(len(ALL[0])))
    np.testing.assert_allclose(cloud.points_ND, ALL[0][rows], rtol=1e-6)
    np.testing.assert_array_equal(cloud.emotion_N, ALL[1][rows])
    assert cloud.speaker_N.tolist() == [ALL[2][n] for n in rows]
    assert np.isnan(cloud.true_va_N2).all()
    assert (planted.emotions, planted.skipped) == (FOUR, {})


def test_rare_and_unmapped_emotions_are_counted(tmp_path):
    rows = np.append(np.flatnonzero(ALL[1] != 2), np.flatnonzero(ALL[1] == 2)[0])
    write_run(tmp_path, some(rows), ["anger", "other", "sadness", "neutral"])
    planted = read(tmp_path)["planted"]
    assert planted.emotions == ["anger", "neutral"]
    assert planted.skipped == {
        f"of sadness, with fewer than {MIN_CLIPS} clips": 1,
        "of other, which has no place on the map": 20,
    }
    assert np.bincount(planted.clouds["run"].emotion_N).tolist() == [20, 20]


def test_an_emotion_must_be_in_every_part(tmp_path):
    parts = {
        "fold 1": write_run(tmp_path / "1", ALL, FOUR),
        "fold 2": write_run(tmp_path / "2", some(ALL[1] != 0), FOUR),
    }
    planted = read(write_folds(tmp_path, parts))["planted"]
    assert planted.emotions == FOUR[1:]
    assert planted.skipped == {"of anger, with fewer than 5 clips in some part": 20}


def test_training_sets_come_last(tmp_path):
    write_run(tmp_path, ALL, FOUR, "a-train", role="train")
    for name in "bc":
        write_run(tmp_path, ALL, FOUR, name)
    assert list(read(tmp_path)) == ["b", "c", "a-train"]
    assert list(read(tmp_path, names=["c"])) == ["c", "a-train"]
    with pytest.raises(SERError, match="Bad test set 'd'; expected one of: "):
        read(tmp_path, names=["d"])


def test_predicted_valence_and_arousal_are_rescaled(tmp_path):
    found = points(circle(FOUR, radius=1.0), 5, 2, size=2)
    write_run(tmp_path, found, FOUR, scores=True, va_range=[-2, 2])
    cloud = read(tmp_path, "va")["planted"].clouds["run"]
    np.testing.assert_allclose(cloud.points_ND, found[0][row_numbers(cloud)] / 2)


def test_runs_that_cannot_be_analysed(tmp_path):
    write_run(tmp_path, ALL, FOUR)
    with pytest.raises(SERError, match="does not predict valence and arousal on planted"):
        read(tmp_path, "va")
    write_run(tmp_path, points(circle(FOUR), 5, 2, size=2), FOUR, scores=True)
    path = tmp_path / "predictions" / "planted.card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dimensions": ["valence"]}))
    with pytest.raises(SERError, match="does not predict arousal on planted"):
        read(tmp_path, "va")
    assert np.isnan(read(tmp_path)["planted"].clouds["run"].true_va_N2).all()
    write_run(tmp_path, ALL, FOUR)
    with pytest.raises(SERError, match="Bad space 'vad'; expected one of: va, embedding"):
        read(tmp_path, "vad")
    (tmp_path / "predictions" / "planted.npz").unlink()
    with pytest.raises(SERError, match=r"on planted have no embeddings \(.npz\)"):
        read(tmp_path)
    write_run(tmp_path, points(circle(["anger", "sadness"]), 9, 2), ["anger", "confusion"])
    found = r"needs two emotions .* of planted; found: anger 18, confusion 18 \(no place on"
    with pytest.raises(SERError, match=found):
        read(tmp_path)


def test_prototypes_are_no_ratings(tmp_path):
    write_run(tmp_path, ALL, FOUR, protocol="p/speaker/rated/valence-arousal/seed 1")
    path = tmp_path / "predictions" / "planted.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    text = "".join(json.dumps({**row, "valence": 0.5, "arousal": -1.0}) + "\n" for row in rows)
    edited(path, text)
    rated = read(tmp_path)["planted"].clouds["run"].true_va_N2
    np.testing.assert_allclose(rated[0], [0.5, -1.0])
    card = path.with_name("planted.card.json")
    protocol = "p/speaker/rated/valence-arousal(prototypes)/seed 1"
    card.write_text(json.dumps({**json.loads(card.read_text()), "protocol": protocol}))
    assert np.isnan(read(tmp_path)["planted"].clouds["run"].true_va_N2).all()


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
    monkeypatch.setattr(data, "MOST_CLUSTERS", most)
    known = cloud(*points(circle(FOUR), 2, 3))
    unknown = replace(known, speaker_N=np.full(24, None))
    draws = draw([unknown], 5, np.random.default_rng(0))
    assert draws.clusters.unit == "utterance"
    assert draws.counts_BS.shape == (5, drawn)
    assert set(draws.clusters_of(unknown)) == set(range(drawn))


def test_of_very_many_speakers_whole_ones_are_drawn_together(monkeypatch):
    monkeypatch.setattr(data, "MOST_CLUSTERS", 3)
    known = cloud(*points(circle(FOUR), 5, 3))
    draws = draw([known], 5, np.random.default_rng(0))
    groups = dict(zip(known.speaker_N.tolist(), draws.clusters_of(known), strict=True))
    assert draws.clusters.unit == "speaker" and set(groups.values()) == {0, 1, 2}
    expected = [groups[speaker] for speaker in known.speaker_N]
    np.testing.assert_array_equal(draws.clusters_of(known), expected)


def test_percentile_and_basic_intervals():
    many = Draws(Clusters(np.arange(10_000), 10_000, "speaker", ""), {}, np.zeros((0, 10_000)))
    drawn = np.linspace(3, 7, 1001)
    plain, basic = (f(4.0, drawn, many) for f in (percentile_estimate, basic_estimate))
    assert (plain["low"], plain["high"]) == pytest.approx((3.1, 6.9), abs=0.01)
    assert (basic["low"], basic["high"]) == pytest.approx((8 - 6.9, 8 - 3.1), abs=0.01)
    undefined = {"value": None, "low": None, "high": None}
    assert percentile_estimate(np.nan, drawn, many) == undefined
    assert basic_estimate(np.nan, drawn, many) == undefined
    assert basic_estimate(2.0, np.full(9, np.nan), many)["low"] is None
    found = mean_over_parts([np.array([1.0, np.nan]), np.array([3.0, np.nan])])
    assert found[0] == 2 and np.isnan(found[1])
