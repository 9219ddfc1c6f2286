"""Runs and baselines as sets of points."""

import json

import numpy as np
import pytest

from ser_brain.analysis.circumplex.data import (
    MIN_CLIPS,
    baseline_models,
    read_models,
    read_sets,
)
from ser_brain.core.errors import SERError
from ser_brain.evaluation.runs import read_run
from tests.analysis.planted import FOUR, circle, points, rotation, write_folds, write_run
from tests.fake_run import edited

ALL = points(circle(FOUR), 5, 4)


def some(of_points, rows):
    points_ND, emotion_N, speakers = of_points
    return (
        points_ND[rows],
        emotion_N[rows],
        [speakers[n] for n in np.arange(len(speakers))[rows]],
    )


def run_of(folder):
    return read_run(folder, embeddings=True, scores=False)


def read(folder, space="embedding", names=(), parts=None):
    run = run_of(folder)
    return read_sets(run, parts or {part: part for part in run.parts}, space, names)


def row_numbers(cloud):
    return [int(i.removeprefix("planted_")) for i in cloud.ids]


def halves(folder):
    """A run of two folds, each with the utterances of two speakers in a space of its own."""
    parts = {}
    for fold, speakers in ((1, ("s0", "s1")), (2, ("s2", "s3"))):
        rows = np.flatnonzero(np.isin(ALL[2], speakers))
        points_ND, *labels = some(ALL, rows)
        ids = [f"planted_{n}" for n in rows]
        turned = points_ND @ rotation(8, fold), *labels
        parts[f"fold {fold}"] = write_run(folder / str(fold), turned, FOUR, ids=ids)
    return write_folds(folder, parts)


def test_each_layer_is_a_model_whose_folds_are_parts(tmp_path):
    parts = {
        name: write_run(tmp_path / str(n), points(circle(FOUR), 5, 2), FOUR)
        for n, name in enumerate(["fold 1, layer 2", "fold 2, layer 2", "fold 1, layer last"])
    }
    models = read_models(run_of(write_folds(tmp_path, parts)), "embedding")
    assert {model.label: list(model.sets["planted"].clouds) for model in models} == {
        "tiny, untuned, layer 2": ["fold 1", "fold 2"],
        "tiny, untuned, layer last": ["fold 1"],
    }


def test_a_baseline_is_read_on_the_runs_utterances_in_its_one_space(tmp_path):
    (model,) = read_models(run_of(halves(tmp_path / "run")), "embedding")
    baseline = run_of(write_run(tmp_path / "baseline", ALL, FOUR, layer="layer 3"))
    (found,) = baseline_models(model, baseline, "embedding")
    assert found.label == "tiny, untuned, layer 3"
    for part, cloud in found.sets["planted"].clouds.items():
        of_run = model.sets["planted"].clouds[part]
        assert cloud.ids == of_run.ids
        np.testing.assert_allclose(cloud.points_ND, ALL[0][row_numbers(cloud)], rtol=1e-6)
        np.testing.assert_array_equal(cloud.emotion_N, of_run.emotion_N)


def test_a_baseline_with_the_same_folds_is_paired_by_fold(tmp_path):
    run = run_of(halves(tmp_path))
    (model,) = read_models(run, "embedding")
    (found,) = baseline_models(model, run, "embedding")
    for part, cloud in found.sets["planted"].clouds.items():
        expected = model.sets["planted"].clouds[part].points_ND
        np.testing.assert_array_equal(cloud.points_ND, expected)


def test_baselines_that_do_not_fit_are_refused(tmp_path):
    (model,) = read_models(run_of(halves(tmp_path / "run")), "embedding")
    few = run_of(write_run(tmp_path / "few", some(ALL, np.arange(40)), FOUR))
    with pytest.raises(SERError, match="lacks utterances of planted. Embed the same manifests"):
        baseline_models(model, few, "embedding")
    names = ("seed 1", "seed 2")
    parts = {name: write_run(tmp_path / "other" / name[-1], ALL, FOUR) for name in names}
    other = run_of(write_folds(tmp_path / "other", parts))
    message = "has the parts seed 1, seed 2, the run has fold 1, fold"
    with pytest.raises(SERError, match=message):
        baseline_models(model, other, "embedding")


