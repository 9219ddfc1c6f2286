"""Probes: their solutions are those of scikit-learn, and every clip is embedded once."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from speechbrain import Stage

import train
from data_prep.common.prepare import prepare_all
from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.data.experiment import load_experiment
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.models.adaptation import LinearAdapter
from ser_brain.models.spectrum import LogMelStatistics
from ser_brain.training.config import find_settings, load_settings, read_settings
from ser_brain.training.discriminant import (
    SPECTRUM_SHARE,
    averaged_discriminant,
    views_of,
)
from ser_brain.training.feature_cache import EmbeddingCache
from ser_brain.training.fold_processes import run_parts
from ser_brain.training.loaders import dataio_prep
from tests.publishing.test_export import write_base_encoder
from tests.tiny_corpus import run_train, settings, write_corpus

EMOTIONS = ["anger", "happiness", "sadness", "neutral"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A corpus and a published encoder."""
    home = tmp_path_factory.mktemp("probe")
    table = write_corpus(home / "tiny", speakers=8) / "labels.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    # Classes of different sizes, and in other proportions from speaker to speaker.
    fewer = [
        row for row in rows if not row.startswith(("s0_anger", "s3_anger", "s5_sadness_1"))
    ]
    table.write_text("\n".join(fewer), encoding="utf-8")
    write_base_encoder(home / "base")
    return home


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(home / "cache"))


def options(home, folder, **changes):
    changes = {"number_of_epochs": 1, "encoder_source": home / "base", **changes}
    return settings(home / "tiny", folder, **changes)


def fitted(home, folder, experiment="classification", **changes):
    """A probe that was fitted and refitted; training and test embeddings and labels."""
    given = [o[2:].split("=", 1) for o in options(home, folder, **changes)]
    file = find_settings(f"hparams/probe/{experiment}.yaml")
    hparams = load_settings(read_settings(file, [(key, value) for key, value in given]))
    config = ExperimentConfig.from_settings(hparams, hparams["brain"].tasks)
    prepared = prepare_all(train.corpora_of(hparams), hparams["manifest_folder"], False)
    sets = dataio_prep(load_experiment(config, prepared), hparams)
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts={"device": "cpu"},
        checkpointer=hparams["checkpointer"],
    )
    brain.fit(hparams["epoch_counter"], sets["train"], sets["valid"])
    brain.refit(sets["train"], sets["valid"])
    parts = [brain.make_dataloader(sets[part], Stage.VALID) for part in ("train", "valid")]
    (test_set,) = sets["tests"].values()
    brain.evaluate(test_set, min_key=brain.tested_key)
    chunks = [chunk for part in parts for chunk in part]
    x_ND = torch.cat([chunk.statistics for chunk in chunks]).double().numpy()
    emotion_N = torch.cat([chunk.emotion_index for chunk in chunks]).numpy()
    va_N2 = torch.cat([chunk.valence_arousal for chunk in chunks]).numpy()
    return brain, x_ND, emotion_N, va_N2


def test_losses_give_logistic_regression(home, tmp_path):
    decays = "[0.05, 0.05]"
    chosen = {"emotion_classifier": "losses", "weight_decays": decays, "number_of_decays": 1}
    brain, x_ND, emotion_N, _ = fitted(home, tmp_path / "run", **chosen)
    logistic = LogisticRegression(
        C=1 / (0.05 * len(x_ND)), class_weight="balanced", max_iter=9999, tol=1e-8
    )
    sklearn = make_pipeline(StandardScaler(), logistic).fit(x_ND, emotion_N)
    tested_ND = np.stack([row["embedding"] for row in brain.outputs])
    found_NE = np.stack([row["log_probabilities"] for row in brain.outputs])
    np.testing.assert_allclose(found_NE, sklearn.predict_log_proba(tested_ND), 1e-3, 2e-3)


