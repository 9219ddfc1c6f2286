r"""Adapt an exported model to a language or a person, judge it, and write it as a new model.

Unlabelled recordings adapt the emotion head, if they contain enough evidence: include all
emotions, and as many clips as you can. With labelled clips, the head is also fitted to these.
The command reports UAR before and after, on clips whose labels were not used to adapt, and
writes no model if adapting does not help. See docs/your_own_language.md.

    ser adapt model --out model-urdu --unlabelled recordings/
    ser adapt model --out model-urdu --unlabelled recordings/ --labelled some.csv
    ser adapt model --out model-anna --unlabelled anna/ --speaker anna
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError
from ser_brain.core.files import remove_partial
from ser_brain.core.lock import beside, held


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a folder that ser export wrote")
    add("--out", type=Path, required=True, metavar="DIR", help="where to write: a new folder")
    add(
        "--unlabelled",
        **MANY,
        metavar="AUDIO",
        help="folders, files, patterns or manifests; labels in a manifest are used only "
        "for the test",
    )
    add(
        "--labelled",
        type=Path,
        metavar="TABLE",
        help="a table with the columns path, emotion and, if there are several, speaker; or a "
        "manifest",
    )
    add("--test", type=Path, metavar="TABLE", help="a table of other clips, to judge the model")
    add(
        "--speaker",
        metavar="NAME",
        help="adapt to this person; all clips must be theirs",
    )
    add(
        "--lora",
        action="store_true",
        help="also fine-tune the encoder on the labelled clips: needs 100 clips or more, and "
        "hours without a GPU",
    )
    add("--name", help="of the new model (default: the model's name with -adapted)")


def run(arguments: argparse.Namespace) -> Outcome:
    if not arguments.unlabelled and arguments.labelled is None:
        raise SERError(
            "Nothing to adapt to; give --unlabelled recordings, --labelled, or both."
        )
    # These import torch, which the help and the error of a mistake do without.
    from ser_brain.inference.labelled_clips import read_clips, read_labelled
    from ser_brain.inference.model_folder import read_config
    from ser_brain.publishing.adapt import adapt, judged_text

    emotions, speaker = read_config(arguments.model).emotions, arguments.speaker
    unlabelled = read_clips(arguments.unlabelled, emotions, speaker)
    tables = [
        [] if path is None else read_labelled(path, emotions, speaker)
        for path in (arguments.labelled, arguments.test)
    ]
    with held(beside(arguments.out), arguments.out):
        remove_partial(arguments.out.parent, arguments.out.name)
        done = adapt(
            *(arguments.model, arguments.out, unlabelled, *tables),
            *(speaker, arguments.name, arguments.lora),
        )
    facts = done.config.card["adapted"]
    lines = [
        f"{done.config.name}: adapted to {facts['unlabelled_clips']:,} unlabelled and "
        f"{facts['labelled_clips']:,} labelled clips"
    ]
    if facts["labelled_clips"]:
        cost = facts["cost_of_change"]
        lines.append(
            "labels: no reason to change the head"
            if cost is None
            else f"labels: the head was fitted, at a cost of {cost:g} for its change"
        )
    if "lora" in facts:
        lines.append(f"LoRA: {judged_text(facts['lora'])}")
    lines.append(
        judged_text(done.judged)
        if done.judged
        else "not judged: no clip has a label. Label some, and give them with --test."
    )
    lines.append(f"model folder: {arguments.out}")
    return Outcome("\n".join(lines), {"folder": str(arguments.out), "adapted": facts})
