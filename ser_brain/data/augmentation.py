"""Seeded augmentation: the distortions that the setting ``augment`` asks for; views of clips.

View 0 of a clip is the clip itself; epoch n of a training hears view n. A view depends on the
settings, the seed, its number and the utterance's id, and on nothing else: not on the batch,
the worker, the process, or where a run was interrupted. Each distortion has a random stream of
its own, so adding one leaves the draws of the others as they were.

Shapes: S samples, mono float32.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.log import get_logger
from ser_brain.data import distortions
from ser_brain.data.distortions import CODECS, COLOURS

logger = get_logger(__name__)
Range = tuple[float, float]
NOISES = (*COLOURS, "speech", "babble")
TALKERS = (3, 7)  # of babble
LARGEST_CHUNK = 0.2  # of a clip, that one mask of time may silence

# Lowest and highest value of each range, by the name that says its unit.
BOUNDS: Mapping[str, Range] = {
    "factor": (0.8, 1.25),
    "rt60_s": (0.05, 5),
    "direct_db": (-20, 40),
    "snr_db": (-20, 60),
    "gain_db": (-60, 40),
    "band_hz": (0, 8000),
    "length_s": (0.001, 5),
    "width_hz": (10, 4000),
    "count": (1, 20),
}
CHOICES: Mapping[str, Sequence[str]] = {"kinds": NOISES, "codecs": tuple(CODECS)}


@dataclass(frozen=True)
class Clip:
    """What a distortion knows about the clip it distorts.

    Attributes
    ----------
    rate_hz : int
    limits : (int, float)
        Samples that the result must have at least and at most.
    talkers : callable
        (generator, how many) -> other clips, for babble.
    """

    rate_hz: int
    limits: tuple[int, float]
    talkers: Callable[[np.random.Generator, int], list[np.ndarray]]


@dataclass(frozen=True)
class Distortion:
    """A distortion that happens to a clip with some probability; ranges are drawn uniformly."""

    probability: float

    def apply(self, samples_S: np.ndarray, rng: np.random.Generator, clip: Clip) -> np.ndarray:
        """Distort a clip."""
        raise NotImplementedError


@dataclass(frozen=True)
class Speed(Distortion):
    """Resampled: tempo and pitch change together, by whole per cents."""

    factor: Range = (0.95, 1.05)

    def apply(self, samples_S, rng, clip):
        percent = round(100 * _within(rng.uniform(*self.factor), len(samples_S), clip.limits))
        return samples_S if percent == 100 else distortions.at_speed(samples_S, percent)


@dataclass(frozen=True)
class Stretch(Distortion):
    """Another tempo at the same pitch."""

    factor: Range = (0.9, 1.1)

    def apply(self, samples_S, rng, clip):
        factor = _within(rng.uniform(*self.factor), len(samples_S), clip.limits)
        return distortions.stretched(samples_S, factor)


@dataclass(frozen=True)
class Reverb(Distortion):
    """A made-up room."""

    rt60_s: Range = (0.2, 0.8)
    direct_db: Range = (0, 12)

    def apply(self, samples_S, rng, clip):
        drawn = rng.uniform(*self.rt60_s), rng.uniform(*self.direct_db)
        return distortions.in_room(
            samples_S, distortions.room_impulse(rng, *drawn, clip.rate_hz)
        )


@dataclass(frozen=True)
class Noise(Distortion):
    """Made-up noise, or other clips of the training set talking at once."""

    snr_db: Range = (5, 25)
    kinds: tuple[str, ...] = ("white", "pink", "brown", "speech")

    def apply(self, samples_S, rng, clip):
        kind = self.kinds[rng.integers(len(self.kinds))]
        snr_db, length = rng.uniform(*self.snr_db), len(samples_S)
        if kind == "babble":
            talkers = clip.talkers(rng, int(rng.integers(*TALKERS, endpoint=True)))
            noise_S = distortions.babble(rng, talkers, length)
        elif kind == "speech":
            noise_S = distortions.speech_shaped_noise(rng, samples_S)
        else:
            noise_S = distortions.coloured_noise(rng, length, COLOURS[kind], clip.rate_hz)
        return distortions.add_noise(samples_S, noise_S, snr_db)


@dataclass(frozen=True)
class Gain(Distortion):
    """Louder or softer."""

    gain_db: Range = (-10, 6)

    def apply(self, samples_S, rng, clip):
        return samples_S * np.float32(10 ** (rng.uniform(*self.gain_db) / 20))


@dataclass(frozen=True)
class Telephone(Distortion):
    """The band of a telephone and one of its codecs."""

    band_hz: Range = (300, 3400)  # the band itself: nothing is drawn
    codecs: tuple[str, ...] = ("mulaw", "alaw", "gsm")

    def apply(self, samples_S, rng, clip):
        samples_S = distortions.in_band(samples_S, *self.band_hz, clip.rate_hz)
        codec = self.codecs[rng.integers(len(self.codecs))]
        return distortions.coded(rng, samples_S, codec, clip.rate_hz)


@dataclass(frozen=True)
class Codec(Distortion):
    """A lossy codec at the full band."""

    codecs: tuple[str, ...] = ("mp3", "opus")

    def apply(self, samples_S, rng, clip):
        codec = self.codecs[rng.integers(len(self.codecs))]
        return distortions.coded(rng, samples_S, codec, clip.rate_hz)


@dataclass(frozen=True)
class MaskTime(Distortion):
    """Silence in chunks, each at most a fifth of the clip."""

    length_s: Range = (0.05, 0.2)
    count: Range = (1, 3)

    def apply(self, samples_S, rng, clip):
        masked_S, most = samples_S.copy(), LARGEST_CHUNK * len(samples_S)
        for _ in range(_count(rng, self.count)):
            size = round(min(rng.uniform(*self.length_s) * clip.rate_hz, most))
            start = int(rng.integers(len(samples_S) - size, endpoint=True))
            masked_S[start : start + size] = 0
        return masked_S


@dataclass(frozen=True)
class MaskFrequency(Distortion):
    """Bands without sound. In the waveform, so that any encoder hears it."""

    width_hz: Range = (200, 800)
    count: Range = (1, 2)

    def apply(self, samples_S, rng, clip):
        for _ in range(_count(rng, self.count)):
            width_hz = rng.uniform(*self.width_hz)
            low_hz = rng.uniform(0, clip.rate_hz / 2 - width_hz)
            samples_S = distortions.without_band(
                samples_S, low_hz, low_hz + width_hz, clip.rate_hz
            )
        return samples_S


# In the order in which they are applied: speaker, room, noise, microphone, line, masks.
DISTORTIONS: Mapping[str, type[Distortion]] = {
    "speed": Speed,
    "stretch": Stretch,
    "reverb": Reverb,
    "noise": Noise,
    "gain": Gain,
    "telephone": Telephone,
    "codec": Codec,
    "mask_time": MaskTime,
    "mask_frequency": MaskFrequency,
}


def _within(factor: float, samples: int, limits: tuple[int, float]) -> float:
    """The nearest factor, in whole per cents, after which a clip is within the limits."""
    shortest, longest = limits
    low, high = math.ceil(100 * samples / longest), math.floor(100 * samples / shortest)
    return min(max(round(100 * factor), low), high) / 100


def _count(rng: np.random.Generator, count: Range) -> int:
    return int(rng.integers(*map(int, count), endpoint=True))


class Augmentation:
    """Makes the views of clips.

    Parameters
    ----------
    settings : mapping
        The setting ``augment``.
    seed : int
    rate_hz : int
        Of all clips.
    limits : (int, int or None)
        Samples that the encoder takes at least and at most; None is no limit.
    clips : mapping, optional
        id -> function that loads a clip: the training set, from which babble draws.

    Raises
    ------
    SERError
        If the settings are not as :func:`parse_augment` expects them, or ask for babble and
        there are no clips for it.

    Examples
    --------
    >>> augmentation = Augmentation({"gain": {"probability": 1}}, seed=1, rate_hz=16_000)
    >>> clean, louder = augmentation.views(np.ones(3, np.float32), "emodb_03a01Fa", 2)
    >>> clean.tolist(), louder.tolist() == clean.tolist()
    ([1.0, 1.0, 1.0], False)
    """

    def __init__(
        self,
        settings: Mapping,
        seed: int,
        rate_hz: int,
        limits: tuple[int, int | None] = (1, None),
        clips: Mapping[str, Callable[[], np.ndarray]] | None = None,
    ) -> None:
        self.distortions = parse_augment(settings)
        self.seed = seed
        self.rate_hz = rate_hz
        self.limits = (limits[0], math.inf if limits[1] is None else limits[1])
        self.clips = clips or {}
        self.ids = sorted(self.clips)
        babble = "babble" in getattr(self.distortions.get("noise"), "kinds", ())
        if babble and len(self.ids) <= TALKERS[1]:
            raise SERError(
                f"augment: babble needs more than {TALKERS[1]} training clips; there are "
                f"{len(self.ids)}. Leave it out of kinds."
            )
        if "stretch" in self.distortions:
            logger.warning(
                "augment: time stretch changes how fast somebody speaks, which is a sign of "
                "emotion; the labels may no longer hold. speed (factors 0.95 to 1.05) is safer."
            )

    def view(self, samples_S: np.ndarray, utterance_id: str, number: int) -> np.ndarray:
        """Return a view of a clip; view 0 is the clip itself.

        Parameters
        ----------
        samples_S : numpy.ndarray, shape (S,), float32
        utterance_id : str
        number : int
            0 or more; in training, the epoch.

        Returns
        -------
        numpy.ndarray, float32
            Of another length where speed or stretch were drawn.
        """
        if number == 0:
            return samples_S
        digest = hashlib.sha256(utterance_id.encode()).digest()
        identity = np.frombuffer(digest, dtype="<u4").tolist()
        clip = Clip(self.rate_hz, self.limits, self._talkers_beside(utterance_id))
        for name, distortion in self.distortions.items():
            key = [self.seed, number, zlib.crc32(name.encode()), *identity]
            rng = np.random.default_rng(key)
            if rng.random() < distortion.probability:
                samples_S = distortion.apply(samples_S, rng, clip)
        return samples_S

    def views(
        self, samples_S: np.ndarray, utterance_id: str, count: int
    ) -> Iterator[np.ndarray]:
        """Yield views 0 (the clip itself) to ``count`` - 1."""
        return (self.view(samples_S, utterance_id, number) for number in range(count))

    def _talkers_beside(self, utterance_id: str) -> Callable:
        def talkers(rng: np.random.Generator, count: int) -> list[np.ndarray]:
            drawn = [self.ids[n] for n in rng.choice(len(self.ids), count + 1, replace=False)]
            return [self.clips[i]() for i in drawn if i != utterance_id][:count]

        return talkers


def parse_augment(settings: object) -> dict[str, Distortion]:
    """Check the setting ``augment``.

    Returns
    -------
    dict
        name -> distortion, in the order in which they are applied; {} for None.

    Raises
    ------
    SERError
        For a distortion or key that does not exist, or a value out of its bounds.

    Examples
    --------
    >>> parse_augment({"gain": {"probability": 0.5, "gain_db": [-6, 6]}})
    {'gain': Gain(probability=0.5, gain_db=(-6.0, 6.0))}
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise SERError(
            f"Bad augment {settings!r}; expected null, or distortions like "
            "{noise: {probability: 0.5, snr_db: [5, 25]}}."
        )
    for name in settings:
        if name not in DISTORTIONS:
            raise bad_value("distortion in augment", name, DISTORTIONS)
    return {n: _parse(n, kind, settings[n]) for n, kind in DISTORTIONS.items() if n in settings}


