"""Command lines: one line for a wrong one, with the nearest option, like every other error."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from ser_brain.errors import SERError, bad_value

# What argparse says, and what we do.
PLAINER = {
    "ignored explicit argument": "it takes no value; found",
    "expected one argument": "it needs a value",
    "expected at least one argument": "it needs a value",
    "the following arguments are required": "These arguments are missing",
}


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`SERError` where argparse prints its usage and exits.

    Attributes
    ----------
    passes_on : bool
        Keep unknown arguments as ``rest`` for another program, instead of refusing them.
    """

    passes_on = False

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> None:
        """Raise what argparse would print, in plainer words."""
        for theirs, ours in PLAINER.items():
            message = message.replace(theirs, ours)
        raise SERError(f"{message}. See {self.prog} --help.")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Parse all arguments; an unknown one is an error that names the nearest."""
        empty = [a for a in arguments if not a or (a.startswith("--") and a.endswith("="))]
        if empty and not self.passes_on:  # a path that is empty would be the working folder
            named = f"{empty[0]} has no value" if empty[0] else "An argument is empty"
            raise SERError(f"{named}; is a variable of the shell not set?")
        parsed, unknown = self.parse_known_args(arguments)
        if self.passes_on:
            parsed.rest = unknown
            return parsed
        for argument in unknown:
            if not argument.startswith("-"):
                raise SERError(f"Unexpected argument {argument!r}. See {self.prog} --help.")
            known = [flag for action in self._actions for flag in action.option_strings]
            raise bad_value("argument", argument.partition("=")[0], known)
        return parsed


def title_of(path: Path) -> str:
    """First line of a Python file's docstring, without importing it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(cannot be read: {error})"
    return (text or "").partition("\n")[0]
