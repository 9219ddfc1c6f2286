"""ser export: a folder that gives the scores of its run."""

import json
import shutil

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import changed_files, noted_files, read_json, write_json
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.publishing import export as exporting
from ser_brain.publishing.card_check import validate
from ser_brain.publishing.export import export, read_trained, training_data
from tests.models.test_encoders import HUB, tiny
from tests.tiny_corpus import run_train, settings, write_corpus

FILES = {
    ".eval_results/tiny.yaml",
    "README.md",
    "config.json",
    "custom_interface.py",
    "figures/confusion_tiny.png",
    "hyperparams.yaml",
    "model.safetensors",
    "preprocessor_config.json",
    "SHA256SUMS",
}


def write_base_encoder(folder):
    """A tiny wav2vec 2.0 as it is published."""
    config, normalize = HUB["wav2vec2-base"]
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", {"do_normalize": normalize})
    save_file(tiny("wav2vec2-base").state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the multi-objective experiment on a tiny wav2vec 2.0, and its corpus."""
    home = tmp_path_factory.mktemp("trained")
    corpus = write_corpus(home / "tiny", clips=1)
    chosen = settings(corpus, home / "run", number_of_epochs=1)
    chosen += [f"--encoder_source={write_base_encoder(home / 'base')}"]
    assert run_train("multiobjective.yaml", *chosen) == 0
    return home / "run", corpus


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "deep" / "model"
    assert main(["export", str(run[0]), str(folder)]) == 0
    return folder


def test_the_folder_gives_the_runs_predictions(run, exported, offline):
    predictions = read_predictions(run[0] / "predictions" / "tiny.jsonl")
    recognizer = EmotionRecognizer.from_pretrained(exported, device="cpu")
    assert recognizer.emotions == list(predictions.card["emotions"])
    names = [run[1] / f"{i.removeprefix('tiny_')}.wav" for i in predictions.ids]
    rows = recognizer.predict(names, embedding=True)
    for key, expected in (
        ("probabilities", np.exp(predictions.calibrated_NC)),
        ("embedding", predictions.embeddings_ND),
    ):
        found = [list(r[key].values()) if key == "probabilities" else r[key] for r in rows]
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    found_N2 = [[row["valence"], row["arousal"]] for row in rows]
    np.testing.assert_allclose(found_N2, predictions.predicted_values_NV, atol=1e-5, rtol=0)


def test_what_is_inside(run, exported):
    validate(exported)
    assert {str(p.relative_to(exported)) for p in exported.rglob("*") if p.is_file()} == FILES
    assert noted_files(exported) == sorted(FILES - {"SHA256SUMS"})
    assert changed_files(exported) == []
    card = read_json(exported / "config.json", "config")["ser_brain"]["card"]
    validated = read_json(run[0] / "predictions" / "valid.card.json", "card")
    assert card["temperature"] == validated["temperature"] != 1
    assert card["calibrated_by"] == "validation" and card["refitted"] is None
    assert card["protocol"] == validated["protocol"]
    corpora = card["training_data"]["corpora"]
    assert list(corpora) == ["tiny"] and len(corpora["tiny"]["fingerprint"]) == 64
    assert card["versions"]["trained_with"]["torch"] and card["versions"]["exported_with"]
    assert (exported / "model.safetensors").stat().st_mode & 0o777 == 0o644
    text = "".join(
        (exported / name).read_text()
        for name in FILES
        if not name.endswith((".safetensors", ".png"))
    )
    assert str(run[0].parent) not in text  # nobody's paths are published


def test_results_of_the_same_recipe_and_of_another(run, tmp_path):
    argv = ["export", str(run[0]), str(tmp_path / "m"), "--results", str(run[0])]
    assert main([*argv, "--license", "mit"]) == 0
    text = (tmp_path / "m" / "README.md").read_text()
    assert "license: mit" in text and "### The recipe, another run\n\n" in text
    settings = run[0] / "hyperparams.yaml"
    other = shutil.copytree(run[0], tmp_path / "other", ignore=lambda *_: ["save", "report"])
    (other / "hyperparams.yaml").write_text(settings.read_text().replace("lr_heads", "lr_x"))
    with pytest.raises(SERError, match="other has another recipe .*lr_heads"):
        export(run[0], tmp_path / "n", results=[other])
    assert not (tmp_path / "n").exists()


def test_the_command_says_what_it_wrote(run, tmp_path, capsys):
    capsys.readouterr()
    assert main(["export", str(run[0]), str(tmp_path / "m"), "--name", "mine", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "mine" and facts["files"].keys() == FILES
    assert facts["largest_difference"] < 1e-5 and facts["plain_transformers"]


def test_an_untrained_head_is_left_out(run, tmp_path):
    """A multi-objective run without one valence is a classification model."""
    splits = read_json(run[0] / "splits.json", "split")
    protocol = splits["protocol"]
    write_json(
        run[0] / "splits.json",
        {**splits, "protocol": protocol.replace("+valence-arousal", "")},
    )
    try:
        assert export(run[0], tmp_path / "m").config.va_range is None
    finally:
        write_json(run[0] / "splits.json", splits)
    assert "va_head.linear.weight" not in load_file(tmp_path / "m" / "model.safetensors")


def test_onnx_is_written_where_asked(run, tmp_path, monkeypatch, capsys):
    def write(path, model, config):
        path.write_bytes(b"graph")
        return 3e-6

    monkeypatch.setattr(exporting, "NEEDED", ())
    monkeypatch.setattr(exporting, "write_onnx", write)
    assert main(["export", str(run[0]), str(tmp_path / "m"), "--onnx"]) == 0
    assert "largest difference of model.onnx: 3.0e-06" in capsys.readouterr().out
    assert (tmp_path / "m" / "model.onnx").read_bytes() == b"graph"


def test_int8_is_calibrated_on_the_clips_of_a_manifest(run, tmp_path, capsys):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    clips = str(run[0].parent / "manifests" / "tiny.json")
    assert main(["export", str(run[0]), str(tmp_path / "m"), "--int8", clips, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["files"]) == FILES | {"model.onnx", "model.int8.onnx"}
    change = found["int8_change"]
    assert change["clips"] == 12 and change["mean"] < 0.05 and len(change["uar"]) == 2
    assert main(["verify", str(tmp_path / "m")]) == 0


def test_a_folder_that_holds_something_is_kept(run, tmp_path):
    (tmp_path / "note").touch()
    with pytest.raises(SERError, match="not empty"):
        export(run[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


def test_a_folder_that_scores_otherwise_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "LARGEST_DIFFERENCE", -1)
    with pytest.raises(SERError, match="differ from the run's by .* nothing was written"):
        export(run[0], tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_folder(run, tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(exporting, "save_file", full)
    with pytest.raises(SERError, match="Cannot write .*model: I/O error: No space left on dev"):
        export(run[0], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_training_data():
    facts = {"use": "train", "fingerprint": "0" * 64}
    corpora = {"x": facts, "y": {"use": "test"}}
    splits = {"train": ["b", "a"], "valid": ["c"], "tests": {"x": ["d"]}, "corpora": corpora}
    found = training_data(splits)
    assert (found["train"], found["valid"], found["corpora"]) == (2, 1, {"x": facts})
    # The sum is of the utterances, whatever their order; an old split has no corpora.
    assert training_data({**splits, "train": ["a", "b"]})["sha256"] == found["sha256"]
    assert training_data({**splits, "train": ["a", "d"]})["sha256"] != found["sha256"]
    assert training_data({"train": ["a"], "valid": []})["corpora"] == {}


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(SERError, match="is not a run folder"):
        read_trained(tmp_path)


def test_a_run_that_goes_on_is_not_exported(tmp_path):
    write_json(tmp_path / "run.json", {"finished": False})
    with pytest.raises(SERError, match="not finished, so its results are not those"):
        read_trained(tmp_path)


@pytest.fixture(scope="module")
def adapted(run, tmp_path_factory):
    """A run like ``run`` that trains low-rank updates of its encoder."""
    home, corpus = tmp_path_factory.mktemp("adapted"), run[1]
    chosen = settings(corpus, home / "run", number_of_epochs=2, lr_encoder=0.1)
    chosen += [f"--encoder_source={run[0].parent / 'base'}"]
    chosen += ["--lora={rank: 2, alpha: 8, targets: [q_proj, v_proj]}"]
    assert run_train("multiobjective.yaml", *chosen) == 0
    return home / "run"


def test_lora_is_merged_and_scores_stay(adapted, run, exported, tmp_path, capsys):
    assert main(["export", str(adapted), str(tmp_path / "model"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["largest_difference"] < 1e-5 and facts["files"].keys() == FILES
    names = [
        load_file(folder / "model.safetensors") for folder in (tmp_path / "model", exported)
    ]
    assert names[0].keys() == names[1].keys()
    predictions = read_predictions(adapted / "predictions" / "tiny.jsonl")
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu")
    rows = recognizer.predict(
        [run[1] / f"{i.removeprefix('tiny_')}.wav" for i in predictions.ids]
    )
    found = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(found, np.exp(predictions.calibrated_NC), atol=1e-5, rtol=0)


def test_an_adapter_is_exported_alone(adapted, run, tmp_path, capsys):
    assert main(["export", str(adapted), str(tmp_path / "adapter"), "--adapter"]) == 0
    files = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    assert main(["export", str(run[0]), str(tmp_path / "none"), "--adapter"]) == 2
    assert "was not trained with lora" in capsys.readouterr().err


@pytest.mark.parametrize("layer", [(), ("--layer", "last")])
def test_embeddings_of_a_lora_run_are_those_of_its_model(adapted, run, layer, tmp_path):
    manifest, out = adapted.parent / "manifests" / "tiny.json", tmp_path / "embeddings"
    named = [str(manifest), "--run", str(adapted), "--data_folder", str(run[1]), *layer]
    assert main(["embed", *named, "--out", str(out)]) == 0
    ours, theirs = (
        read_predictions(folder / "predictions" / "tiny.jsonl", scores=False)
        for folder in (out, adapted)
    )
    order = [ours.ids.index(name) for name in theirs.ids]
    np.testing.assert_allclose(ours.embeddings_ND[order], theirs.embeddings_ND, atol=1e-5)
