"""What all commands share: help, errors, JSON."""

import json
import re
import subprocess
import sys

import pytest

from ser_brain import __version__, cli
from ser_brain.__main__ import main, parser_for


def test_the_overview_names_every_command_in_a_group(capsys):
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


def test_a_misspelt_command(capsys):
    assert main(["evaluat"]) == 2
    assert "error: Bad command 'evaluat'; expected one of: " in capsys.readouterr().err


def test_an_option_before_the_command(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ser {__version__}\n"
    assert main(["--json", "report"]) == 2
    assert "No command before '--json'. ser --help lists" in capsys.readouterr().err


@pytest.mark.parametrize("name", ("report", "verify", "circumplex"))
def test_a_folder_that_is_not_there(name, capsys):
    assert main([name, "nowhere"]) == 2
    assert re.search(r"^error: No (run )?folder nowhere", capsys.readouterr().err)


@pytest.mark.parametrize("name", cli.names())
def test_a_misspelt_option(name, capsys):
    assert main([name, "x", "--jsn"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_help_loads_no_learning_library():
    code = (
        "import sys; from ser_brain.__main__ import main; main(['--help']);"
        "print({'torch', 'numpy', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("predict none.wav --model none", "No model at 'none'"),
        ("evaluate none --on none.json", "No run folder none"),
        ("export none model", "No run folder none"),
        ("embed none.json --run none --out out", "No manifest at none.json"),
        ("folds none.yaml", "Bad settings file 'none.yaml'"),
        ("folds hparams/base.yaml", "hparams/base.yaml is not an experiment"),
        ("folds hparams/classification.yaml --sed=3", "Unknown setting 'sed'"),
        ("folds --help", "usage: ser folds"),
        ("evaluate --help", "usage: ser evaluate"),
    ],
)
def test_help_and_what_is_mistyped_need_no_torch(line, printed):
    code = (
        "import contextlib, sys; from ser_brain.__main__ import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *line.split()], capture_output=True, text=True
    )
    assert printed in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "False"


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
