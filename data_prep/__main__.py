"""``python -m data_prep NAME --data_folder DIR --manifest_folder DIR``."""

from __future__ import annotations

import argparse
import sys

import data_prep
from data_prep._run import prepare
from ser_brain.errors import SERError, bad_value
from ser_brain.log import show_progress


def parser_for(name: str | None) -> argparse.ArgumentParser:
    """The command line, with the corpus's own options where it has some."""
    parser = argparse.ArgumentParser(
        prog=f"python -m data_prep {name or 'NAME'}",
        description="Write a corpus's manifest (what it says of each utterance) and card.",
        epilog="example: python -m data_prep emodb --data_folder ~/emodb "
        "--manifest_folder manifests",
    )
    if name is None:
        parser.add_argument("name", help=f"one of: {', '.join(data_prep.corpora())}")
    parser.add_argument("--data_folder", help="where the corpus lies")
    parser.add_argument("--manifest_folder", required=True, help="where to write NAME.json")
    parser.add_argument(
        "--allow_partial",
        action="store_true",
        help="leave damaged utterances out, and say so in the card",
    )
    if name is not None:
        module = data_prep.load(name).module
        if hasattr(module, "add_options"):
            module.add_options(parser.add_argument_group(f"options of {name}"))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when done, 2 for a mistake the user can mend."""
    arguments = sys.argv[1:] if arguments is None else arguments
    show_progress()
    try:
        if not arguments or arguments[0].startswith("-"):
            parser_for(None).parse_args(arguments or ["--help"])
            raise bad_value("corpus", arguments[0], data_prep.corpora())
        name, *rest = arguments
        if name not in data_prep.corpora():
            raise bad_value("corpus", name, data_prep.corpora())
        prepare(name, **vars(parser_for(name).parse_args(rest)))
    except SERError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
