"""The command line: what is whose, and one line for what is wrong."""

import re
from pathlib import Path

import pytest
from speechbrain.utils.run_opts import RunOptions

from ser_brain.command_line import RUN_OPTIONS, parse, parse_overrides, require_device
from ser_brain.computing import REFUSED
from ser_brain.errors import SERError


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
        (["--seed=3"], r"^the following arguments are required: param_file; see --help\.$"),
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
    page = (Path(__file__).parents[1] / "docs" / "run_options.md").read_text(encoding="utf-8")
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
