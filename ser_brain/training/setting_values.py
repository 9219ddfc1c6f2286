"""The values of a settings text: read without building anything, and checked by kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ruamel.yaml
import yaml
from hyperpyyaml.core import parse_arithmetic
from ruamel.yaml import YAMLError as RuamelError  # raised by HyperPyYAML's first pass

from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.augmentation import parse_augment
from ser_brain.data.labels import SOME_DIMENSIONS, are_dimensions

MOST_CHARACTERS = 100_000  # of a settings text; the project's own files have 5,000
LARGEST_SEED = 2**32 - 1  # NumPy's limit

# Raised for a text that describes nothing that can be built.
BUILD_ERRORS = (
    yaml.YAMLError,
    RuamelError,
    ValueError,
    TypeError,
    KeyError,
    ImportError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
REFERS = ("!ref", "!copy")
REFERENCE = re.compile(r"<([^>]*)>")
# No powers: 9**9**9**9 would be computed for ever.
ARITHMETIC = re.compile(r"(?!.*\*\*)[-+*/%().eE\d\s]{1,99}")
GETATTR = "!apply:getattr"  # what !ref <object.attribute> becomes


@dataclass(frozen=True, eq=False, repr=False)
class Tagged:
    """A value with a tag that builds or calls something; it stays as it is written.

    Attributes
    ----------
    tag : str
        For example ``!new:torch.nn.Linear``.
    value : object
        What follows the tag: a text, a list or a dict.
    """

    tag: str
    value: object

    def __repr__(self) -> str:
        return f"{self.tag} {self.value!r}"


def plain_settings(text: str) -> dict:
    """Read a settings text; nothing that it names is built, called or opened.

    Returns
    -------
    dict
        With ``!ref`` and ``!copy`` resolved and every other tag as a :class:`Tagged`. Two
        references to one value give the same object.

    Raises
    ------
    SERError
        If the text is not a mapping, or a reference is broken.
    """
    try:
        found = _Reader(text).get_single_data()
        if not isinstance(found, dict | None):
            raise ValueError("expected `key: value` lines")
        return _References(found or {}).resolved(found or {})
    except BUILD_ERRORS as error:
        raise SERError(f"Cannot read the settings: {' '.join(str(error).split())}") from error


class _Reader(ruamel.yaml.SafeLoader):
    """Types plain values as HyperPyYAML's loader does, and makes a Tagged of every tag."""


def _tagged(reader: _Reader, suffix: str, node: ruamel.yaml.Node) -> Tagged:
    if isinstance(node, ruamel.yaml.ScalarNode):
        return Tagged(f"!{suffix}", node.value)
    if isinstance(node, ruamel.yaml.SequenceNode):
        return Tagged(f"!{suffix}", reader.construct_sequence(node, deep=True))
    return Tagged(f"!{suffix}", reader.construct_mapping(node, deep=True))


_Reader.add_multi_constructor("!", _tagged)


class _References:
    """Resolves the references of a settings text, given its values."""

    def __init__(self, root: dict) -> None:
        self._root = root
        self._done: dict[int, object] = {}  # id of a value -> the resolved value

    def resolved(self, value: object, open_refs: tuple[str, ...] = ()) -> object:
        """Replace references within a value; ``open_refs`` are those being resolved."""
        if not isinstance(value, Tagged | list | dict):
            return value
        if id(value) not in self._done:
            if isinstance(value, list):
                done = [self.resolved(item, open_refs) for item in value]
            elif isinstance(value, dict):
                done = {key: self.resolved(item, open_refs) for key, item in value.items()}
            elif value.tag in REFERS and isinstance(value.value, str):
                done = self._referred(value.value, open_refs)
            else:
                done = Tagged(value.tag, self.resolved(value.value, open_refs))
            self._done[id(value)] = self._done[id(done)] = done
        return self._done[id(value)]

    def _referred(self, text: str, open_refs: tuple[str, ...]) -> object:
        if text in open_refs:
            raise ValueError(f"{text} refers to itself")
        open_refs = (*open_refs, text)
        if not REFERENCE.search(text):
            return text
        whole = REFERENCE.fullmatch(text)
        if whole:
            return self._at(whole[1], open_refs)
        text = REFERENCE.sub(lambda match: self._word(match[1], open_refs), text)
        return parse_arithmetic(text) if ARITHMETIC.fullmatch(text) else text

    def _word(self, place: str, open_refs: tuple[str, ...]) -> str:
        value = self._at(place, open_refs)
        if isinstance(value, Tagged | list | dict) or len(str(value)) > MOST_CHARACTERS:
            raise ValueError(f"<{place}> is not a short text that fits into another")
        return str(value)

    def _at(self, place: str, open_refs: tuple[str, ...]) -> object:
        """Look up a place such as ``encoder[source]`` or ``encoder.dim``."""
        path, _, attribute = place.partition(".")
        value: object = self._root
        for part in path.split("["):
            inner = value.value if isinstance(value, Tagged) else value
            if not isinstance(inner, dict) or part.strip("]") not in inner:
                raise ValueError(f'The reference "{path}" is not valid')
            value = inner[part.strip("]")]
            if isinstance(value, Tagged) and value.tag in REFERS:
                value = self.resolved(value, open_refs)
        value = self.resolved(value, open_refs)
        return Tagged(GETATTR, [value, attribute]) if attribute else value