def test_layers_and_spectrum_are_views_of_the_embedding(home, tmp_path):
    """The middle layer and everything, weighed by speakers."""
    brain, x_ND, *_ = fitted(home, tmp_path / "run")
    middle_D, everything_D = views_of(brain.model).values()
    frames, layers = brain.model.pool.frames_dim, len(brain.model.encoder.used)
    middle = middle_D[:frames].view(2, layers, -1)  # means and deviations, of each layer
    assert middle[:, layers // 2].all() and middle_D.sum() == 2 * middle.shape[-1]
    variance_D = everything_D.square()
    share = variance_D[frames:].sum() / variance_D.sum()
    assert share == pytest.approx(SPECTRUM_SHARE)
    assert x_ND.shape[1] == frames + LogMelStatistics.dim


def test_valence_and_arousal_are_ridge_regression(home, tmp_path):
    chosen = {"weight_decays": "[0.5, 0.5]", "number_of_decays": 1}
    brain, x_ND, _, va_N2 = fitted(home, tmp_path / "run", "multiobjective", **chosen)
    # The mean is over both dimensions, and the penalty half the decay.
    ridge = Ridge(alpha=0.5 * len(x_ND))
    sklearn = make_pipeline(StandardScaler(), ridge).fit(x_ND, va_N2)
    tested_ND = np.stack([row["embedding"] for row in brain.outputs])
    found_N2 = np.stack([row["valence_arousal"] for row in brain.outputs])
    np.testing.assert_allclose(found_N2, sklearn.predict(tested_ND), atol=2e-3)


def test_concordance_is_fitted_alike_in_chunks_and_at_once(home, tmp_path, monkeypatch):
    chosen = {"loss_weights": "{ccc: 1.0}", "validation_metric": "ccc"}
    chosen |= {"weight_decays": "[0.5, 0.5]"}
    found = []
    for name, size in (("whole", 2048), ("chunks", 7)):
        monkeypatch.setattr("ser_brain.training.probe.CHUNK", size)
        brain, *_ = fitted(home, tmp_path / name, "regression", **chosen, number_of_decays=1)
        found.append(np.stack([row["valence_arousal"] for row in brain.outputs]))
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)


def test_gaussian_classifiers_are_fitted_once_and_once_more(home, tmp_path, monkeypatch):
    fit, counts = averaged_discriminant, []
    monkeypatch.setattr(
        "ser_brain.training.probe.averaged_discriminant",
        lambda *args: counts.append(1) or fit(*args),
    )
    fitted(home, tmp_path / "run", "multiobjective")
    assert len(counts) == 2  # whatever the number of decays


def test_layer_weights_are_learned(home, tmp_path):
    brain, *_ = fitted(home, tmp_path / "run", layer="mix", emotion_classifier="losses")
    assert brain.model.encoder.layer_logits.std() > 1e-3


def test_a_clip_is_embedded_once(home, tmp_path, monkeypatch):
    fitted(home, tmp_path / "one", layer="[0, 2]")
    monkeypatch.setattr(EmbeddingCache, "compute", None)
    brain, *_ = fitted(home, tmp_path / "two", layer="[0, 2]")
    monkeypatch.undo()
    monkeypatch.setenv("SER_CACHE", str(home / "cache"))
    without, *_ = fitted(home, tmp_path / "three", layer="[0, 2]", feature_cache_gb=0)
    for one, other in zip(brain.outputs, without.outputs, strict=True):
        np.testing.assert_allclose(
            one["log_probabilities"], other["log_probabilities"], atol=1e-5
        )


