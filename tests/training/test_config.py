"""Settings files: their layers, overrides, unknown keys, and what cannot be built."""

import re
from pathlib import Path

import pytest
from hyperpyyaml import load_hyperpyyaml

from ser_brain.core.errors import SERError
from ser_brain.training.config import (
    find_settings,
    load_settings,
    read_settings,
    require_experiment,
    split_keys,
)
from ser_brain.training.setting_values import MOST_CHARACTERS, plain_settings

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


def test_a_child_replaces_whole_keys_and_the_command_line_comes_last(write):
    child = "extends: base.yaml\nloss_weights: {nll: 2.0}\nname: child\nseed: 2\n"
    child += "optimizer: !new:collections.OrderedDict\n  right: 3\n"
    path = write(child, base=BASE)
    settings = load_settings(read_settings(path))
    assert settings["loss_weights"] == {"nll": 2.0}  # mse is gone, not merged
    assert (settings["folder"], settings["seed"]) == ("results/child/2", 2)
    assert type(settings["optimizer"]).__name__ == "OrderedDict"
    assert dict(settings["optimizer"]) == {"right": 3}
    text = read_settings(path, [("seed", "3"), ("loss_weights", "{mse: 1}"), ("seed", "4")])
    settings = load_settings(text)
    assert (settings["seed"], settings["loss_weights"]) == (4, {"mse": 1})


def test_the_merged_text_is_stock_hyperpyyaml(write):
    child = "\ufeffextends: base.yaml\nname: child\n"  # with a byte order mark
    text = read_settings(write(child, base="\ufeff" + BASE.rstrip("\n")), [("seed", "7")])
    assert "extends" not in text and "\ufeff" not in text
    assert load_hyperpyyaml(text)["folder"] == "results/child/7"
    assert "# above the key\nloss_weights" in text  # comments stay with their key


def test_layers_of_layers_and_fragments(write, tmp_path):
    first = "extends: [middle.yaml, shared.yaml]\nseed: 5\n"
    middle = "extends: base.yaml\nname: middle\nseed: 3\n"
    shared = "name: shared\nseed: 4\n"
    path = write(first, middle=middle, shared=shared, base=BASE)
    assert load_settings(read_settings(path))["folder"] == "results/shared/5"
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "child.yaml").write_text("extends: ../first.yaml\nname: child\n")
    found = load_settings(read_settings(tmp_path / "below" / "child.yaml"))
    assert found["folder"] == "results/child/5"


def test_a_run_folder_is_named_by_what_is_trained_on():
    file = Path(__file__).parents[2] / "hparams" / "probe" / "classification.yaml"

    def folder(**overrides):
        text = read_settings(file, list(overrides.items()))
        return plain_settings(text)["output_folder"].removeprefix("results/classification/")

    assert folder() == "demo/1"
    assert folder(corpus="emodb", seed="3") == "emodb/3"
    lines = "[{corpus: emodb}, {corpus: urdu, use: test}, {manifest: of/mine.json}]"
    assert folder(corpora=lines) == "emodb+mine/1"
    assert folder(corpora=lines, output_folder="out") == "out"
    parts = "[{corpus: demo, where: {language: eng}}, {corpus: demo, where: {language: fas}}]"
    assert folder(corpora=parts) == "demo_eng+demo_fas/1"
    table = "[{corpus: table, options: {name: ../mine}}]"
    assert folder(corpora=table) == ".._mine/1"


@pytest.mark.parametrize("value, expected", [("1e-5", 1e-5), ("1.0E-05", 1e-5), ("null", None)])
def test_values_are_typed_as_in_a_file(write, value, expected):
    text = read_settings(write("lr: 0.1\n"), [("lr", value)])
    assert load_settings(text)["lr"] == expected


