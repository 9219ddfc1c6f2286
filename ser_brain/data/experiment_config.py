"""The settings of an experiment that its data and its predictions depend on, as one record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ser_brain.core.errors import SERError
from ser_brain.data.corpora import trained_on
from ser_brain.data.labelling import LabelChoice
from ser_brain.data.labels import VALENCE_AROUSAL
from ser_brain.data.splits import SplitSetting

# Settings that the runs of version 0.1.0 lack.
DEFAULTS = {
    **{"balanced": False, "max_clip_s": math.inf, "dimensions": VALENCE_AROUSAL},
    "train_on": "others",
}
NEEDED = (
    *("experiment", "seed", "corpus", "corpora", "validation_metric"),
    *("emotions", "emotion_map", "va_range", "vad_source", "required_label"),
    *("split", "split_fractions", "folds", "fold"),
)


@dataclass(frozen=True)
class ExperimentConfig:
    """What an experiment learns, from which labels, on which split.

    Made once from the settings, which are checked on the way. What only the Brain needs
    (losses, optimisers, batches) stays in its ``hparams``, as SpeechBrain has it.

    Attributes
    ----------
    experiment : str
        Its name, for example ``multiobjective``.
    seed : int
    tasks : tuple of str
        Keys of :data:`ser_brain.data.experiment.TASKS`; empty where no Brain is known.
    labels : LabelChoice
        ``emotions``, ``emotion_map``, ``va_range``, ``vad_source``, ``required_label``,
        ``dimensions``.
    split : SplitSetting
        ``split``, ``split_fractions``, ``folds``, ``fold``, ``train_on``.
    balanced : bool
        Test on as many utterances of each class as the smallest class has.
    corpus : str
        Trained on, unless ``corpora`` names others.
    corpora : list of mapping, optional
        Lines for :func:`ser_brain.data.corpora.parse_corpora`; None trains on ``corpus``.
    max_clip_s : float
        Longest clip in seconds.
    validation_metric : str
        Lower is better; chooses the checkpoint.
    """

    experiment: str
    seed: int
    tasks: tuple[str, ...]
    labels: LabelChoice
    split: SplitSetting
    balanced: bool
    corpus: str
    corpora: Sequence[Mapping] | None
    max_clip_s: float
    validation_metric: str

    @classmethod
    def from_settings(cls, hparams: Mapping, tasks: Sequence[str] = ()) -> ExperimentConfig:
        """Read it from settings, built or plain.

        Raises
        ------
        SERError
            If settings are missing, name labels that do not exist, or ask for a split that is
            not possible.
        """
        hparams = {**DEFAULTS, **hparams}
        missing = [key for key in NEEDED if key not in hparams]
        if missing:
            raise SERError(
                f"The settings lack {', '.join(missing)}; extend hparams/base.yaml, which has "
                "them all."
            )
        return cls(
            experiment=hparams["experiment"],
            seed=hparams["seed"],
            tasks=tuple(tasks),
            labels=LabelChoice(
                emotions=hparams["emotions"],
                emotion_map=hparams["emotion_map"],
                va_range=hparams["va_range"],
                vad_source=hparams["vad_source"],
                required_label=hparams["required_label"],
                dimensions=tuple(hparams["dimensions"]),
            ),
            split=SplitSetting(
                protocol=hparams["split"],
                seed=hparams["seed"],
                fractions=hparams["split_fractions"],
                folds=hparams["folds"],
                fold=hparams["fold"],
                train_on=hparams["train_on"],
            ),
            balanced=hparams["balanced"],
            corpus=hparams["corpus"],
            corpora=hparams["corpora"],
            max_clip_s=hparams["max_clip_s"],
            validation_metric=hparams["validation_metric"],
        )

    @property
    def trained_on(self) -> str:
        """The corpora that are trained on, as folders are named: ``emodb+urdu``."""
        return trained_on(self.corpora, self.corpus)