# -- kinds of values


@dataclass(frozen=True)
class Kind:
    """A kind of value: in words, for the error message, and as a test."""

    expected: str
    holds: Callable[[object], bool]


def check_kinds(settings: Mapping) -> None:
    """Check every setting that :data:`KINDS` lists, where it is present.

    Parameters
    ----------
    settings : mapping
        From :func:`plain_settings`.

    Raises
    ------
    SERError
        With the key, its value and what was expected.
    """
    for key, kind in KINDS.items():
        if key in settings and not kind.holds(settings[key]):
            raise SERError(f"Bad {key} {_shown(settings[key])}; expected {kind.expected}.")
    parse_augment(settings.get("augment"))
    _check_together(settings)


def _check_together(settings: Mapping) -> None:
    """Stop at settings of which one undoes another, or has no effect beside it."""
    losses = settings.get("loss_weights", {})
    if settings.get("label_smoothing") and {"focal", "soft_ce", "kl"} & set(losses):
        if "nll" not in losses:
            raise SERError(
                f"label_smoothing has no effect on the losses {', '.join(losses)}; it is of "
                "nll. Set it to 0.0, or name nll in loss_weights."
            )
    weights = settings.get("class_weights")
    if weights is not None and settings.get("sampling") == "balanced":
        raise SERError(
            "sampling: balanced and class_weights would correct for rare classes twice. Set "
            "class_weights: null, or sampling: natural."
        )
    if isinstance(weights, Mapping) and "emotions" in settings:
        for name in weights:
            if name not in settings["emotions"]:
                raise bad_value("class in class_weights", name, settings["emotions"])


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to print an integer of over 4300 digits
        return "(a number of thousands of digits)"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _numbers(count: int) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, list) and len(value) == count and all(map(_is_number, value))
    )


def _integer(low: int, high: float = float("inf")) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _mapping(of: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, Mapping)
        and all(map(_is_name, value))
        and all(map(of, value.values()))
    )


