"""ser export of a folds folder: a model that is the mean of its parts, and a card saying so."""

import itertools
import json
import re
import shutil

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.core.files import read_json, write_json
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.adapting import emotion_by, unlabelled_head
from ser_brain.inference.model_folder import load_model
from ser_brain.models.model import score_exactly
from ser_brain.publishing.card_check import validate
from ser_brain.publishing.ensemble import average_predictions
from ser_brain.publishing.export import read_trained
from ser_brain.training.adapted import Adapter
from ser_brain.training.run import ADAPTER
from tests.fake_run import rows, write
from tests.publishing.made_run import corpus_rows
from tests.publishing.test_export import write_base_encoder
from tests.tiny_corpus import run_train, settings, write_corpus


def write_parts(folder, count, corpus, encoder, **more):
    """A folds folder whose parts are trained."""
    for fold in range(1, count + 1):
        chosen = {"folds": 3, "fold": fold, "freeze": "all", **more}
        chosen |= {"number_of_epochs": 2, "encoder_source": encoder, "lr_heads": 0.05}
        arguments = settings(corpus, folder / f"fold-{fold}", **chosen)
        assert run_train("multiobjective.yaml", *arguments) == 0
    parts = {f"fold {n}": f"fold-{n}" for n in range(1, count + 1)}
    write_json(folder / "folds.json", {"parts": parts, "started": "2026-11-28T10:00:00+0000"})
    return folder


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    home = tmp_path_factory.mktemp("folds")
    corpus = write_corpus(home / "tiny", clips=1)
    base = write_base_encoder(home / "base")
    return write_parts(home / "folds", 2, corpus, base, adaptation="speaker", layer="all")


