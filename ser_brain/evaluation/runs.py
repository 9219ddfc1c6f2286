"""Runs: every prediction of one model, or of the models of all folds together.

A run folder contains ``predictions/``. A folds folder contains ``folds.json``, which names the
run folders of its parts (folds or seeds); their predictions are evaluated together.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD, SPLITS, read_json
from ser_brain.core.log import get_logger
from ser_brain.evaluation.predictions import (
    ROW_FIELDS,
    LabelledPredictions,
    card_path,
    read_predictions,
)

logger = get_logger(__name__)
FOLDS = "folds.json"
VALIDATION = "valid"  # predictions on the validation set, which are never a result
ADAPTED = "adapted"  # folder in a run or folds folder: the same test sets, by adapted heads

# Entries of a card that describe what `ser evaluate` tested on: they must agree for all parts.
SAME_TEST = ("manifest_sha256", "label_source", "where", "balanced", "per_class")
PREDICT_AGAIN = (
    "Restore the predictions or make them again: with ser evaluate, or for a run's own test "
    "sets with the command of the run."
)


@dataclass(frozen=True)
class Run:
    """The predictions of a run, or of the parts of a folds folder, on every test set.

    Attributes
    ----------
    parts : dict
        Part (``fold 1``, ``seed 2``; ``run`` if it is the only one) -> its run folder.
    test_sets : dict
        Test set -> (part -> Predictions). Held-out sets come first, in the order of the
        settings; sets that the model has seen (role ``train``) come last. The validation set
        (role ``valid``) is not among them: checkpoint and temperature were chosen on it.
    record : dict
        ``run.json`` of the run, or ``folds.json``; {} where there is none.
    """

    folder: Path
    parts: dict[str, Path]
    test_sets: dict[str, dict[str, LabelledPredictions]]
    record: dict
    incomplete: dict[str, str] = field(default_factory=dict)  # excluded test set -> why

    @property
    def first(self) -> LabelledPredictions:
        """Predictions of the first part on the first test set, for what all share."""
        return next(iter(next(iter(self.test_sets.values())).values()))

    @property
    def protocol(self) -> str:
        """The protocol of all parts as one string."""
        own = [name for name in self.test_sets if not self.is_further(name)]
        names = own or [self.first.card["test_set"]]
        return merge_protocols([self.pooled(name).card["protocol"] for name in names])

    def is_further(self, test_set: str) -> bool:
        """Whether ``ser evaluate`` tested on it, later than the run on its own test sets."""
        cards = [predictions.card for predictions in self.test_sets[test_set].values()]
        return all("checkpoint" in card for card in cards)

    def pooled(self, test_set: str) -> LabelledPredictions:
        """The predictions of all parts on a test set as one; see :func:`pool`."""
        return pool(self.test_sets[test_set])


def read_run(folder: str | Path, embeddings: bool = False, scores: bool = True) -> Run:
    """Read the predictions of a run folder or of a folds folder, with or without embeddings.

    ``scores``: whether files without predictions are an error, and test sets that not every
    part predicted are excluded. False for embeddings alone, as ``ser embed`` writes them.
    """
    folder = Path(folder)
    parts, record = parts_of(folder)
    found: dict[str, dict[str, LabelledPredictions]] = {}
    own: dict[str, list[str]] = {}  # test set -> the parts whose split has it
    for name, part in parts.items():
        for test_set, predictions in _read_part(part, embeddings, scores).items():
            found.setdefault(test_set, {})
            if predictions is not None:
                found[test_set][name] = predictions
        for test_set in _tests_of(part):
            own.setdefault(test_set, []).append(name)
    incomplete = {
        test_set: why
        for test_set, of_parts in found.items()
        if (why := _why_incomplete(of_parts, own.get(test_set, parts) if scores else of_parts))
    }
    listed = "; ".join(f"{test_set} ({why})" for test_set, why in incomplete.items())
    if incomplete and len(incomplete) == len(found):
        raise SERError(f"No test set of {folder} is complete: {listed}. {PREDICT_AGAIN}")
    if incomplete:
        logger.warning(f"{folder}: excluded {listed}. {PREDICT_AGAIN}")
    whole = {name: of_parts for name, of_parts in found.items() if name not in incomplete}
    seen = {name: _role_of_all(of_parts)["role"] != "test" for name, of_parts in whole.items()}
    whole = {name: whole[name] for name in sorted(whole, key=seen.__getitem__)}
    for test_set, of_parts in whole.items():
        if len({predictions.card["role"] for predictions in of_parts.values()}) > 1:
            logger.warning(f"{folder}: {test_set}: {_role_of_all(of_parts)['notes']}")
    return Run(folder, parts, whole, record, incomplete)


def _why_incomplete(
    of_parts: Mapping[str, LabelledPredictions], parts: Collection[str]
) -> str | None:
    """Why the predictions on a test set cannot be evaluated together, as text."""
    missing = [name for name in parts if name not in of_parts]
    if not of_parts:
        return "not completely predicted"
    if missing:
        return f"not completely predicted by {', '.join(missing)}"
    first, *others = (predictions.card for predictions in of_parts.values())
    differ = [k for k in SAME_TEST if any(card.get(k) != first.get(k) for card in others)]
    return f"{', '.join(differ)} differs between parts" if differ else None


def parts_of(folder: Path) -> tuple[dict[str, Path], dict]:
    """The run folders of a run or folds folder, and its record; see :class:`Run`."""
    if not os.path.isdir(folder):
        raise SERError(
            f"No run folder {folder}. Name a folder that train.py or ser folds wrote."
        )
    if (folder / FOLDS).is_file():
        record = read_json(folder / FOLDS, "list of folds")
        parts = record.get("parts")
        if not isinstance(parts, dict) or not all(isinstance(p, str) for p in parts.values()):
            raise SERError(f"Bad list of folds {folder / FOLDS}: it names no parts.")
        if not parts:
            raise SERError(f"{folder} is not finished. Repeat the ser folds that wrote it.")
        return {name: folder / part for name, part in parts.items()}, record
    path = folder / RECORD
    return {"run": folder}, read_json(path, "run description") if path.exists() else {}


def models_in(folder: Path) -> list[Path]:
    """The folders of what is one model each in a matrix.

    That is the folder itself, or the parts of a folds folder whose parts were each trained on
    one corpus (``train_on: one``), which are no folds of one model.
    """
    parts, _ = parts_of(folder)
    first = next(iter(parts.values())) / SPLITS
    line = read_json(first, "split").get("protocol") if first.is_file() else None
    alone = isinstance(line, str) and "/one-" in line
    return list(parts.values()) if alone else [folder]


def _read_part(
    folder: Path, embeddings: bool, scores: bool
) -> dict[str, LabelledPredictions | None]:
    """Test set -> its predictions; None where they are missing or unfinished."""
    # os.path, since pathlib raises for a name that no file can have.
    is_there = os.path.isdir(folder / "predictions")
    paths = sorted((folder / "predictions").glob("*.jsonl")) if is_there else []
    if not paths:
        raise SERError(f"No predictions/*.jsonl in {folder}. Train or evaluate first.")
    # The card is written last: without it, a test set is unfinished.
    finished = [path for path in paths if card_path(path).is_file()]
    found = [read_predictions(path, embeddings, scores) for path in finished]
    found = [predictions for predictions in found if predictions.card["role"] != "valid"]
    tests = _tests_of(folder)

    def order(predictions: LabelledPredictions) -> tuple:
        role, name = predictions.card["role"], predictions.card["test_set"]
        place = [*tests].index(name) if name in tests else len(tests)
        return role != "test", role, place, name

    in_order = {p.card["test_set"]: p for p in sorted(found, key=order)}
    begun = [path.name.removesuffix(".jsonl") for path in paths if path not in finished]
    missing = dict.fromkeys(name for name in [*tests, *begun] if name not in in_order)
    missing.pop("valid", None)
    return in_order | missing


def _tests_of(folder: Path) -> dict:
    """Test sets of a run's own split: name -> ids; {} where there is no split."""
    splits = folder / SPLITS
    tests = read_json(splits, "split").get("tests", {}) if splits.is_file() else {}
    if not isinstance(tests, dict):
        raise SERError(f"Bad split {splits}: tests must be a mapping of test sets.")
    return tests


