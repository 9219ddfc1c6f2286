"""The values of settings: as HyperPyYAML types them, without building, each of its kind."""

import re
from pathlib import Path

import pytest
import yaml

from ser_brain.core.errors import SERError
from ser_brain.models.encoders.base import FREEZE
from ser_brain.models.pooling import POOLINGS, SPECTRA
from ser_brain.training.config import load_settings, read_settings, split_keys
from ser_brain.training.setting_values import KINDS, Tagged, plain_settings

HPARAMS = Path(__file__).parents[2] / "hparams"


@pytest.mark.parametrize("recipe", ["multiobjective", "iemocap/multiobjective"])
def test_settings_that_are_read_have_the_values_of_those_that_are_built(recipe, tmp_path):
    own = {"encoder_source": "compact", "dropouts": "{}", "output_folder": str(tmp_path)}
    text = read_settings(HPARAMS / f"{recipe}.yaml", list(own.items()))
    text += (
        "x: 1e-5\ny: yes\nz: !ref <seed> * 3\nw: !ref <modules[encoder]>\nv: !copy <corpora>\n"
    )
    plain, built = plain_settings(text), load_settings(text)
    tagged = {key for key, value in plain.items() if isinstance(value, Tagged)}
    assert {k: v for k, v in plain.items() if k not in {*tagged, "modules"}} == {
        k: v for k, v in built.items() if k not in {*tagged, "modules"}
    }
    assert plain["modules"]["encoder"] is plain["encoder"] is plain["w"]
    assert tagged == {
        *("__set_seed", "brain", "encoder", "pool", "train_log", "w"),
        *("emotion_head", "va_head"),
        *("encoder_optimizer", "heads_optimizer", "encoder_annealing", "heads_annealing"),
        *("epoch_counter", "checkpointer"),
    }


def test_nothing_that_settings_name_is_built():
    text = "a: !applyref:os.getcwd []\nb: !include:/dev/zero\nc: !ref <a>\n"
    found = plain_settings(f"{text}d: !new:x.Y {{e: !ref <f>}}\nf: 3\n")
    assert found["a"] is found["c"] and found["a"].tag == "!applyref:os.getcwd"
    assert found["b"].tag == "!include:/dev/zero" and found["d"].value == {"e": 3}


@pytest.mark.parametrize(
    "text, match",
    [
        ("a: !ref x<b>\nb: !applyref:os.getcwd []\n", "<b> is not a short text"),
        ("a: !ref <b[c]>\nb: 3\n", 'The reference "b[c]" is not valid'),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a: !ref <b> / 0\nb: 1\n", "division by zero"),
        ("x: !ref <y>1\ny: !ref <x>1\n", "refers to itself"),
        ("- a\n", "expected `key: value` lines"),
    ],
)
def test_settings_that_cannot_be_read(text, match):
    with pytest.raises(SERError, match=f"Cannot read the settings: .*{re.escape(match)}"):
        plain_settings(text)


def test_arithmetic_takes_no_time():
    assert plain_settings("a: 9\nb: !ref <a>**<a>**<a>**<a>\n")["b"] == "9**9**9**9"


# Their own code names the values that are right.
CHECKED_WHERE_USED = {
    *("corpora", "vad_source", "required_label", "split", "folds", "encoder_source"),
    *("validation_metric", "augment", "__set_seed"),
}


def test_no_setting_is_forgotten():
    base = split_keys((HPARAMS / "base.yaml").read_text(encoding="utf-8"), "base.yaml")
    probe = {"emotion_classifier", "weight_decays", "number_of_decays", "ridges", "spectrum"}
    assert set(base) | probe == set(KINDS) | CHECKED_WHERE_USED
    assert not set(KINDS) & CHECKED_WHERE_USED