def test_from_training_to_an_exported_model(home, tmp_path, capsys):
    """Trained, continued, evaluated on its own corpus, embedded, exported, loaded."""
    run, recipe = tmp_path / "run", "probe/multiobjective.yaml"
    assert run_train(recipe, *options(home, run)) == 0
    before = (run / "predictions" / "tiny.jsonl").read_bytes()
    assert run_train(recipe, *options(home, run)) == 0
    assert (run / "predictions" / "tiny.jsonl").read_bytes() == before
    checkpoints = [path.parent for path in run.glob("save/*/modules.ckpt")]
    assert len(checkpoints) == 2  # that of the validation results, and the refitted one
    # Heads alone, without the encoder.
    assert max((path / "modules.ckpt").stat().st_size for path in checkpoints) < 30_000
    manifest = tmp_path / "manifests" / "tiny.json"
    assert main(["evaluate", str(run), "--on", str(manifest)]) == 0
    printed = capsys.readouterr().out
    assert "adapted to its unlabelled clips" in printed and "of which no label" in printed
    ours = read_predictions(run / "predictions" / "tiny.jsonl")
    again = read_predictions(run / "predictions" / "tiny-all.jsonl")
    place = [again.ids.index(name) for name in ours.ids]
    np.testing.assert_allclose(again.log_probs_NC[place], ours.log_probs_NC, 1e-5, 1e-5)
    assert main(["embed", str(manifest), "--run", str(run), "--out", str(tmp_path / "e")]) == 0
    embedded = read_predictions(tmp_path / "e" / "predictions" / "tiny.jsonl", scores=False)
    place = [embedded.ids.index(name) for name in ours.ids]
    np.testing.assert_allclose(embedded.embeddings_ND[place], ours.embeddings_ND, atol=1e-5)
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "model"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["largest_difference"] < 1e-5
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu")
    assert recognizer.card["refitted"] == "heads"
    assert recognizer.card["calibrated_by"] == "inner folds"
    wavs = [home / "tiny" / f"{name.removeprefix('tiny_')}.wav" for name in ours.ids]
    found = [list(row["probabilities"].values()) for row in recognizer.predict(wavs)]
    np.testing.assert_allclose(found, np.exp(ours.calibrated_NC), atol=1e-5)
    for name in ("tiny", "tiny-all"):  # once more, by a head that the clips adapted
        plain = read_predictions(run / "predictions" / f"{name}.jsonl")
        adapted = read_predictions(run / "adapted" / "predictions" / f"{name}.jsonl")
        assert adapted.ids == plain.ids
        said = f", adapted to {len(plain.ids)} unlabelled clips of the test set"
        assert adapted.card["protocol"] == plain.card["protocol"] + said
    assert recognizer.has_adapter


def test_an_adapter_learns_from_a_limited_number_of_clips(home, tmp_path, monkeypatch):
    monkeypatch.setattr("ser_brain.training.adapted.MOST_CLIPS", 6)
    fit, counts = LinearAdapter.fit, []

    def counted(fit_head, embeddings_ND, *args, **options):
        counts.append(len(embeddings_ND))
        return fit(fit_head, embeddings_ND, *args, **options)

    monkeypatch.setattr(LinearAdapter, "fit", counted)
    assert run_train("probe/classification.yaml", *options(home, tmp_path / "run")) == 0
    assert counts == [12]  # of training and of validation clips
    tested = read_predictions(tmp_path / "run" / "adapted" / "predictions" / "tiny.jsonl")
    assert len(tested.ids) > 6


