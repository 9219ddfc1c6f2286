"""The data of an experiment: its utterances, labelled, split and audited, and its protocol."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data import audit
from ser_brain.data.audit import audit_parts, require_disjoint
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.data.labelling import (
    NEEDED,
    CorpusData,
    LabelChoice,
    advise_source,
    label_corpus,
    require_every_emotion,
    require_known,
)
from ser_brain.data.labels import DIMENSIONS, VALENCE_AROUSAL, listed, stated
from ser_brain.data.manifest import Manifest, read_manifest
from ser_brain.data.splits import ACROSS, SplitSetting, absence, balanced_ids, split
from ser_brain.data.transfer import split_across

logger = get_logger(__name__)

# Where a protocol's line goes on to tell what the model was tested on, or adapted to.
SUFFIX = " on |, adapted "

# What an experiment may learn -> the output of its Brain. The second task is the dimensions of
# the setting `dimensions`; its name is that of the two that these are by default.
TASKS = {"emotion": "log_probabilities", "valence_arousal": "valence_arousal"}
# What it may learn -> the losses that `loss_weights` may name (ser_brain/models/losses.py).
LOSSES = {
    "emotion": ("nll", "focal", "soft_ce", "kl"),
    "valence_arousal": ("mse", "mae", "ccc"),
}


@dataclass(frozen=True)
class Protocol:
    """How a model was trained, and so what its results mean.

    ``str(protocol)`` is the one line that every table and figure shows, for example
    ``emodb/speaker-5fold-fold1/intended/4-class/seed 1``.

    Attributes
    ----------
    corpora : tuple of str
        Trained on.
    split : str
        See :meth:`ser_brain.data.splits.SplitSetting.describe`.
    label_sources : tuple of str
    tasks : tuple of str
        Keys of :data:`TASKS`: only those for which some training utterance has a label. A
        multi-objective model trained on a corpus without valence and arousal is a
        classification model.
    classes : int
        How many emotions are told apart; 0 where none are.
    prototypes : bool
        Valence and arousal are each emotion's point on the circumplex, not ratings.
    balanced : bool
        Tested on as many utterances of each class as the smallest class has.
    seed : int or None
        None only for strings that name no single seed.
    dimensions : tuple of str
        Of the task ``valence_arousal``.
    """

    corpora: tuple[str, ...]
    split: str
    label_sources: tuple[str, ...]
    tasks: tuple[str, ...]
    classes: int
    prototypes: bool
    balanced: bool
    seed: int | None
    dimensions: tuple[str, ...] = VALENCE_AROUSAL

    def __str__(self) -> str:
        names = {
            "emotion": f"{self.classes}-class",
            "valence_arousal": "-".join(self.dimensions) + "(prototypes)" * self.prototypes,
        }
        return "/".join(
            [
                "+".join(self.corpora),
                self.split,
                "+".join(self.label_sources),
                "+".join(name for task, name in names.items() if task in self.tasks),
                *(["balanced"] if self.balanced else []),
                f"seed {self.seed}",
            ]
        )

    def as_dict(self) -> dict:
        """For a JSON file: ``protocol``, the line, and ``protocol_fields``, these fields."""
        fields = dataclasses.asdict(self)
        del fields["dimensions"]
        fields |= stated(self.dimensions)
        return {"protocol": str(self), "protocol_fields": fields}

    @classmethod
    def of(cls, content: Mapping) -> Protocol:
        """The protocol in a ``splits.json`` or card; an old one has only the line."""
        line = str(content["protocol"])
        fields = content.get("protocol_fields")
        if isinstance(fields, Mapping):
            with contextlib.suppress(TypeError):  # damaged
                lists = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
                found = cls(**{**fields, **lists})
                if str(found) == re.split(SUFFIX, line)[0]:  # else folds that were pooled
                    return found
        return cls.parse(line)

    @classmethod
    def parse(cls, line: str) -> Protocol:
        """Read the line of an old file; what it does not name is empty.

        Examples
        --------
        >>> Protocol.parse("demo+emodb/speaker/intended/4-class/seed 1 on cremad/rated").corpora
        ('demo', 'emodb')
        """
        corpora, *parts = re.split(SUFFIX, line)[0].split("/")
        split, sources = [*parts, "", ""][:2]
        kinds = rf"\d+-class|{'|'.join(DIMENSIONS)}"
        task = next((p for p in parts if re.match(kinds, p)), "")
        values = task.rpartition("+")[2].removesuffix("(prototypes)").split("-")
        dimensions = tuple(name for name in DIMENSIONS if name in values)
        classes = re.match(r"(\d+)-class", task)
        seed = next(filter(None, (re.fullmatch(r"seed (\d+)", p) for p in parts)), None)
        learned = {"emotion": classes, "valence_arousal": dimensions}
        return cls(
            tuple(corpora.split("+")),
            split,
            tuple(filter(None, sources.split("+"))),
            tuple(name for name, found in learned.items() if found),
            int(classes[1]) if classes else 0,
            "(prototypes)" in task,
            "balanced" in parts,
            int(seed[1]) if seed else None,
            dimensions or VALENCE_AROUSAL,
        )


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
        ``valid`` or test set -> classes of which it has no utterance, where there are any.
    protocol : Protocol, optional
        None until :func:`load_experiment` knows what is learned.
    config : ExperimentConfig, optional
        The settings, of data that :func:`load_experiment` gives.
    """

    train: dict[str, dict]
    valid: dict[str, dict]
    tests: dict[str, dict[str, dict]]
    audits: dict[str, dict]
    corpora: list[CorpusData]
    folds: int
    absent: dict[str, list[str]]
    protocol: Protocol | None = None
    config: ExperimentConfig | None = None

    def as_dict(self) -> dict:
        """The content of ``splits.json``: ids, audit, classes and excluded utterances."""
        used = {*self.train, *self.valid}
        return {
            **(self.protocol.as_dict() if self.protocol else {"protocol": ""}),
            "folds": self.folds,
            "train": list(self.train),
            "valid": list(self.valid),
            "tests": {name: list(rows) for name, rows in self.tests.items()},
            "audit": self.audits,
            "absent": self.absent,
            "left_out": {data.name: data.left_out for data in self.corpora},
            "corpora": {data.name: data.facts(used) for data in self.corpora},
        }

    def log_findings(self) -> None:
        """Log the protocol, what the parts share, and the classes that a part lacks."""
        logger.info(f"protocol: {self.protocol}")
        audit.log(self.audits)
        for part, classes in self.absent.items():
            logger.warning(absence(part, classes))

    def synthetic(self, test_set: str) -> bool:
        """Whether the speech of a test set is synthetic."""
        rows = self.tests[test_set]
        cards = [data.card for data in self.corpora if not rows.keys().isdisjoint(data.rows)]
        return any(bool(card.get("synthetic")) for card in cards)


