"""The main job, end to end, on a corpus small enough to learn in seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hyperpyyaml import load_hyperpyyaml

from recipes.classification import ClassificationBrain
from ser_brain.core.files import changed_files
from ser_brain.evaluation.predictions import read_predictions
from tests.tiny_corpus import run_train, write_corpus

ROOT = Path(__file__).parents[2]
POINTS = {"predicted_valence", "predicted_arousal"}


@pytest.mark.parametrize(
    ("recipe", "columns"),
    [
        ("classification.yaml", {"log_probabilities"}),
        ("regression.yaml", POINTS),
        ("multiobjective.yaml", {"log_probabilities"} | POINTS),
    ],
)
def test_each_experiment_leaves_a_whole_run_folder(recipe, columns, train_in):
    folder, said = train_in("run", recipe=recipe)
    assert f"report: {folder}/report/index.html" in said
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    splits = json.loads((folder / "splits.json").read_text())
    assert sorted(predictions.ids) == sorted(splits["tests"]["tiny"])
    assert ({"log_probabilities"} | POINTS) & predictions.rows[0].keys() == columns
    assert predictions.embeddings_ND.shape == (len(predictions.ids), 160)
    assert np.isfinite(predictions.embeddings_ND).all()

    parts = (splits["train"], splits["valid"], splits["tests"]["tiny"])
    speakers = [{i.split("_")[1] for i in ids} for ids in parts]
    assert all(speakers) and len(set().union(*speakers)) == sum(map(len, speakers))
    assert splits["audit"]["train-valid"]["speakers"]["count"] == 0
    assert splits["audit"]["train-valid"]["texts"]["count"] == 2

    log = [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in log] == [1, 2]
    record = json.loads((folder / "run.json").read_text())
    assert record["finished"] and record["seed"] == 1
    assert record["protocol"].startswith("tiny/speaker/intended/")
    assert record["protocol"] in (folder / "report" / "index.html").read_text()

    valid = read_predictions(folder / "predictions" / "valid.jsonl")
    assert sorted(valid.ids) == sorted(splits["valid"]) and valid.card["role"] == "valid"
    assert ("temperature" in valid.card) == ("log_probabilities" in columns)
    assert valid.card.get("temperature") == predictions.card.get("temperature")
    results = json.loads((folder / "report" / "results.json").read_text())
    assert list(results["test_sets"]) == ["tiny"]
    resolved = load_hyperpyyaml((folder / "hyperparams.yaml").read_text())
    assert resolved["emotions"] == ["anger", "happiness", "sadness", "neutral"]


def test_an_easy_corpus_is_learned_and_its_report_drawn(train_in, drawn):
    folder, _ = train_in("run", recipe="multiobjective.yaml", number_of_epochs=12)
    figures = [*(folder / "report").glob("*.svg")]
    assert len(figures) == 16 and all("<path" in figure.read_text() for figure in figures)
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert (predictions.predicted_N == predictions.true_N).mean() > 0.8


def test_a_corpus_without_points_trains_the_class_head_alone(tmp_path, train_in):
    folder = write_corpus(tmp_path / "plain")
    table = (folder / "labels.csv").read_text().splitlines()
    rows = [",".join(line.split(",")[:3]) for line in table]
    (folder / "labels.csv").write_text("\n".join(rows))
    options = "{name: plain, csv: labels.csv}"
    line = f"[{{corpus: table, data_folder: '{folder}', options: {options}}}]"
    run_folder, _ = train_in("run", recipe="multiobjective.yaml", corpora=line)
    log = json.loads((run_folder / "train_log.jsonl").read_text().splitlines()[-1])
    assert log["train"]["loss"] == log["train"]["nll"] > 0 and "mse" not in log["train"]
    predictions = read_predictions(run_folder / "predictions" / "plain.jsonl")
    assert predictions.true_values_NV is None
    assert predictions.card["protocol"] == "plain/speaker/intended/4-class/seed 1"


def test_a_class_that_a_part_lacks_is_named(corpus, tmp_path, train_in):
    """Issue 13, no. 32: in the log, in splits.json and in the report."""
    folder = shutil.copytree(corpus, tmp_path / "own")
    head, *lines = (folder / "labels.csv").read_text().splitlines()
    parts = {"s4": "valid", "s5": "test"}
    kept = [f"{head},split"]
    for line in lines:
        part = parts.get(line.split(",")[2], "train")
        if (part, line.split(",")[1]) not in (("valid", "anger"), ("test", "sadness")):
            kept.append(f"{line},{part}")
    (folder / "labels.csv").write_text("\n".join(kept) + "\n")
    options = "{name: tiny, csv: labels.csv, vad_scale: [1, 5]}"
    line = f"[{{corpus: table, data_folder: '{folder}', options: {options}}}]"
    run_folder, _ = train_in("run", split="official", corpora=line)
    page = (run_folder / "report" / "index.html").read_text()
    for sentence in (
        "The validation set has no utterance of anger; the epoch is chosen without it.",
        "The test set tiny has no utterance of sadness; its results do not cover it.",
    ):
        assert sentence in (run_folder / "train_log.txt").read_text() and sentence in page
    splits = json.loads((run_folder / "splits.json").read_text())
    assert splits["absent"] == {"valid": ["anger"], "tiny": ["sadness"]}


def test_prototypes_stand_in_and_say_so(train_in):
    folder, _ = train_in("run", recipe="multiobjective.yaml", vad_source="prototypes")
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert "valence-arousal(prototypes)" in predictions.card["protocol"]
    assert np.allclose(predictions.true_values_NV[predictions.true_N == 3], 3.0)  # neutral


def test_several_corpora_train_and_test_together_in_mixed_precision(corpus, tmp_path, train_in):
    other = write_corpus(tmp_path / "other", speakers=2, seed=1)
    both = [
        {
            "corpus": "table",
            "data_folder": str(place),
            "use": use,
            "options": {"name": name, "csv": "labels.csv", "vad_scale": [1, 5]},
        }
        for name, place, use in (("tiny", corpus, "train"), ("other", other, "test"))
    ]
    text = yaml.safe_dump(both, default_flow_style=True, width=10**6).strip()
    recipe = "multiobjective.yaml"
    folder, _ = train_in("run", "--precision=bf16", recipe=recipe, corpora=text)
    assert len(read_predictions(folder / "predictions" / "other.jsonl").ids) == 16
    audit = json.loads((folder / "splits.json").read_text())["audit"]
    assert audit["train-other"]["speakers"]["count"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeed": 3}, "Unknown setting 'seeed' in --seeed; the nearest are: seed"),
        ({"emotions": "[anger, contempt]"}, "labelled contempt (found: anger 12, contempt 0"),
        ({"folds": 7}, "only 6 speakers, too few to cut into 7 parts by speaker"),
        ({"corpora": "[{corpus: emodbb}]"}, "Bad corpus 'emodbb'; expected one of: emodb"),
        ({"corpora": "[{corpus: emodb, data_folder: nowhere}]"}, "No data folder nowhere"),
        ({"encoder_source": "nobody/nothing"}, "nobody/nothing"),
        ({"validation_metric": "uar"}, "expected one of: error_rate, loss, nll"),
        ({"loss_weights": "{mse: 1}"}, "this experiment's losses are: nll"),
        ({"split": "official"}, "defines no official train"),
        ({"batch_size": "four"}, "Bad batch_size 'four'; expected a whole number, at least 1."),
        ({"device": "gpu"}, "Bad device 'gpu'; this machine has: cpu"),
    ],
)
def test_mistakes_get_one_line_and_leave_no_folder(change, message, tmp_path, train_in):
    change = {"manifest_folder": tmp_path / "manifests", **change}
    assert message in train_in("results/deep/run", code=2, **change)[1]
    assert not (tmp_path / "results").exists()
    folder = tmp_path / "results" / "deep" / "run"
    folder.mkdir(parents=True)
    (folder / "notes.txt").touch()
    train_in("results/deep/run", code=2, **change)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 7}, "too few to cut into 7 parts by speaker; expected at least 7. Give "),
        ({"validation_metric": "uar"}, "Bad validation_metric"),
        ({}, "model.safetensors"),
    ],
)
def test_mistakes_are_found_before_weights_are_read(change, message, tmp_path, train_in):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"model_type": "whisper"}')
    assert message in train_in("run", code=2, encoder_source=encoder, **change)[1]


def test_a_loss_that_is_not_finite_stops(train_in):
    _, said = train_in("run", code=2, lr_heads=1e30, lr_encoder=1e30)
    assert "error: The loss is " in said and " in the batch of tiny" in said


MISTYPED = [
    (["none.yaml"], "The settings file none.yaml does not exist"),
    (["--seed=3"], "No settings file; name one first"),
    (["hparams/base.yaml"], "is not an experiment"),
    (["hparams/classification.yaml", "--sed=3"], "Unknown setting 'sed'"),
    (["hparams/classification.yaml", "--seed=x"], "Bad seed 'x'"),
    (["hparams/classification.yaml", "--pooling=meanstd"], "expected one of 'mean', 'mean"),
    (["hparams/classification.yaml", "--split=speakr"], "Bad split 'speakr'; expected one of"),
    (["hparams/classification.yaml", "--augment={gain: {}}"], "gain has no probability"),
    (["hparams/classification.yaml", "--corpus=emodbb"], "Bad corpus 'emodbb'"),
    (["hparams/classification.yaml", "--corpus=emodb"], "emodb needs --data_folder DIR"),
    (["hparams/classification.yaml", "--data_folder=no"], "No data folder no for demo"),
    (["--help"], "--number_of_epochs=30"),
    ([], "--number_of_epochs=30"),
]
ONE_BY_ONE = """
import json, sys, train
for arguments in json.loads(sys.argv[1]):
    sys.argv[:] = ["train.py", *arguments]
    print("exit", train.main(), "torch" in sys.modules, "speechbrain" in sys.modules, "=====")
