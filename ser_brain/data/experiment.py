"""What an experiment trains and tests on: labelled, cut, audited, with its protocol string."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audit
from ser_brain.data.audit import audit_parts, require_disjoint
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.labelling import (
    CorpusData,
    LabelChoice,
    label_corpus,
    require_every_emotion,
)
from ser_brain.data.splits import SplitSetting, absence, balanced_ids, split

logger = get_logger(__name__)

# What an experiment may learn, and what its Brain's `predict` gives for it.
TASKS = {"emotion": "log_probabilities", "valence_arousal": "valence_arousal"}


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
        Pair of parts -> what they share (:func:`ser_brain.data.audit.audit`).
    corpora : list of CorpusData
    folds : int
        How many folds test every utterance once; 1 where the protocol has none.
    absent : dict
        ``valid`` or test set -> classes to learn of which it has no utterance; only where
        there are such.
    protocol : str
        In one line; see :func:`protocol_string`.
    """

    train: dict[str, dict]
    valid: dict[str, dict]
    tests: dict[str, dict[str, dict]]
    audits: dict[str, dict]
    corpora: list[CorpusData]
    folds: int
    absent: dict[str, list[str]]
    protocol: str = ""

    def as_dict(self) -> dict:
        """What ``splits.json`` says: ids, audit, classes and utterances that are left out."""
        heard = {*self.train, *self.valid}
        return {
            "protocol": self.protocol,
            "folds": self.folds,
            "train": list(self.train),
            "valid": list(self.valid),
            "tests": {name: list(rows) for name, rows in self.tests.items()},
            "audit": self.audits,
            "absent": self.absent,
            "left_out": {data.name: data.left_out for data in self.corpora},
            "corpora": {data.name: data.facts(heard) for data in self.corpora},
        }

    def log_findings(self) -> None:
        """Log the protocol, what the parts share, and the classes that a part lacks."""
        logger.info(f"protocol: {self.protocol}")
        audit.log(self.audits)
        for part, classes in self.absent.items():
            logger.warning(absence(part, classes))

    def synthetic(self, test_set: str) -> bool:
        """Whether a test set holds no person's speech."""
        cards = {data.name: data.card for data in self.corpora}
        return bool(cards[test_set].get("synthetic"))


def label_choice(hparams: Mapping) -> LabelChoice:
    """How an experiment's settings read labels."""
    return LabelChoice(
        emotions=hparams["emotions"],
        emotion_map=hparams["emotion_map"],
        va_range=hparams["va_range"],
        vad_source=hparams["vad_source"],
        required_label=hparams["required_label"],
    )


def require_tasks(brain: type) -> tuple[str, ...]:
    """What an experiment learns, as its Brain declares it in ``tasks``.

    Raises
    ------
    SERError
        If it declares nothing, or something that is no task.
    """
    brain = getattr(brain, "func", brain)  # of a !name: with arguments
    tasks = tuple(getattr(brain, "tasks", ()))
    if not tasks or set(tasks) - set(TASKS):
        raise SERError(
            f"Bad tasks {tasks} of {brain.__name__}; expected one or both of: "
            f'{", ".join(TASKS)}, as in tasks = ("emotion",).'
        )
    return tasks


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
    choice = label_choice(hparams)
    setting = SplitSetting(
        protocol=hparams["split"],
        seed=hparams["seed"],
        fractions=hparams["split_fractions"],
        folds=hparams["folds"],
        fold=hparams["fold"],
    )
    tasks, balanced = require_tasks(hparams["brain"]), hparams["balanced"]
    labelled = [
        label_corpus(manifest, folder, line, choice) for line, manifest, folder in prepared
    ]
    classes = choice.emotions if "emotion" in tasks else None
    data = assemble(labelled, setting, classes, balanced)
    found = learned(tasks, data.train)
    if not found:
        raise SERError(
            f"No training utterance has a label of what the experiment learns: "
            f"{' and '.join(tasks).replace('_', ' and ')}. Choose another experiment or corpus."
        )
    if "valence_arousal" in tasks and "valence_arousal" not in found:
        logger.warning(
            "Nothing to train on has valence and arousal: the emotion head alone learns. "
            "--vad_source=prototypes gives each emotion its point on the circumplex."
        )
    data.protocol = protocol_string(data, setting, tasks, choice, balanced)
    return data


def learned(tasks: Sequence[str], rows: Mapping[str, dict]) -> list[str]:
    """The tasks for which some of the training utterances have a label."""
    label = {"emotion": "emotion", "valence_arousal": "valence"}
    return [t for t in tasks if any(row[label[t]] is not None for row in rows.values())]


