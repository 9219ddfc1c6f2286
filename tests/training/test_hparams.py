"""The shipped settings: every key known and used, study 1's values where they are promised."""

import ast
import re
from pathlib import Path

import pytest
import torch
import yaml
from speechbrain.nnet.schedulers import NewBobScheduler
from speechbrain.utils.run_opts import RunOptions

from data_prep import lines_of
from ser_brain.data.corpora import parse_corpora
from ser_brain.training.brain import SERBrain
from ser_brain.training.checkpoints import AtomicCheckpointer
from ser_brain.training.config import load_settings, read_settings, split_keys

ROOT = Path(__file__).parents[2]
HPARAMS = ROOT / "hparams"
BASE = split_keys((HPARAMS / "base.yaml").read_text(encoding="utf-8"), "base.yaml")
HEADS = {
    "classification": {"emotion_head"},
    "regression": {"va_head"},
    "multiobjective": {"emotion_head", "va_head"},
}
# Other files, such as baseline/egemaps.yaml, extend one of these by a setting or two.
EXPERIMENTS = sorted(
    p.relative_to(HPARAMS).as_posix() for p in HPARAMS.rglob("*.yaml") if p.stem in HEADS
)
# What only probes have: how their heads are solved, and what stands before them.
PROBE = {
    "standardizer",
    "emotion_classifier",
    "weight_decays",
    "number_of_decays",
    "ridges",
    "spectrum",
}
PROBES = ("probe/", "baseline/", "student/")


def load(name, tmp_path, **overrides):
    overrides = {"output_folder": str(tmp_path / "run"), **overrides}
    return load_settings(read_settings(HPARAMS / name, list(overrides.items())))


