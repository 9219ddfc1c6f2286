"""Fine-tuning starts and ends with the heads of a probe, also when it is continued."""

import copy
import json

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import Ridge
from speechbrain import Stage
from torch.nn.functional import cross_entropy

import train
from data_prep.common.prepare import prepare_all
from ser_brain.core.errors import SERError
from ser_brain.data.experiment import load_experiment
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.models.heads import folded
from ser_brain.publishing.export import read_trained
from ser_brain.training.config import find_settings, load_settings, read_settings
from ser_brain.training.head_start import some_of, start_heads
from ser_brain.training.loaders import dataio_prep
from tests.models.test_encoders_loading import saved
from tests.tiny_corpus import run_train, settings, write_corpus

RATES = {"lr_encoder": 1e-12, "lr_heads": 1e-12}  # so that nothing moves away from the start


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A corpus whose speakers say different numbers of clips, and an encoder with dropout."""
    home = tmp_path_factory.mktemp("start")
    table = write_corpus(home / "tiny", speakers=8) / "labels.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(r for r in rows if "s0_anger" not in r), encoding="utf-8")
    saved(home / "encoder", "wav2vec2-base")
    return home


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("SER_CACHE", str(home / "cache"))


def options(home, folder, **changes):
    changes = {"number_of_epochs": 1, "encoder_source": home / "encoder", **changes}
    return settings(home / "tiny", folder, **changes)


def trained(home, folder, file, **changes):
    """A Brain after its only epoch, and its data sets."""
    given = [tuple(o[2:].split("=", 1)) for o in options(home, folder, **changes)]
    hparams = load_settings(read_settings(find_settings(f"hparams/{file}"), given))
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
    return brain, sets


def test_the_start_is_no_surer_than_label_smoothing_asks_for(home, tmp_path):
    losses = {}
    for smoothing in (0.0, 0.1):
        given = {"label_smoothing": smoothing, **RATES}
        folder = tmp_path / str(smoothing)
        brain, sets = trained(home, folder, "finetune/classification.yaml", **given)
        brain.evaluate(sets["train"], min_key="error_rate")
        log_NE = torch.stack([torch.as_tensor(o["log_probabilities"]) for o in brain.outputs])
        class_N = torch.tensor([o["emotion_index"] for o in brain.outputs])
        losses[smoothing] = float(cross_entropy(log_NE, class_N, label_smoothing=0.1))
        assert (log_NE.argmax(1) == class_N).all()
    assert losses[0.1] < 0.4 < losses[0.0]  # the least that four classes can have is .35


def test_a_class_without_weight_leaves_the_start_of_the_others(home, tmp_path):
    given = {"class_weights": "{sadness: 0}", **RATES}
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **given)
    brain.evaluate(sets["train"], min_key="error_rate")
    sadness = brain.hparams.emotions.index("sadness")
    others = [o for o in brain.outputs if o["emotion_index"] != sadness]
    log_NE = torch.stack([torch.as_tensor(o["log_probabilities"]) for o in others])
    class_N = torch.tensor([o["emotion_index"] for o in others])
    assert float(cross_entropy(log_NE, class_N, label_smoothing=0.1)) < 0.4
    share = float(log_NE[:, sadness].exp().mean())
    assert 0.005 < share < 0.1  # smoothing asks for .025


@pytest.mark.parametrize("weights", ["null", "balanced"])
def test_the_emotion_head_is_that_of_a_probe(home, tmp_path, weights):
    same = {"class_weights": weights, "spectrum": "null"}
    probe, _ = trained(home, tmp_path / "probe", "probe/classification.yaml", **same)
    same = {"class_weights": weights, "label_smoothing": 0.0}
    ours, _ = trained(home, tmp_path / "ours", "finetune/classification.yaml", **same, **RATES)
    for one, other in (
        (ours.model.emotion_head.linear.weight, probe.model.emotion_head.linear.weight),
        (ours.model.emotion_head.linear.bias, probe.model.emotion_head.linear.bias),
        (ours.model.standardizer.mean, probe.model.standardizer.mean),
        (ours.model.standardizer.deviation, probe.model.standardizer.deviation),
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_dimensions_are_ridge_regression_with_the_decay_that_validates_best(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/regression.yaml", **RATES)
    parts = {}
    for part in ("train", "valid"):
        brain.evaluate(sets[part], min_key="mse")
        rows = sets[part].data
        x_ND = torch.stack([torch.as_tensor(o["embedding"]) for o in brain.outputs])
        y_N2 = [[rows[o["id"]][d] for d in ("valence", "arousal")] for o in brain.outputs]
        parts[part] = brain.model.standardizer(x_ND).numpy(), np.array(y_N2)
    (x_ND, y_N2), (valid_ND, valid_N2) = parts.values()
    linear = brain.model.va_head.linear
    for output in range(2):
        fits = [
            Ridge(alpha=d * len(x_ND) / 2).fit(x_ND, y_N2[:, output])
            for d in np.geomspace(30, 0.1, 6)
        ]
        best = min(
            fits, key=lambda f: np.square(f.predict(valid_ND) - valid_N2[:, output]).sum()
        )
        np.testing.assert_allclose(linear.weight[output].detach(), best.coef_, 2e-2, 1e-4)


def test_ratings_may_be_missing(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/multiobjective.yaml", **RATES)
    for part in ("train", "valid"):
        for row in sets[part].data.values():
            row["valence"] = None
    before = brain.model.va_head.linear.weight.clone()
    start_heads(brain.model, sets["train"], sets["valid"], vars(brain.hparams), "cpu")
    after = brain.model.va_head.linear.weight
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)  # nothing to fit it to
    torch.testing.assert_close(after[1], before[1], rtol=1e-4, atol=1e-6)


def test_the_model_stays_in_training_and_dropout_does_not_count(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **RATES)
    before = brain.model.emotion_head.linear.weight.clone()
    for training in (True, False):
        brain.model.train(training)
        start_heads(brain.model, sets["train"], sets["valid"], vars(brain.hparams), "cpu")
        assert brain.model.training is training
        torch.testing.assert_close(brain.model.emotion_head.linear.weight, before)


def test_a_continued_run_keeps_its_heads(home, tmp_path, monkeypatch):
    given = options(home, tmp_path / "run", fast_precision="fp32")
    assert run_train("finetune/classification.yaml", *given) == 0
    monkeypatch.setattr("ser_brain.training.brain.start_heads", None)  # would fail if called
    given = options(home, tmp_path / "run", fast_precision="fp32", number_of_epochs=2)
    assert run_train("finetune/classification.yaml", *given) == 0
    log = (tmp_path / "run" / "train_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [0, 1, 2]


def test_the_emotion_head_ends_as_that_of_a_probe_that_knows_the_validation_clips(
    home, tmp_path
):
    folded_heads = []
    for file, changes in (
        ("probe/classification.yaml", {"spectrum": "null"}),
        ("finetune/classification.yaml", {**RATES, "fast_precision": "fp32"}),
    ):
        brain, sets = trained(home, tmp_path / file, file, **changes)
        brain.refit(sets["train"], sets["valid"])
        assert brain.tested_key == "refit" and brain.temperature == 1.0
        brain.recover(min_key=brain.tested_key)
        folded_heads.append(folded(brain.model.emotion_head.linear, brain.model.standardizer))
    for one, other in zip(*folded_heads, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=0.01, atol=0.001)


def test_only_the_emotion_head_is_fitted_once_more(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/multiobjective.yaml", **RATES)
    brain.evaluate(sets["valid"], min_key=brain.tested_key)
    before, own = brain.outputs, copy.deepcopy(brain.model.state_dict())
    brain.refit(sets["train"], sets["valid"])
    brain.evaluate(sets["valid"], min_key=brain.tested_key)
    changed = {n for n, v in brain.model.state_dict().items() if not torch.equal(v, own[n])}
    assert changed == {"emotion_head.linear.weight", "emotion_head.linear.bias"}
    for one, other in zip(before, brain.outputs, strict=True):
        assert one["valence_arousal"] == pytest.approx(other["valence_arousal"])


@pytest.mark.parametrize(
    "how",
    [
        {"weight_averaging": "{ema: 0.5}"},
        {"weight_averaging": "{from_epoch: 1}", "number_of_epochs": 2},
        {"lora": "{rank: 2, alpha: 4, targets: [q_proj]}"},
    ],
)
def test_averaged_and_low_rank_weights_get_the_new_head(home, tmp_path, how):
    changes = {"lr_encoder": 0.01, "lr_heads": 0.01, "fast_precision": "fp32", **how}
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **changes)
    brain.evaluate(sets["valid"], min_key=brain.tested_key)
    before = {output["id"]: output for output in brain.outputs}
    brain.refit(sets["train"], sets["valid"])
    brain.evaluate(sets["valid"], min_key=brain.tested_key)
    for output in brain.outputs:
        earlier = before[output["id"]]
        np.testing.assert_allclose(output["embedding"], earlier["embedding"], 1e-4, 1e-5)
        assert not np.allclose(output["log_probabilities"], earlier["log_probabilities"])


def test_a_regression_is_not_fitted_once_more(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/regression.yaml", **RATES)
    brain.refit(sets["train"], sets["valid"])
    assert brain.tested_key == "mse"


def test_a_head_that_learned_votes_stays(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **RATES)
    brain.hparams.loss_weights = {"kl": 1.0}
    brain.refit(sets["train"], sets["valid"])
    assert brain.tested_key == "error_rate"


@pytest.mark.parametrize(
    ("weights", "sampling", "balanced"),
    [("balanced", "natural", True), ("null", "balanced", True), ("null", "natural", False)],
)
def test_classes_count_alike_in_the_new_head_as_in_training(
    home, tmp_path, monkeypatch, weights, sampling, balanced
):
    how = {"class_weights": weights, "sampling": sampling, **RATES}
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **how)
    given = []
    monkeypatch.setattr(
        "ser_brain.training.brain.refit_emotions", lambda *args: given.append(args[-1])
    )
    brain.refit(sets["train"], sets["valid"])
    assert given == [balanced]
    assert brain.tested_key == "error_rate"  # without calibration nothing is kept


def test_of_many_training_clips_a_sample_is_fitted_once_more(home, tmp_path, monkeypatch):
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **RATES)
    monkeypatch.setattr("ser_brain.training.head_start.MOST_REFITTED", 10)
    chosen = some_of(sets["train"]).data_ids
    assert len(chosen) == 10 and set(chosen) < set(sets["train"].data_ids)
    brain.refit(sets["train"], sets["valid"])
    assert brain.tested_key == "refit"


def test_training_continues_from_the_last_epoch_not_from_the_refitted_head(home, tmp_path):
    found = {}
    for name, steps in (("at once", [3]), ("continued", [2, 2, 3])):
        folder = tmp_path / name
        for epochs in steps:
            given = options(home, folder, number_of_epochs=epochs, fast_precision="fp32")
            assert run_train("finetune/classification.yaml", *given) == 0
            saved_as = [p for p in (folder / "save").glob("CKPT+*") if p.is_dir()]
            metas = [yaml.safe_load((p / "CKPT.yaml").read_text()) for p in saved_as]
            assert sum("refit" in meta for meta in metas) == 1
            epochs_kept = [meta["epoch"] for meta in metas if "refit" not in meta]
            assert max(epochs_kept) == epochs and len(epochs_kept) <= 2
        log = map(json.loads, (folder / "train_log.jsonl").read_text().splitlines())
        curves = [(e["epoch"], e["train"], e["valid"]) for e in log]
        (predictions,) = folder.glob("predictions/tiny.jsonl")
        found[name] = curves, predictions.read_text()
    assert found["at once"][0] == found["continued"][0]
    assert found["at once"][1] == found["continued"][1]


def test_the_start_is_kept_where_training_does_not_help(home, tmp_path, capsys):
    folder = tmp_path / "run"
    harmful = {"lr_encoder": 1.0, "lr_heads": 1.0, "number_of_epochs": 2}
    assert run_train("finetune/classification.yaml", *options(home, folder, **harmful)) == 0
    start, *later = map(json.loads, (folder / "train_log.jsonl").read_text().splitlines())
    assert (start["epoch"], start["train"]) == (0, {})
    assert start["valid"]["error_rate"] < min(e["valid"]["error_rate"] for e in later)
    brain, sets = trained(home, folder, "finetune/classification.yaml", **harmful)
    brain.evaluate(sets["valid"], min_key="error_rate")
    wrong = [
        max(o["log_probabilities"]) != o["log_probabilities"][o["emotion_index"]]
        for o in brain.outputs
    ]
    assert sum(wrong) / len(wrong) == pytest.approx(start["valid"]["error_rate"])
    assert "epoch 0/2: valid loss" in capsys.readouterr().err
    card = read_trained(folder)[1].card  # for the model card
    assert (card["refitted"], card["calibrated_by"]) == ("emotion head", "inner folds")


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("finetune/", {"pooling": "attentive"}, "must learn which frames count"),
        ("finetune/", {"heads_start": "linear"}, "expected one of 'random', 'probe'"),
        ("", {"heads_start": "probe"}, "needs a standardizer"),
    ],
)
def test_what_cannot_start_is_refused(home, tmp_path, capsys, recipe, changes, said):
    given = options(home, tmp_path / "run", **changes)
    assert run_train(f"{recipe}classification.yaml", *given) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (tmp_path / "run" / "run.json").exists()


def test_attentive_pooling_starts_at_random(home, tmp_path):
    random = {"pooling": "attentive", "heads_start": "random", "lr_heads": 0.001}
    given = options(home, tmp_path / "run", **random)
    assert run_train("finetune/classification.yaml", *given) == 0


def test_a_loader_is_refused(home, tmp_path):
    brain, sets = trained(home, tmp_path / "run", "finetune/classification.yaml", **RATES)
    loader = brain.make_dataloader(sets["valid"], Stage.VALID)
    with pytest.raises(SERError, match="not loaders of your own"):
        start_heads(brain.model, loader, sets["valid"], vars(brain.hparams), "cpu")
