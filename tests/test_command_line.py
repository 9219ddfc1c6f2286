"""The command line: what is whose, and one line for what is wrong."""

import pytest

from ser_brain.command_line import parse, parse_overrides, require_device
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
        (["a.yaml", "--device=cuda:99"], r"^No device 'cuda:99'; this machine has: cpu"),
    ],
)
def test_a_wrong_run_option_is_one_line(line, message, capsys):
    with pytest.raises(SERError, match=message):
        parse(line)
    assert capsys.readouterr().err == ""


def test_the_processor_is_always_there():
    require_device("cpu")
