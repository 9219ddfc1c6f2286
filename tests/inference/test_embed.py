"""Embeddings of corpora: by an encoder, untrained, or of a trained run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from data_prep.common.prepare import prepare
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.embed import at_layer, of_run
from ser_brain.models.encoders import load_encoder, masked_mean
from tests.models.test_encoders import clips
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train, settings, write_corpus


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A trained run, its corpus's manifest, another corpus's, and a tiny Whisper."""
    home = tmp_path_factory.mktemp("embedding")
    corpus = write_corpus(home / "tiny")
    other = write_corpus(home / "other", speakers=2, seed=1)
    assert run_train("classification.yaml", *settings(corpus, home / "run")) == 0
    options = {"csv": "labels.csv", "vad_scale": [1, 5]}
    prepare("table", other, home / "manifests", name="other", **options)
    saved(home / "whisper", "whisper")
    weights = load_file(home / "whisper" / "model.safetensors")
    trained = {name: 1.5 * weight for name, weight in weights.items()}  # as if it had learned
    save_file(trained, home / "whisper" / "model.safetensors")
    return home


def embed(home: Path, out: Path, *arguments: object, manifests: tuple = ("other",)) -> int:
    paths = [str(home / "manifests" / f"{name}.json") for name in manifests]
    return main(["embed", *paths, *map(str, arguments), "--out", str(out)])


def read(folder: Path, name: str):
    path = folder / "predictions" / f"{name}.jsonl"
    return read_predictions(path, scores=False)


def test_an_embedding_is_the_mean_over_the_frames_of_its_clip(home, tmp_path, capsys):
    assert embed(home, tmp_path / "out", "--encoder", home / "whisper", "--layer", 2) == 0
    assert "layer 2  other  16" in capsys.readouterr().out
    found = read(tmp_path / "out", "other")
    encoder = load_encoder(home / "whisper", layer=2).eval()
    manifest = read_json(home / "manifests" / "other.json", "manifest")
    assert found.ids == list(manifest)
    for n in (0, 7, 15):
        wav = home / "other" / manifest[found.ids[n]]["wav"].removeprefix("{data_root}/")
        wave_S = torch.from_numpy(soundfile.read(wav, dtype="float32")[0])
        with torch.no_grad():
            frames = encoder(wave_S[None], torch.tensor([len(wave_S)]))
            alone_D = masked_mean(*frames)[0].numpy()
        np.testing.assert_allclose(found.embeddings_ND[n], alone_D, atol=1e-5)
    # Rows have the corpus's labels (rated 1.5 and 4.5 on 1 to 5) and no predictions.
    row, card = found.rows[0], found.card
    assert row["emotion"] == "anger" and row["speaker"] == "other_s0"
    assert (row["valence"], row["arousal"]) == (-0.75, 0.75)
    assert found.log_probs_NC is None and found.predicted_values_NV is None
    assert card["role"] == "test" and card["experiment"] == "untuned"
    assert card["layer"] == "layer 2" and card["protocol"] == "untuned/layer 2 on other"
    assert read_json(tmp_path / "out" / "run.json", "run")["finished"] is True
    with pytest.raises(SERError, match="has neither log_probabilities nor predicted_valence"):
        read_predictions(tmp_path / "out" / "predictions" / "other.jsonl")
    assert main(["report", str(tmp_path / "out")]) == 2
    assert "has neither log_probabilities" in capsys.readouterr().err


def test_several_layers_and_corpora_are_parts_and_sets(home, tmp_path):
    arguments = ["--encoder", home / "whisper", "--layer", 0, "last"]
    assert embed(home, tmp_path / "out", *arguments, manifests=("other", "tiny")) == 0
    parts = read_json(tmp_path / "out" / "folds.json", "folds")["parts"]
    assert parts == {"layer 0": "layer-0", "layer last": "layer-last"}
    for folder in parts.values():
        for name in ("other", "tiny"):
            assert read(tmp_path / "out" / folder, name).embeddings_ND.shape[1] == 32


