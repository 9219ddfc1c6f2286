"""Faults that users' own cases found, each as a user meets it."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

import train
from data_prep.__main__ import main as prepare
from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.app.words import about_html
from ser_brain.errors import SERError
from ser_brain.inference.left_out import LeftOut, merged
from tests.inference.tiny_models import write_model
from tests.test_supply_chain import Harm
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parents[1]
RATE_HZ = 16_000


def noise(seconds, rate_hz=RATE_HZ):
    """Noise, (S,), at a level that is scored without a warning."""
    return np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate_hz)).astype("f4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on the English part of a corpus, and its manifests."""
    home = tmp_path_factory.mktemp("trained")
    corpus = write_corpus(home / "tiny", clips=1)
    rows = (corpus / "labels.csv").read_text().splitlines()
    named = [f"{row},{'deu' if row.startswith('s5') else 'eng'}" for row in rows[1:]]
    (corpus / "labels.csv").write_text("\n".join([f"{rows[0]},language", *named]))
    recipe = str(ROOT / "hparams" / "classification.yaml")
    options = "{name: tiny, csv: labels.csv, vad_scale: [1, 5]}"
    line = (
        f"corpus: table, data_folder: '{corpus}', where: {{language: eng}}, options: {options}"
    )
    with pytest.MonkeyPatch.context() as patch:
        chosen = settings(corpus, home / "run", number_of_epochs=1, corpora=f"[{{{line}}}]")
        patch.setattr(sys, "argv", ["train.py", recipe, *chosen])
        assert train.main() == 0
    return home


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run to damage."""
    return shutil.copytree(trained / "run", tmp_path / "run")


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny wav2vec 2.0."""
    write_model(tmp_path / "model")
    return tmp_path / "model"


def test_an_answer_that_is_not_finite_is_an_error_that_names_the_model(model, capsys):
    """Issue 13, S3: finite weights whose products overflow."""
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = torch.full_like(weights["classifier.weight"], 3e38)
    save_file(weights, model / "model.safetensors")
    soundfile.write(model.parent / "a.wav", noise(1), RATE_HZ)
    assert main(["predict", str(model.parent / "a.wav"), "--model", str(model)]) == 2
    said = capsys.readouterr()
    assert "The model tiny wav2vec2-base has no answer: its log_probabilities are" in said.err
    assert "nan" not in said.out
    with pytest.raises(SERError, match="has no answer"):
        EmotionRecognizer.from_pretrained(model).predict(noise(1), RATE_HZ)