def test_the_names_are_those_that_the_models_know():
    """The settings are checked without importing torch, so they have their own lists."""
    for key, names in (("freeze", FREEZE), ("pooling", POOLINGS), ("spectrum", SPECTRA)):
        assert set(names) <= set(re.findall(r"\w+", KINDS[key].says))
        assert all(map(KINDS[key].holds, names))


def load(tmp_path, **overrides):
    chosen = {"output_folder": str(tmp_path / "run"), **overrides}
    return load_settings(read_settings(HPARAMS / "multiobjective.yaml", list(chosen.items())))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", "-1", "a whole number from 0 to 4294967295"),
        ("seed", "1.5", "a whole number from 0"),
        ("batch_size", "four", "a whole number, at least 1"),
        ("batch_size", "0", "a whole number, at least 1"),
        ("batch_size", "True", "a whole number, at least 1"),
        ("fold", "null", "a whole number, at least 1"),
        ("lr_heads", "fast", "a number above 0"),
        ("max_clip_s", "0", "a number above 0"),
        ("batching", "dynamics", "one of 'random', 'dynamic'"),
        ("nonfinite_batches", "ignore", "one of 'stop', 'skip'"),
        ("annealing_factor", "1.5", "a number above 0, at most 1"),
        ("annealing_threshold", "null", "a number"),
        ("emotions", "anger", "a list of two or more names"),
        ("emotions", "[anger]", "a list of two or more names"),
        ("emotions", "[1, 2]", "a list of two or more names"),
        ("emotion_map", "null", "a mapping like {excitement: happiness}"),
        ("emotion_map", "[happy]", "a mapping like {excitement: happiness}"),
        ("va_range", "3", "two numbers"),
        ("va_range", "[low, high]", "two numbers"),
        ("split_fractions", "[a, b, c]", "three numbers: train, valid, test"),
        ("loss_weights", "{nll: a}", "a mapping of losses to numbers, at least 0"),
        ("loss_weights", "{nll: -1}", "a mapping of losses to numbers, at least 0"),
        ("label_smoothing", "1.0", "a share, at least 0 and below 1"),
        ("focal_gamma", "-1", "a number, at least 0"),
        ("class_weights", "even", "null, balanced, or a mapping of classes to numbers"),
        ("class_weights", "{anger: -1}", "null, balanced, or a mapping of classes to numbers"),
        ("agreement_weights", "votes", "True or False"),
        ("sampling", "equal", "one of 'natural', 'balanced'"),
        ("pooling", "meanstd", "one of 'mean', 'mean_std', 'attentive'"),
        ("freeze", "true", "one of 'all', 'cnn', 'none'"),
        ("layer", "lst", "last, mix, all, the number of a layer or a list of numbers"),
        ("layer", "[1, last]", "last, mix, all, the number of a layer or a list of numbers"),
        ("output_folder", "3", "a folder"),
        ("data_folder", "3", "null or a folder"),
        ("allow_partial", "maybe", "True or False"),
        ("experiment", "null", "a name"),
        ("modules", "{}", "a mapping with an encoder and a head"),
        ("augment", "noise", "null, or distortions like {noise: {probability: 0.5"),
        ("brain", "x", "a class to build"),
        ("encoder", "x", "a class to build (!new:, !name: or !apply:); a folder or hub id is"),
        ("encoder_optimizer", "null", "a class to build"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(key, value, expected, tmp_path):
    found = re.escape(repr(yaml.safe_load(value)))
    with pytest.raises(SERError, match=rf"^Bad {key} {found}; expected {re.escape(expected)}"):
        load(tmp_path, **{key: value})


def test_numbers_may_be_written_in_any_form(tmp_path):
    settings = load(tmp_path, lr_heads="1e-3", lr_encoder="1", va_range="[-1, 1]")
    assert (settings["lr_heads"], settings["lr_encoder"]) == (0.001, 1)
    for number in ("0x" + "f" * 5000, "9" * 5000):  # longer than Python prints
        with pytest.raises(SERError, match="Bad seed|Cannot read the settings"):
            load(tmp_path, seed=number)
