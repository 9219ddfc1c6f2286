"""."""

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


def run_of(folder):
    return read_run(folder, embeddings=True, scores=False)


def halves(folder, size=8):
    """A run of two folds, each with the half of the utterances, and one space with all."""
    whole = points(circle(FOUR), 5, 4, size=size)
    ids = [f"planted_{n}" for n in range(len(whole[0]))]
    parts = {}
    for number, speakers in ((1, ("s0", "s1")), (2, ("s2", "s3"))):
        rows = [n for n, speaker in enumerate(whole[2]) if speaker in speakers]
        some = (
            whole[0][rows] @ rotation(size, number),
            whole[1][rows],
            [whole[2][n] for n in rows],
        )
        parts[f"fold {number}"] = write_run(folder / str(number), some, FOUR)
        path = folder / str(number) / "predictions" / "planted.jsonl"
        text = path.read_text()
        for place, n in reversed(list(enumerate(rows))):
            text = text.replace(f'"planted_{place}"', f'"{ids[n]}"')
        edited(path, text)
        with np.load(path.with_suffix(".npz")) as content:
            embeddings = content["embeddings"]
        np.savez(path.with_suffix(".npz"), ids=[ids[n] for n in rows], embeddings=embeddings)
    return write_folds(folder, parts), whole


def test_folds_are_parts_of_one_model(tmp_path):
    folds, _ = halves(tmp_path)
    (model,) = read_models(run_of(folds), "embedding")
    assert model.label == "tiny, untuned"
    assert list(model.sets["planted"].clouds) == ["fold 1", "fold 2"]


def test_each_layer_is_a_model(tmp_path):
    parts = {
        name: write_run(tmp_path / str(n), points(circle(FOUR), 5, 2), FOUR)
        for n, name in enumerate(["fold 1, layer 2", "fold 2, layer 2", "fold 1, layer last"])
    }
    models = read_models(run_of(write_folds(tmp_path, parts)), "embedding")
    assert [model.label for model in models] == [
        "tiny, untuned, layer 2",
        "tiny, untuned, layer last",
    ]
    assert list(models[0].sets["planted"].clouds) == ["fold 1", "fold 2"]
    assert list(models[1].sets["planted"].clouds) == ["fold 1"]


def test_a_baseline_is_judged_on_the_runs_utterances_in_its_one_space(tmp_path):
    folds, whole = halves(tmp_path / "run")
    write_run(tmp_path / "baseline", whole, FOUR, layer="layer 3")
    (model,) = read_models(run_of(folds), "embedding")
    (found,) = baseline_models(model, run_of(tmp_path / "baseline"), "embedding")
    assert found.label == "tiny, untuned, layer 3"
    for part, cloud in found.sets["planted"].clouds.items():
        run_cloud = model.sets["planted"].clouds[part]
        assert cloud.ids == run_cloud.ids
        rows = [int(i.removeprefix("planted_")) for i in cloud.ids]
        np.testing.assert_allclose(cloud.points_ND, whole[0][rows], rtol=1e-6)
        np.testing.assert_array_equal(cloud.emotion_N, run_cloud.emotion_N)


def test_a_baseline_with_the_same_folds_is_paired_by_fold(tmp_path):
    folds, _ = halves(tmp_path / "run")
    (model,) = read_models(run_of(folds), "embedding")
    (found,) = baseline_models(model, run_of(folds), "embedding")
    for part, cloud in found.sets["planted"].clouds.items():
        expected = model.sets["planted"].clouds[part].points_ND
        np.testing.assert_array_equal(cloud.points_ND, expected)


def test_a_baseline_with_other_parts_cannot_be_paired(tmp_path):
    folds, whole = halves(tmp_path / "run")
    parts = {
        name: write_run(tmp_path / "other" / name[-1], whole, FOUR)
        for name in ("seed 1", "seed 2")
    }
    baseline = run_of(write_folds(tmp_path / "other", parts))
    (model,) = read_models(run_of(folds), "embedding")
    with pytest.raises(
        SERError, match="has the parts seed 1, seed 2, the run has fold 1, fold"
    ):
        baseline_models(model, baseline, "embedding")


def test_a_baseline_that_lacks_utterances_is_refused(tmp_path):
    folds, whole = halves(tmp_path / "run")
    few = whole[0][:40], whole[1][:40], whole[2][:40]
    write_run(tmp_path / "baseline", few, FOUR)
    (model,) = read_models(run_of(folds), "embedding")
    with pytest.raises(
        SERError, match="lacks utterances of planted; embed the same manifests, or"
    ):
        baseline_models(model, run_of(tmp_path / "baseline"), "embedding")


ONE = {"run": "run"}


def read(folder, space="embedding", names=(), parts=None):
    run = read_run(folder, embeddings=True, scores=False)
    return read_sets(run, parts or {part: part for part in run.parts}, space, names)


def test_a_set_is_read_with_its_labels(tmp_path):
    found = points(circle(FOUR), 5, 3)
    write_run(tmp_path, found, FOUR)
    planted = read(tmp_path)["planted"]
    assert planted.emotions == FOUR
    cloud = planted.clouds["run"]
    rows = [int(i.removeprefix("planted_")) for i in cloud.ids]
    assert cloud.ids == sorted(cloud.ids) and sorted(rows) == list(range(len(found[0])))
    np.testing.assert_allclose(cloud.points_ND, found[0][rows], rtol=1e-6)
    np.testing.assert_array_equal(cloud.emotion_N, found[1][rows])
    assert cloud.speakers == [found[2][n] for n in rows]
    assert cloud.true_va_N2 is None
    assert planted.left_out == {}


