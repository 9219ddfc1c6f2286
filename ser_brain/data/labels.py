"""The vocabulary of labels: emotions, label sources, scales and the circumplex.

Every corpus maps its raw codes onto these names; every experiment chooses among them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from ser_brain.core.errors import SERError, bad_value

NO_EMOTION = -1  # index of an utterance without a class
NO_ANSWER = "no_answer"  # class of answers that name none of the classes; no utterance has it
EMOTIONS = (
    "anger",
    "happiness",
    "sadness",
    "neutral",
    "excitement",
    "frustration",
    "fear",
    "disgust",
    "surprise",
    "boredom",
    "contempt",
    "calm",
    "other",
)
# Everyday words and codes of known corpora that can mean only one emotion.
EMOTION_WORDS = {
    word: emotion
    for emotion, words in {
        "anger": ("angry", "ang"),
        "happiness": ("happy", "hap", "joy", "joyful"),
        "sadness": ("sad",),
        "neutral": ("neu", "neutrality"),
        "excitement": ("excited", "exc"),
        "frustration": ("frustrated", "fru"),
        "fear": ("fearful", "afraid", "scared", "fea"),
        "disgust": ("disgusted", "dis"),
        "surprise": ("surprised", "sur"),
        "boredom": ("bored",),
        "contempt": ("contemptuous",),
        "calm": ("calmness",),
        "other": (),
    }.items()
    for word in (emotion, *words)
}
LABEL_SOURCES = (
    "intended",  # what the speaker was asked to act
    "consensus",  # what the corpus's raters agreed on
    "rated_voice",  # CREMA-D: raters heard the voice alone
    "rated_face",  # CREMA-D: raters saw the face alone
    "rated_av",  # CREMA-D: raters heard and saw
    "self",  # the speaker's own report
    "teacher",  # what a model answers
)
DIMENSIONS = ("valence", "arousal", "dominance")
# The plane of the circumplex; also what the setting ``dimensions`` is where nobody gives it.
VALENCE_AROUSAL = DIMENSIONS[:2]
SOME_DIMENSIONS = f"some of {', '.join(DIMENSIONS)}, in this order"  # of are_dimensions

# A class of a corpus's own (``own_emotions`` of its card). It becomes a column ``p_<class>``.
OWN_EMOTION = re.compile(r"\w[\w-]*")


def are_dimensions(value: object) -> bool:
    """Whether a value lists at least one of :data:`DIMENSIONS`, in their order."""
    if not isinstance(value, list | tuple):
        return False
    return bool(value) and [*value] == [name for name in DIMENSIONS if name in value]


def stated(dimensions: Sequence[str]) -> dict[str, list[str]]:
    """The entry ``dimensions`` of a JSON file; none for valence and arousal, as ever."""
    named = list(dimensions)
    return {} if named == list(VALENCE_AROUSAL) else {"dimensions": named}


def listed(names: Sequence[str]) -> str:
    """Names as words of a sentence.

    Examples
    --------
    >>> listed(["valence", "arousal", "dominance"])
    'valence, arousal and dominance'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def require_own_emotions(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Check the names of a corpus's own classes; ``where`` they are given is for the error."""
    names = tuple(names)
    for name in names:
        if not isinstance(name, str) or not OWN_EMOTION.fullmatch(name) or name == "none":
            raise SERError(
                f"Bad class {name!r} in {where}; expected a name of letters, digits, _ and -."
            )
    return names


def meant_by(said: str, classes: Iterable[str]) -> str:
    """The emotion that somebody's word means: one of the classes, or else an everyday word.

    Examples
    --------
    >>> meant_by("Joy", ["joy", "neutral"]), meant_by("Joy", ["Neutral"])
    ('joy', 'happiness')
    >>> meant_by("wut-anfall", ["Wut-Anfall"])
    'Wut-Anfall'
    """
    names = {as_word(name): name for name in classes}
    word = as_word(said)
    return names.get(word) or EMOTION_WORDS.get(word, word)


def as_word(said: str) -> str:
    """A word as everyday words are listed: lower case, and _ between letters or digits."""
    return re.sub(r"\W+", "_", said.strip().lower()).strip("_")


def vocabulary_of(cards: Iterable[Mapping]) -> tuple[str, ...]:
    """Every emotion that the labels of corpora may have, given their cards."""
    own = (name for card in cards for name in card.get("own_emotions", ()))
    return tuple(dict.fromkeys((*EMOTIONS, *own)))


# Angles on the circumplex, degrees anticlockwise from pleasure: Russell (1980), J. Pers. Soc.
# Psychol. 39(6), figure 2, direct circular scaling of 28 words. Those that RUSSELL_ANGLE_DEG
# uses were checked against the paper; the others may be off by a few degrees.
# fmt: off
WORD_ANGLE_DEG = {
    "happy": 7.8, "delighted": 24.9, "excited": 48.6, "astonished": 69.8, "aroused": 73.8,
    "tense": 92.8, "alarmed": 96.5, "angry": 99.0, "afraid": 116.0, "annoyed": 123.0,
    "distressed": 138.0, "frustrated": 141.0, "miserable": 188.7, "sad": 207.5, "gloomy": 209.0,
    "depressed": 210.0, "bored": 242.0, "droopy": 256.0, "tired": 267.7, "sleepy": 271.9,
    "calm": 316.2, "relaxed": 318.0, "satisfied": 319.0, "at ease": 321.0, "content": 323.0,
    "serene": 328.6, "glad": 349.0, "pleased": 353.2,
}
# fmt: on
RUSSELL_ANGLE_DEG = {
    "happiness": WORD_ANGLE_DEG["happy"],
    "excitement": WORD_ANGLE_DEG["excited"],
    "surprise": WORD_ANGLE_DEG["astonished"],
    "anger": WORD_ANGLE_DEG["angry"],
    "fear": WORD_ANGLE_DEG["afraid"],
    "frustration": WORD_ANGLE_DEG["frustrated"],
    "sadness": WORD_ANGLE_DEG["sad"],
    "boredom": WORD_ANGLE_DEG["bored"],
    "calm": WORD_ANGLE_DEG["calm"],
}

# Words that are not on Russell's circle; neutral is its centre by convention. Disgust is put
# between distress (135) and misery (180), contempt beside it.
ASSIGNED_ANGLE_DEG = {"disgust": 150.0, "contempt": 150.0}


def prototype(emotion: str) -> dict[str, float] | None:
    """Valence and arousal of an emotion word on Russell's circumplex, in [-1, 1].

    Returns
    -------
    dict or None
        ``{"valence", "arousal"}`` on the unit circle, (0, 0) for neutral, None for ``other``
        and for a corpus's own classes.

    Examples
    --------
    >>> point = prototype("happiness")
    >>> round(point["valence"], 2), round(point["arousal"], 2)
    (0.99, 0.14)
    """
    if emotion == "neutral":
        return {"valence": 0.0, "arousal": 0.0}
    angle_deg = RUSSELL_ANGLE_DEG.get(emotion, ASSIGNED_ANGLE_DEG.get(emotion))
    if angle_deg is None:
        return None
    angle = math.radians(angle_deg)
    return {"valence": math.cos(angle), "arousal": math.sin(angle)}


def rescale(value: float, from_range: Iterable[float], to_range: Iterable[float]) -> float:
    """Map a rating linearly from one scale onto another."""
    from_low, from_high = from_range
    to_low, to_high = to_range
    share = (value - from_low) / (from_high - from_low)
    return to_low + share * (to_high - to_low)


def map_emotion(emotion: str | None, emotion_map: Mapping[str, str]) -> str | None:
    """Apply an experiment's merging of classes, e.g. excitement -> happiness."""
    return emotion_map.get(emotion, emotion) if emotion is not None else None


def merged_votes(
    votes: Mapping[str, float] | None, emotion_map: Mapping[str, str]
) -> dict[str, float]:
    """Add up the votes of classes that an experiment merges.

    Examples
    --------
    >>> merged_votes({"excitement": 2, "happiness": 1}, {"excitement": "happiness"})
    {'happiness': 3}
    """
    merged: dict[str, float] = {}
    for emotion, count in (votes or {}).items():
        name = emotion_map.get(emotion, emotion)
        merged[name] = merged.get(name, 0) + count
    return {name: count for name, count in merged.items() if count > 0}


def majority(votes: Mapping[str, float]) -> str | None:
    """The emotion with the most votes, or None where the first place is shared."""
    if not votes:
        return None
    most = max(votes.values())
    winners = [emotion for emotion, count in votes.items() if count == most]
    return winners[0] if len(winners) == 1 else None


def annotation(
    emotion: str | None = None,
    raw: str | None = None,
    *,
    intensity: str | None = None,
    votes: Mapping[str, float] | None = None,
    vad: Mapping[str, float | None] | None = None,
    **more: object,
) -> dict:
    """One label of one utterance by one source.

    Parameters
    ----------
    emotion : str, optional
        One of :data:`EMOTIONS` or of the card's ``own_emotions``, or None where raters disagree
        or were not asked. Preparation checks it.
    raw : str, optional
        The corpus's own code.
    intensity : str, optional
        ``low``, ``medium``, ``high`` where the corpus has it.
    votes : mapping, optional
        Emotion -> number of raters, from which ties and soft labels can be read.
    vad : mapping, optional
        Valence, arousal, dominance in the corpus's own units.
    **more
        Further facts of this corpus (e.g. ``recognition_rate``), kept as they are.

    Raises
    ------
    SERError
        For a dimension outside the vocabulary.
    """
    for name in vad or {}:
        if name not in DIMENSIONS:
            raise bad_value("dimension", name, DIMENSIONS)
    label: dict = {"emotion": emotion, "raw": raw}
    if intensity is not None:
        label["intensity"] = intensity
    if votes is not None:
        label["votes"] = dict(votes)
    if vad is not None:
        label["vad"] = dict(vad)
    label.update(more)
    return label


def require_in_scale(value: float, scale: Iterable[float], what: str) -> float:
    """Return ``value`` if it is on the scale, or stop; ``what`` names it in the error."""
    low, high = scale
    if not low <= value <= high:
        raise SERError(f"{what} is {value}, outside the scale {low} to {high}.")
    return value