def test_a_set_is_read_with_its_labels(tmp_path):
    write_run(tmp_path, ALL, FOUR)
    planted = read(tmp_path)["planted"]
    cloud = planted.clouds["run"]
    rows = row_numbers(cloud)
    assert cloud.ids == sorted(cloud.ids) and sorted(rows) == list(range(len(ALL[0])))
    np.testing.assert_allclose(cloud.points_ND, ALL[0][rows], rtol=1e-6)
    np.testing.assert_array_equal(cloud.emotion_N, ALL[1][rows])
    assert cloud.speakers == [ALL[2][n] for n in rows]
    assert cloud.true_va_N2 is None
    assert (planted.emotions, planted.skipped) == (FOUR, {})


def test_emotions_too_rare_for_a_gaussian_are_counted(tmp_path):
    rows = np.append(np.flatnonzero(ALL[1] != 2), np.flatnonzero(ALL[1] == 2)[0])
    write_run(tmp_path, some(ALL, rows), FOUR)
    planted = read(tmp_path)["planted"]
    assert planted.emotions == ["anger", "happiness", "neutral"]
    assert planted.skipped == {f"of sadness, with fewer than {MIN_CLIPS} clips": 1}
    assert planted.clouds["run"].emotion_N.max() == 2


def test_an_emotion_must_be_in_every_part(tmp_path):
    parts = {
        "fold 1": write_run(tmp_path / "1", ALL, FOUR),
        "fold 2": write_run(tmp_path / "2", some(ALL, ALL[1] != 0), FOUR),
    }
    planted = read(write_folds(tmp_path, parts))["planted"]
    assert planted.emotions == FOUR[1:]
    assert planted.skipped == {"of anger, with fewer than 5 clips in some part": 20}


def test_classes_without_a_place_on_the_map_are_skipped(tmp_path):
    write_run(tmp_path, points(np.eye(3)[:, :2], 5, 2), ["anger", "sadness", "other"])
    planted = read(tmp_path)["planted"]
    assert planted.emotions == ["anger", "sadness"]
    assert planted.skipped == {"of other, which has no place on the map": 10}


def test_one_emotion_is_refused(tmp_path):
    write_run(tmp_path, points(circle(["anger"]), 9, 2), ["anger"])
    with pytest.raises(SERError, match=r"planted has 1 emotions .*found: anger 18.*needs two"):
        read(tmp_path)


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


def test_a_run_that_lacks_the_space_is_refused(tmp_path):
    write_run(tmp_path, ALL, FOUR)
    with pytest.raises(SERError, match="does not predict valence and arousal on planted"):
        read(tmp_path, "va")
    (tmp_path / "predictions" / "planted.npz").unlink()
    with pytest.raises(SERError, match=r"on planted have no embeddings \(.npz\)"):
        read(tmp_path)
    with pytest.raises(SERError, match="Bad space 'vad'; expected one of: va, embedding"):
        read(tmp_path, "vad")


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
    assert read(tmp_path)["planted"].clouds["run"].true_va_N2 is None


def test_a_set_that_the_chosen_parts_lack(tmp_path):
    parts = {name: write_run(tmp_path / name[-1], ALL, FOUR) for name in ("seed 1", "seed 2")}
    write_run(parts["seed 2"], ALL, FOUR, "more")
    folder = write_folds(tmp_path, parts)
    assert list(read(folder)) == ["planted", "more"]
    assert list(read(folder, parts={"a": "seed 1"})) == ["planted"]
    with pytest.raises(SERError, match="Bad test set 'more'; expected one of: planted"):
        read(folder, names=["more"], parts={"a": "seed 1"})
