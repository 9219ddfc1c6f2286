"""The labels of one experiment, chosen from the labels of all sources in a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value, first_few
from ser_brain.data.corpora import CorpusSetting, Target
from ser_brain.data.labels import (
    DIMENSIONS,
    EMOTIONS,
    SOME_DIMENSIONS,
    VALENCE_AROUSAL,
    are_dimensions,
    listed,
    map_emotion,
    merged_votes,
    prototype,
    require_in_scale,
    rescale,
    vocabulary_of,
)
from ser_brain.data.manifest import Manifest, differences, read_manifest
from ser_brain.data.splits import balanced_ids

VAD_SOURCES = ("corpus", "prototypes")
REQUIRED_LABELS = ("emotion", "votes", "vad")
UNIT_RANGE = (-1.0, 1.0)
NEEDED = ("name", "sources", "default_source", "vad_scale")  # keys of a corpus card
CARD_FACTS = (
    *("title", "version", "licence", "citation", "languages", "style", "notes"),
    *("synthetic", "known_bad", "fingerprint", "manifest_sha256"),
)


@dataclass(frozen=True)
class LabelChoice:
    """How an experiment reads labels.

    Attributes
    ----------
    emotions : sequence of str
        The classes, in the order of the model's outputs.
    emotion_map : dict
        Classes to merge, e.g. ``{"excitement": "happiness"}``.
    va_range : (float, float)
        The scale of valence and arousal in this experiment.
    vad_source : str
        ``corpus`` (its ratings) or ``prototypes`` (each emotion's point on the circumplex).
    required_label : str
        ``emotion``: keep utterances of the classes; ``votes``: keep also those whose raters
        are divided between classes; ``vad``: keep those with any of the dimensions.
    dimensions : sequence of str
        Those that are learned, of :data:`ser_brain.data.labels.DIMENSIONS` and in its order.
    """

    emotions: Sequence[str]
    emotion_map: Mapping[str, str]
    va_range: tuple[float, float]
    vad_source: str
    required_label: str
    dimensions: Sequence[str] = VALENCE_AROUSAL

    def __post_init__(self) -> None:
        if self.vad_source not in VAD_SOURCES:
            raise bad_value("vad_source", self.vad_source, VAD_SOURCES)
        if self.required_label not in REQUIRED_LABELS:
            raise bad_value("required_label", self.required_label, REQUIRED_LABELS)
        twice = [e for e, count in Counter(self.emotions).items() if count > 1]
        if twice:
            raise SERError(f"emotions names {', '.join(twice)} more than once.")
        if not are_dimensions(self.dimensions):
            raise SERError(f"Bad dimensions {self.dimensions!r}; expected {SOME_DIMENSIONS}.")
        pointless = [name for name in self.dimensions if name not in VALENCE_AROUSAL]
        if self.vad_source == "prototypes" and pointless:
            raise SERError(
                f"vad_source: prototypes has no {listed(pointless)}, only valence and arousal. "
                "Give vad_source: corpus, or other dimensions."
            )
        if len(self.va_range) != 2 or not self.va_range[0] < self.va_range[1]:
            raise SERError(
                f"Bad va_range {list(self.va_range)}; expected the lowest and highest value."
            )


def require_known(choice: LabelChoice, cards: Iterable[Mapping]) -> None:
    """Check the emotions of an experiment against what its corpora may have.

    Raises
    ------
    SERError
        For an emotion that is neither of the vocabulary nor of a corpus's own, and for one of
        a corpus's own where each emotion's point on the circumplex is asked for.
    """
    vocabulary = vocabulary_of(cards)
    for emotion in [*choice.emotions, *choice.emotion_map, *choice.emotion_map.values()]:
        if emotion not in vocabulary:
            raise bad_value("emotion", emotion, vocabulary)
    if choice.vad_source == "prototypes":
        for emotion in choice.emotions:
            if emotion not in EMOTIONS:
                raise SERError(
                    f"vad_source: prototypes has no point for {emotion}, a corpus's own class. "
                    "Merge it into a known emotion with emotion_map, or train with "
                    "hparams/classification.yaml and vad_source: corpus."
                )


@dataclass
class CorpusData:
    """The utterances of one line of ``corpora``, labelled for the experiment.

    Attributes
    ----------
    name : str
        The manifest's corpus, with the values of ``where``: ``demo_eng``.
    rows : dict
        id -> manifest entry with ``emotion`` (one of the experiment's, or None), ``votes``
        (class -> number of raters, or None; without those for other emotions), ``agreement``
        (share of all raters who chose the emotion, or None), ``valence``, ``arousal`` and
        ``dominance`` (in ``va_range`` units, or None) and ``label_source``. Of speakers whose
        ``age`` and ``accent`` the card knows, also these.
    left_out : dict
        Reason -> number of excluded utterances.
    """

    name: str
    setting: CorpusSetting
    card: dict
    rows: dict[str, dict]
    left_out: dict[str, int]

    @property
    def label_source(self) -> str:
        """The one that was asked for, or the corpus's default."""
        return _label_source(self.setting, self.card)

    def leave_out(self, reason: str, count: int) -> None:
        """Count utterances that the protocol excludes."""
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def facts(self, used: Collection[str] = ()) -> dict:
        """What a report shows of the corpus: what it is, and what its preparation found.

        Parameters
        ----------
        used : collection of str
            Ids of all utterances that are trained or validated on: their languages are named,
            of which a corpus may have more. If none is of this corpus, those of all its rows.
        """
        trained = [row for i, row in self.rows.items() if i in used]
        rows = trained or self.rows.values()
        languages = sorted({row["language"] for row in rows if row.get("language")})
        return {
            **{key: self.card.get(key) for key in CARD_FACTS},
            "languages": languages or self.card.get("languages"),
            "use": "train" if trained else "test",
            "label_source": self.label_source,
            "utterances": len(self.rows),
            "left_out": self.left_out,
            "damaged": {kind: len(p) for kind, p in self.card.get("left_out", {}).items()},
            "same_audio": len(self.card.get("same_audio", ())),
            "differs": [
                *differences(self.card.get("counts", {}), self.card.get("expected", {}))
            ],
        }


def label_corpus(
    manifest: Manifest, data_folder: str | Path, setting: CorpusSetting, choice: LabelChoice
) -> CorpusData:
    """Give each utterance of a manifest the experiment's labels.

    Raises
    ------
    SERError
        If the corpus lacks the label source, valence or arousal is off its scale (naming the
        utterance), or no utterance remains.
    """
    card = manifest.card
    source = _label_source(setting, card)
    if source not in card["sources"]:
        raise bad_value(f"label source of {card['name']}", source, card["sources"])
    rows, left_out, folder = {}, Counter(), Path(data_folder)
    people = card.get("speakers", {})
    for utterance_id, entry in manifest.entries.items():
        if any(entry.get(key) != value for key, value in setting.where.items()):
            continue
        try:
            row, reason = _label(entry, source, card, choice)
        except SERError as error:
            raise SERError(f"{utterance_id}: {error}") from None
        if reason is None:
            known = _person(people.get(entry["speaker"], {}))
            rows[utterance_id] = {**row, **known, "wav": str(folder / row["wav"])}
        else:
            left_out[reason] += 1
    name = "_".join([card["name"], *map(str, setting.where.values())])
    if not rows:
        raise _nothing_left(card["name"], manifest.entries, setting, choice, left_out)
    return CorpusData(name, setting, card, rows, dict(left_out))


def _label_source(setting: CorpusSetting, card: Mapping) -> str:
    return setting.label_source or card.get("default_source")


def _person(facts: Mapping) -> dict:
    """What predictions repeat of the corpus card's facts of a speaker, where it has them."""
    found = {"age": facts.get("age"), "accent": facts.get("accent", facts.get("mother_tongue"))}
    return {key: value for key, value in found.items() if value is not None}


def label_target(target: Target, choice: LabelChoice, seed: int) -> tuple[CorpusData, Manifest]:
    """Label the corpus of ``--on``, and draw a number of each class from it, if asked for."""
    manifest = read_manifest(target.manifest, NEEDED)
    named = manifest.card["name"], "test", None
    setting = CorpusSetting(*named, target.label_source, target.where)
    data = label_corpus(manifest, manifest.data_folder(target.data_folder), setting, choice)
    if target.balanced or target.per_class:
        drawn = balanced_ids(data.rows, choice.emotions, seed, target.per_class)
        data = replace(data, rows={i: data.rows[i] for i in drawn})
    return data, manifest


def drawn_name(data: CorpusData, target: Target) -> str:
    """Name a test set by its corpus, and by how it differs from the corpus as a whole."""
    source = data.label_source
    own_source = [source] if source != data.card["default_source"] else []
    drawn = [how.replace(" ", "-") for how in target.drawn]
    return "-".join([data.name, *own_source, *drawn])


def protocol_on(protocol: str, data: CorpusData, target: Target) -> str:
    """What a model is, by its own protocol or name, and what it is tested on."""
    return f"{protocol} on {'/'.join([data.name, data.label_source, *target.drawn])}"


def _label(
    entry: dict, source: str, card: dict, choice: LabelChoice
) -> tuple[dict, str | None]:
    """The row of an entry, and the reason why it is excluded (None: it is not)."""
    label = entry["labels"].get(source)
    if label is None:
        return {}, f"without {source} label"
    emotion = map_emotion(label["emotion"], choice.emotion_map)
    ratings = _ratings(emotion, label, card, choice)
    votes, agreement = _votes(emotion, label, choice)
    row = {
        **entry,
        "label_source": source,
        "emotion": emotion if emotion in choice.emotions else None,
        "votes": votes,
        "agreement": agreement,
        **ratings,
    }
    found = {"emotion": row["emotion"], "votes": row["emotion"] or votes, "vad": True}
    if not found[choice.required_label]:
        return row, "without agreement" if emotion is None else f"labelled {emotion}"
    rated = any(ratings[name] is not None for name in choice.dimensions)
    if choice.required_label == "vad" and not rated:
        return row, _without(choice)
    return row, None


def _without(choice: LabelChoice) -> str:
    return f"without {listed(choice.dimensions)}"


def _votes(
    emotion: str | None, label: Mapping, choice: LabelChoice
) -> tuple[dict[str, float] | None, float | None]:
    """The votes for the classes, and the share of all votes for the emotion of the label.

    Both are None where the label is no class. Where raters are divided, and there is no label,
    all emotions in the first place must be classes: what is as likely would else be dropped.
    """
    votes = merged_votes(label.get("votes"), choice.emotion_map)
    most = max(votes.values(), default=0)
    first = [emotion] if emotion else [e for e, count in votes.items() if count == most]
    if not first or not set(first) <= set(choice.emotions):
        return None, None
    if not votes:
        return None, label.get("recognition_rate")
    of_classes = {e: votes[e] for e in choice.emotions if e in votes}
    return of_classes or None, votes.get(first[0], 0) / sum(votes.values())


def _ratings(
    emotion: str | None, label: dict, card: dict, choice: LabelChoice
) -> dict[str, float | None]:
    """The utterance's place on every dimension, in the experiment's units."""
    if choice.vad_source == "prototypes":
        point = prototype(emotion) if emotion is not None else None
        scale = UNIT_RANGE
    else:
        point = label.get("vad")
        scale = card["vad_scale"]
    if point is None:
        return dict.fromkeys(DIMENSIONS)
    if scale is None:
        raise SERError("valence and arousal have no scale in the corpus card.")
    return {
        name: None
        if point.get(name) is None
        else rescale(require_in_scale(point[name], scale, name), scale, choice.va_range)
        for name in DIMENSIONS
    }


def advise_source(corpus: str, entries: Mapping[str, dict], dimensions: Sequence[str]) -> str:
    """Name the label source of a corpus that has ratings on the dimensions; if any."""
    for entry in entries.values():
        for source, label in entry["labels"].items():
            vad = (label or {}).get("vad") or {}
            if any(vad.get(name) is not None for name in dimensions):
                line = f"label_source: {source} in the line of {corpus} in `corpora`"
                return f" Its raters' labels have them: give {line}."
    return ""


def _nothing_left(
    name: str,
    entries: Mapping[str, dict],
    setting: CorpusSetting,
    choice: LabelChoice,
    left_out: Mapping[str, int],
) -> SERError:
    why = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    asked = ", ".join(f"{key} {value}" for key, value in setting.where.items())
    if not why:
        found = {key: {str(e[key]) for e in entries.values()} for key in setting.where}
        there = [f"{key}: {first_few(sorted(values), 12)}" for key, values in found.items()]
        return SERError(
            f"No utterance of {name} has {asked}. The corpus has {'; '.join(there)}."
        )
    advice = ""
    if set(left_out) == {_without(choice)} and choice.vad_source == "corpus":
        advice = advise_source(name, entries, choice.dimensions) or (
            " Use hparams/classification.yaml instead, or --vad_source=prototypes, which gives "
            "each emotion its point on the circumplex."
        )
    chosen = f"{name} with {asked}" if asked else name
    return SERError(
        f"No utterance of {chosen} has the label that this experiment needs ({why}).{advice}"
    )


def require_every_emotion(rows: Mapping[str, dict], emotions: Sequence[str]) -> None:
    """Stop if a class of the experiment has no utterance to train on."""
    counts = Counter(row["emotion"] for row in rows.values())
    absent = [emotion for emotion in emotions if not counts[emotion]]
    if absent:
        found = ", ".join(f"{emotion} {counts[emotion]}" for emotion in emotions)
        raise SERError(
            f"No utterance to train on is labelled {', '.join(absent)} (found: {found}). "
            "Correct `emotions`, `emotion_map` or the label source."
        )
