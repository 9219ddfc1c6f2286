"""Two runs compared on every test set that both predicted, and whether that is a fair match."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ser_brain.bootstrap import LEVEL
from ser_brain.comparison import compare
from ser_brain.errors import SERError, bad_value
from ser_brain.evaluation import RESAMPLES
from ser_brain.files import read_json
from ser_brain.pairing import pair
from ser_brain.run_labels import label_runs
from ser_brain.runs import Run
from ser_brain.swap_test import holm

# Role of a test set that holds utterances a model was trained on.
SEEN = "train"


def compare_runs(
    one: Run, other: Run, test_sets: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> dict:
    """Compare two runs, B with A.

    Parameters
    ----------
    one, other : Run
        A and B; folds or seeds of a run are pooled.
    test_sets : sequence of str, optional
        All that both have where None.
    resamples : int

    Returns
    -------
    dict
        ``a`` and ``b``: label, folder, experiment, protocol, parts; ``notes`` on what else
        differs between them; ``not_shared``: test sets that only one has; ``test_sets``: name
        -> see :func:`ser_brain.comparison.compare`. Primary metrics have ``p_holm`` too,
        corrected for all of them on all test sets.

    Raises
    ------
    SERError
        If they share no test set or no task on any, or one that is asked for is not shared.
    """
    shared = [name for name in one.test_sets if name in other.test_sets]
    not_shared = sorted((one.test_sets.keys() | other.test_sets.keys()) - set(shared))
    if not shared:
        raise SERError(
            f"{one.folder} ({', '.join(one.test_sets)}) and {other.folder} "
            f"({', '.join(other.test_sets)}) share no test set."
        )
    for name in test_sets or ():
        if name not in shared:
            raise bad_value("test set", name, shared)
    found = {
        name: compare(pair(one.pooled(name), other.pooled(name)), resamples)
        for name in test_sets or shared
    }
    if not any(result["tasks"] for result in found.values()):
        raise SERError(
            f"{one.folder} and {other.folder} predict nothing that could be compared: one must "
            "predict what the other does, and the labels must be there."
        )
    correct_primaries(list(found.values()))
    labels = label_runs([one, other])
    seen = [
        f"{label} was trained on utterances of {name}."
        for name in found
        for run, label in zip((one, other), labels, strict=True)
        if run.pooled(name).card["role"] == SEEN
    ]
    left_out = [
        f"{name} of {label} is left out: {why}."
        for run, label in zip((one, other), labels, strict=True)
        for name, why in run.incomplete.items()
    ]
    return {
        "a": run_facts(one, labels[0]),
        "b": run_facts(other, labels[1]),
        "notes": [*training_notes(one, other), *seen, *left_out],
        "not_shared": not_shared,
        "bootstrap": {"resamples": resamples, "level": LEVEL},
        "test_sets": found,
    }


def run_facts(run: Run, label: str) -> dict:
    """What a comparison says of a run."""
    return {
        "label": label,
        "folder": str(run.folder),
        "experiment": run.first.card["experiment"],
        "protocol": run.protocol,
        "parts": list(run.parts),
        "incomplete": run.incomplete,
    }


def correct_primaries(comparisons: Sequence[dict]) -> None:
    """Give every primary metric a ``p_holm``, corrected for all of these comparisons."""
    primaries = [
        task["metrics"][task["primary"]]
        for comparison in comparisons
        for task in comparison["tasks"].values()
    ]
    for metric, p in zip(primaries, holm([m["p"] for m in primaries]), strict=True):
        metric["p_holm"] = p


def training_notes(one: Run, other: Run) -> list[str]:
    """What differs between two runs besides the model: protocol, parts, training data."""
    notes = []
    if one.protocol != other.protocol:
        notes.append(
            "The protocols differ: a difference between the models may come from that."
        )
    if list(one.parts) != list(other.parts):
        parts = [", ".join(run.parts) for run in (one, other)]
        return [*notes, f"The parts differ: {parts[0]}; and {parts[1]}."]
    trained = [{name: _trained_on(p) for name, p in run.parts.items()} for run in (one, other)]
    known = [name for name in one.parts if None not in (trained[0][name], trained[1][name])]
    if len(known) < len(one.parts):
        return [*notes, "Not every part has a splits.json: training data cannot be compared."]
    differ = [
        f"{name}: {len(trained[0][name] - trained[1][name]):,} only in A, "
        f"{len(trained[1][name] - trained[0][name]):,} only in B"
        for name in known
        if trained[0][name] != trained[1][name]
    ]
    if differ:
        return [*notes, f"They were trained on different utterances ({'; '.join(differ)})."]
    return [*notes, "Both were trained on the same utterances."]


def _trained_on(folder: Path) -> set[str] | None:
    """Ids of the training utterances of a run; None where nobody can tell."""
    path = folder / "splits.json"
    if not path.is_file():
        return None
    ids = read_json(path, "split").get("train")
    return set(ids) if isinstance(ids, list) else None
