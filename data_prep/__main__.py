"""``python -m data_prep NAME --data_folder DIR --manifest_folder DIR``."""

from __future__ import annotations

import sys

import data_prep
from data_prep.common.convert import convert
from data_prep.common.convert import parser as convert_parser
from data_prep.common.prepare import prepare
from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import show_progress
from ser_brain.core.process import Parser, exit_code_of, title_of


def parser_for(name: str) -> Parser:
    """The parser of one corpus, with the corpus's own options."""
    module = __import__(f"data_prep.{name}", fromlist=["data_prep"])
    about = (module.__doc__ or name).strip()
    if hasattr(module, "CARD"):
        about += f"\n\nexpected in the data folder: {module.CARD.layout}"
    parser = Parser(f"python -m data_prep {name}", about)
    parser.add_argument("--data_folder", metavar="DIR", help="where the corpus is")
    where = "where to write the manifest and the corpus card"
    parser.add_argument("--manifest_folder", metavar="DIR", required=True, help=where)
    partial = "skip damaged utterances and list them in the card"
    parser.add_argument("--allow_partial", action="store_true", help=partial)
    if hasattr(module, "add_options"):
        module.add_options(parser.add_argument_group(f"options of {name}"))
    return parser


def overview() -> str:
    """The help without a corpus: all corpora."""
    files = data_prep.corpus_files()
    width = max(map(len, files))
    titles = "\n".join(f"  {name:<{width}} {title_of(files[name])}" for name in sorted(files))
    return (
        "usage: python -m data_prep NAME --data_folder DIR --manifest_folder DIR "
        "[--allow_partial]\n\n"
        "Write the manifest of a corpus, which describes each utterance, and its card.\n\n"
        f"corpora:\n{titles}\n\n"
        "python -m data_prep NAME --help shows the layout and the options of a corpus.\n"
        "python -m data_prep convert --help shows how to write a manifest in other formats.\n"
        "docs/adding_a_corpus.md describes how to add one."
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
    if name == "convert":
        print("\n".join(convert(**vars(convert_parser().parse(rest)))))
        return
    if name.startswith("-"):
        raise SERError(
            f"No corpus before {name!r}. python -m data_prep --help lists the corpora."
        )
    if name not in data_prep.corpora():
        raise bad_value("corpus", name, data_prep.corpora())
    prepare(name, **vars(parser_for(name).parse(rest)))


if __name__ == "__main__":
    sys.exit(main())
