"""Command lines: one line for a wrong one, with the nearest option, like every other error."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from ser_brain.errors import SERError, bad_value


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
        """Raise what argparse would print."""
        raise SERError(f"{message}. See {self.prog} --help.")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Parse all arguments; an unknown one is an error that names the nearest."""
        parsed, unknown = self.parse_known_args(arguments)
        if self.passes_on:
            parsed.rest = unknown
            return parsed
        for argument in unknown:
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