def load_experiment(
    config: ExperimentConfig, prepared: Sequence[tuple[CorpusSetting, str, str]]
) -> ExperimentData:
    """Label, split and audit the corpora of an experiment.

    Parameters
    ----------
    config : ExperimentConfig
    prepared : sequence of (CorpusSetting, manifest, data folder)

    Raises
    ------
    SERError
        If labels or splits are wrong.
    """
    tasks, balanced = config.tasks, config.balanced
    read = [(read_manifest(path, NEEDED), folder, line) for line, path, folder in prepared]
    require_known(config.labels, [manifest.card for manifest, *_ in read])
    labelled = [label_corpus(*each, config.labels) for each in read]
    classes = config.labels.emotions if "emotion" in tasks else None
    data = assemble(labelled, config.split, classes, balanced)
    data.config = config
    data.protocol = protocol_of(data, config.split, tasks, config.labels, balanced)
    if not data.protocol.tasks:
        words = {"emotion": "emotion", "valence_arousal": listed(config.labels.dimensions)}
        raise SERError(
            "No training utterance has a label for what the experiment learns: "
            f"{' and '.join(words[task] for task in tasks)}. Choose another experiment or "
            "corpus."
        )
    if "valence_arousal" in tasks:
        _require_ratings(data, [manifest for manifest, *_ in read])
    return data


def _require_ratings(data: ExperimentData, manifests: Sequence[Manifest]) -> None:
    """Warn if no training utterance is rated; stop if some of the dimensions never are."""
    dimensions = data.config.labels.dimensions
    unrated = [d for d in dimensions if all(row[d] is None for row in data.train.values())]
    if not unrated:
        return
    nobody = f"No training utterance has {listed(unrated)}"
    elsewhere = "".join(
        advise_source(corpus.name, manifest.entries, unrated)
        for corpus, manifest in zip(data.corpora, manifests, strict=True)
        if corpus.setting.use == "train"
    )
    rated = [name for name in dimensions if name not in unrated]
    if rated:
        raise SERError(f"{nobody}. Give --dimensions=[{','.join(rated)}].{elsewhere}")
    logger.warning(
        f"{nobody}, so only the emotion head learns.{elsewhere} "
        "--vad_source=prototypes gives each emotion its point on the circumplex."
    )


def require_tasks(brain: type) -> tuple[str, ...]:
    """What an experiment learns, as its Brain declares it in ``tasks``; checked."""
    brain = getattr(brain, "func", brain)  # of a !name: with arguments
    tasks = tuple(getattr(brain, "tasks", ()))
    if not tasks or set(tasks) - set(TASKS):
        raise SERError(
            f"Bad tasks {tasks} of {brain.__name__}; expected one or both of: "
            f'{", ".join(TASKS)}, as in tasks = ("emotion",).'
        )
    return tasks