def test_an_untrained_encoder_is_another_and_always_the_same(home, tmp_path):
    for name, more in (("untuned", []), ("one", ["--untrained"]), ("two", ["--untrained"])):
        embed(home, tmp_path / name, "--encoder", home / "whisper", *more)
    untuned, one, two = (
        read(tmp_path / name, "other").embeddings_ND for name in ("untuned", "one", "two")
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - untuned).max() > 0.01
    assert read(tmp_path / "one", "other").card["experiment"] == "untrained"


def test_a_runs_training_data_becomes_a_set_of_its_own(home, tmp_path):
    """The rest has the embeddings of the run's own test."""
    assert embed(home, tmp_path / "out", "--run", home / "run", manifests=("tiny",)) == 0
    splits = read_json(home / "run" / "splits.json", "split")
    seen, new = read(tmp_path / "out", "tiny-train"), read(tmp_path / "out", "tiny")
    assert set(seen.ids) == {*splits["train"], *splits["valid"]}
    assert seen.card["role"] == "train" and new.card["role"] == "test"
    tested = read_predictions(home / "run" / "predictions" / "tiny.jsonl")
    assert set(new.ids) == set(tested.ids)
    expected_ND = tested.embeddings_ND[[tested.ids.index(i) for i in new.ids]]
    np.testing.assert_allclose(new.embeddings_ND, expected_ND, atol=1e-5)


def test_every_fold_is_a_part(home, tmp_path):
    for fold in ("1", "2"):
        shutil.copytree(home / "run", tmp_path / "folds" / fold)
    folds = {"parts": {"fold 1": "1", "fold 2": "2"}}
    (tmp_path / "folds" / "folds.json").write_text(json.dumps(folds))
    assert embed(home, tmp_path / "out", "--run", tmp_path / "folds") == 0
    parts = read_json(tmp_path / "out" / "folds.json", "folds")["parts"]
    assert parts == {"fold 1": "fold-1", "fold 2": "fold-2"}
    with_layers = of_run(tmp_path / "folds", [1, "last"])
    assert [e.part for e in with_layers][:2] == ["fold 1, layer 1", "fold 1, layer last"]


@pytest.mark.parametrize("family", ["whisper", "wav2vec2-base", "wavlm-large"])
def test_a_trained_encoder_at_a_lower_layer(family, tmp_path):
    saved(tmp_path, family)
    whole = load_encoder(tmp_path, layer="last").eval()
    expected = load_encoder(tmp_path, layer=1).eval()
    (wave_S,) = clips([8000])
    lengths = torch.tensor([8000])
    with torch.no_grad():
        found = at_layer(whole, 1).eval()(wave_S[None], lengths)[0]
        torch.testing.assert_close(found, expected(wave_S[None], lengths)[0])
    with pytest.raises(SERError, match="Layer 2 of .* was not trained: the run reads layer 1"):
        at_layer(expected, 2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Give either --encoder or --run."),
        (["--encoder", "compact", "--run", "x"], "Give either --encoder or --run."),
        (["--run", "x", "--untrained"], "--untrained needs --encoder: a run is trained."),
        (["--encoder", "compact", "--layer", "5"], "Bad layer"),
        (["--encoder", "compact", "--device", "cuda:99"], "No device 'cuda:99'"),
        (["--encoder", "compact", "--data_folder", "a", "b"], "names 2 folders for 1 manif"),
        (["--run", "nowhere"], "No run folder nowhere"),
        (["--run", "untrained"], "No trained checkpoint in untrained"),
    ],
)
def test_an_error_is_one_line(home, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home / "run", "untrained", ignore=shutil.ignore_patterns("save"))
    assert embed(home, tmp_path / "out", *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_a_corpus_is_embedded_once(home, tmp_path, capsys):
    assert embed(home, tmp_path / "out", "--encoder", "compact", manifests=("other",) * 2) == 2
    assert "A corpus is named twice (other, other)" in capsys.readouterr().err
    assert embed(home, tmp_path / "out", "--encoder", "compact") == 0
    assert embed(home, tmp_path / "out", "--encoder", "compact") == 2
    assert "holds results already; choose another --out" in capsys.readouterr().err