def test_another_encoder_under_the_same_name_is_refused(home, tmp_path, capsys):
    base = write_base_encoder(tmp_path / "base")
    run = tmp_path / "run"
    chosen = options(home, run, encoder_source=base, spectrum="null")
    assert run_train("probe/classification.yaml", *chosen) == 0
    # As a run of the version before spectrum and ridges has it.
    kept = (run / "hyperparams.yaml").read_text(encoding="utf-8")
    older = re.sub(r"(?m)^ *spectrum:.*\n", "", kept)
    older = re.sub(r"(?m)^ridges:.*$", "shrinkage: 0.9", older)
    assert older.count("shrinkage") == 1 and "spectrum" not in older
    (run / "hyperparams.yaml").write_text(older, encoding="utf-8")
    assert main(["export", str(run), str(tmp_path / "older")]) == 0
    weights = load_file(base / "model.safetensors")
    changed = {name: 1.1 * tensor for name, tensor in weights.items()}
    save_file(changed, base / "model.safetensors")
    assert main(["export", str(run), str(tmp_path / "model")]) == 2
    assert "are not those that the run was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"freeze": "cnn"}, "Bad freeze of a probe 'cnn'; expected one of: all"),
        ({"pooling": "attentive"}, "--pooling=mean_std, or fine-tune"),
        ({"layer": "mix"}, "give --layer=all, or --emotion_classifier=losses"),
        ({"augment": "{gain: {probability: 1}}"}, "augment has no effect on a probe"),
        ({"weight_averaging": "{ema: 0.9}"}, "Leave it at null, or fine-tune"),
        (
            {"lora": "{rank: 2, alpha: 4, targets: [q_proj]}"},
            "lora has no effect on a probe.*Leave it at null",
        ),
        ({"heads_start": "probe"}, "heads_start has no effect on a probe"),
        ({"patience": 3}, "patience has no effect on a probe.*Leave it at null"),
        ({"layer_decay": 0.9}, "layer_decay has no effect on a probe.*Leave it at 1.0"),
        ({"loss_weights": "{focal: 1}"}, "so focal would have no effect"),
        ({"number_of_epochs": 3}, "Bad number_of_epochs of a probe 3"),
        ({"emotion_classifier": "svm"}, "Bad emotion_classifier 'svm'; expected one of"),
        ({"weight_decays": "[0.1]"}, r"Bad weight_decays \[0.1\]; expected"),
        ({"number_of_decays": 0}, "Bad number_of_decays 0; expected"),
        ({"ridges": "[0.1, 0]"}, "Bad ridges .*; expected a list of numbers above 0"),
        ({"spectrum": "mfcc"}, "Bad spectrum 'mfcc'; expected log_mel or null"),
    ],
)
def test_what_a_probe_cannot_be(home, tmp_path, capsys, changes, message):
    chosen = options(home, tmp_path / "run", **changes)
    assert run_train("probe/classification.yaml", *chosen) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_corpus_without_valence_and_arousal(home, tmp_path):
    """Then the multi-objective probe is a classifier, as after fine-tuning."""
    rows = (home / "tiny" / "labels.csv").read_text(encoding="utf-8").splitlines()
    table = tmp_path / "emotions.csv"
    table.write_text("\n".join(",".join(row.split(",")[:3]) for row in rows))
    run = tmp_path / "run"
    chosen = options(home, run)
    line = (
        f"{{corpus: table, data_folder: '{home / 'tiny'}', options: {{name: x, csv: {table}}}}}"
    )
    chosen[0] = f"--corpora=[{line}]"
    assert run_train("probe/multiobjective.yaml", *chosen) == 0
    assert read_predictions(run / "predictions" / "x.jsonl").predicted_N is not None
    assert main(["export", str(run), str(tmp_path / "model")]) == 0


def test_parts_of_folds_are_like_runs_of_their_own(home, tmp_path, monkeypatch):
    """Processes that ser folds starts one after another, beside train.py."""
    # Another test that embeds the same clips in other batches would change the last digits.
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    recipe = "probe/classification.yaml"
    seeds = {tmp_path / "parts" / f"seed-{seed}": seed for seed in (2, 1)}
    commands = {
        folder: [f"hparams/{recipe}", "--device=cpu", *options(home, folder, seed=seed)]
        for folder, seed in seeds.items()
    }
    run_parts(commands, [None], lambda folder: None, lambda line: None, figures=False)
    alone = tmp_path / "alone"
    assert run_train(recipe, *options(home, alone, seed=1)) == 0
    part = tmp_path / "parts" / "seed-1"
    for pattern in ("save/*/*.ckpt", "predictions/*", "report/*.csv", "report/*.md"):
        found, expected = (sorted(folder.glob(pattern)) for folder in (part, alone))
        names = [path.name for path in expected]
        assert [path.name for path in found] == names and names
    ours, theirs = (
        read_predictions(folder / "predictions/tiny.jsonl") for folder in (part, alone)
    )
    assert ours.ids == theirs.ids
    # A processor's matrix products may differ in the last digits from process to process.
    assert np.allclose(ours.log_probs_NC, theirs.log_probs_NC, atol=1e-4)
    assert not [*part.glob("report/*.svg")] and [*alone.glob("report/*.svg")]
    assert "<code>ser report RUN</code>" in (part / "report/index.html").read_text()