def pool(parts: Mapping[str, LabelledPredictions]) -> LabelledPredictions:
    """Put the predictions of several models on one test set together.

    Folds that partition a corpus give every utterance once. Where models predict the same
    utterances (a test set of another corpus), each prediction counts, and its id names its
    part: ``<id> (fold 2)``; ``utterance`` of its row keeps the id itself. Embeddings of
    different models have no common space and are dropped.

    The card has the protocol of all parts, and their notes. Where only some models have seen
    utterances of the set, its role is ``train`` for all. It is an error if the parts differ in
    classes, scale or in what they predict.
    """
    first, *others = all_parts = list(parts.values())
    if not others:
        return first
    for name, other in parts.items():
        for key in ("emotions", "va_range", "dimensions", "experiment"):
            ours, theirs = first.card.get(key), other.card.get(key)
            if ours != theirs:
                raise SERError(
                    f"The predictions on {first.card['test_set']} cannot be pooled: {key} of "
                    f"{name} is {theirs!r}, of the first part {ours!r}."
                )
    repeated = len({i for p in all_parts for i in p.ids}) < sum(len(p.ids) for p in all_parts)
    ids = [f"{i} ({name})" if repeated else i for name, part in parts.items() for i in part.ids]
    card = {
        **first.card,
        "protocol": merge_protocols([part.card["protocol"] for part in all_parts]),
        **_role_of_all(parts),
    }
    rows = (row for part in all_parts for row in part.rows)
    return replace(
        first,
        card=card,
        ids=ids,
        rows=[{**r, "id": i, "utterance": r["id"]} for i, r in zip(ids, rows, strict=True)],
        embeddings_ND=None,
        **{name: _joined(all_parts, name) for name in ROW_FIELDS},
    )