@pytest.mark.parametrize(
    "family, changes",
    [
        ("wav2vec2-base", {"conv_stride": [1] * 7}),
        ("wavlm-base", {"conv_stride": [1] * 7, "num_attention_heads": 32}),
        ("wavlm-base", {"num_buckets": 1}),
    ],
)
def test_a_small_folder_cannot_ask_for_much_memory(tmp_path, family, changes, capsys):
    """Issue 13, S4: one second of audio took 10.8 GB, or divided by zero."""
    write_model(tmp_path / "model", family)
    path = tmp_path / "model" / "config.json"
    content = json.loads(path.read_text())
    content["ser_brain"]["encoder"]["config"].update(changes)
    path.write_text(json.dumps(content))
    soundfile.write(tmp_path / "a.wav", noise(1), RATE_HZ)
    assert main(["predict", str(tmp_path / "a.wav"), "--model", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err.startswith("error: Bad ")


def pickled(path):
    torch.save({"weight": Harm(path.parents[3] / "harm")}, path)


def tagged(path):
    mark = path.parents[3] / "harm"
    with open(path, "a") as file:
        file.write(f"x: !!python/object/apply:os.mkdir ['{mark}']\n")


def piped(path):
    path.unlink()
    os.mkfifo(path)


def endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "name, damage, message",
    [
        ("save/CKPT*/modules.ckpt", pickled, "UnpicklingError: Weights only load failed"),
        ("save/CKPT*/modules.ckpt", lambda path: path.write_text("none"), "cannot be loaded"),
        ("save/CKPT*/modules.ckpt", piped, "it is no regular file"),
        ("save/CKPT*/CKPT.yaml", tagged, "could not determine a constructor for the tag"),
        ("save/CKPT*/CKPT.yaml", piped, "it is no regular file"),
        ("save/CKPT*/CKPT.yaml", lambda path: path.write_text("[1]"), "expected a number"),
        ("run.json", piped, "Cannot read the run description"),
        ("splits.json", endless, "Cannot read the split"),
        ("predictions/tiny_eng.jsonl", piped, "Cannot read the predictions"),
    ],
)
def test_a_hostile_run_folder_is_refused_in_one_line(run, name, damage, message, capsys):
    """Issue 13, S5: pickles, tags, pipes and devices ended in tracebacks or hung."""
    (path,) = run.glob(name)
    (path.parent / "SHA256SUMS").unlink(missing_ok=True)
    damage(path)
    assert main(["export", str(run), str(run.parent / "model")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert not (run.parent / "harm").exists()


@pytest.mark.parametrize("damage", [piped, endless])
@pytest.mark.parametrize("name", ["tiny.json", "tiny.card.json"])
def test_a_manifest_that_is_no_file_is_refused(trained, run, name, damage, capsys):
    """Issue 13, S5: a pipe was waited for, and a device was read for ever."""
    shutil.copytree(trained / "manifests", run.parent / "manifests")
    damage(run.parent / "manifests" / name)
    on = str(run.parent / "manifests" / "tiny.json")
    assert main(["evaluate", str(run), "--on", on, "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "no regular file" in said or "No manifest at" in said or "No corpus card" in said


def test_predict_and_the_stream_cut_the_same_windows(model, capsys):
    """Issue 13, 8: of 9 s the command scored 5 to 9 s last, the API 8 to 9 s."""
    soundfile.write(model.parent / "a.wav", noise(9), RATE_HZ, subtype="FLOAT")
    arguments = ["predict", str(model.parent / "a.wav"), "--model", str(model), "--window", "4"]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    stream = EmotionRecognizer.from_pretrained(model).stream(RATE_HZ, 4, 4)
    said = [*stream.feed(noise(9)), *stream.finish()]
    assert [(row["start"], row["stop"]) for row in rows] == [(0, 4), (4, 8), (5, 9)]
    assert [(row["start_s"], row["stop_s"]) for row in said] == [(0, 4), (4, 8), (5, 9)]
    for row, of_stream in zip(rows, said, strict=True):
        assert row["p_anger"] == pytest.approx(of_stream["probabilities"]["anger"], abs=1e-5)


def test_hidden_files_are_listed_by_neither(model, capsys):
    """Issue 13, 8: the API listed the ._a.wav that macOS leaves beside every file."""
    folder = model.parent / "clips"
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(1), RATE_HZ)
    (folder / "._a.wav").write_bytes(b"macOS")
    assert main(["predict", str(folder), "--model", str(model), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    found = EmotionRecognizer.from_pretrained(model).predict(folder)
    assert [row["file"] for row in rows] == [row["name"] for row in found]
    assert len(rows) == 1


def test_pieces_left_out_are_told_up_to_the_last_of_their_ends():
    """Issue 13, 10: a piece within the one before it shrank what was left out."""
    windows = [LeftOut("a.wav", 0.0, 4.0, "silent"), LeftOut("a.wav", 1.0, 3.0, "silent")]
    assert merged(windows) == [LeftOut("a.wav", 0.0, 4.0, "silent")]


def test_one_file_of_another_kind_costs_no_other_its_score(model, capsys):
    """Issue 13, 11: x.raw ended in a traceback; 25: what is not decoded is named."""
    folder = model.parent
    soundfile.write(folder / "good.wav", noise(1), RATE_HZ)
    shutil.copy(folder / "good.wav", folder / "wav.raw")
    (folder / "x.raw").write_bytes((noise(1) * 32767).astype("<i2").tobytes())
    (folder / "x.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(5000))
    names = [str(folder / name) for name in ("x.raw", "x.m4a", "good", "wav.raw", "good.wav")]
    assert main(["predict", *names, "--model", str(model), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in said["predictions"]] == names[3:]
    raw, m4a, missing = (item["reason"] for item in said["left_out"])
    assert raw.startswith("unreadable: samples without a header") and "ffmpeg -f s16le" in raw
    assert m4a.startswith("unreadable: an MP4 file") and "ffmpeg -i X X.wav" in m4a
    assert missing == "missing; there is good.wav"
    found = EmotionRecognizer.from_pretrained(model).predict(names)
    assert ["error" in row for row in found] == [True, True, True, False, False]
    table = "path,emotion\nx.raw,anger\ngood.wav,anger\nwav.raw,neutral\n"
    (folder / "labels.csv").write_text(table)
    prepared = ["table", "--name", "mixed", "--csv", "labels.csv", "--allow_partial"]
    prepared += ["--data_folder", str(folder), "--manifest_folder", str(folder / "manifests")]
    assert prepare(prepared) == 0
    manifest = json.loads((folder / "manifests" / "mixed.json").read_text())
    assert list(manifest) == ["mixed_good", "mixed_wav"]


def test_gsm_recordings_of_telephones_are_scored(model, capsys):
    """Issue 13, 12: GSM 6.10 cannot seek, and was taken for truncated."""
    path = model.parent / "call.wav"
    soundfile.write(path, noise(9, 8000), 8000, subtype="GSM610")
    cut = ["--window", "4"]
    assert main(["predict", str(path), "--model", str(model), *cut, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    times = [(row["start"], row["stop"]) for row in rows]
    assert times == [(0, 4), (4, 8), (5.04, 9.04)]  # the last block is filled up
    assert "error" not in EmotionRecognizer.from_pretrained(model).predict(path)


def test_the_page_names_the_languages_that_were_trained_on(run):
    """Issue 13, 10: it named those of the whole corpus, of which one language was taken."""
    assert main(["export", str(run), str(run.parent / "model")]) == 0
    page = about_html(EmotionRecognizer.from_pretrained(run.parent / "model"))
    assert "(languages: eng)" in page
