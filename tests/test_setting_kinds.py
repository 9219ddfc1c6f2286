"""Every setting has a kind or a place that knows its values; a wrong kind is one line."""

import re
from pathlib import Path

import pytest
import yaml

from ser_brain.config import load_settings, read_settings, split_keys
from ser_brain.errors import SERError
from ser_brain.setting_kinds import KINDS

HPARAMS = Path(__file__).parents[1] / "hparams"
# Their own code names the values that are right.
CHECKED_WHERE_USED = {
    "corpora",
    "vad_source",
    "required_label",
    "split",
    "folds",
    "encoder_source",
    "freeze",
    "layer",
    "validation_metric",
    "__set_seed",
}


def load(tmp_path, **overrides):
    chosen = {"output_folder": str(tmp_path / "run"), **overrides}
    text = read_settings(HPARAMS / "multiobjective.yaml", list(chosen.items()))
    return load_settings(text)


def test_no_setting_is_forgotten():
    base = split_keys((HPARAMS / "base.yaml").read_text(encoding="utf-8"), "base.yaml")
    assert set(base) == set(KINDS) | CHECKED_WHERE_USED
    assert not set(KINDS) & CHECKED_WHERE_USED


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", "abc", "a whole number from 0 to 4294967295"),
        ("seed", "-1", "a whole number from 0 to 4294967295"),
        ("seed", "1.5", "a whole number from 0"),
        ("batch_size", "four", "a whole number from 1"),
        ("batch_size", "0", "a whole number from 1"),
        ("batch_size", "True", "a whole number from 1"),
        ("number_of_epochs", "0", "a whole number from 1"),
        ("fold", "null", "a whole number from 1"),
        ("lr_heads", "fast", "a number above 0"),
        ("batching", "dynamics", "random or dynamic"),
        ("nonfinite_batches", "ignore", "stop or skip"),
        ("max_clip_s", "0", "a number above 0"),
        ("lr_encoder", "-1", "a number above 0"),
        ("annealing_factor", "1.5", "a number above 0, at most 1"),
        ("annealing_threshold", "null", "a number"),
        ("emotions", "anger", "a list of two or more names"),
        ("emotions", "[anger]", "a list of two or more names"),
        ("emotions", "[1, 2]", "a list of two or more names"),
        ("emotion_map", "null", "a mapping like {excitement: happiness}"),
        ("emotion_map", "[happy]", "a mapping like {excitement: happiness}"),
        ("va_range", "3", "two numbers"),
        ("va_range", "[low, high]", "two numbers"),
        ("split_fractions", "0.5", "three numbers: train, valid, test"),
        ("split_fractions", "[a, b, c]", "three numbers: train, valid, test"),
        ("loss_weights", "1", "a mapping of losses to numbers from 0"),
        ("loss_weights", "{nll: a}", "a mapping of losses to numbers from 0"),
        ("loss_weights", "{nll: -1}", "a mapping of losses to numbers from 0"),
        ("output_folder", "null", "a folder"),
        ("manifest_folder", "null", "a folder"),
        ("data_folder", "3", "a folder or null"),
        ("allow_partial", "maybe", "True or False"),
        ("experiment", "null", "a name"),
        ("modules", "{}", "a mapping with an encoder and a head"),
        ("brain", "x", "a class to build"),
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


def test_a_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match=r"^Cannot write .*file/run: Not a directory\."):
        load(tmp_path, output_folder=str(tmp_path / "file" / "run"))
