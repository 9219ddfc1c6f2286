"""What an experiment trains and tests on, cut and audited, with its protocol string."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ser_brain.audit import audit_parts, require_disjoint
from ser_brain.corpora import CorpusData, require_every_emotion
from ser_brain.errors import SERError
from ser_brain.splits import SplitSetting, split


@dataclass
class ExperimentData:
    """Rows by part.

    Attributes
    ----------
    train, valid : dict
        id -> row.
    tests : dict
        Test set name -> (id -> row).
    audits : dict
        Pair of parts -> what they share (:func:`ser_brain.audit.audit`).
    corpora : list of CorpusData
    """

    train: dict[str, dict]
    valid: dict[str, dict]
    tests: dict[str, dict[str, dict]]
    audits: dict[str, dict]
    corpora: list[CorpusData]

    def as_dict(self) -> dict:
        """What ``splits.json`` says: ids, audit, and how many utterances were left out."""
        return {
            "train": list(self.train),
            "valid": list(self.valid),
            "tests": {name: list(rows) for name, rows in self.tests.items()},
            "audit": self.audits,
            "left_out": {data.name: data.left_out for data in self.corpora},
        }

    def synthetic(self, test_set: str) -> bool:
        """Whether a test set holds no person's speech."""
        cards = {data.name: data.card for data in self.corpora}
        return bool(cards[test_set]["synthetic"])


def assemble(
    corpora: Sequence[CorpusData], setting: SplitSetting, emotions: Sequence[str] | None
) -> ExperimentData:
    """Cut the training corpora, collect the test sets, audit every pair of parts.

    Parameters
    ----------
    corpora : sequence of CorpusData
    setting : SplitSetting
        Applied to each training corpus by itself.
    emotions : sequence of str, optional
        Classes that must each have an utterance to train on, in any of the corpora; None
        where none is learned.

    Raises
    ------
    SERError
        If two corpora share a name, a class has nothing to train on, a corpus cannot be cut,
        or the parts share what the protocol keeps apart.
    """
    train: dict[str, dict] = {}
    valid: dict[str, dict] = {}
    tests: dict[str, dict[str, dict]] = {}
    if emotions is not None:
        trained = [data.rows for data in corpora if data.setting.use == "train"]
        require_every_emotion(dict(ChainMap(*trained)), emotions)
    for data in corpora:
        if data.name in tests:
            raise SERError(f"corpora names {data.name} twice; tell them apart by `where`.")
        if data.setting.use == "test":
            tests[data.name] = data.rows
            continue
        parts = split(data.rows, setting, classes=emotions is not None)
        for part, into in (("train", train), ("valid", valid)):
            into.update((i, data.rows[i]) for i in parts[part])
        tests[data.name] = {i: data.rows[i] for i in parts["test"]}
    audits = audit_parts({"train": train, "valid": valid})
    for name, rows in tests.items():
        parts = audit_parts({"train": train, name: rows}) | audit_parts(
            {"valid": valid, name: rows}
        )
        require_disjoint(parts, setting.protocol)
        audits.update(parts)
    require_disjoint(audits, setting.protocol)
    return ExperimentData(train, valid, tests, audits, list(corpora))


def protocol_string(
    data: ExperimentData,
    setting: SplitSetting,
    loss_names: Sequence[str],
    classes: int,
    vad_source: str,
) -> str:
    """The protocol in one line, e.g. ``emodb/speaker-5fold-fold1/intended/4-class/seed 1``."""
    trained = [corpus for corpus in data.corpora if corpus.setting.use == "train"]
    sources = {row["label_source"] for corpus in trained for row in corpus.rows.values()}
    tasks = [f"{classes}-class"] if "nll" in loss_names else []
    if "mse" in loss_names:
        tasks.append("valence-arousal" + ("(prototypes)" if vad_source == "prototypes" else ""))
    return "/".join(
        [
            "+".join(corpus.name for corpus in trained),
            setting.describe(),
            "+".join(sorted(sources)),
            "+".join(tasks),
            f"seed {setting.seed}",
        ]
    )


def prediction_rows(
    outputs: Sequence[Mapping], rows: Mapping[str, dict], emotions: Sequence[str]
) -> list[dict]:
    """Join what a corpus says of each utterance with what the model said.

    Parameters
    ----------
    outputs : sequence of mapping
        Of :meth:`ser_brain.brain.SERBrain.run_on`.
    rows : mapping
        id -> row.
    emotions : sequence of str
        The classes, in the order of the model's outputs.

    Returns
    -------
    list of dict
        Rows for :func:`ser_brain.predictions.write_predictions`.
    """
    return [_prediction_row(output, rows[output["id"]], emotions) for output in outputs]


FACTS = ("corpus", "speaker", "gender", "language", "text", "duration", "label_source")


def _prediction_row(output: Mapping, row: Mapping, emotions: Sequence[str]) -> dict:
    joined = {
        "id": output["id"],
        **{key: row[key] for key in FACTS},
        "emotion": row["emotion"],
        "valence": row["valence"],
        "arousal": row["arousal"],
    }
    if "log_probabilities" in output:
        log_probs = [float(value) for value in output["log_probabilities"]]
        joined["log_probabilities"] = dict(zip(emotions, log_probs, strict=True))
        joined["predicted_emotion"] = emotions[log_probs.index(max(log_probs))]
    if "valence_arousal" in output:
        valence, arousal = (float(value) for value in output["valence_arousal"])
        joined["predicted_valence"], joined["predicted_arousal"] = valence, arousal
    return joined