def averaged(pooled: LabelledPredictions) -> LabelledPredictions:
    """One prediction for each utterance, where :func:`pool` has those of several models.

    The mean of log-probabilities, made to sum to one, which is the geometric mean of the
    probabilities; and the mean of values. Scores are calibrated before. So an exported ensemble
    answers (:mod:`ser_brain.publishing.ensemble`).
    """
    places: dict[str, list[int]] = {}
    for place, utterance in enumerate(pooled.utterances):
        places.setdefault(utterance, []).append(place)
    if len(places) == len(pooled.ids):
        return pooled

    def mean(columns: np.ndarray) -> np.ndarray:
        return np.stack([columns[each].mean(axis=0) for each in places.values()])

    found: dict = {"ids": list(places), "temperature_N": None}
    if pooled.log_probs_NC is not None:
        scores_NC = pooled.calibrated_NC
        log_probs_NC = mean(pooled.log_probs_NC if scores_NC is None else scores_NC)
        log_probs_NC = log_softmax(log_probs_NC, axis=1)
        found |= {"log_probs_NC": log_probs_NC, "predicted_N": log_probs_NC.argmax(axis=1)}
    if pooled.predicted_values_NV is not None:
        found["predicted_values_NV"] = mean(pooled.predicted_values_NV)
    first = pooled.chosen([each[0] for each in places.values()])
    return replace(first, **found)


def _role_of_all(parts: Mapping[str, LabelledPredictions]) -> dict[str, str]:
    """Role and notes of pooled predictions: what one part has seen counts as seen."""
    cards = {name: part.card for name, part in parts.items()}
    seen = [name for name, card in cards.items() if card["role"] == "train"]
    role = "train" if seen else next(iter(cards.values()))["role"]
    notes = [f"{name}: {card['notes']}" for name, card in cards.items() if card.get("notes")]
    if seen and len(seen) < len(cards):
        notes.append(f"Trained or validated on only by {', '.join(seen)}, so seen as a whole.")
    return {"role": role, **({"notes": " ".join(notes)} if notes else {})}


