"""ser: judge, explain and ship models that train.py has trained."""

from __future__ import annotations

import importlib
import json
import sys

from ser_brain import __version__, cli
from ser_brain.core.errors import SERError, bad_value, shown, shown_json
from ser_brain.core.log import show_progress
from ser_brain.core.process import Parser, exit_code_of, title_of


def overview() -> str:
    """The help without a command: all commands, by what they are for."""
    width = max(map(len, cli.names()))
    lines = []
    for group, names in cli.grouped().items():
        lines.append(f"{group}:")
        lines += [f"  {name:<{width}}  {title_of(cli.FOLDER / f'{name}.py')}" for name in names]
    titles = "\n".join(lines)
    return (
        f"usage: ser COMMAND ...\n\n{__doc__}\n\n{titles}\n\n"
        "ser COMMAND --help shows the options of a command and an example.\n"
        "Every command takes --json, which prints its findings as JSON."
    )


def parser_for(name: str) -> Parser:
    """The parser of one command."""
    module = importlib.import_module(f"ser_brain.cli.{name}")
    parser = Parser(f"ser {name}", module.__doc__.strip())
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(command=module.run)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0 when done, 1 where a check found what it looks for, 2 for a mistake of the user, 130
        for Ctrl-C, 143 for SIGTERM.
    """
    given = sys.argv[1:] if arguments is None else arguments
    show_progress()
    next_step = "Give the same command again to go on or to start again."
    return exit_code_of(lambda: run(given), next_step)


def run(arguments: list[str]) -> int:
    """Find the command, run it and print what it found."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"ser {__version__}")
        return 0
    name, *rest = arguments
    if name.startswith("-"):
        raise SERError(f"No command before {name!r}. ser --help lists the commands.")
    if name not in cli.names():
        raise bad_value("command", name, cli.names())
    parsed = parser_for(name).parse(rest)
    outcome = parsed.command(parsed)
    if parsed.json:
        if outcome.facts is not None:
            facts = json.dumps(outcome.facts, ensure_ascii=False, indent=2, allow_nan=False)
            print(shown_json(facts))
    elif outcome.text:
        print(shown(outcome.text))
    sys.stdout.flush()
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