def _parse(name: str, kind: type[Distortion], given: object) -> Distortion:
    where = f"augment: {name}"
    known = {field.name: field for field in fields(kind)}
    if not isinstance(given, Mapping):
        raise SERError(
            f"Bad {where} {given!r}; expected a mapping with {', '.join(known)}, like "
            "{probability: 0.5}."
        )
    for key in given:
        if key not in known:
            raise bad_value(f"key in {where}", key, known)
    for key, field in known.items():
        if field.default is MISSING and key not in given:
            raise SERError(f"{where} has no {key}; expected a number from 0 to 1.")
    return kind(**{key: _value(f"{where}: {key}", key, value) for key, value in given.items()})


def _value(where: str, key: str, value: object) -> float | tuple:
    if key == "probability":
        if not (_is_number(value) and 0 <= value <= 1):
            raise SERError(f"Bad {where} {value!r}; expected a number from 0 to 1.")
        return float(value)
    listed = isinstance(value, list | tuple)
    if key in CHOICES:
        if not listed or not value:
            raise SERError(f"Bad {where} {value!r}; expected a list like [{CHOICES[key][0]}].")
        for each in value:
            if each not in CHOICES[key]:
                raise bad_value(where, each, CHOICES[key])
        return tuple(value)
    low, high = BOUNDS[key]
    pair = listed and len(value) == 2 and all(map(_is_number, value))
    if not pair or not low <= value[0] <= value[1] <= high:
        raise SERError(
            f"Bad {where} {value!r}; expected two numbers, the lower first, from {low:g} to "
            f"{high:g}."
        )
    if key == "count" and not all(float(each).is_integer() for each in value):
        raise SERError(f"Bad {where} {value!r}; expected two whole numbers.")
    if key == "band_hz" and value[0] == value[1]:
        raise SERError(f"Bad {where} {value!r}; a band ends above its beginning.")
    return tuple(map(float, value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