def _joined(parts: Sequence[LabelledPredictions], name: str) -> np.ndarray | None:
    columns = [getattr(part, name) for part in parts]
    if all(column is None for column in columns):
        return None
    if name == "true_values_NV":  # Some folds may have no ratings.
        columns = [np.stack([p.rated(d) for d in p.dimensions], axis=1) for p in parts]
    if any(column is None for column in columns):
        raise SERError(f"Some parts have {name}, others do not. Run them again.")
    return np.concatenate(columns)


def merge_protocols(protocols: Sequence[str]) -> str:
    """Make one protocol string for several folds or seeds: ``emodb/group/seed 1-3``.

    Folds that each leave out another corpus are named by all of them.

    Examples
    --------
    >>> merge_protocols(["b+c/corpus-fold1/self/seed 1", "a+b/corpus-fold3/self/seed 1"])
    'b+c+a/corpus/self/seed 1'
    """
    if len(set(protocols)) == 1:
        return protocols[0]
    whole = [re.sub(r"-fold\d+(?=/|$)", "", protocol) for protocol in protocols]
    clips = r"(?<=, adapted to )\d+(?: to \d+)?"
    counts = [re.findall(clips, protocol) for protocol in protocols]
    if all(counts):  # each test set of each fold adapts by itself
        numbers = [int(n) for each in counts for found in each for n in found.split(" to ")]
        ends = " to ".join(map(str, sorted({min(numbers), max(numbers)})))
        whole = [re.sub(clips, ends, protocol) for protocol in whole]
    across = [re.fullmatch(r"([^/]*)/((?:one-)?(?:corpus|language)/.*)", w) for w in whole]
    if all(across):
        names = dict.fromkeys(name for found in across for name in found[1].split("+"))
        whole = [f"{'+'.join(names)}/{found[2]}" for found in across]
    split = [re.split(r"(?<=/seed )(\d+)(?= on |, adapted |$)", protocol) for protocol in whole]
    if len({(parts[0], parts[-1]) for parts in split}) > 1 or len(split[0]) != 3:
        return " + ".join(dict.fromkeys(whole))
    before, _, after = split[0]
    seeds = sorted({int(parts[1]) for parts in split})
    numbers = ",".join(map(str, seeds))
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        numbers = f"{seeds[0]}-{seeds[-1]}"
    return f"{before}{numbers}{after}"


def label_runs(runs: Sequence[Run]) -> list[str]:
    """Name every run by its experiment and, if several share it, by what differs.

    That is a part of the protocol or else of the folder. A folder given twice is an error.
    """
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise SERError(f"{run.folder} is given twice. Name each run once.")
    labels = [run.first.card["experiment"] for run in runs]
    for name in [name for name, count in Counter(labels).items() if count > 1]:
        same = [n for n, label in enumerate(labels) if label == name]
        # Runs that were each trained on one corpus are told apart by it alone.
        lines = [re.sub(r"(?<=/one-)(\w+)-fold\d+", r"\1", runs[n].protocol) for n in same]
        bits = _differing([line.split("/") for line in lines])
        if len(set(bits)) < len(same):
            bits = _differing([list(folders[n].parts) for n in same])
        for n, bit in zip(same, bits, strict=True):
            labels[n] = f"{name} ({bit})"
    return labels


def _differing(parts: Sequence[Sequence[str]]) -> list[str]:
    """What remains of each sequence without the beginning and the end that all share."""
    for end, rest in ((0, slice(1, None)), (-1, slice(-1))):
        while len({part[end] for part in parts}) == 1 and min(map(len, parts)) > 1:
            parts = [part[rest] for part in parts]
    return ["/".join(part) for part in parts]


def temperature_of(folder: Path) -> dict:
    """The temperature of a run, from its cards: ``{"temperature": 1.3}`` or ``{}``."""
    path = card_path(folder / "predictions" / f"{VALIDATION}.jsonl")
    card = read_json(path, "prediction card") if path.is_file() else {}
    return {"temperature": card["temperature"]} if "temperature" in card else {}