def test_an_unknown_key_names_the_nearest(write):
    path = write("extends: base.yaml\nlos_weights: {}\n", base=BASE)
    match = r"Unknown setting 'los_weights' in .*first\.yaml; the nearest are: loss_weights"
    with pytest.raises(SERError, match=match):
        read_settings(path)
    for key, match in {
        "sed": "Unknown setting 'sed' in --sed; .*: seed.*[a-z]\\.$",
        "devise": "'devise' in --devise; the nearest are: device",
        "extends": "Unknown setting 'extends' in --extends",
    }.items():
        with pytest.raises(SERError, match=match):
            read_settings(write(BASE), [(key, "1")], also=["device"])
    with pytest.raises(SERError, match="Unknown setting 'los' in shared.yaml"):
        read_settings(write("extends: [base.yaml, shared.yaml]\n", base=BASE, shared="los: 1"))
    with pytest.raises(SERError, match="Unknown setting 'seed' in --seed; there are no sett"):
        read_settings(write("# nothing\n"), [("seed", "1")])
    path = write("extends: base.yaml\nprecision: bf16\n", base=BASE)
    with pytest.raises(SERError, match="precision is a run option.* command line: --precision"):
        read_settings(path, also=["precision"])


BRAIN = "brain: !name:soft_recipes.soft.SoftBrain\n"


@pytest.mark.parametrize(
    "own, code, read",
    [
        ("smoothing: 0.1", "self.hparams.smoothing", True),
        ("smoothing: 0.1", 'hparams["smoothing"]', True),
        ("smoothing: 0.1", "getattr(self.hparams, 'smoothing', 0)", True),
        ("smoothing: 0.1\noptimizer: {left: !ref <smoothing>}", "", True),
        ("smoothing: 0.1", "smoothing = 0.1", False),
        ("smoothing: 0.1", "self.hparams.smoothing_of", False),
        ("sed: 2", "self.hparams.seed", False),
    ],
)
def test_a_file_may_add_a_key_that_is_read(write, tmp_path, monkeypatch, own, code, read):
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
    with pytest.raises(SERError, match=f"Unknown setting '{key}' in .* code as hparams.{key}"):
        read_settings(path)


@pytest.mark.parametrize(
    "first, others, match",
    [
        (
            "extends: other.yaml\n",
            {"other": "extends: first.yaml\n"},
            r"first\.yaml extends it",
        ),
        ("extends: gone.yaml\n", {}, r"Cannot read settings file .*gone\.yaml"),
        ("extends: 3\n", {}, "Bad extends 3 in .*first.yaml; expected a file name or a list"),
        ("extends:\n", {}, "Bad extends None in .*first.yaml"),
        ("extends: []\n", {}, "Bad extends "),
        ("extends: [a.yaml, 3]\n", {}, "Bad extends "),
        ("extends: {a: 1}\n", {}, "Bad extends "),
        ("a: 1\nb: [1, 2\n", {}, r"^Bad YAML in .*first\.yaml, line 2: [^\n]{1,80}\.$"),
        ("- a\n- b\n", {}, "Bad settings in .*first.yaml: expected `key: value` lines"),
        ("{a: 1, b: 2}\n", {}, "Bad settings in .*: expected `key: value` lines"),
        ("? [a]\n: 1\n", {}, "Bad settings in .*: expected `key: value` lines"),
        ("a: 1\nb: 2\na: 3\n", {}, "Bad settings in .*: a given more than once"),
    ],
)
def test_files_that_are_no_settings(write, first, others, match):
    with pytest.raises(SERError, match=match):
        read_settings(write(first, **others))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SERError, match=r"Cannot read settings file .*none\.yaml"):
        read_settings(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: é\n".encode("latin-1"))
    with pytest.raises(SERError, match=r"Cannot read settings file .*latin\.yaml"):
        read_settings(tmp_path / "latin.yaml")


def test_an_override_that_is_no_yaml(write):
    with pytest.raises(SERError, match=r"^Bad YAML in '--emotions=\[anger': expected ',' or"):
        read_settings(write("emotions: []\n"), [("emotions", "[anger")])
    with pytest.raises(SERError) as raised:
        read_settings(write("seed: 1\n"), [("seed", "{a: " * 3000)])
    assert len(str(raised.value)) < 400  # only its beginning


def test_nothing_is_lost_in_splitting():
    blocks = split_keys(BASE, "base")
    assert list(blocks) == ["seed", "folder", "name", "loss_weights", "optimizer"]
    assert load_hyperpyyaml("".join(blocks.values())) == load_hyperpyyaml(BASE)
    assert blocks["optimizer"] == "optimizer: !new:collections.Counter\n  left: !ref <seed>\n"
    assert split_keys("# only a comment\n", "nothing") == {}


LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "over 10,000 values with aliases expanded"),
        ("a: &a [*a]\n", "nested too deeply, or within itself"),
        ("a: " + "[" * 600 + "]" * 600, "nested too deeply"),
        ("a: " + "x" * MOST_CHARACTERS, "has 100,003 characters"),
    ],
)
def test_what_would_grow_is_refused_before_it_does(text, message):
    with pytest.raises(SERError, match=message):
        split_keys(text, "a.yaml")


