"""What kind of value each setting takes: checked before anything is built.

Without this a slip such as ``--batch_size=four`` shows deep inside another library, or after
the corpora were prepared. Which of several names is right is left to the code that knows them
(``split``, ``freeze`` ...), but not where it asks late: when features have been computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ser_brain.errors import SERError

LARGEST_SEED = 2**32 - 1  # NumPy's


@dataclass(frozen=True)
class Kind:
    """A kind of value: in words, for the error, and as a test."""

    expected: str
    holds: Callable[[object], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _numbers(count: int) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        return isinstance(value, list) and len(value) == count and all(map(_is_number, value))

    return holds


def _whole(low: int, high: float = float("inf")) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return holds


def _mapping(of: Callable[[object], bool]) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        return (
            isinstance(value, Mapping)
            and all(map(_is_name, value))
            and all(map(of, value.values()))
        )

    return holds


def _one_of(*names: str) -> Kind:
    return Kind(" or ".join(names), lambda value: value in names)


def _is_built(value: object) -> bool:
    """Whether a YAML value carries a tag: ``!new:``, ``!name:`` or ``!apply:``."""
    tag = getattr(value, "tag", None)
    return bool(getattr(tag, "value", tag))  # ruamel.yaml's tags are no text, config's are


NAME = Kind("a name", _is_name)
FOLDER = Kind("a folder", _is_name)
COUNT = Kind("a whole number from 1", _whole(1))
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
SIZE = Kind("a number from 0", lambda value: _is_number(value) and value >= 0)
YES_OR_NO = Kind("True or False", lambda value: isinstance(value, bool))
BUILT = Kind("a class to build (!new:, !name: or !apply:)", _is_built)

KINDS: Mapping[str, Kind] = {
    "seed": Kind(f"a whole number from 0 to {LARGEST_SEED}", _whole(0, LARGEST_SEED)),
    "experiment": NAME,
    "output_folder": FOLDER,
    "manifest_folder": FOLDER,
    "corpus": NAME,
    "data_folder": Kind("a folder or null", lambda value: value is None or _is_name(value)),
    "allow_partial": YES_OR_NO,
    "max_clip_s": POSITIVE,
    "balanced": YES_OR_NO,
    "emotions": Kind(
        "a list of two or more names",
        lambda value: isinstance(value, list) and len(value) > 1 and all(map(_is_name, value)),
    ),
    "emotion_map": Kind("a mapping like {excitement: happiness}, or {}", _mapping(_is_name)),
    "va_range": Kind("two numbers, the lowest and the highest value", _numbers(2)),
    "split_fractions": Kind("three numbers: train, valid, test", _numbers(3)),
    "fold": COUNT,
    "number_of_epochs": COUNT,
    "batch_size": COUNT,
    "batching": _one_of("random", "dynamic"),
    "fast_precision": _one_of("fp32", "bf16"),
    "nonfinite_batches": _one_of("stop", "skip"),
    "feature_cache_gb": SIZE,
    "loss_weights": Kind(
        "a mapping of losses to numbers from 0, like {nll: 1.0}",
        _mapping(lambda value: _is_number(value) and value >= 0),
    ),
    "dropouts": Kind("a mapping like {attention_dropout: 0.0}, or {}", _mapping(_is_number)),
    "lr_encoder": POSITIVE,
    "lr_heads": POSITIVE,
    "annealing_factor": Kind(
        "a number above 0, at most 1", lambda value: _is_number(value) and 0 < value <= 1
    ),
    "annealing_threshold": Kind("a number", _is_number),
    "modules": Kind(
        "a mapping with an encoder and a head",
        lambda value: isinstance(value, Mapping) and "encoder" in value and len(value) > 1,
    ),
    **dict.fromkeys(
        (
            "brain",
            "encoder",
            "emotion_head",
            "va_head",
            "encoder_optimizer",
            "heads_optimizer",
            "encoder_annealing",
            "heads_annealing",
            "epoch_counter",
            "train_log",
            "checkpointer",
        ),
        BUILT,
    ),
}


def check_kinds(settings: Mapping) -> None:
    """Check every setting that has a kind.

    Parameters
    ----------
    settings : mapping
        Settings with references resolved and nothing built, as ruamel.yaml reads them or
        :func:`ser_brain.config.plain_settings`. A key that is not there is not checked.

    Raises
    ------
    SERError
        With the key, its value and what was expected.
    """
    for key, kind in KINDS.items():
        if key in settings and not kind.holds(settings[key]):
            raise SERError(f"Bad {key} {_shown(settings[key])}; expected {kind.expected}.")


def _shown(value: object) -> str:
    try:
        return repr(_plain(value))
    except ValueError:  # Python writes out no whole number of over 4300 digits.
        return "(a number of thousands of digits)"


def _plain(value: object) -> object:
    """A value of ruamel.yaml as Python would write it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, float) else value
