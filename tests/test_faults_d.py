"""What issue 13 found in run options, declared tasks and settings of one's own, end to end."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch

import train
from data_prep.__main__ import main as data_prep
from recipes.classification import ClassificationBrain
from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.errors import SERError
from ser_brain.predictions import read_predictions
from ser_brain.verification import DIFFERS, verify
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parent.parent
OPTIONS = "run_options"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def run(monkeypatch, corpus, tmp_path):
    """Train in a folder of this name: exit code and folder."""

    def run(name: str, *options: str, recipe: str = "classification.yaml", **changes):
        folder = tmp_path / name
        file = ROOT / "hparams" / recipe
        chosen = settings(corpus, folder, **{"device": "cpu", **changes})
        monkeypatch.setattr(sys, "argv", ["train.py", str(file), *chosen, *options])
        return train.main(), folder

    return run


def epochs(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "train_log.jsonl").open()]


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


@pytest.mark.parametrize(
    "option", ["--debug", "--optimizer_step_limit=1", "--device=mps", "--jit"]
)
def test_a_run_option_that_cannot_work_is_refused_in_one_line(option, run, capsys):
    """Issue 13, number 2: --debug reported on half of the test set; others left tracebacks."""
    code, folder = run("run", option)
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1
    assert option.partition("=")[0].lstrip("-") in error
    assert not folder.exists()


def test_no_mps_for_predict_and_the_api(tmp_path, capsys):
    """Issue 13, number 2: a traceback in both."""
    write_model(tmp_path / "model")
    with pytest.raises(SERError, match="Bad device 'mps'"):
        EmotionRecognizer.from_pretrained(tmp_path / "model", device="mps")
    clip = write_corpus(tmp_path / "clips", speakers=1, clips=1) / "s0_anger_0.wav"
    model = str(tmp_path / "model")
    assert main(["predict", str(clip), "--model", model, "--device", "mps"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_accumulated_gradients_step_as_one_large_batch(run, monkeypatch):
    """Issue 13, number 2: the batches that were left at the end of an epoch had no step."""
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, values: values)  # no chance
    found = {}
    for name, size, factor in (("small", 5, 3), ("large", 15, 1)):
        option = f"--grad_accumulation_factor={factor}"
        code, folder = run(name, option, recipe="multiobjective.yaml", batch_size=size)
        assert code == 0
        assert record(folder)[OPTIONS]["grad_accumulation_factor"] == factor
        assert len(json.loads((folder / "splits.json").read_text())["train"]) == 15 + 5 + 4
        assert "optimizer_step: 4" in last_checkpoint(folder)
        found[name] = epochs(folder)
    for ours, theirs in zip(found["small"], found["large"], strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=1e-3)
        assert ours["valid"] == pytest.approx(theirs["valid"], rel=1e-3)


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_more_batches_for_a_step_than_an_epoch_has(batching, run):
    """Issue 13, number 2: a factor of 4 with 2 batches took no step at all."""
    options = {"batch_size": 16, "batching": batching}
    code, folder = run("run", "--grad_accumulation_factor=4", **options)
    assert code == 0 and "optimizer_step: 2" in last_checkpoint(folder)


def last_checkpoint(folder: Path) -> str:
    """What SpeechBrain notes in it."""
    return (max(folder.glob("save/CKPT+*")) / "brain.ckpt").read_text()


def test_run_options_are_recorded_kept_and_verified(run, capsys):
    """Issue 13, number 2: neither the record nor the next command knew of them."""
    code, folder = run("run", "--grad_accumulation_factor=2", "--max_grad_norm=1")
    assert code == 0
    said = record(folder)[OPTIONS]
    assert (said["grad_accumulation_factor"], said["max_grad_norm"]) == (2, 1.0)
    assert (said["device"], said["precision"], said["eval_precision"]) == (
        "cpu",
        "fp32",
        "fp32",
    )

    before = (folder / "run.json").read_bytes()
    code, _ = run("run", "--max_grad_norm=1", number_of_epochs=3)
    assert code == 2 and "grad_accumulation_factor was 2" in capsys.readouterr().err
    assert (folder / "run.json").read_bytes() == before
    assert DIFFERS not in {check.state for check in verify(folder)}

    changed = {**record(folder), OPTIONS: {**said, "max_grad_norm": 5.0}}
    (folder / "run.json").write_text(json.dumps(changed))
    reasons = {check.item: check.reason for check in verify(folder)}
    assert "max_grad_norm 1.0, not 5.0" in reasons["run.json"]


def test_a_norm_below_zero_clips_nothing(run):
    """Issue 13, number 2: SpeechBrain's way to disable clipping turned the gradients round."""
    found = [epochs(run(f"norm{norm}", f"--max_grad_norm={norm}")[1]) for norm in ("-1", "1e9")]
    assert [epoch["train"] for epoch in found[0]] == [epoch["train"] for epoch in found[1]]


def test_only_testing_needs_the_epochs_that_were_asked_for(run, capsys):
    """Issue 13, number 2: a run of one epoch of three passed for finished."""
    assert run("run", number_of_epochs=1)[0] == 0
    assert run("run", "--test_only", number_of_epochs=3)[0] == 2
    assert "--test_only: 1 of 3 epochs are trained" in capsys.readouterr().err
    assert run("run", "--test_only", number_of_epochs=1)[0] == 0


