"""``python -m data_prep NAME --data_folder DIR --manifest_folder DIR``."""

from __future__ import annotations

import sys
from pathlib import Path

import data_prep
from data_prep.common.run import prepare
from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import show_progress
from ser_brain.core.process import Parser, exit_code_of, title_of


def parser_for(name: str) -> Parser:
    """The command line of one corpus, with its own options where it has some."""
    module = __import__(f"data_prep.{name}", fromlist=["data_prep"])
    layout = (
        f"\n\nexpected in the data folder: {module.CARD.layout}"
        if hasattr(module, "CARD")
        else ""
    )
    parser = Parser(
        f"python -m data_prep {name}", f"{(module.__doc__ or name).strip()}{layout}"
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


def _source(home: Path, corpus: str) -> Path:
    """The file of a corpus; the demo's is a folder."""
    file = home / f"{corpus}.py"
    return file if file.is_file() else home / corpus / "__init__.py"


def overview() -> str:
    """The help without a corpus: which there are."""
    home = Path(data_prep.__file__).parent
    titles = "\n".join(
        f"  {name:<10} {title_of(_source(home, name))}" for name in data_prep.corpora()
    )
    return (
        "usage: python -m data_prep NAME --data_folder DIR --manifest_folder DIR "
        "[--allow_partial]\n\n"
        "Write a corpus's manifest (what it says of each utterance) and card.\n\n"
        f"corpora:\n{titles}\n\n"
        "python -m data_prep NAME --help shows the layout and options of one of them;\n"
        "docs/adding_a_corpus.md says how to add one."
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for a mistake of the user, 130 or 143 when stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    show_progress()
    return exit_code_of(lambda: run(given), "The same command starts again.")


def run(arguments: list[str]) -> None:
    """Prepare the corpus that the arguments name."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return
    name, *rest = arguments
    if name.startswith("-"):
        raise SERError(
            f"No corpus before {name!r}. python -m data_prep --help lists the corpora."
        )
    if name not in data_prep.corpora():
        raise bad_value("corpus", name, data_prep.corpora())
    prepare(name, **vars(parser_for(name).parse(rest)))


if __name__ == "__main__":
    sys.exit(main())
