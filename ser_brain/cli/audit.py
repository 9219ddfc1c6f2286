"""Find what two lists of ids share, or class names that a corpus exchanges.

Two lists: shared utterances, speakers, groups and texts, identical recordings, and recordings
that were re-encoded, made louder or faster, or trimmed a little. Exit code 1 where they share
anything that --allow does not name. A list is a text file (an id per line), a manifest, or a
part of a splits.json.

    ser audit results/classification/emodb/1/splits.json:train my_test_ids.txt \\
        --manifest results/manifests/emodb.json --data_folder corpora/emodb --allow texts

Labels: whether the predictions on a corpus agree better with other names for its classes, as
where its documentation exchanges two. Exit code 1 where they do. Best on a corpus that the
model was not trained on, spoken by six speakers or more.

    ser audit --labels results/classification/emodb/1 --test_set korean_ets
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.leakage import KINDS, entries_of, find_leakage, leakage_text, read_manifests
from ser_brain.evaluation.label_errors import LEVEL, check_labels, labels_text
from ser_brain.evaluation.predictions import Predictions, read_predictions
from ser_brain.evaluation.runs import read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``ser audit``."""
    parser.add_argument("lists", nargs="*", metavar="LIST", help="two lists of ids")
    parser.add_argument(
        "--manifest", nargs="+", type=Path, default=[], help="where the ids stand"
    )
    parser.add_argument(
        "--data_folder",
        nargs="+",
        type=Path,
        default=[],
        help="where the audio lies: one for each manifest, or one for all (default: where it "
        "lay when the manifest was made)",
    )
    parser.add_argument(
        "--allow",
        nargs="+",
        default=[],
        choices=KINDS,
        metavar="KIND",
        help=f"what may be shared: {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="PREDICTIONS",
        help="a predictions .jsonl, a run folder or a folds folder",
    )
    parser.add_argument("--test_set", help="of the folder; without it, every test set")


def run(arguments: argparse.Namespace) -> Outcome:
    """Audit two lists, or the labels of test sets."""
    if arguments.labels is not None:
        if arguments.lists or arguments.manifest:
            raise SERError("Found lists beside --labels; audit the one and then the other.")
        return _audit_labels(arguments.labels, arguments.test_set)
    if len(arguments.lists) != 2 or not arguments.manifest:
        raise SERError(
            f"Found {len(arguments.lists)} lists and {len(arguments.manifest)} manifests; "
            "expected two lists and their --manifest, or --labels. See ser audit --help."
        )
    known = read_manifests(arguments.manifest, arguments.data_folder)
    left, right = (entries_of(source, known) for source in arguments.lists)
    facts = find_leakage(tuple(arguments.lists), left, right, arguments.allow)
    return Outcome(leakage_text(facts), facts, exit_code=int(bool(facts["overlap"])))


def _audit_labels(path: Path, test_set: str | None) -> Outcome:
    chosen = _test_sets(path, test_set)
    # Looking at several test sets must not raise more false alarms than looking at one.
    found = {name: check_labels(parts, LEVEL / len(chosen)) for name, parts in chosen.items()}
    exchanged = any(facts["verdict"] == "exchanged" for facts in found.values())
    text = "\n".join(labels_text(facts) for facts in found.values())
    return Outcome(text, {"test_sets": found}, exit_code=int(exchanged))


def _test_sets(path: Path, test_set: str | None) -> dict[str, dict[str, Predictions]]:
    if path.suffix == ".jsonl":
        predictions = read_predictions(path, embeddings=False)
        found = {predictions.card["test_set"]: {"model": predictions}}
    else:
        found = read_run(path).test_sets
    if test_set is None:
        return found
    if test_set not in found:
        raise bad_value("test set", test_set, found)
    return {test_set: found[test_set]}
