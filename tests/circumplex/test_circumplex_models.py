import numpy as np
import pytest

from ser_brain.circumplex.models import baseline_models, read_models
from ser_brain.errors import SERError
from ser_brain.runs import read_run
from tests.circumplex.planted import FOUR, circle, points, rotation, write_folds, write_run
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
