import numpy as np
import pytest

from ser_brain.circumplex.embedding_sets import MIN_CLIPS, read_sets
from ser_brain.errors import SERError
from ser_brain.runs import read_run
from tests.circumplex.planted import FOUR, circle, points, write_folds, write_run
from tests.fake_run import edited

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