def assemble(
    corpora: Sequence[CorpusData],
    setting: SplitSetting,
    emotions: Sequence[str] | None,
    balanced: bool = False,
) -> ExperimentData:
    """Split the training corpora, collect the test sets and audit every pair of parts.

    Utterances that end up in no part are counted in their corpus's ``left_out``.

    Parameters
    ----------
    corpora : sequence of CorpusData
    setting : SplitSetting
        Applied to each training corpus separately, or across them, see
        :func:`ser_brain.data.transfer.split_across`.
    emotions : sequence of str, optional
        Classes that must each have an utterance to train on, in any of the corpora; None
        where none is learned.
    balanced : bool
        Test on equally many utterances of each class.

    Raises
    ------
    SERError
        If two corpora share a name, a class has nothing to train on, a corpus cannot be split
        or balanced, or the parts share what the protocol keeps apart.
    """
    train: dict[str, dict] = {}
    valid: dict[str, dict] = {}
    tests: dict[str, dict[str, dict]] = {}
    if emotions is not None:
        trained = [data.rows for data in corpora if data.setting.use == "train"]
        require_every_emotion(dict(ChainMap(*trained)), emotions)
    elif balanced:
        raise SERError("balanced: True needs an experiment that learns classes.")
    folds, names = 1, [data.name for data in corpora]
    for name in names:
        if names.count(name) > 1:
            raise SERError(f"corpora has two lines named {name}; use `where` to differ.")
    if setting.protocol in ACROSS:
        train, valid, tests, folds = split_across(corpora, setting, emotions is not None)
        if emotions is not None:
            require_every_emotion(train, emotions)
    else:
        for data in corpora:
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
        tests = {
            name: _balanced(rows, corpora, emotions, setting.seed)
            for name, rows in tests.items()
        }
    audits = audit_all(train, valid, tests, setting.protocol)
    absent = {}
    for name, rows in {"valid": valid, **tests}.items():
        present = {row["emotion"] for row in rows.values()}
        if missing := [emotion for emotion in emotions or () if emotion not in present]:
            absent[name] = missing
    return ExperimentData(train, valid, tests, audits, list(corpora), folds, absent)


def _balanced(
    rows: Mapping[str, dict], corpora: Sequence[CorpusData], emotions: Sequence[str], seed: int
) -> dict[str, dict]:
    """Equally many utterances of each class; the others are counted in their corpus."""
    kept = set(balanced_ids(rows, emotions, seed))
    for data in corpora:
        beyond = len((rows.keys() & data.rows.keys()) - kept)
        data.leave_out("beyond the smallest class of the test set", beyond)
    return {i: row for i, row in rows.items() if i in kept}


def audit_all(
    train: dict[str, dict],
    valid: dict[str, dict],
    tests: Mapping[str, dict[str, dict]],
    protocol: str,
) -> dict[str, dict]:
    """Audit training against validation, and both against each test set; stop at an overlap."""
    hashes: dict[tuple, str] = {}  # shared, so that no recording is read twice
    audits = audit_parts({"train": train, "valid": valid}, hashes)
    for name, rows in tests.items():
        audits |= audit_parts({"train": train, name: rows}, hashes)
        audits |= audit_parts({"valid": valid, name: rows}, hashes)
    require_disjoint(audits, protocol)
    return audits


def protocol_of(
    data: ExperimentData,
    setting: SplitSetting,
    tasks: Sequence[str],
    choice: LabelChoice,
    balanced: bool = False,
) -> Protocol:
    """The protocol of split data; of the tasks, those for which training has a label."""
    trained = [each for each in data.corpora if not data.train.keys().isdisjoint(each.rows)]
    sources = {row["label_source"] for corpus in trained for row in corpus.rows.values()}
    labels = {"emotion": ["emotion"], "valence_arousal": choice.dimensions}
    learned = tuple(
        task
        for task in TASKS
        if task in tasks
        and any(row[key] is not None for row in data.train.values() for key in labels[task])
    )
    rated = "valence_arousal" in learned
    return Protocol(
        corpora=tuple(corpus.name for corpus in trained),
        split=setting.describe(),
        label_sources=tuple(sorted(sources)),
        tasks=learned,
        classes=len(choice.emotions) if "emotion" in learned else 0,
        prototypes=rated and choice.vad_source == "prototypes",
        balanced=balanced,
        seed=setting.seed,
        dimensions=tuple(choice.dimensions) if rated else VALENCE_AROUSAL,
    )
