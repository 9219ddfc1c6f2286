"""What a prep script says: the corpus's card, its utterances and what was wrong with it.

Standard library only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from ser_brain.errors import bad_value


@dataclass
class Utterance:
    """One utterance as a prep script finds it; unknown facts stay None.

    Attributes
    ----------
    name : str
        The corpus's own name of it, unique in the corpus; the id is ``<corpus>_<name>``.
    path : str
        Audio file relative to the data folder.
    labels : dict
        Label source -> annotation (see :func:`ser_brain.labels.annotation`).
    speaker, group : str
        As the corpus names them; prefixed with the corpus in the manifest. ``group`` is a
        recording session or dyad.
    gender : str
        ``female``, ``male`` or ``other``.
    language : str
        ISO 639-3; None takes the card's only language.
    split : str
        ``train``, ``valid`` or ``test`` where the corpus defines an official split.
    text : str
        What was said, or its code, so that text overlap can be audited.
    start, stop : float
        Seconds inside the file, where the utterance is a part of it.
    """

    name: str
    path: str
    labels: dict[str, dict]
    speaker: str | None = None
    gender: str | None = None
    language: str | None = None
    group: str | None = None
    split: str | None = None
    text: str | None = None
    start: float | None = None
    stop: float | None = None


@dataclass(frozen=True)
class Problem:
    """Something that is left out: a file, an utterance, a rating.

    Attributes
    ----------
    kind : str
        What is wrong in a few words: ``missing``, ``unreadable``, ``stray file`` ...
    path : str
        The file, relative to the data folder; with ``:line`` for a line of a label file.
    harmless : bool
        True where no utterance of the corpus is lost by leaving it out (``._*`` files, stray
        folders, files that every copy has broken): named and counted, no reason to stop.
    """

    kind: str
    path: str
    harmless: bool = False


@dataclass(frozen=True)
class CorpusCard:
    """What a corpus is. Written beside its manifest, with counts and a fingerprint.

    Attributes
    ----------
    emotions : dict
        The corpus's raw codes -> canonical emotions.
    sources : tuple of str
        The label sources it can carry; the first is the default.
    layout : str
        One line that shows where its files lie, for the error about a wrong data folder.
    vad_scale : tuple of float, optional
        Lowest and highest valence/arousal/dominance in the corpus's units.
    sample_rates_hz : tuple of int, optional
        Rates its files may have; None accepts any.
    expected : dict
        Counts of a full copy, e.g. ``{"utterances": 535, "speakers": 10}``, and where known
        ``{"emotions": {source: {emotion: count}}}``. A copy that differs is told of.
    known_bad : dict
        Utterance name -> reason, for files broken in every copy; one that is sound is kept.
    synthetic : bool
        True where no person spoke; every report then says so.
    """

    name: str
    title: str
    version: str
    licence: str
    citation: str
    languages: tuple[str, ...]
    style: str
    emotions: Mapping[str, str]
    sources: tuple[str, ...]
    layout: str
    vad_scale: tuple[float, float] | None = None
    sample_rates_hz: tuple[int, ...] | None = None
    expected: Mapping[str, object] = field(default_factory=dict)
    known_bad: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    notes: str = ""

    def emotion(self, raw: str) -> str:
        """The canonical emotion of one of the corpus's codes.

        Raises
        ------
        SERError
            If the card does not know the code.
        """
        if raw not in self.emotions:
            raise bad_value(f"emotion code in {self.name}", raw, self.emotions)
        return self.emotions[raw]

    def as_dict(self) -> dict:
        """Plain JSON types, with the default source named."""
        content = dataclasses.asdict(self)
        content["default_source"] = self.sources[0]
        return content
