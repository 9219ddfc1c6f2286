"""What all commands share: help, errors, JSON."""

import json
import re
import subprocess
import sys

import pytest

from ser_brain import __version__, cli
from ser_brain.__main__ import main, parser_for

FOLDERS = ("report", "verify", "circumplex")


def test_the_overview_names_every_command_in_a_group(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ser {__version__}\n"
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "\njudge:\n  evaluate " in printed and "\nmore:\n" not in printed
    for name in cli.names():
        assert printed.count(f"\n  {name} ") == 1


@pytest.mark.parametrize("name", cli.names())
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as end:
        parser_for(name).parse(["--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert f"ser {name} " in printed.partition("options:")[0].partition("\n\n")[2]
    assert "--json" in printed


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("evaluat", "Bad command 'evaluat'; expected one of: "),
        ("--json report", "No command before '--json'. ser --help lists"),
        *((f"{name} nowhere", "No (run )?folder nowhere") for name in FOLDERS),
        *((f"{name} x --jsn", "") for name in cli.names()),
    ],
)
def test_mistakes_are_one_line(line, match, capsys):
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert re.match(f"error: {match}", error) and error.count("\n") == 1


def test_help_loads_no_learning_library():
    code = (
        "import sys; from ser_brain.__main__ import main; main(['--help']);"
        "print({'torch', 'numpy', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


MISTYPED = {
    "predict none.wav --model none": "No model at 'none'",
    "evaluate none --on none.json": "No model at 'none'",
    "export none model": "No run folder none",
    "embed none.json --run none --out out": "No manifest at none.json",
    "folds none.yaml": "The settings file none.yaml does not exist",
    "layers hparams/base.yaml": "hparams/base.yaml is not an experiment",
    "folds hparams/base.yaml": "hparams/base.yaml is not an experiment",
    "folds hparams/classification.yaml --sed=3": "Unknown setting 'sed'",
}
ONE_BY_ONE = """
import contextlib, sys; from ser_brain.__main__ import main
for line in sys.argv[1:]:
    with contextlib.suppress(SystemExit): main(line.split())
    print('torch' in sys.modules, '=====')
"""


def test_what_is_mistyped_needs_no_torch():
    command = [sys.executable, "-u", "-c", ONE_BY_ONE, *MISTYPED]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    answers = done.stdout.split(" =====\n")[:-1]
    for (line, said), answer in zip(MISTYPED.items(), answers, strict=True):
        assert said in answer and "Traceback" not in answer and answer.endswith("False"), line


def test_machines_get_json(monkeypatch, capsys):
    class Command:
        __doc__ = "Say it.\n\nser say hello"
        add_arguments = staticmethod(lambda parser: parser.add_argument("word"))
        run = staticmethod(lambda a: cli.Outcome(a.word, {"word": a.word}, exit_code=1))

    monkeypatch.setattr(cli, "names", lambda: ["say"])
    monkeypatch.setattr("importlib.import_module", lambda name: Command)
    assert main(["say", "hello"]) == 1
    assert capsys.readouterr().out == "hello\n"
    assert main(["say", "hello", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"word": "hello"}
