"""Draw a class-balanced test set: as many ids of each class as the smallest class has.

The seed decides which ids are drawn. They are written one per line, below the protocol; the
table shows how much of the corpus they cover and why the rest is excluded. Training and ser
evaluate do the same with balanced: True and --balanced.

    ser balance manifests/cremad.json:rated_voice --out cremad-rated-balanced.txt
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_text
from ser_brain.core.tables import Table, to_text
from ser_brain.data.corpora import CorpusSetting, parse_manifest, parse_pair
from ser_brain.data.labelling import NEEDED, LabelChoice, label_corpus, require_known
from ser_brain.data.manifest import read_manifest
from ser_brain.data.splits import balanced_ids


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "manifest",
        metavar="MANIFEST[:SOURCE]",
        help="a manifest, with the label source if it is not the default",
    )
    add(
        "--emotions",
        nargs="+",
        default=["anger", "happiness", "sadness", "neutral"],
        metavar="EMOTION",
        help="the classes (default: anger happiness sadness neutral)",
    )
    add(
        "--merge",
        nargs="*",
        default=["excitement=happiness"],
        metavar="FROM=INTO",
        help="count a class as another one (default: excitement=happiness)",
    )
    add(
        "--where",
        **MANY,
        metavar="KEY=VALUE",
        help="only utterances whose manifest field has this value, such as language=deu",
    )
    add("--seed", type=int, default=1, help="of the draw (default: 1)")
    add("--out", type=Path, metavar="FILE", help="where to write the ids")


def run(arguments: argparse.Namespace) -> Outcome:
    if arguments.seed < 0:
        raise SERError(f"Bad --seed {arguments.seed}; expected a whole number from 0.")
    path, source = parse_manifest(arguments.manifest)
    emotions = arguments.emotions
    choice = LabelChoice(
        emotions=emotions,
        emotion_map=dict(parse_pair("--merge", pair) for pair in arguments.merge),
        va_range=(-1.0, 1.0),
        vad_source="corpus",
        required_label="emotion",
    )
    manifest = read_manifest(path, NEEDED)
    card = manifest.card
    require_known(choice, [card])
    where = dict(parse_pair("--where", pair) for pair in arguments.where)
    setting = CorpusSetting(card["name"], "test", None, source, where)
    data = label_corpus(manifest, "", setting, choice)
    ids = balanced_ids(data.rows, emotions, arguments.seed)
    counts = Counter(row["emotion"] for row in data.rows.values())
    unprepared = card.get("left_out", {})
    left_out = {
        **data.left_out,
        "beyond the smallest class": len(data.rows) - len(ids),
        **{f"not in the manifest: {kind}": len(p) for kind, p in unprepared.items()},
    }
    what = f"{data.name}/{data.label_source}/{len(emotions)}-class"
    protocol = f"{what}/balanced/seed {arguments.seed}"
    if arguments.out is not None:
        write_text(arguments.out, "\n".join([f"# {protocol}", *ids, ""]))
    available = {emotion: counts[emotion] for emotion in emotions}
    facts = {"protocol": protocol, "per_class": len(ids) // len(emotions)}
    facts |= {"available": available, "left_out": left_out, "ids": ids}
    return Outcome(_text(facts, arguments.out), facts)


def _text(facts: dict, out: Path | None) -> str:
    size = facts["per_class"]
    rows = [[emotion, n, size] for emotion, n in facts["available"].items()]
    table = Table("balance", "", ["Class", "Available", "Drawn"], rows)
    reasons = [f"  {count:,} {reason}" for reason, count in facts["left_out"].items() if count]
    lines = [facts["protocol"], "", to_text(table), "", f"{len(facts['ids']):,} utterances."]
    lines += ["Excluded:", *reasons] if reasons else ["Nothing is excluded."]
    return "\n".join([*lines, *([f"ids: {out}"] if out else [])])
