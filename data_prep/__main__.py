"""``python -m data_prep NAME --data_folder DIR --manifest_folder DIR``."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

import data_prep
from data_prep._run import prepare
from ser_brain.errors import SERError, bad_value
from ser_brain.log import show_progress


class Parser(argparse.ArgumentParser):
    """One line for a wrong command line, with the nearest option, like every other error."""

    def error(self, message: str) -> None:
        raise SERError(f"{message}. See {self.prog} --help.")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        parsed, unknown = self.parse_known_args(arguments)
        for argument in unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            raise bad_value("argument", argument.partition("=")[0], known)
        return parsed


def parser_for(name: str) -> Parser:
    """The command line of one corpus, with its own options where it has some."""
    module = __import__(f"data_prep.{name}", fromlist=["data_prep"])
    layout = (
        f"\n\nexpected in the data folder: {module.CARD.layout}"
        if hasattr(module, "CARD")
        else ""
    )
    parser = Parser(
        prog=f"python -m data_prep {name}",
        description=f"{(module.__doc__ or name).strip()}{layout}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--data_folder", metavar="DIR", help="where the corpus lies")
    parser.add_argument(
        "--manifest_folder",
        metavar="DIR",
        required=True,
        help="where to write the manifest and the corpus card",
    )
    parser.add_argument(
        "--allow_partial",
        action="store_true",
        help="leave damaged utterances out, and say so in the card",
    )
    if hasattr(module, "add_options"):
        module.add_options(parser.add_argument_group(f"options of {name}"))
    return parser


def overview() -> str:
    """The help without a corpus: which there are."""
    titles = "\n".join(f"  {name:<10} {title(name)}" for name in data_prep.corpora())
    return (
        "usage: python -m data_prep NAME --data_folder DIR --manifest_folder DIR "
        "[--allow_partial]\n\n"
        "Write a corpus's manifest (what it says of each utterance) and card.\n\n"
        f"corpora:\n{titles}\n\n"
        "python -m data_prep NAME --help shows the layout and options of one of them;\n"
        "docs/adding_a_corpus.md says how to add one."
    )


def title(name: str) -> str:
    """First line of a corpus file's docstring, without importing it."""
    path = Path(data_prep.__file__).with_name(f"{name}.py")
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(cannot be read: {error})"
    return (text or "").partition("\n")[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for a mistake the user can mend, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    show_progress()
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(overview())
            return 0
        name, *rest = arguments
        if name not in data_prep.corpora():
            raise bad_value("corpus", name, data_prep.corpora())
        prepare(name, **vars(parser_for(name).parse(rest)))
    except SERError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; no manifest was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