@pytest.fixture(scope="module")
def exported(folds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    assert main(["export", str(folds), str(folder)]) == 0
    return folder


def test_it_is_the_mean_of_its_parts(folds, exported):
    waveforms_BS, lengths_B = torch.randn(3, 8000), torch.tensor([8000, 4000, 6000])
    models = [read_trained(folds / f"fold-{n}")[0] for n in (1, 2)]
    models.append(load_model(exported)[1])
    one, two, both = (score_exactly(model, waveforms_BS, lengths_B) for model in models)
    mean_BC = (one["log_probabilities"] + two["log_probabilities"]) / 2
    expected = {
        "embedding": one["embedding"],
        "log_probabilities": torch.log_softmax(mean_BC, dim=-1),
        "valence_arousal": (one["valence_arousal"] + two["valence_arousal"]) / 2,
    }
    for key in expected:
        torch.testing.assert_close(both[key], expected[key], atol=1e-5, rtol=0)
    assert (one["log_probabilities"] - two["log_probabilities"]).abs().max() > 0.01


def test_clips_without_labels_adapt_it_as_they_adapt_its_parts(folds, exported):
    parts = [Adapter.load(folds / f"fold-{n}" / ADAPTER) for n in (1, 2)]
    found = EmotionRecognizer.from_pretrained(exported, device="cpu").adapter(alone=False)
    assert found.by_speaker
    plain = [part.linear.plain_head() for part in parts]
    for mean, *each in zip(found.linear.plain_head(), *plain, strict=True):
        torch.testing.assert_close(mean, sum(each) / 2)


def test_one_clip_without_a_label_changes_no_score(exported):
    recognizer = EmotionRecognizer.from_pretrained(exported, device="cpu")
    clips = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    found = [recognizer.predict(clip, 16_000, embedding=True) for clip in clips]
    embeddings_ND = torch.tensor([each["embedding"] for each in found])
    head = unlabelled_head(recognizer.adapter(alone=False), embeddings_ND[:1], ["anna"], "anna")
    for one in found:
        adapted = emotion_by(head, one["embedding"], recognizer.emotions)
        assert one["probabilities"] == pytest.approx(adapted["probabilities"], abs=1e-6)


def test_the_card_says_what_it_is_and_that_nothing_was_held_out(folds, exported):
    validate(exported)
    text = (exported / "README.md").read_text()
    for part in (
        "This model is an **ensemble**: the average of 2 models (fold 1, fold 2)",
        "**Not measured as an ensemble.** Clips on which its parts were tested were trained or",
        "### The parts of this ensemble: 2 folds",
        "results of each part *alone*, not of this model",
        "| Cost | that of one part: the encoder runs once |",
        "| fold 2 | tiny/speaker-3fold-fold2/",
    ):
        assert part in text
    assert "not calibrated: the run has no temperature" not in text
    card = read_json(exported / "config.json", "config")["ser_brain"]["card"]
    assert card["protocol"].startswith("tiny/speaker-3fold/")
    splits = [read_json(folds / f"fold-{n}" / "splits.json", "split") for n in (1, 2)]
    trained = {i for each in splits for i in each["train"]}
    seen = {i for each in splits for i in each["valid"]} | trained
    assert card["training_data"]["train"] == len(trained)
    assert card["training_data"]["valid"] == len(seen - trained)
    assert list(card["ensemble"]["parts"]) == ["fold 1", "fold 2"]
    weights = (exported / "model.safetensors").stat().st_size
    assert main(["export", str(folds / "fold-1"), str(exported.parent / "one")]) == 0
    assert (exported.parent / "one" / "model.safetensors").stat().st_size == weights


def test_a_set_that_none_has_seen_has_results_of_the_ensemble(folds, tmp_path, capsys):
    folder = shutil.copytree(folds, tmp_path / "folds")
    for fold in (1, 2):
        some_rows = corpus_rows("other", seed=5)
        card = {"encoder": "base", "protocol": f"tiny/speaker-3fold-fold{fold}/seed 1 on other"}
        write(folder / f"fold-{fold}", "other", some_rows, **card)
    capsys.readouterr()
    assert main(["export", str(folder), str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    assert "tiny-base-2-folds:" in said
    assert "average of 2 folds, which share one encoder: as fast as one of them" in said
    validate(tmp_path / "m")
    text = (tmp_path / "m" / "README.md").read_text()
    assert "| other | German | 60 | 6 | no |" in text and "Not measured" not in text
    (results,) = (tmp_path / "m" / ".eval_results").iterdir()
    assert results.name == "other.yaml"
    assert "protocol tiny/speaker-3fold/seed 1 on other" in results.read_text()


def test_encoders_of_their_own_are_refused_with_the_price(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "tiny", clips=1)
    encoder = write_base_encoder(tmp_path / "base")
    chosen = {"freeze": "cnn", "adaptation": "corpus"}
    folder = write_parts(tmp_path / "folds", 2, corpus, encoder, **chosen)
    # A trained encoder is adapted like a frozen one: by the embeddings that it has now.
    plain = read_predictions(folder / "fold-1" / "predictions" / "tiny.jsonl")
    adapted = read_predictions(folder / "fold-1" / "adapted" / "predictions" / "tiny.jsonl")
    embeddings_ND = torch.from_numpy(plain.embeddings_ND)
    adapter, speakers = Adapter.load(folder / "fold-1" / ADAPTER), [None] * len(plain.ids)
    heads = adapter.adapt(embeddings_ND, speakers)
    found_NE = adapter.scores(heads, embeddings_ND, speakers)
    np.testing.assert_allclose(adapted.log_probs_NC, found_NE, atol=1e-5)
    assert main(["export", str(folder), str(tmp_path / "m")]) == 2
    said = capsys.readouterr().err
    assert re.search(r"one model: \d+ of \d+ tensors .* differ, such as encoder\.", said)
    assert "run the encoder of every part, and take that many times the time" in said
    assert "train with --freeze=all, any layer but mix, and any pooling but attentive" in said
    assert not (tmp_path / "m").exists()


def test_an_unfinished_part_is_refused(folds, tmp_path, capsys):
    record = folds / "fold-2" / "run.json"
    kept = record.read_text()
    record.write_text(json.dumps({**json.loads(kept), "finished": False}))
    try:
        assert main(["export", str(folds), str(tmp_path / "m")]) == 2
    finally:
        record.write_text(kept)
    assert "fold-2 is not finished" in capsys.readouterr().err


def predictions(folder, seed, temperature=2.0, **changes):
    path = write(folder, some_rows=rows(30, seed=seed), temperature=temperature, **changes)
    return read_predictions(path)


def test_a_set_that_no_part_has_seen_has_results_of_the_average(tmp_path):
    one = predictions(tmp_path / "a", 1)
    two = predictions(tmp_path / "b", 2, temperature=1.0)
    found = average_predictions({"seed 1": one, "seed 2": two})
    each = [log_softmax(p.log_probs_NC / t, axis=1) for p, t in ((one, 2.0), (two, 1.0))]
    expected = log_softmax((each[0] + each[1]) / 2, axis=1)
    np.testing.assert_allclose(found.log_probs_NC, expected, atol=1e-12)
    assert (found.predicted_N == expected.argmax(axis=1)).all()
    mean_N2 = (one.predicted_values_NV + two.predicted_values_NV) / 2
    np.testing.assert_allclose(found.predicted_values_NV, mean_N2)
    assert found.temperature_N is None


def test_a_set_that_a_part_has_seen_or_that_differs_has_none(tmp_path):
    one = predictions(tmp_path / "a", 1)
    seen = predictions(tmp_path / "b", 2, role="train")
    other = read_predictions(write(tmp_path / "c", some_rows=rows(20)))
    for pair in itertools.permutations([one, seen]), itertools.permutations([one, other]):
        for first, second in pair:
            assert average_predictions({"fold 1": first, "fold 2": second}) is None
