"""Runs: every prediction of one model, or of the models of all folds taken together. No torch.

A run folder holds ``predictions/``. A folds folder holds ``folds.json``, which names the run
folders of its parts (folds or seeds); their predictions are judged together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ser_brain.errors import SERError
from ser_brain.files import read_json
from ser_brain.predictions import ROW_FIELDS, Predictions, read_predictions

FOLDS = "folds.json"


@dataclass(frozen=True)
class Run:
    """What was predicted on every test set.

    Attributes
    ----------
    folder : Path
        Of the run, or of the folds.
    parts : dict
        Part (``fold 1``, ``seed 2``; ``run`` where there is but one) -> its run folder.
    test_sets : dict
        Test set -> (part -> Predictions). Held-out sets come first, in the order of the
        settings; those the model has seen (role ``train``) last. The validation set (role
        ``valid``), on which checkpoint and temperature were chosen, is none of them.
    record : dict
        ``run.json`` of the run, or ``folds.json``; {} where there is none.
    """

    folder: Path
    parts: dict[str, Path]
    test_sets: dict[str, dict[str, Predictions]]
    record: dict

    @property
    def first(self) -> Predictions:
        """Predictions of the first part on the first test set, for what all share."""
        return next(iter(next(iter(self.test_sets.values())).values()))

    @property
    def protocol(self) -> str:
        """The protocol of all parts in one line."""
        return self.pooled(self.first.card["test_set"]).card["protocol"]

    def pooled(self, test_set: str) -> Predictions:
        """The predictions of all parts on a test set as one; see :func:`pool`."""
        return pool(self.test_sets[test_set])


def read_run(folder: str | Path, embeddings: bool = False, scores: bool = True) -> Run:
    """Read the predictions of a run folder or of a folds folder.

    Parameters
    ----------
    folder : str or Path
    embeddings : bool
        Also read what the encoder made of every utterance.
    scores : bool
        Refuse predictions in which no model says anything; ``ser embed`` writes such.

    Raises
    ------
    SERError
        If there are none, or one of them is bad.
    """
    folder = Path(folder)
    parts, record = parts_of(folder)
    found: dict[str, dict[str, Predictions]] = {}
    for name, part in parts.items():
        for predictions in _read_part(part, embeddings, scores):
            found.setdefault(predictions.card["test_set"], {})[name] = predictions
    return Run(folder, parts, found, record)


def parts_of(folder: Path) -> tuple[dict[str, Path], dict]:
    """The run folders of a run or folds folder, and its record; see :class:`Run`."""
    if not os.path.isdir(folder):
        raise SERError(f"No run folder {folder}; name one that train.py or ser folds wrote.")
    if (folder / FOLDS).is_file():
        record = read_json(folder / FOLDS, "list of folds")
        parts = record.get("parts")
        if not isinstance(parts, dict) or not all(isinstance(p, str) for p in parts.values()):
            raise SERError(f"Bad list of folds {folder / FOLDS}: it names no parts.")
        if not parts:
            raise SERError(f"{folder} is not finished; repeat the ser folds that wrote it.")
        return {name: folder / part for name, part in parts.items()}, record
    path = folder / "run.json"
    return {"run": folder}, read_json(path, "run description") if path.exists() else {}


def _read_part(folder: Path, embeddings: bool, scores: bool) -> list[Predictions]:
    # os.path, since a name that no file can have is an error of pathlib's.
    there = os.path.isdir(folder / "predictions")
    paths = sorted((folder / "predictions").glob("*.jsonl")) if there else []
    if not paths:
        raise SERError(f"No predictions/*.jsonl in {folder}; train or evaluate first.")
    found = [read_predictions(path, embeddings, scores) for path in paths]
    found = [predictions for predictions in found if predictions.card["role"] != "valid"]
    splits = folder / "splits.json"
    tests = read_json(splits, "split").get("tests", {}) if splits.is_file() else {}
    if not isinstance(tests, dict):
        raise SERError(f"Bad split {splits}: tests is no mapping of test sets.")
    place = {name: n for n, name in enumerate(tests)}

    def order(predictions: Predictions) -> tuple:
        role, name = str(predictions.card["role"]), predictions.card["test_set"]
        return role != "test", role, place.get(name, len(place)), name

    return sorted(found, key=order)


def pool(parts: Mapping[str, Predictions]) -> Predictions:
    """Put the predictions of several models on one test set together.

    Folds that part a corpus give every utterance once. Where models predict the same
    utterances (a test set of another corpus), each prediction counts, and its id says whose
    it is: ``<id> (fold 2)``; ``utterance`` of its row keeps the id itself. Embeddings of
    different models have no common space and are left out.

    Parameters
    ----------
    parts : mapping
        Part -> Predictions on test sets of one name.

    Returns
    -------
    Predictions
        Its card has the protocol of all parts.

    Raises
    ------
    SERError
        If the parts differ in classes, scale, role or in what they predict.
    """
    all_parts = list(parts.values())
    first = all_parts[0]
    if len(all_parts) == 1:
        return first
    for name, other in parts.items():
        for key in ("emotions", "va_range", "role", "experiment"):
            if other.card[key] != first.card[key]:
                raise SERError(
                    f"The predictions on {first.card['test_set']} cannot be pooled: {key} of "
                    f"{name} is {other.card[key]!r}, of the first {first.card[key]!r}."
                )
    repeated = len({i for p in all_parts for i in p.ids}) < sum(len(p.ids) for p in all_parts)
    ids = [f"{i} ({name})" if repeated else i for name, part in parts.items() for i in part.ids]
    card = {
        **first.card,
        "protocol": merge_protocols([part.card["protocol"] for part in all_parts]),
    }
    return replace(
        first,
        card=card,
        ids=ids,
        rows=[
            {**row, "id": utterance_id, "utterance": row["id"]}
            for utterance_id, row in zip(
                ids, (row for part in all_parts for row in part.rows), strict=True
            )
        ],
        embeddings_ND=None,
        **{name: _joined(all_parts, name) for name in ROW_FIELDS},
    )


def _joined(parts: Sequence[Predictions], name: str) -> np.ndarray | None:
    columns = [getattr(part, name) for part in parts]
    if all(column is None for column in columns):
        return None
    if name == "true_va_N2":  # Ratings may be absent from one fold and not from another.
        unrated = [np.full((len(part.ids), 2), np.nan) for part in parts]
        columns = [u if c is None else c for c, u in zip(columns, unrated, strict=True)]
    if any(column is None for column in columns):
        raise SERError(f"Some parts have {name}, others have not; run them again.")
    return np.concatenate(columns)


def merge_protocols(protocols: Sequence[str]) -> str:
    """One protocol string for several folds or seeds.

    Examples
    --------
    >>> merge_protocols(["emodb/group-fold1/seed 1", "emodb/group-fold2/seed 1"])
    'emodb/group/seed 1'
    >>> merge_protocols(["demo/random/seed 1", "demo/random/seed 2", "demo/random/seed 3"])
    'demo/random/seed 1-3'
    """
    whole = [re.sub(r"-fold\d+(?=/|$)", "", protocol) for protocol in protocols]
    cut = [re.split(r"(?<=/seed )(\d+)(?= on |$)", protocol) for protocol in whole]
    if len({(parts[0], parts[-1]) for parts in cut}) > 1 or len(cut[0]) != 3:
        return " + ".join(dict.fromkeys(whole))
    before, _, after = cut[0]
    seeds = sorted({int(parts[1]) for parts in cut})
    numbers = ",".join(map(str, seeds))
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        numbers = f"{seeds[0]}-{seeds[-1]}"
    return f"{before}{numbers}{after}"
