"""What of a test set a model has heard in training: its clips, its speakers, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ser_brain.corpora import is_of
from ser_brain.files import read_json
from ser_brain.outputs import VALIDATION
from ser_brain.predictions import Predictions, read_predictions
from ser_brain.runs import Run

# From the worst to the best; "not checked" where no audit has compared the two, or none could.
CLIPS, SPEAKERS, UNKNOWN, NOTHING = "CLIPS", "speakers", "not checked", "no"
WORST_FIRST = (CLIPS, SPEAKERS, UNKNOWN, NOTHING)
MEANING = {
    CLIPS: "holds clips that the model was trained or validated on. Its numbers are not test "
    "results and say nothing about new speech.",
    SPEAKERS: "holds other clips of speakers that the model was trained or validated on. "
    "Expect less of it on new speakers.",
    UNKNOWN: "is of a corpus that the model was trained on, and nobody has checked, or can "
    "check, which speakers they share. Do not take it for a test on new speakers.",
}


def heard_by(run: Run) -> dict[str, str]:
    """Test set -> one of ``WORST_FIRST``: the worst of the run's models on its own part."""
    found: dict[str, list[str]] = {}
    for name, part in run.parts.items():
        splits = read_json(part / "splits.json", "split")
        corpora = trained_corpora(splits)
        corpora |= {row.get("corpus") for row in validation_rows(part)}
        for test_set, predictions in run.test_sets.items():
            if name in predictions:
                found.setdefault(test_set, []).append(heard(splits, predictions[name], corpora))
    return {test_set: min(each, key=WORST_FIRST.index) for test_set, each in found.items()}


def heard(splits: Mapping, predictions: Predictions, corpora: set[str]) -> str:
    """How much of a test set was trained or validated on.

    Parameters
    ----------
    splits : mapping
        ``splits.json`` of the run.
    predictions : Predictions
        Of the run on the test set.
    corpora : set of str
        What it was trained on, as rows name it.

    Returns
    -------
    str
        One of ``WORST_FIRST``.
    """
    name = predictions.card["test_set"]
    # The audit of a run knows its own test sets, not those of a later `ser evaluate`.
    audits = [splits.get("audit", {}).get(f"{part}-{name}") for part in ("train", "valid")]
    shared = {
        kind: any(audit[kind]["count"] for audit in audits if audit)
        for kind in ("utterances", "audio", "speakers")
    }
    trained = {*splits["train"], *splits["valid"]}
    if (
        predictions.card["role"] != "test"
        or shared["utterances"]
        or shared["audio"]
        or not trained.isdisjoint(predictions.ids)
    ):
        return CLIPS
    if shared["speakers"]:
        return SPEAKERS
    tested = {row.get("corpus") for row in predictions.rows}
    same_corpus = None in tested or any(is_of(corpus, corpora) for corpus in tested)
    # Audits of earlier versions do not say what was unknown; the rows do, of the test set.
    unknown = any(sum(audit["speakers"].get("unknown", ())) for audit in audits if audit)
    unknown = unknown or any(row.get("speaker") is None for row in predictions.rows)
    return UNKNOWN if same_corpus and (unknown or not all(audits)) else NOTHING


def trained_corpora(splits: Mapping) -> set[str]:
    """Names, in the experiment, of the corpora that were trained on."""
    corpora = splits.get("corpora", {})
    return {name for name, corpus in corpora.items() if corpus["use"] == "train"}


def validation_rows(run: Path) -> list[dict]:
    """Rows of the validation set, which is a part of the training corpora."""
    path = run / "predictions" / f"{VALIDATION}.jsonl"
    return read_predictions(path, embeddings=False).rows if path.is_file() else []