def test_all_three_experiments_in_every_folder():
    for folder in {p.parent for p in HPARAMS.rglob("*.yaml")}:
        assert {p.stem for p in folder.glob("*.yaml")} >= set(HEADS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_key_is_one_of_the_base(name):
    merged = split_keys(read_settings(HPARAMS / name), name)  # Raises for an unknown key.
    added = PROBE if name.startswith(PROBES) else set()
    added = {"standardizer"} if name.startswith("finetune/") else added
    assert set(merged) == set(BASE) | added
    for key in ("experiment", "brain"):
        assert "null" not in merged[key]


def test_every_shared_file_is_extended():
    for shared in HPARAMS.rglob("shared.yaml"):
        for file in (shared.with_stem(experiment) for experiment in HEADS):
            assert "shared.yaml]" in file.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_builds_with_a_compact_encoder(name, tmp_path):
    standardized = name.startswith((*PROBES, "finetune/"))
    layer = {"layer": "last"} if standardized else {}
    settings = load(name, tmp_path, encoder_source="compact", **layer)
    experiment = Path(name).stem
    assert settings["experiment"] == experiment
    assert issubclass(settings["brain"], SERBrain)
    assert settings["brain"].__module__ == f"recipes.{experiment}"
    around = {"encoder", "pool", *(["standardizer"] if standardized else [])}
    assert set(settings["modules"]) == around | HEADS[experiment]
    losses = {"emotion_head": "nll", "va_head": "mse"}
    assert set(settings["loss_weights"]) == {losses[head] for head in HEADS[experiment]}
    assert (
        settings["validation_metric"]
        in {
            "classification": {"loss", "nll", "error_rate"},
            "regression": {"loss", "mse"},
            "multiobjective": {"loss"},
        }[experiment]
    )  # What epoch_statistics gives, and only what is better when lower.
    assert sum(settings["split_fractions"]) == pytest.approx(1)
    named = (settings[key] for key in ("corpora", "corpus", "data_folder"))
    lines = parse_corpora(lines_of(*named))
    assert [line.corpus for line in lines if line.use == "train"] == [settings["corpus"]]
    checkpointer = settings["checkpointer"]
    assert isinstance(checkpointer, AtomicCheckpointer)
    assert Path(checkpointer.checkpoints_dir) == tmp_path / "run" / "save"
    saved = checkpointer.recoverables
    assert set(saved) == {"modules", "encoder_annealing", "heads_annealing", "epoch_counter"}
    assert {id(m) for m in saved["modules"].values()} == {
        id(m) for m in settings["modules"].values()
    }


@pytest.mark.parametrize("experiment", HEADS)
def test_the_demo_needs_nothing_from_elsewhere(experiment):
    merged = split_keys(read_settings(HPARAMS / f"{experiment}.yaml"), experiment)
    assert yaml.safe_load(merged["encoder_source"]) == {"encoder_source": "compact"}
    assert yaml.safe_load(merged["corpus"]) == {"corpus": "demo"}
    assert yaml.safe_load(merged["data_folder"]) == {"data_folder": None}


@pytest.mark.parametrize(
    "experiment, required, losses, metric, biases",
    [
        ("classification", "emotion", {"nll": 1.0}, "error_rate", {"emotion_head": False}),
        ("regression", "vad", {"mse": 1.0}, "mse", {"va_head": False}),
        (
            "multiobjective",
            "emotion",
            {"nll": 1.0, "mse": 1.0},
            "loss",
            {"emotion_head": True, "va_head": False},
        ),
    ],
)
def test_iemocap_is_study_1(tmp_path, experiment, required, losses, metric, biases):
    name = f"iemocap/{experiment}.yaml"
    asked = split_keys(read_settings(HPARAMS / name), name)["encoder_source"]
    assert yaml.safe_load(asked)["encoder_source"] == "facebook/wav2vec2-base"
    standardized = name.startswith((*PROBES, "finetune/"))
    layer = {"layer": "last"} if standardized else {}
    settings = load(name, tmp_path, encoder_source="compact", **layer)
    expected = {
        "batch_size": 4,
        "batching": "random",
        "feature_cache_gb": 0,
        "dropouts": {},
        "number_of_epochs": 30,
        "split": "random",
        "split_fractions": [0.8, 0.1, 0.1],
        "folds": None,
        "emotions": ["anger", "happiness", "sadness", "neutral"],
        "emotion_map": {"excitement": "happiness"},
        "va_range": [1.0, 5.0],
        "vad_source": "corpus",
        "freeze": "cnn",
        "layer": "last",
        "required_label": required,
        "loss_weights": losses,
        "validation_metric": metric,
        "corpora": [{"corpus": "iemocap", "data_folder": None}],
    }
    assert {key: settings[key] for key in expected} == expected
    assert settings["epoch_counter"].limit == 30
    for part, rate in (("encoder", 1e-5), ("heads", 1e-4)):
        optimizer = settings[f"{part}_optimizer"]([torch.nn.Parameter(torch.zeros(1))])
        assert type(optimizer) is torch.optim.Adam
        assert optimizer.defaults["lr"] == rate
        assert not optimizer.defaults["fused"]
        annealing = settings[f"{part}_annealing"]
        assert type(annealing) is NewBobScheduler
        assert annealing.hyperparam_value == rate
        assert (annealing.annealing_factor, annealing.improvement_threshold) == (0.9, 0.0025)
        assert annealing.patient == 0
    heads = {key: m for key, m in settings["modules"].items() if key in biases}
    assert {key: m.linear.bias is not None for key, m in heads.items()} == biases
    outputs = {"emotion_head": 4, "va_head": 2}
    assert all(m.linear.out_features == outputs[key] for key, m in heads.items())


def test_no_key_is_taken_by_speechbrain():
    assert not set(BASE) & set(RunOptions().as_dict())


def _is_hparams(node):
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return name == "hparams"


def keys_read(tree):
    """Patterns of the keys that a module reads off ``hparams``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_hparams(node.value):
            found.add(re.escape(node.attr))
        elif isinstance(node, ast.Subscript) and _is_hparams(node.value):
            if isinstance(node.slice, ast.Constant):
                found.add(re.escape(node.slice.value))
        elif isinstance(node, ast.GeneratorExp | ast.ListComp | ast.DictComp):
            inside = [n for n in ast.walk(node) if isinstance(n, ast.Subscript)]
            loops = {g.target.id: g.iter for g in node.generators if hasattr(g.target, "id")}
            for place in inside:
                if _is_hparams(place.value) and getattr(place.slice, "id", None) in loops:
                    found |= {re.escape(k) for k in ast.literal_eval(loops[place.slice.id])}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "getattr":
            if _is_hparams(node.args[0]):
                found.add(_pattern(node.args[1]))
    return found - {re.escape(name) for name in dir(dict)}


def _pattern(text):
    """What ``getattr(hparams, f"{name}_optimizer")`` can ask for."""
    pieces = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(
        re.escape(p.value) if isinstance(p, ast.Constant) else r"\w+" for p in pieces
    )


def test_how_keys_are_found():
    code = """
hparams["a"], self.hparams.b.c, getattr(self.hparams, f"{x}_d"), other["no"], hparams.get
[hparams[k] for k in ("e", "f")], {k: hparams[k] for k in ["g"]}, [other[k] for k in ("no",)]
"""
    assert keys_read(ast.parse(code)) == {"a", "b", r"\w+_d", "e", "f", "g"}


def _code():
    files = [ROOT / "train.py", *(ROOT / "ser_brain").rglob("*.py")]
    files += (ROOT / "recipes").rglob("*.py")
    # The code of a model folder reads the settings of that folder.
    files.remove(ROOT / "ser_brain" / "publishing" / "custom_interface.py")
    return set().union(*(keys_read(ast.parse(f.read_text(encoding="utf-8"))) for f in files))


def test_every_key_is_read_by_code_or_by_another_key():
    read = _code()
    for key in BASE:
        others = "".join(block for other, block in BASE.items() if other != key)
        referenced = re.search(rf"!ref [^\n]*<{key}[>.\[]", others)
        done_for_its_effect = key.startswith("__") and "!apply:" in BASE[key]
        assert referenced or done_for_its_effect or any(re.fullmatch(p, key) for p in read), (
            f"nobody reads {key}"
        )


def test_every_key_that_code_reads_is_there():
    for pattern in _code():
        assert any(re.fullmatch(pattern, key) for key in [*BASE, *PROBE]), pattern