@pytest.mark.parametrize("factor", [1, 2])
def test_a_skipped_batch_is_not_in_the_train_loss(factor, run, monkeypatch):
    """Issue 13, number 10: a batch whose gradient overflowed was skipped, and counted."""
    real, victim = ClassificationBrain.losses, []

    def losses(self, predictions, batch):
        found = real(self, predictions, batch)
        if torch.is_grad_enabled() and (not victim or victim[0] in batch.id):
            victim[:] = victim or [batch.id[0]]
            mean = found["nll"].mean
            steep = (mean - mean.detach()).sqrt()  # 0, with an infinite gradient
            found = {"nll": found["nll"]._replace(mean=mean + 1000 + steep)}
        return found

    monkeypatch.setattr(ClassificationBrain, "losses", losses)
    option = f"--grad_accumulation_factor={factor}"
    code, folder = run("run", option, nonfinite_batches="skip", batch_size=6)
    assert code == 0
    assert [epoch["skipped_batches"] for epoch in epochs(folder)] == [factor, factor]
    assert all(epoch["train"]["loss"] < 100 for epoch in epochs(folder))


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """The example experiment of docs/adding_an_experiment.md; its settings file."""
    page = (ROOT / "docs" / "adding_an_experiment.md").read_text(encoding="utf-8")
    code, text = (
        re.search(rf"```{kind}\n(.*?)```", page, re.S)[1] for kind in ("python", "yaml")
    )
    (tmp_path / "own_recipes").mkdir()
    (tmp_path / "own_recipes" / "smooth.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    text = text.replace("recipes.smooth", "own_recipes.smooth")
    file = tmp_path / "smooth.yaml"
    file.write_text(text.replace("base.yaml", str(ROOT / "hparams" / "base.yaml")))
    return file


def test_the_documented_experiment_trains_evaluates_exports_and_predicts(
    documented, run, corpus, tmp_path, capsys
):
    """Issue 13, numbers 5 and 21: a loss of another name, and a setting of its own."""
    code, folder = run("run", recipe=str(documented), smoothing=0.2, balanced=True)
    assert code == 0
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert predictions.card["protocol"] == "tiny/speaker/intended/4-class/balanced/seed 1"
    assert "smoothing: 0.2" in (folder / "hyperparams.yaml").read_text()
    assert epochs(folder)[0]["valid"].keys() == {"loss", "smooth_nll", "error_rate", "uar"}
    page = (folder / "report" / "index.html").read_text()
    assert "smooth nll" in page and page.count(">Loss<") == 0

    other = write_corpus(tmp_path / "other", speakers=2, seed=1)
    table = [
        "--data_folder",
        str(other),
        "--csv",
        "labels.csv",
        "--name",
        "other",
        "--vad_scale",
        "1",
        "5",
    ]
    manifests = ["--manifest_folder", str(tmp_path / "manifests")]
    assert data_prep(["table", *table, *manifests]) == 0
    on = ["--on", str(tmp_path / "manifests" / "other.json"), "--device", "cpu"]
    assert main(["evaluate", str(folder), *on]) == 0
    assert main(["verify", str(folder)]) == 0
    assert main(["export", str(folder), str(tmp_path / "model")]) == 0
    clip = str(corpus / "s0_anger_0.wav")
    capsys.readouterr()
    assert main(["predict", clip, "--model", str(tmp_path / "model"), "--device", "cpu"]) == 0
    assert re.search(r"s0_anger_0\.wav.* anger ", capsys.readouterr().out)

    splits = json.loads((folder / "splits.json").read_text())
    splits["protocol"] = "tiny/speaker/intended//seed 1"  # as an earlier version wrote it
    (folder / "splits.json").write_text(json.dumps(splits))
    assert main(["export", str(folder), str(tmp_path / "old")]) == 0
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "old", device="cpu")
    assert recognizer.emotions == list(predictions.card["emotions"])


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"emotions": "[anger, contempt]"}, "labelled contempt"),
        ({"smothing": "0.3"}, "Unknown setting 'smothing' in --smothing; the nearest are: smo"),
    ],
)
def test_the_documented_experiment_is_checked_as_any(documented, run, capsys, changes, said):
    """Issue 13, numbers 5 and 21: no check for empty classes; misspelt keys still count."""
    assert run("run", recipe=str(documented), **changes)[0] == 2
    assert said in capsys.readouterr().err


def test_a_brain_predicts_what_it_declares(documented, run, tmp_path, capsys):
    """Issue 13, number 5: what an experiment learns is declared, and held to."""
    recipe = tmp_path / "own_recipes" / "smooth.py"
    for declared, said in (
        ('("emotion", "valence_arousal")', "gives log_probabilities, expected: log_pr"),
        ("()", "Bad tasks () of SmoothBrain"),
    ):
        recipe.write_text(re.sub(r"tasks = .*", f"tasks = {declared}", recipe.read_text()))
        sys.modules.pop("own_recipes.smooth", None)
        assert run("run", recipe=str(documented))[0] == 2
        assert said in capsys.readouterr().err
