"""."""

import re
from pathlib import Path

import pytest
import yaml
from hyperpyyaml import load_hyperpyyaml

from ser_brain.core.errors import SERError
from ser_brain.training.config import (
    KINDS,
    MOST_CHARACTERS,
    Tagged,
    find_settings,
    load_settings,
    plain_settings,
    read_settings,
    require_experiment,
    split_keys,
)

BASE = """\
# What this file is.

seed: 1  # why one
folder: !ref results/<name>/<seed>
name: base

# ---- a section

# above the key
loss_weights: {nll: 1.0, mse: 1.0}
optimizer: !new:collections.Counter
  left: !ref <seed>
"""


@pytest.fixture
def write(tmp_path):
    """Write settings files; gives the path of the first."""

    def write(first: str, **others: str):
        for name, text in {"first": first, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "first.yaml"

    return write


def test_a_child_replaces_whole_keys(write):
    child = "extends: base.yaml\nloss_weights: {nll: 2.0}\nname: child\n"
    text = read_settings(write(child, base=BASE))
    settings = load_settings(text)
    assert settings["loss_weights"] == {"nll": 2.0}  # mse is gone, not merged
    assert settings["folder"] == "results/child/1"
    assert settings["seed"] == 1


def test_a_changed_class_keeps_nothing_of_the_parents(write):
    child = "extends: base.yaml\noptimizer: !new:collections.OrderedDict\n  right: 3\n"
    optimizer = load_settings(read_settings(write(child, base=BASE)))["optimizer"]
    assert type(optimizer).__name__ == "OrderedDict"
    assert dict(optimizer) == {"right": 3}


def test_the_command_line_comes_last(write):
    child = "extends: base.yaml\nseed: 2\n"
    path = write(child, base=BASE)
    text = read_settings(path, [("seed", "3"), ("loss_weights", "{mse: 1}"), ("seed", "4")])
    settings = load_settings(text)
    assert settings["seed"] == 4
    assert settings["loss_weights"] == {"mse": 1}
    assert settings["optimizer"] == {"left": 4}


def test_the_merged_text_is_stock_hyperpyyaml(write):
    child = "extends: base.yaml\nname: child\n"
    text = read_settings(write(child, base=BASE), [("seed", "7")])
    assert "extends" not in text
    assert load_hyperpyyaml(text)["folder"] == "results/child/7"
    assert "# above the key\nloss_weights" in text  # comments stay with their key


def test_layers_of_layers_and_fragments(write):
    first = "extends: [middle.yaml, shared.yaml]\nseed: 5\n"
    middle = "extends: base.yaml\nname: middle\nseed: 3\n"
    shared = "name: shared\nseed: 4\n"
    path = write(first, middle=middle, shared=shared, base=BASE)
    assert load_settings(read_settings(path))["folder"] == "results/shared/5"


def test_files_are_found_from_the_file_that_names_them(write, tmp_path):
    write("seed: 1\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "child.yaml").write_text("extends: ../first.yaml\nseed: 2\n")
    assert read_settings(tmp_path / "below" / "child.yaml") == "seed: 2\n"


@pytest.mark.parametrize("value, expected", [("1e-5", 1e-5), ("1.0E-05", 1e-5), ("null", None)])
def test_values_are_typed_as_in_a_file(write, value, expected):
    text = read_settings(write("lr: 0.1\n"), [("lr", value)])
    assert load_settings(text)["lr"] == expected


def test_an_unknown_key_names_the_nearest(write):
    path = write("extends: base.yaml\nlos_weights: {}\n", base=BASE)
    match = r"Unknown setting 'los_weights' in .*first\.yaml; the nearest are: loss_weights"
    with pytest.raises(SERError, match=match):
        read_settings(path)
    with pytest.raises(SERError, match="Unknown setting 'sed' in --sed; .*: seed"):
        read_settings(write(BASE), [("sed", "1")])
    with pytest.raises(SERError, match="'devise' in --devise; the nearest are: device"):
        read_settings(write(BASE), [("devise", "cpu")], also=["device"])
    with pytest.raises(SERError, match="Unknown setting 'los' in shared.yaml"):
        read_settings(write("extends: [base.yaml, shared.yaml]\n", base=BASE, shared="los: 1"))


BRAIN = "brain: !name:soft_recipes.soft.SoftBrain\n"


@pytest.mark.parametrize(
    "own, code, read",
    [
        ("smoothing: 0.1", "self.hparams.smoothing", True),
        ("smoothing: 0.1", 'hparams["smoothing"]', True),
        ("smoothing: 0.1", "getattr(self.hparams, 'smoothing', 0)", True),
        ("smoothing: 0.1\noptimizer: {left: !ref <smoothing>}", "", True),
        ("smoothing: 0.1", "smoothing = 0.1", False),
        ("weight_decay: 0.1", "self.hparams.smoothing", False),
        ("smoothing: 0.1", "self.hparams.smoothing_of", False),
        ("sed: 2", "self.hparams.seed", False),
    ],
)
def test_a_file_may_bring_a_key_that_is_read(write, tmp_path, monkeypatch, own, code, read):
    (tmp_path / "soft_recipes").mkdir()
    (tmp_path / "soft_recipes" / "soft.py").write_text("raise SystemExit  # is not run\n")
    (tmp_path / "soft_recipes" / "part.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    path = write(f"extends: base.yaml\n{BRAIN}{own}\n", base=BASE + "brain: null\n")
    key = own.partition(":")[0]
    if read:
        assert f"{key}: " in read_settings(path)
        assert f"{key}: 9" in read_settings(path, [(key, "9")])
        return
    with pytest.raises(SERError, match=f"Unknown setting '{key}' in .* read as hparams.{key}"):
        read_settings(path)


def test_a_new_key_comes_from_a_file_alone(write):
    with pytest.raises(
        SERError, match="Unknown setting 'smoothing' in --smoothing; .*[a-z]\\.$"
    ):
        read_settings(write(BASE), [("smoothing", "0.1")])


def test_a_run_option_is_no_setting(write):
    path = write("extends: base.yaml\nprecision: bf16\n", base=BASE)
    with pytest.raises(SERError, match="precision is no setting; .* command line: --precision"):
        read_settings(path, also=["precision"])


def test_extends_is_no_setting_of_the_command_line(write):
    with pytest.raises(SERError, match="Unknown setting 'extends' in --extends"):
        read_settings(write(BASE), [("extends", "base.yaml")])


def test_a_circle_of_files_is_an_error(write):
    path = write("extends: other.yaml\n", other="extends: first.yaml\n")
    with pytest.raises(SERError, match=r"Settings file .*first\.yaml extends itself"):
        read_settings(path)


@pytest.mark.parametrize("value", ["3", "", "[]", "[base.yaml, 3]", "{a: 1}"])
def test_extends_must_name_files(write, value):
    with pytest.raises(
        SERError, match="Bad extends in .*first.yaml; expected a file, or a list"
    ):
        read_settings(write(f"extends: {value}\nseed: 1\n", base=BASE))


def test_files_that_cannot_be_read(write, tmp_path):
    with pytest.raises(SERError, match=r"Cannot read settings file .*none\.yaml"):
        read_settings(tmp_path / "none.yaml")
    with pytest.raises(SERError, match=r"Cannot read settings file .*gone\.yaml"):
        read_settings(write("extends: gone.yaml\n"))
    (tmp_path / "latin.yaml").write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(SERError, match=r"Cannot read settings file .*latin\.yaml"):
        read_settings(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_part_of_a_key(write):
    child = "\ufeffname: child\nextends: base.yaml\n"
    settings = load_settings(read_settings(write(child, base="\ufeff" + BASE)))
    assert settings["folder"] == "results/child/1"
    assert all("\ufeff" not in key for key in settings)


@pytest.mark.parametrize(
    "text, match",
    [
        ("a: [1, 2\n", "Bad YAML in first"),
        ("- a\n- b\n", "Bad settings in first: expected `key: value` lines"),
        ("{a: 1, b: 2}\n", "Bad settings in first: expected `key: value` lines"),
        ("a: 1\nb: 2\na: 3\n", "Bad settings in first: a given more than once"),
        ("? [a]\n: 1\n", "Bad settings in first: expected `key: value` lines"),
    ],
)
def test_texts_that_are_no_settings(text, match):
    with pytest.raises(SERError, match=match):
        split_keys(text, "first")


def test_nothing_is_lost_in_cutting():
    blocks = split_keys(BASE, "base")
    assert list(blocks) == ["seed", "folder", "name", "loss_weights", "optimizer"]
    assert load_hyperpyyaml("".join(blocks.values())) == load_hyperpyyaml(BASE)
    assert blocks["optimizer"] == "optimizer: !new:collections.Counter\n  left: !ref <seed>\n"
    assert split_keys("", "nothing") == {}
    assert split_keys("# only a comment\n", "nothing") == {}


def test_a_file_without_a_last_newline(write):
    path = write("extends: base.yaml\nseed: 2", base=BASE.rstrip("\n"))
    assert yaml.safe_load(read_settings(path, [("optimizer", "null")]).replace("!ref", ""))


@pytest.mark.parametrize(
    "text, match",
    [
        ("a: !ref <b>\n", 'The reference "b" is not valid'),
        ("a: !new:collections.Nope\n", "no such class as collections.Nope"),
        ("a: !new:no_such_module.X\n", "no_such_module"),
        ("a: !new:collections.Counter\n  - 3\n", "'int' object is not iterable"),
        ("a: !ref <a>\n", "Cannot build the settings"),
        ("a: !ref <b>\nb: !ref <a>\n", "Cannot build the settings"),
        ("a: {b: 1, b: 2}\n", 'duplicate key "b"'),
        ("a: !unknown 3\n", "tag '!unknown'"),
    ],
)
def test_settings_that_cannot_be_built(text, match):
    with pytest.raises(SERError, match="Cannot build the settings: ") as raised:
        load_settings(text)
    assert match in str(raised.value)
    assert "\n" not in str(raised.value)


def test_find_settings(tmp_path, monkeypatch):
    home = tmp_path / "home"
    file = home / "hparams" / "iemocap" / "regression.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("experiment: regression\n")
    (file.parent / "shared.yaml").write_text("seed: 1\n")  # is no experiment
    (file.parent / "base.yaml").write_text("experiment: null\n")
    (file.parent / "broken.yaml").write_text("a: [\n")
    monkeypatch.chdir(tmp_path)
    assert find_settings("hparams/iemocap/regression.yaml", home) == file
    with pytest.raises(SERError, match="No settings file a.yaml; .* Give the path of one"):
        find_settings("a.yaml", tmp_path / "wheel")
    assert find_settings(str(file), tmp_path) == file
    match = "Bad settings file 'hparams/regresion.yaml'; expected one of: hparams/iemocap/reg"
    with pytest.raises(SERError, match=match) as raised:
        find_settings("hparams/regresion.yaml", home)
    assert str(raised.value).endswith("one of: hparams/iemocap/regression.yaml.")


def test_what_others_extend_is_no_experiment(write, tmp_path):
    file = write("seed: 1\nexperiment: null\n")
    match = r"first\.yaml names no experiment: others extend it\. Expected one of: a YAML file"
    with pytest.raises(SERError, match=match):
        require_experiment(read_settings(file), file, tmp_path)
    require_experiment(read_settings(file, [("experiment", "mine")]), file, tmp_path)


def test_an_override_where_nothing_is_set(write):
    with pytest.raises(SERError, match="Unknown setting 'seed' in --seed; there are none"):
        read_settings(write("# nothing\n"), [("seed", "1")])


def test_a_text_that_is_no_yaml_is_told_with_its_line(write):
    match = r"^Bad YAML in .*first\.yaml, line 2: [^\n]{1,80}\.$"
    with pytest.raises(SERError, match=match):
        read_settings(write("a: 1\nb: [1, 2\n"))
    with pytest.raises(SERError, match=r"^Bad YAML in '--emotions=\[anger': expected ',' or"):
        read_settings(write("emotions: []\n"), [("emotions", "[anger")])


@pytest.mark.parametrize(
    "recipe", ["multiobjective", "iemocap/multiobjective", "finetune/classification"]
)
def test_settings_that_are_read_have_the_values_of_those_that_are_built(recipe, tmp_path):
    home = Path(__file__).parent.parent / "hparams"
    own = {"encoder_source": "compact", "dropouts": "{}", "output_folder": str(tmp_path)}
    text = read_settings(home / f"{recipe}.yaml", list(own.items()))
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
        *("__set_seed", "brain", "encoder", "emotion_head", "va_head", "train_log", "w"),
        *("encoder_optimizer", "heads_optimizer", "encoder_annealing", "heads_annealing"),
        *("epoch_counter", "checkpointer"),
    }


def test_what_settings_name_is_not_followed_where_they_are_read():
    text = "a: !applyref:os.getcwd []\nb: !include:/dev/zero\nc: !ref <a>\n"
    found = plain_settings(f"{text}d: !new:x.Y {{e: !ref <f>}}\nf: 3\n")
    assert found["a"] is found["c"] and found["a"].tag == "!applyref:os.getcwd"
    assert found["b"].tag == "!include:/dev/zero" and found["d"].value == {"e": 3}


@pytest.mark.parametrize(
    "text, match",
    [
        ("a: !ref x<b>\nb: !applyref:os.getcwd []\n", "<b> is no short text"),
        ("a: !ref <b[c]>\nb: 3\n", 'The reference "b[c]" is not valid'),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a: !ref <b> / 0\nb: 1\n", "division by zero"),
        ("- a\n", "expected `key: value` lines"),
    ],
)
def test_settings_that_cannot_be_read(text, match):
    with pytest.raises(SERError, match=f"Cannot read the settings: .*{re.escape(match)}"):
        plain_settings(text)


def test_arithmetic_takes_no_time():
    assert plain_settings("a: 9\nb: !ref <a>**<a>**<a>**<a>\n")["b"] == "9**9**9**9"


HPARAMS = Path(__file__).parents[2] / "hparams"

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


LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "with its aliases written out it has over 10,000 values"),
        ("a: &a [*a]\n", "nested too deep, or within itself"),
        ("a: " + "[" * 600 + "]" * 600, "nested too deep"),
        ("a: " + "x" * MOST_CHARACTERS, "over 100,000 characters"),
    ],
)
def test_what_would_grow_is_refused_before_it_does(text, message):
    with pytest.raises(SERError, match=message):
        split_keys(text, "a.yaml")


def test_aliases_in_measure_are_allowed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert load_settings(read_settings(tmp_path / "a.yaml"))["b"] == [1, 2]


def test_a_number_without_end(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\n")
    for number in ("0x" + "f" * 5000, "9" * 5000):
        text = read_settings(tmp_path / "a.yaml", [("seed", number)])
        with pytest.raises(SERError, match="Bad seed|Cannot build the settings"):
            load_settings(text)


def test_references_in_a_circle(tmp_path):
    (tmp_path / "a.yaml").write_text("x: !ref <y>1\ny: !ref <x>1\n")
    with pytest.raises(SERError, match="Cannot read the settings"):
        plain_settings(read_settings(tmp_path / "a.yaml"))


def test_an_error_shows_the_beginning_of_a_long_override(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\n")
    with pytest.raises(SERError) as raised:
        read_settings(tmp_path / "a.yaml", [("seed", "{a: " * 3000)])
    assert len(str(raised.value)) < 400