def test_the_layer_that_tells_emotions_apart_is_found(home, tmp_path, monkeypatch, capsys):
    heard, counts = set(), []

    def planted(cache, rows, bar):
        """Emotions are told apart by the means of layer 1, and by nothing else."""
        heard.update(row["speaker"] for row in rows.values())
        counts.append(len(rows))
        x_N2LD = np.random.default_rng(1).normal(
            size=(len(rows), 2, cache.encoder.depth + 1, 6)
        )
        for n, row in enumerate(rows.values()):
            x_N2LD[n, 0, 1, EMOTIONS.index(row["emotion"])] += 20
        return x_N2LD.reshape(len(rows), -1).astype(np.float32)

    monkeypatch.setattr(EmbeddingCache, "matrix", planted)
    out = tmp_path / "layers"
    chosen = options(home, tmp_path / "run", layer=0)
    command = ["layers", "hparams/probe/classification.yaml", *chosen, "--out", str(out)]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["advice"].endswith(": try --layer=1 --pooling=mean.")
    uars = {(row["Layer"], row["Pooling"]): row["UAR"] for row in facts["layers"]}
    assert uars["1", "mean"] == uars["1", "mean_std"] == uars["mix", "mean"] == 1
    assert max(uars["0", "mean"], uars["last", "mean_std"]) < 0.6
    assert 5 <= len(heard) < 8  # not those of the test set
    suffixes = {path.name.removeprefix("layers") for path in out.glob("layers*")}
    figures = {".svg", ".png", "-untitled.svg", "-untitled.pdf"}
    assert suffixes == figures | {".csv"} and not (tmp_path / "run").exists()
    monkeypatch.setattr("ser_brain.training.layers.MOST_CLIPS", counts[0] - 1)
    assert main(command) == 0
    assert counts[1] == counts[0] - 1
    assert f"{counts[1]} of {counts[0]} clips" in capsys.readouterr().err


def test_layers_are_read_from_what_a_probe_has_cached(home, tmp_path, monkeypatch):
    chosen = options(home, tmp_path / "run")
    assert main(["train", "hparams/probe/classification.yaml", *chosen]) == 0
    monkeypatch.setattr(EmbeddingCache, "compute", None)
    command = ["layers", "hparams/probe/classification.yaml", *chosen]
    assert main([*command, "--out", str(tmp_path / "layers")]) == 0


@pytest.mark.parametrize("encoder", ["compact", "functionals", "egemaps"])
def test_what_has_no_layers_is_not_compared(home, tmp_path, capsys, encoder):
    given = options(home, tmp_path / "run", encoder_source=encoder)
    assert main(["layers", "hparams/probe/classification.yaml", *given]) == 2
    assert f"The encoder {encoder} has no transformer layers" in capsys.readouterr().err


def test_a_student_learns_from_what_a_model_answered(home, tmp_path):
    """hparams/student: a table of ser predict takes the place of labels."""
    folder = tmp_path / "recordings"
    write_corpus(folder, speakers=4)
    wavs = sorted(folder.glob("*.wav"))
    (folder / "labels.csv").unlink()
    shares = {"anger": [0.7, 0.1, 0.1, 0.1], "sadness": [0.1, 0.2, 0.6, 0.1]}
    lines = [["file", "start", "stop", "emotion", *(f"p_{e}" for e in EMOTIONS), "warnings"]]
    for wav in wavs:
        answer = "anger" if wav.stem.split("_")[1] in ("anger", "happiness") else "sadness"
        lines.append([wav.name, 0.0, 0.3, answer, *shares[answer], ""])
    table = "\n".join(",".join(map(str, line)) for line in lines)
    (folder / "taught.csv").write_text(table, encoding="utf-8")
    chosen = {
        "data_folder": folder,
        "encoder_source": home / "base",
        "layer": "[0, 1]",
        "output_folder": tmp_path / "run",
        "manifest_folder": tmp_path / "manifests",
        "emotions": "[anger, sadness]",
        "emotion_classifier": "losses",
        "loss_weights": "{kl: 1.0}",
    }
    given = [f"--{key}={value}" for key, value in chosen.items()]
    assert run_train("student/classification.yaml", *given) == 0
    found = read_predictions(tmp_path / "run" / "predictions" / "taught.jsonl")
    assert {row["label_source"] for row in found.rows} == {"teacher"}
    assert found.rows and all(
        row["predicted_emotion"] == row["emotion"]
        and (row["emotion"] == "anger") == ("anger" in row["id"] or "happiness" in row["id"])
        for row in found.rows
    )
