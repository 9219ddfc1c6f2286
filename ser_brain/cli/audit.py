"""Find what two lists of ids share, or class names that a corpus has swapped.

Two lists: shared utterances, speakers, groups and texts, identical recordings, and
near-duplicates (re-encoded, louder, faster or slightly trimmed). A list is a text file with
an id per line, a manifest, or a part of a splits.json. The exit code is 1 if they share
anything that --allow does not name.

    ser audit results/classification/emodb/1/splits.json:train my_test_ids.txt \\
        --manifest results/manifests/emodb.json --data_folder corpora/emodb --allow texts

Labels: whether the predictions on a corpus agree better with other names for its classes,
as when its documentation exchanges two. The exit code is 1 if they do. This works best on a
corpus that the model was not trained on, with six speakers or more.

    ser audit --labels results/classification/emodb/1 --test_set korean_ets
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import MANY, Outcome
from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.leakage import KINDS, entries_of, find_leakage, leakage_text, read_manifests
from ser_brain.evaluation.label_errors import LEVEL, check_labels, labels_text
from ser_brain.evaluation.predictions import LabelledPredictions, read_predictions
from ser_brain.evaluation.runs import read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("lists", nargs="*", metavar="LIST", help="two lists of ids")
    add("--manifest", **MANY, type=Path, help="manifests that contain the ids")
    add(
        "--data_folder",
        **MANY,
        type=Path,
        help="where the audio is: one folder for each manifest, or one for all (default: where "
        "it was when the manifest was made)",
    )
    add(
        "--allow",
        **MANY,
        choices=KINDS,
        metavar="KIND",
        help=f"what may be shared: {', '.join(KINDS)}",
    )
    add(
        "--labels",
        type=Path,
        metavar="PREDICTIONS",
        help="audit labels: a predictions .jsonl, a run folder or a folds folder",
    )
    add("--test_set", help="of --labels (default: every test set)")


def run(arguments: argparse.Namespace) -> Outcome:
    if arguments.labels is not None:
        if arguments.lists or arguments.manifest:
            raise SERError("Found lists and --labels; audit one after the other.")
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


def _test_sets(path: Path, test_set: str | None) -> dict[str, dict[str, LabelledPredictions]]:
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
