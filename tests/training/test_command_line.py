"""The command line of train.py, its help, and its errors, one line each."""

import re
from pathlib import Path

import pytest
from speechbrain.utils.run_opts import RunOptions

from ser_brain.core.errors import SERError
from ser_brain.training import device
from ser_brain.training.command_line import (
    explain,
    help_text,
    parse,
    parse_overrides,
    read,
)
from ser_brain.training.config import read_settings, split_keys
from ser_brain.training.run_options import FLAGS, REFUSED, RUN_OPTIONS

ROOT = Path(__file__).parents[2]


def test_the_run_options_are_speechbrains():
    actions = {a.dest: a for a in RunOptions._create_parser()._actions if a.option_strings}
    assert set(RUN_OPTIONS) == actions.keys() - {"help"}
    assert set(FLAGS) == {name for name, a in actions.items() if a.nargs == 0} - {"help"}


def test_every_run_option_is_in_the_table_of_the_docs():
    page = (ROOT / "docs" / "run_options.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `--")]
    said = {
        name: "refused" in verdict
        for names, verdict in rows
        for name in re.findall(r"`--(\w+)`", names)
    }
    assert said == {name: name in REFUSED for name in RUN_OPTIONS}


def test_the_help_shows_every_setting_with_its_meaning():
    base = ROOT / "hparams" / "base.yaml"
    shown = help_text("Train.", [])
    for key in split_keys(base.read_text(), "base"):
        if key != "__set_seed":
            assert f"\n  --{key}=" in shown or key in shown.partition("Built from classes")[2]
    assert "\nsplit of the training corpora:\n  --split=speaker\n" in shown
    assert "  --split_fractions=[0.6, 0.2, 0.2]\n        train, valid, test; used if" in shown
    assert "  --corpora=" in shown
    assert "  --device=VALUE\n        where to compute" in shown
    assert "  --test_only\n" in shown and "--debug" not in shown
    assert max(map(len, shown.splitlines())) <= 96


def test_the_help_of_a_file_shows_its_values(tmp_path):
    file = tmp_path / "mine.yaml"
    base = ROOT / "hparams" / "classification.yaml"
    file.write_text(f"extends: {base}\nlr_heads: 0.5\n")
    shown = help_text("Train.", [str(file), "--help"])
    # The text is wrapped, in a long path at hyphens too.
    assert f"theirvaluesin{file}" in "".join(shown.split())
    assert "  --lr_heads=0.5\n" in shown and "  --experiment=classification\n" in shown
    assert read_settings(file, [("lr_heads", "0.5")])
    with pytest.raises(SERError, match="The settings file none.yaml does not exist"):
        help_text("Train.", ["none.yaml", "-h"])


@pytest.mark.parametrize(
    "line, options, overrides, rest",
    [
        (
            ["a.yaml", "--seed", "-1", "--lr=a=b", "--device", "cpu", "--debug", "-h"],
            ["device", "debug"],
            [("seed", "-1"), ("lr", "a=b")],
            ["a.yaml", "--device", "cpu", "--debug", "-h"],
        ),
        (["--name=", "--help"], [], [("name", "")], ["--help"]),
        # Not SpeechBrain's, so a setting, which will be unknown.
        (
            ["a.yaml", "--tqdm_barcolor=1"],
            RUN_OPTIONS,
            [("tqdm_barcolor", "1")],
            ["a.yaml"],
        ),
    ],
)
def test_settings_are_separated_from_run_options(line, options, overrides, rest):
    assert parse_overrides(line, options) == (overrides, rest)


def test_a_settings_file_may_follow_a_flag():
    assert read(["--test_only", "a.yaml", "--seed=3"]) == ("a.yaml", [("seed", "3")])
    assert read(["--device", "cpu", "a.yaml"]) == ("a.yaml", [])
    path, overrides, run_options = parse(["a.yaml", "--seed=3", "--device", "cpu"])
    assert (path, overrides, run_options["device"]) == ("a.yaml", [("seed", "3")], "cpu")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--seed=3"], r"^No settings file; name one first, such as hparams/class.*--help\.$"),
        (["a.yaml", "--seed"], r"^--seed needs a value: --seed=VALUE\.$"),
        (["a.yaml", "--seed", "--lr=1"], r"^--seed needs a value"),
        (["a.yaml", "b"], r"^Unexpected argument 'b'; settings are given as --KEY=VALUE"),
        (["--device=cpu", "-x"], r"^Unexpected argument '-x'"),
        (["a.yaml", "--noprogressbar", "True"], r"^Unexpected argument 'True'; settings are"),
        (["a.yaml", "--precision=fp8"], r"argument --precision: invalid choice: 'fp8' .*; see"),
        (["a.yaml", "--device=gpu"], r"^Bad device 'gpu'; this machine has: cpu"),
        (["a.yaml", "--device=mps"], r"^Bad device 'mps': only CPUs and CUDA GPUs are supp"),
        (["a.yaml", "--device=cuda:99"], r"^No device 'cuda:99'; this machine has: cpu"),
        (["a.yaml", "--compile_mode=reduce-overhead"], r"has no effect without --compile\.$"),
        (["a.yaml", "--compile", "--compile_mode=fast"], r"^Bad compile_mode 'fast'; expected"),
        (["a.yaml", "--distributed_backend=ncl"], r"Bad distributed_backend 'ncl'; .*: nccl"),
        (["a.yaml", "--grad_accumulation_factor=0"], r"expected a whole number, at least 1\.$"),
        (["a.yaml", "--max_grad_norm=nan"], r"^Bad max_grad_norm nan; expected a number above"),
        (["a.yaml", "--max_grad_norm=0"], r"^Bad max_grad_norm 0; expected a number above 0"),
    ],
)
def test_a_bad_command_line_is_one_line(line, message, capsys):
    with pytest.raises(SERError, match=message):
        parse(line)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_run_option_says_what_to_do(name):
    default = getattr(RunOptions(), name)
    value = "" if default is False else f"={default or 1}"
    with pytest.raises(SERError, match=rf"^--{name} is not supported: .*\.$"):
        parse(["a.yaml", f"--{name}{value}"])


def test_another_process_of_the_run_has_ended(caplog, monkeypatch):
    lost = RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")
    assert explain(lost) is None and explain(ValueError("?")) is None
    monkeypatch.setattr(device, "world_size", lambda: 2)
    assert explain(lost) == 1
    assert "Another process of this run has ended, so this one stops too." in caplog.text
    assert "It may use any number of processes" in caplog.text
