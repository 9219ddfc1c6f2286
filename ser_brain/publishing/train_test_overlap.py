"""Whether a model was trained or validated on parts of its test sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ser_brain.core.files import splits_of
from ser_brain.data.corpora import is_of
from ser_brain.evaluation.predictions import LabelledPredictions, read_predictions
from ser_brain.evaluation.runs import VALIDATION, Run

# The verdicts of a test set: the model has seen clips of it; other clips of its speakers; it
# belongs to a training corpus, and no audit compared the two, or none could; none of these.
CLIPS, SPEAKERS, NOT_CHECKED, NO_OVERLAP = "CLIPS", "speakers", "not checked", "no"
WORST_FIRST = (CLIPS, SPEAKERS, NOT_CHECKED, NO_OVERLAP)


def overlap_by_test_set(run: Run) -> dict[str, str]:
    """Test set -> its verdict. With several models: the worst of each on its own part."""
    found: dict[str, list[str]] = {}
    for name, part in run.parts.items():
        splits = splits_of(part)
        corpora = trained_corpora(splits)
        corpora |= {row.get("corpus") for row in validation_rows(part)}
        for test_set, predictions in run.test_sets.items():
            if name in predictions:
                verdict = train_test_overlap(splits, predictions[name], corpora)
                found.setdefault(test_set, []).append(verdict)
    return {test_set: min(each, key=WORST_FIRST.index) for test_set, each in found.items()}


def train_test_overlap(
    splits: Mapping, predictions: LabelledPredictions, corpora: set[str]
) -> str:
    """The verdict of one test set; ``corpora`` are the training corpora, as rows name them."""
    name = predictions.card["test_set"]
    # The audit of a run covers its own test sets, not those of a later `ser evaluate`.
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
    # Audits of earlier versions do not count unknown speakers; the rows of the test set do.
    unknown = any(sum(audit["speakers"].get("unknown", ())) for audit in audits if audit)
    unknown = unknown or any(row.get("speaker") is None for row in predictions.rows)
    return NOT_CHECKED if same_corpus and (unknown or not all(audits)) else NO_OVERLAP


def trained_corpora(splits: Mapping) -> set[str]:
    """Names, in the experiment, of the training corpora."""
    corpora = splits.get("corpora", {})
    return {name for name, corpus in corpora.items() if corpus["use"] == "train"}


def validation_rows(run: Path) -> list[dict]:
    """Rows of the validation set, which is a part of the training corpora."""
    path = run / "predictions" / f"{VALIDATION}.jsonl"
    return read_predictions(path, embeddings=False).rows if path.is_file() else []