def _is_lora(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or value.keys() != {"rank", "alpha", "targets"}:
        return False
    rank, alpha, targets = (value[key] for key in ("rank", "alpha", "targets"))
    named = isinstance(targets, list) and bool(targets) and all(map(_is_name, targets))
    return named and _integer(1)(rank) and _is_number(alpha) and alpha > 0


def _is_layer(value: object) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return value in ("last", "mix", "all") or (bool(numbers) and all(map(_integer(0), numbers)))


def _is_average(value: object) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    ema, epoch = value.get("ema"), value.get("from_epoch")
    of_steps = value.keys() == {"ema"} and _is_number(ema) and 0 < ema < 1
    return of_steps or (value.keys() == {"from_epoch"} and _integer(1)(epoch))


def _one_of(*names: str) -> Kind:
    return Kind(" or ".join(names), lambda value: value in names)


NAME = Kind("a name", _is_name)
FOLDER = Kind("a folder", _is_name)
COUNT = Kind("a whole number, at least 1", _integer(1))
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
AT_LEAST_0 = Kind("a number, at least 0", lambda value: _is_number(value) and value >= 0)
SHARE = Kind("a number above 0, at most 1", lambda value: _is_number(value) and 0 < value <= 1)
TRUE_OR_FALSE = Kind("True or False", lambda value: isinstance(value, bool))
BUILT = Kind(
    "a class to build (!new:, !name: or !apply:)", lambda value: isinstance(value, Tagged)
)
KINDS: Mapping[str, Kind] = {
    "seed": Kind(f"a whole number from 0 to {LARGEST_SEED}", _integer(0, LARGEST_SEED)),
    "experiment": NAME,
    "output_folder": FOLDER,
    "manifest_folder": FOLDER,
    "corpus": NAME,
    "data_folder": Kind("a folder or null", lambda value: value is None or _is_name(value)),
    "allow_partial": TRUE_OR_FALSE,
    "max_clip_s": POSITIVE,
    "balanced": TRUE_OR_FALSE,
    "emotions": Kind(
        "a list of two or more names",
        lambda value: isinstance(value, list) and len(value) > 1 and all(map(_is_name, value)),
    ),
    "emotion_map": Kind("a mapping like {excitement: happiness}, or {}", _mapping(_is_name)),
    "dimensions": Kind(f"a list of {SOME_DIMENSIONS}", are_dimensions),
    "va_range": Kind("two numbers, the lowest and the highest value", _numbers(2)),
    "split_fractions": Kind("three numbers: train, valid, test", _numbers(3)),
    "fold": COUNT,
    "train_on": _one_of("others", "one"),
    "adaptation": Kind(
        "corpus, speaker or null", lambda value: value in ("corpus", "speaker", None)
    ),
    "number_of_epochs": COUNT,
    "batch_size": COUNT,
    "batching": _one_of("random", "dynamic"),
    "fast_precision": _one_of("fp32", "bf16"),
    "nonfinite_batches": _one_of("stop", "skip"),
    "feature_cache_gb": AT_LEAST_0,
    "loss_weights": Kind(
        "a mapping of losses to numbers, at least 0, like {nll: 1.0}",
        _mapping(lambda value: _is_number(value) and value >= 0),
    ),
    "label_smoothing": Kind(
        "a share, at least 0 and below 1", lambda value: _is_number(value) and 0 <= value < 1
    ),
    "focal_gamma": Kind("a number, at least 0", lambda value: _is_number(value) and value >= 0),
    "class_weights": Kind(
        "null, balanced, or a mapping of classes to numbers, at least 0, like {anger: 2.0}",
        lambda value: (
            value is None
            or value == "balanced"
            or _mapping(lambda weight: _is_number(weight) and weight >= 0)(value)
        ),
    ),
    "agreement_weights": TRUE_OR_FALSE,
    "sampling": _one_of("natural", "balanced"),
    "heads_start": _one_of("random", "probe"),
    "emotion_classifier": _one_of("gaussian", "losses"),
    "weight_decays": Kind(
        "two numbers above 0, the stronger one first",
        lambda value: _numbers(2)(value) and value[0] >= value[1] > 0,
    ),
    "number_of_decays": COUNT,
    "spectrum": Kind("log_mel or null", lambda value: value in ("log_mel", None)),
    "ridges": Kind(
        "a list of numbers above 0",
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(_is_number(each) and each > 0 for each in value)
        ),
    ),
    "freeze": _one_of("all", "cnn", "none"),
    "layer": Kind("last, mix, all, the number of a layer or a list of numbers", _is_layer),
    "pooling": _one_of("mean", "mean_std", "attentive"),
    "dropouts": Kind("a mapping like {attention_dropout: 0.0}, or {}", _mapping(_is_number)),
    "lora": Kind(
        "null, or a mapping like {rank: 8, alpha: 16, targets: [q_proj, v_proj]}", _is_lora
    ),
    "patience": Kind(
        "a whole number, at least 1, or null",
        lambda value: value is None or _integer(1)(value),
    ),
    "layer_decay": SHARE,
    "unfreeze": Kind(
        "a mapping of epochs to numbers of layers or all, like {2: 4, 4: all}, or {}",
        lambda value: (
            isinstance(value, Mapping)
            and all(map(_integer(1), value))
            and all(count == "all" or _integer(0)(count) for count in value.values())
        ),
    ),
    "warmup_epochs": AT_LEAST_0,
    "lr_schedule": _one_of("annealing", "cosine"),
    "weight_averaging": Kind(
        "null, {ema: a number between 0 and 1} or {from_epoch: a whole number}", _is_average
    ),
    "lr_encoder": POSITIVE,
    "lr_heads": POSITIVE,
    "annealing_factor": SHARE,
    "annealing_threshold": Kind("a number", _is_number),
    "experiment_logger": Kind(
        "tensorboard, wandb or null", lambda value: value in ("tensorboard", "wandb", None)
    ),
    "modules": Kind(
        "a mapping with an encoder and a head",
        lambda value: isinstance(value, Mapping) and "encoder" in value and len(value) > 1,
    ),
    "brain": BUILT,
    "encoder": BUILT,
    "emotion_head": BUILT,
    "va_head": BUILT,
    "pool": BUILT,
    "encoder_optimizer": BUILT,
    "heads_optimizer": BUILT,
    "encoder_annealing": BUILT,
    "heads_annealing": BUILT,
    "epoch_counter": BUILT,
    "train_log": BUILT,
    "checkpointer": BUILT,
}