"""


def test_what_is_mistyped_is_told_before_torch_is_imported():
    lines = json.dumps([arguments for arguments, _ in MISTYPED])
    command = [sys.executable, "-u", "-c", ONE_BY_ONE, lines]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    answers = done.stdout.split(" =====\n")[:-1]
    for (arguments, said), answer in zip(MISTYPED, answers, strict=True):
        code = 0 if "number_of_epochs" in said else 2
        assert said in answer and "Traceback" not in answer, arguments
        assert answer.endswith(f"exit {code} False False"), arguments


def test_help_for_a_reader_that_has_seen_enough():
    line = f"'{sys.executable}' train.py --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_that_is_refused_leaves_a_finished_run_as_it_is(train_in, tmp_path):
    _, said = train_in("run", "--test_only", code=2)
    assert f"No trained checkpoint in {tmp_path}/run/save; train first" in said
    folder, _ = train_in("run", number_of_epochs=1)
    before = (folder / "run.json").read_bytes()
    for more, said in (
        ("--lr_heads=0.5", "checkpoints of other settings (different: lr_heads)"),
        ("--max_clip_s=0.1", "utterances are longer than max_clip_s (0.1 s)"),
        ("--precision=fp16", "--precision=fp16 needs a GPU"),
    ):
        assert said in train_in("run", more, code=2, number_of_epochs=1)[1]
        assert changed_files(folder) == [] and (folder / "run.json").read_bytes() == before


def test_a_long_epoch_is_not_silent_where_there_is_no_terminal(train_in, monkeypatch):
    monkeypatch.setattr("ser_brain.core.log.SILENCE_S", 0.0)
    folder, said = train_in("run", number_of_epochs=1, batch_size=16)
    splits = json.loads((folder / "splits.json").read_text())
    parts = (splits["train"], splits["valid"], splits["tests"]["tiny"])
    train, valid, test = map(len, parts)
    assert f"epoch 1, training: 16 of {train} utterances\n" in said
    assert f"epoch 1, validation: {valid} of {valid} utterances\n" in said
    assert f"scoring: {test} of {test} utterances\n" in said
    assert "tiny: checking: 48 of 48 files\n" in said


def test_ctrl_c_says_how_to_go_on(train_in, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ClassificationBrain, "fit", interrupted)
    _, error = train_in("run", code=130)
    how = "The same command continues after the last finished epoch."
    assert error.endswith(f"error: Interrupted. {how}\n")


def test_batches_that_are_not_finite_stop_or_are_counted(train_in, spoiled_batch):
    victim = spoiled_batch(lambda found: found * float("nan"))
    _, said = train_in("run", code=2)
    assert f"The loss is nan in the batch of {victim[0]}, " in said
    folder, _ = train_in("run", "--nonfinite_batches=skip")
    log = [json.loads(line) for line in (folder / "train_log.jsonl").open()]
    assert [epoch["skipped_batches"] for epoch in log] == [1, 1]
    assert all(np.isfinite(epoch["train"]["loss"]) for epoch in log)
    page = (folder / "report" / "index.html").read_text()
    assert "Batches skipped because they were not finite: 2." in page


@pytest.fixture(scope="module")
def emodb(tmp_path_factory) -> Path:
    """Emo-DB's layout: six speakers, four emotions, two takes."""
    tones = write_corpus(tmp_path_factory.mktemp("tones"))
    folder = tmp_path_factory.mktemp("emodb") / "wav"
    folder.mkdir()
    codes = {"anger": "W", "happiness": "F", "sadness": "T", "neutral": "N"}
    for path in tones.glob("*.wav"):
        speaker, emotion, take = path.stem.split("_")
        name = f"{('03', '08', '09', '10', '11', '12')[int(speaker[1])]}a01{codes[emotion]}"
        shutil.copy(path, folder / f"{name}{'ab'[int(take)]}.wav")
    return folder.parent


