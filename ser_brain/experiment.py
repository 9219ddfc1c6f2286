"""What an experiment trains and tests on: labelled, cut, audited, with its protocol string."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_brain.audit import audit_parts, require_disjoint
from ser_brain.corpora import CorpusSetting
from ser_brain.errors import SERError
from ser_brain.labelling import CorpusData, LabelChoice, label_corpus, require_every_emotion
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
    protocol : str
        In one line; see :func:`protocol_string`.
    """

    train: dict[str, dict]
    valid: dict[str, dict]
    tests: dict[str, dict[str, dict]]
    audits: dict[str, dict]
    corpora: list[CorpusData]
    protocol: str = ""

    def as_dict(self) -> dict:
        """What ``splits.json`` says: ids, audit, and how many utterances were left out."""
        return {
            "protocol": self.protocol,
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


def load_experiment(
    hparams: Mapping, prepared: Sequence[tuple[CorpusSetting, Path, Path]]
) -> ExperimentData:
    """Label, cut and audit the corpora that an experiment's settings name.

    Parameters
    ----------
    hparams : mapping
        The experiment's settings.
    prepared : sequence of (CorpusSetting, manifest, data folder)

    Raises
    ------
    SERError
        For settings, labels or splits that do not hold.
    """
    choice = LabelChoice(
        emotions=hparams["emotions"],
        emotion_map=hparams["emotion_map"],
        va_range=hparams["va_range"],
        vad_source=hparams["vad_source"],
        required_label=hparams["required_label"],
    )
    setting = SplitSetting(
        protocol=hparams["split"],
        seed=hparams["seed"],
        fractions=hparams["split_fractions"],
        folds=hparams["folds"],
        fold=hparams["fold"],
    )
    losses = hparams["loss_weights"]
    labelled = [
        label_corpus(manifest, folder, line, choice) for line, manifest, folder in prepared
    ]
    data = assemble(labelled, setting, choice.emotions if "nll" in losses else None)
    data.protocol = protocol_string(data, setting, list(losses), choice)
    return data


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
    hashes: dict[tuple, str] = {}
    audits = audit_parts({"train": train, "valid": valid}, hashes)
    for name, rows in tests.items():
        parts = audit_parts({"train": train, name: rows}, hashes)
        parts |= audit_parts({"valid": valid, name: rows}, hashes)
        require_disjoint(parts, setting.protocol)
        audits.update(parts)
    require_disjoint(audits, setting.protocol)
    return ExperimentData(train, valid, tests, audits, list(corpora))


def protocol_string(
    data: ExperimentData, setting: SplitSetting, losses: Sequence[str], choice: LabelChoice
) -> str:
    """The protocol in one line, e.g. ``emodb/speaker-5fold-fold1/intended/4-class/seed 1``.

    It names a task only where some training utterance has its label: a multi-objective model
    trained on a corpus without valence and arousal is a classification model.
    """
    trained = [corpus for corpus in data.corpora if corpus.setting.use == "train"]
    sources = {row["label_source"] for corpus in trained for row in corpus.rows.values()}
    rows = data.train.values()
    tasks = []
    if "nll" in losses and any(row["emotion"] is not None for row in rows):
        tasks.append(f"{len(choice.emotions)}-class")
    if "mse" in losses and any(row["valence"] is not None for row in rows):
        prototypes = "(prototypes)" if choice.vad_source == "prototypes" else ""
        tasks.append(f"valence-arousal{prototypes}")
    return "/".join(
        [
            "+".join(corpus.name for corpus in trained),
            setting.describe(),
            "+".join(sorted(sources)),
            "+".join(tasks),
            f"seed {setting.seed}",
        ]
    )