def test_emotions_too_rare_for_a_gaussian_are_counted(tmp_path):
    points_ND, emotion_N, speakers = points(circle(FOUR), 5, 3)
    few = np.concatenate([np.flatnonzero(emotion_N != 2), np.flatnonzero(emotion_N == 2)[:1]])
    write_run(tmp_path, (points_ND[few], emotion_N[few], [speakers[n] for n in few]), FOUR)
    planted = read(tmp_path)["planted"]
    assert planted.emotions == ["anger", "happiness", "neutral"]
    assert planted.left_out == {f"of sadness, with fewer than {MIN_CLIPS} clips": 1}
    assert planted.clouds["run"].emotion_N.max() == 2


def test_an_emotion_must_be_in_every_part(tmp_path):
    whole = points(circle(FOUR), 5, 2)
    keep = whole[1] != 0
    part = whole[0][keep], whole[1][keep], [s for s, k in zip(whole[2], keep, strict=True) if k]
    parts = {
        "fold 1": write_run(tmp_path / "1", whole, FOUR),
        "fold 2": write_run(tmp_path / "2", part, FOUR),
    }
    planted = read(write_folds(tmp_path, parts))["planted"]
    assert planted.emotions == FOUR[1:]
    assert planted.left_out == {"of anger, with fewer than 5 clips in some part": 10}


def test_what_has_no_place_on_the_map_is_left_out(tmp_path):
    emotions = ["anger", "sadness", "other"]
    write_run(tmp_path, points(np.eye(3)[:, :2], 5, 2), emotions)
    planted = read(tmp_path)["planted"]
    assert planted.emotions == ["anger", "sadness"]
    assert planted.left_out == {"of other, which has no place on the map": 10}


def test_one_emotion_is_no_map(tmp_path):
    write_run(tmp_path, points(circle(["anger"]), 9, 2), ["anger"])
    with pytest.raises(SERError, match=r"planted has 1 emotions .*found: anger 18.*needs two"):
        read(tmp_path)


def test_what_the_model_was_trained_on_comes_last_and_is_not_judged(tmp_path):
    found = points(circle(FOUR), 5, 2)
    write_run(tmp_path, found, FOUR, "a-train", role="train")
    write_run(tmp_path, found, FOUR, "b")
    write_run(tmp_path, found, FOUR, "c")
    assert list(read(tmp_path)) == ["b", "c", "a-train"]
    assert list(read(tmp_path, names=["c"])) == ["c", "a-train"]
    with pytest.raises(SERError, match="Bad test set 'd'; expected one of: "):
        read(tmp_path, names=["d"])


def test_predicted_valence_and_arousal_come_to_one_scale(tmp_path):
    found = points(circle(FOUR, radius=1.0), 5, 2, size=2)
    write_run(tmp_path, found, FOUR, scores=True, va_range=[-2, 2])
    cloud = read(tmp_path, "va")["planted"].clouds["run"]
    rows = [int(i.removeprefix("planted_")) for i in cloud.ids]
    np.testing.assert_allclose(cloud.points_ND, found[0][rows] / 2)


def test_what_a_run_lacks_is_said(tmp_path):
    write_run(tmp_path, points(circle(FOUR), 5, 2), FOUR)
    with pytest.raises(SERError, match="The model predicts no valence and arousal on planted"):
        read(tmp_path, "va")
    (tmp_path / "predictions" / "planted.npz").unlink()
    with pytest.raises(SERError, match=r"on planted have no embeddings \(.npz\)"):
        read(tmp_path)
    with pytest.raises(SERError, match="Bad space 'vad'; expected one of: va, embedding"):
        read(tmp_path, "vad")


def test_prototypes_are_no_ratings(tmp_path):
    import json

    write_run(tmp_path, points(circle(FOUR), 5, 2), FOUR, protocol="p/valence-arousal")
    path = tmp_path / "predictions" / "planted.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    text = "".join(json.dumps({**row, "valence": 0.5, "arousal": -1.0}) + "\n" for row in rows)
    edited(path, text)
    rated = read(tmp_path)["planted"].clouds["run"].true_va_N2
    np.testing.assert_allclose(rated[0], [0.5, -1.0])
    card = path.with_name("planted.card.json")
    said = "p/valence-arousal(prototypes)"
    card.write_text(json.dumps({**json.loads(card.read_text()), "protocol": said}))
    assert read(tmp_path)["planted"].clouds["run"].true_va_N2 is None


def test_a_set_that_these_parts_lack_is_not_theirs(tmp_path):
    found = points(circle(FOUR), 5, 2)
    parts = {name: write_run(tmp_path / name[-1], found, FOUR) for name in ("seed 1", "seed 2")}
    write_run(parts["seed 2"], found, FOUR, "more")
    folder = write_folds(tmp_path, parts)
    assert list(read(folder)) == ["planted", "more"]
    assert list(read(folder, parts={"a": "seed 1"})) == ["planted"]
    with pytest.raises(SERError, match="Bad test set 'more'; expected one of: planted"):
        read(folder, names=["more"], parts={"a": "seed 1"})