PROTOTYPES = "--vad_source=prototypes"


@pytest.mark.parametrize(
    ("recipe", "more", "code", "said"),
    [
        ("classification.yaml", [], 0, "protocol: emodb/speaker/intended/4-class/seed 1"),
        ("multiobjective.yaml", [], 0, "so only the emotion head learns. "),
        ("multiobjective.yaml", [PROTOTYPES], 0, "4-class+valence-arousal(prototypes)"),
        ("regression.yaml", [], 2, f"Use hparams/classification.yaml instead, or {PROTOTYPES}"),
        ("regression.yaml", [PROTOTYPES], 0, "/valence-arousal(prototypes)/"),
    ],
)
def test_a_corpus_named_alone_is_trained_on(recipe, more, code, said, emodb, tmp_path, capsys):
    """Issue 13, 23: the demo's languages were looked for in every corpus."""
    where = {"data_folder": emodb, "output_folder": tmp_path / "run"}
    where |= {"manifest_folder": tmp_path / "manifests", "number_of_epochs": 1}
    arguments = ["--corpus=emodb", *(f"--{key}={value}" for key, value in where.items())]
    assert run_train(recipe, *arguments, *more) == code
    assert said in capsys.readouterr().err


def test_a_corpus_whose_prep_needs_options_says_where_they_go(tmp_path, capsys):
    where = f"--output_folder={tmp_path / 'run'}"
    assert run_train("classification.yaml", "--corpus=table", where) == 2
    assert (
        "table needs --name, --csv; in an experiment, --corpora='[{corpus: table, data_folder: "
        "DIR, options: {name: ..., csv: ...}}]'." in capsys.readouterr().err
    )