def assemble(
    corpora: Sequence[CorpusData],
    setting: SplitSetting,
    emotions: Sequence[str] | None,
    balanced: bool = False,
) -> ExperimentData:
    """Cut the training corpora, collect the test sets, audit every pair of parts.

    Counts in each corpus's ``left_out`` what stands in no part.

    Parameters
    ----------
    corpora : sequence of CorpusData
    setting : SplitSetting
        Applied to each training corpus by itself.
    emotions : sequence of str, optional
        Classes that must each have an utterance to train on, in any of the corpora; None
        where none is learned.
    balanced : bool
        Test on equally many utterances of each class.

    Raises
    ------
    SERError
        If two corpora share a name, a class has nothing to train on, a corpus cannot be cut
        or balanced, or the parts share what the protocol keeps apart.
    """
    train: dict[str, dict] = {}
    valid: dict[str, dict] = {}
    tests: dict[str, dict[str, dict]] = {}
    if emotions is not None:
        trained = [data.rows for data in corpora if data.setting.use == "train"]
        require_every_emotion(dict(ChainMap(*trained)), emotions)
    folds = 1
    for data in corpora:
        if data.name in tests:
            raise SERError(f"corpora names {data.name} twice; tell them apart by `where`.")
        tested = list(data.rows)
        if data.setting.use == "train":
            parts = split(data.rows, setting, classes=emotions is not None)
            for part, into in (("train", train), ("valid", valid)):
                into.update((i, data.rows[i]) for i in parts[part])
            tested = parts["test"]
            apart = len(data.rows) - sum(map(len, parts.values()))
            data.leave_out("sharing a speaker or text with the test set", apart)
            folds = max(folds, setting.fold_count(data.rows))
        tests[data.name] = {i: data.rows[i] for i in tested}
        if balanced:
            tests[data.name] = _balance(data, tests[data.name], emotions, setting.seed)
    audits = audit_all(train, valid, tests, setting.protocol)
    absent = _absent({"valid": valid, **tests}, emotions or ())
    return ExperimentData(train, valid, tests, audits, list(corpora), folds, absent)


def _absent(
    parts: Mapping[str, Mapping[str, dict]], emotions: Sequence[str]
) -> dict[str, list[str]]:
    """Part -> the emotions that none of its utterances has; only where there are such."""
    found = {}
    for name, rows in parts.items():
        there = {row["emotion"] for row in rows.values()}
        found[name] = [emotion for emotion in emotions if emotion not in there]
    return {name: absent for name, absent in found.items() if absent}


def _balance(
    data: CorpusData, rows: dict[str, dict], emotions: Sequence[str] | None, seed: int
) -> dict[str, dict]:
    if emotions is None:
        raise SERError("balanced: True needs an experiment that learns classes.")
    kept = {i: rows[i] for i in balanced_ids(rows, emotions, seed)}
    data.leave_out("beyond the smallest class of the test set", len(rows) - len(kept))
    return kept


def audit_all(
    train: dict[str, dict],
    valid: dict[str, dict],
    tests: Mapping[str, dict[str, dict]],
    protocol: str,
) -> dict[str, dict]:
    """Audit training against validation, and both against each test set.

    Raises
    ------
    SERError
        See :func:`ser_brain.data.audit.require_disjoint`.
    """
    hashes: dict[tuple, str] = {}
    audits = audit_parts({"train": train, "valid": valid}, hashes)
    require_disjoint(audits, protocol)
    for name, rows in tests.items():
        parts = audit_parts({"train": train, name: rows}, hashes)
        parts |= audit_parts({"valid": valid, name: rows}, hashes)
        require_disjoint(parts, protocol)
        audits.update(parts)
    return audits


def protocol_string(
    data: ExperimentData,
    setting: SplitSetting,
    tasks: Sequence[str],
    choice: LabelChoice,
    balanced: bool = False,
) -> str:
    """The protocol in one line, e.g. ``emodb/speaker-5fold-fold1/intended/4-class/seed 1``.

    It names a task only where some training utterance has its label: a multi-objective model
    trained on a corpus without valence and arousal is a classification model.
    """
    trained = [corpus for corpus in data.corpora if corpus.setting.use == "train"]
    sources = {row["label_source"] for corpus in trained for row in corpus.rows.values()}
    prototypes = "(prototypes)" if choice.vad_source == "prototypes" else ""
    names = {
        "emotion": f"{len(choice.emotions)}-class",
        "valence_arousal": f"valence-arousal{prototypes}",
    }
    found = learned(tasks, data.train)
    return "/".join(
        [
            "+".join(corpus.name for corpus in trained),
            setting.describe(),
            "+".join(sorted(sources)),
            "+".join(name for task, name in names.items() if task in found),
            *(["balanced"] if balanced else []),
            f"seed {setting.seed}",
        ]
    )
