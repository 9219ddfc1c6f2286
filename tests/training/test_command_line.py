"""The command line: what is whose, and one line for what is wrong."""

import re
from pathlib import Path

import pytest
from speechbrain.utils.run_opts import RunOptions

from ser_brain.core.errors import SERError
from ser_brain.training import device
from ser_brain.training.command_line import (
    FLAGS,
    RUN_OPTIONS,
    explain,
    help_text,
    parse,
    parse_overrides,
    read,
    require_device,
)
from ser_brain.training.config import read_settings, split_keys
from ser_brain.training.device import REFUSED

ROOT = Path(__file__).parents[2]


def test_the_run_options_are_speechbrains():
    actions = {a.dest: a for a in RunOptions._create_parser()._actions if a.option_strings}
    assert set(RUN_OPTIONS) == actions.keys() - {"help"}
    assert set(FLAGS) == {name for name, a in actions.items() if a.nargs == 0} - {"help"}


def test_a_settings_file_may_stand_behind_a_flag():
    assert read(["--test_only", "a.yaml", "--seed=3"]) == ("a.yaml", [("seed", "3")])
    assert read(["--device", "cpu", "a.yaml"]) == ("a.yaml", [])


def test_the_help_shows_every_setting_with_its_meaning():
    base = ROOT / "hparams" / "base.yaml"
    shown = help_text("Train.", [], ROOT)
    for key in split_keys(base.read_text(), "base"):
        if key != "__set_seed":
            assert f"\n  --{key}=" in shown or key in shown.partition("Built, and so")[2]
    assert "  --split_fractions=[0.6, 0.2, 0.2]\n        train, valid, test, where" in shown
    assert "\nsplit of the training corpora:\n  --split=speaker\n" in shown
    assert "  --corpora=[{corpus: <corpus>, data_folder: <data_folder>, use: train" in shown
    assert "Gigabytes of the user's cache for the output of a frozen front end; 0" in shown
    assert "  --device=VALUE\n        where to compute" in shown
    assert "  --test_only\n" in shown and "--debug" not in shown
    assert max(map(len, shown.splitlines())) <= 96


def test_the_help_of_a_file_shows_its_values(tmp_path):
    file = tmp_path / "mine.yaml"
    base = ROOT / "hparams" / "classification.yaml"
    file.write_text(f"extends: {base}\nlr_heads: 0.5\n")
    shown = help_text("Train.", [str(file), "--help"], ROOT)
    assert f"their values in {file}" in " ".join(shown.split())
    assert "  --lr_heads=0.5\n" in shown and "  --experiment=classification\n" in shown
    assert read_settings(file, [("lr_heads", "0.5")])
    with pytest.raises(SERError, match="Bad settings file 'none.yaml'"):
        help_text("Train.", ["none.yaml", "-h"], ROOT)


def test_parse_overrides_parts_the_command_line():
    line = ["a.yaml", "--seed", "-1", "--lr=a=b", "--device", "cpu", "--debug", "-h", "--help"]
    overrides, rest = parse_overrides(line, ["device", "debug"])
    assert overrides == [("seed", "-1"), ("lr", "a=b")]
    assert rest == ["a.yaml", "--device", "cpu", "--debug", "-h", "--help"]
    assert parse_overrides(["--name="], []) == ([("name", "")], [])


@pytest.mark.parametrize("line", [["--seed"], ["--seed", "--lr=1"]])
def test_an_override_needs_a_value(line):
    with pytest.raises(SERError, match="--seed needs a value: --seed=VALUE"):
        parse_overrides(line, [])


@pytest.mark.parametrize("line", [["a.yaml", "b"], ["a.yaml", "-x"], ["--device=cpu", "-x"]])
def test_what_is_no_setting_is_not_passed_over(line):
    with pytest.raises(SERError, match=f"Unexpected argument '{line[-1]}'; settings are given"):
        parse_overrides(line, ["device"])


def test_help_may_stand_behind_the_file():
    assert parse_overrides(["a.yaml", "-h"], ["device"]) == ([], ["a.yaml", "-h"])


def test_parse_parts_settings_and_run_options():
    path, overrides, run_options = parse(["a.yaml", "--seed=3", "--device", "cpu"])
    assert (path, overrides, run_options["device"]) == ("a.yaml", [("seed", "3")], "cpu")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["a.yaml", "--precision=fp8"], r"argument --precision: invalid choice: 'fp8' .*; see"),
        (["--seed=3"], r"^No settings file; name one first, such as hparams/class.*--help\.$"),
        (["a.yaml", "--device=gpu"], r"^Bad device 'gpu'; this machine has: cpu"),
        (["a.yaml", "--device=mps"], r"^Bad device 'mps': only CPUs and CUDA GPUs are supp"),
        (["a.yaml", "--device=meta"], r"^Bad device 'meta': only CPUs"),
        (["a.yaml", "--noprogressbar", "True"], r"^Unexpected argument 'True'; settings are"),
        (["a.yaml", "--compile_mode=reduce-overhead"], r"does nothing without --compile\.$"),
        (["a.yaml", "--compile", "--compile_mode=fast"], r"^Bad compile_mode 'fast'; expected"),
        (["a.yaml", "--distributed_backend=ncl"], r"Bad distributed_backend 'ncl'; .*: nccl"),
        (["a.yaml", "--grad_accumulation_factor=0"], r"expected a whole number from 1\.$"),
        (["a.yaml", "--max_grad_norm=nan"], r"^Bad max_grad_norm nan; expected a number above"),
        (["a.yaml", "--max_grad_norm=0"], r"^Bad max_grad_norm 0; expected a number above 0"),
        (["a.yaml", "--device=cuda:99"], r"^No device 'cuda:99'; this machine has: cpu"),
    ],
)
def test_a_wrong_run_option_is_one_line(line, message, capsys):
    with pytest.raises(SERError, match=message):
        parse(line)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run_option_says_what_to_do(name):
    default = getattr(RunOptions(), name)
    value = "" if default is False else f"={default or 1}"
    with pytest.raises(SERError, match=rf"^--{name} is not supported: .*\.$"):
        parse(["a.yaml", f"--{name}{value}"])


def test_every_run_option_is_in_the_table_of_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "run_options.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `--")]
    said = {
        name: "refused" in verdict
        for names, verdict in rows
        for name in re.findall(r"`--(\w+)`", names)
    }
    assert said == {name: name in REFUSED for name in RUN_OPTIONS}


def test_what_is_no_run_option_is_no_setting_either():
    assert parse_overrides(["a.yaml", "--tqdm_barcolor=1"], RUN_OPTIONS) == (
        [("tqdm_barcolor", "1")],
        ["a.yaml"],
    )


def test_the_processor_is_always_there():
    require_device("cpu")


def test_of_several_processes_another_has_ended(caplog, monkeypatch):
    lost = RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")
    assert explain(lost) is None and explain(ValueError("?")) is None
    monkeypatch.setattr(device, "count", lambda: 2)
    assert explain(lost) == 1
    assert "Another process of this run has ended, so this one stops too." in caplog.text