def test_a_few_aliases_are_allowed(write):
    assert load_settings(read_settings(write("a: &a [1, 2]\nb: *a\n")))["b"] == [1, 2]


@pytest.mark.parametrize(
    "text, match",
    [
        ("a: !ref <b>\n", 'The reference "b" is not valid'),
        ("a: !new:collections.Nope\n", "no such class as collections.Nope"),
        ("a: !new:no_such_module.X\n", "no_such_module"),
        ("a: !new:collections.Counter\n  - 3\n", "'int' object is not iterable"),
        ("a: !ref <b>\nb: !ref <a>\n", ""),
        ("a: {b: 1, b: 2}\n", 'duplicate key "b"'),
        ("a: !unknown 3\n", "tag '!unknown'"),
    ],
)
def test_settings_that_cannot_be_built(text, match):
    with pytest.raises(SERError, match="Cannot (read|build) the settings: ") as raised:
        load_settings(text)
    assert match in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    folder = str(tmp_path / "file" / "run")
    hparams = Path(__file__).parents[2] / "hparams"
    text = read_settings(hparams / "multiobjective.yaml", [("output_folder", folder)])
    with pytest.raises(SERError, match=r"^Cannot write .*file/run: Not a directory\."):
        load_settings(text)


def test_find_settings(tmp_path, monkeypatch):
    home = tmp_path / "home"
    file = home / "hparams" / "iemocap" / "regression.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("experiment: regression\n")
    (file.parent / "shared.yaml").write_text("seed: 1\n")  # not an experiment
    (file.parent / "base.yaml").write_text("experiment: null\n")
    (file.parent / "broken.yaml").write_text("a: [\n")
    monkeypatch.chdir(tmp_path)
    assert find_settings("hparams/iemocap/regression.yaml", home) == file
    assert find_settings(str(file), tmp_path) == file
    match = r"^The settings file hparams/regresion\.yaml does not exist; the project has"
    with pytest.raises(SERError, match=match) as raised:
        find_settings("hparams/regresion.yaml", home)
    assert str(raised.value).endswith("nearest first: hparams/iemocap/regression.yaml.")
    with pytest.raises(SERError, match="^The settings file home is a folder; the project has"):
        find_settings("home", home)


def test_what_others_extend_is_no_experiment(write):
    file = write("seed: 1\nexperiment: null\n")
    match = r"first\.yaml is not an experiment.* Expected one of: .*hparams/probe"
    with pytest.raises(SERError, match=match):
        require_experiment(read_settings(file), file)
    require_experiment(read_settings(file, [("experiment", "mine")]), file)


def test_classes_of_earlier_versions_are_found(write):
    text = read_settings(write("head: !new:ser_brain.heads.EmotionHead\n  dim: 4\n"))
    assert re.match("head: !new:ser_brain.models.heads.EmotionHead", text)
