"""The values of a settings text: read without building anything, and checked by kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import ruamel.yaml
import yaml
from hyperpyyaml.core import parse_arithmetic
from ruamel.yaml import YAMLError as RuamelError  # raised by HyperPyYAML's first pass

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.schema import Bound, list_of, mapping_of, nullable, one_of, whole
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
            raise SERError(f"Bad {key} {_shown(settings[key])}; expected {kind.says}.")
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
    return type(value) in (int, float)


def _mapping(item: Bound, says: str) -> Bound:
    """Names, each with a value within a bound."""
    holds = mapping_of(item).holds
    return Bound(lambda value: holds(value) and all(map(NAME.holds, value)), says)


def _is_lora(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"rank", "alpha", "targets"}:
        return value is None
    targets = list_of(NAME, shortest=1).holds(value["targets"])
    return targets and COUNT.holds(value["rank"]) and POSITIVE.holds(value["alpha"])


def _is_layer(value: object) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return value in ("last", "mix", "all") or list_of(INDEX, shortest=1).holds(numbers)


def _is_average(value: object) -> bool:
    if not isinstance(value, dict):
        return value is None
    ema, epoch = value.get("ema"), value.get("from_epoch")
    of_steps = value.keys() == {"ema"} and _is_number(ema) and 0 < ema < 1
    return of_steps or (value.keys() == {"from_epoch"} and COUNT.holds(epoch))


NAME = Bound(lambda value: isinstance(value, str) and value != "", "a name")
FOLDER = Bound(NAME.holds, "a folder")
INDEX = Bound(lambda value: type(value) is int and value >= 0, "a whole number, at least 0")
COUNT = Bound(lambda value: type(value) is int and value >= 1, "a whole number, at least 1")
NUMBER = Bound(_is_number, "a number")
POSITIVE = Bound(lambda value: _is_number(value) and value > 0, "a number above 0")
AT_LEAST_0 = Bound(lambda value: _is_number(value) and value >= 0, "a number, at least 0")
SHARE = Bound(lambda value: _is_number(value) and 0 < value <= 1, "a number above 0, at most 1")
TRUE_OR_FALSE = Bound(lambda value: isinstance(value, bool), "True or False")
BUILT = Bound(
    lambda value: isinstance(value, Tagged), "a class to build (!new:, !name: or !apply:)"
)
LOSS_WEIGHTS = _mapping(
    AT_LEAST_0, "a mapping of losses to numbers, at least 0, like {nll: 1.0}"
)
KINDS: Mapping[str, Bound] = {
    "seed": whole(0, LARGEST_SEED),
    "experiment": NAME,
    "output_folder": FOLDER,
    "manifest_folder": FOLDER,
    "corpus": NAME,
    "data_folder": nullable(FOLDER),
    "allow_partial": TRUE_OR_FALSE,
    "max_clip_s": POSITIVE,
    "balanced": TRUE_OR_FALSE,
    "emotions": Bound(list_of(NAME, shortest=2).holds, "a list of two or more names"),
    "emotion_map": _mapping(NAME, "a mapping like {excitement: happiness}, or {}"),
    "dimensions": Bound(are_dimensions, f"a list of {SOME_DIMENSIONS}"),
    "va_range": Bound(
        list_of(NUMBER, 2, 2).holds, "two numbers, the lowest and the highest value"
    ),
    "split_fractions": Bound(list_of(NUMBER, 3, 3).holds, "three numbers: train, valid, test"),
    "fold": COUNT,
    "train_on": one_of("others", "one"),
    "adaptation": nullable(one_of("corpus", "speaker")),
    "number_of_epochs": COUNT,
    "batch_size": COUNT,
    "batching": one_of("random", "dynamic"),
    "fast_precision": one_of("fp32", "bf16"),
    "nonfinite_batches": one_of("stop", "skip"),
    "feature_cache_gb": AT_LEAST_0,
    "loss_weights": LOSS_WEIGHTS,
    "label_smoothing": Bound(
        lambda value: _is_number(value) and 0 <= value < 1, "a share, at least 0 and below 1"
    ),
    "focal_gamma": AT_LEAST_0,
    "class_weights": Bound(
        lambda value: value in (None, "balanced") or LOSS_WEIGHTS.holds(value),
        "null, balanced, or a mapping of classes to numbers, at least 0, like {anger: 2.0}",
    ),
    "agreement_weights": TRUE_OR_FALSE,
    "sampling": one_of("natural", "balanced"),
    "heads_start": one_of("random", "probe"),
    "emotion_classifier": one_of("gaussian", "losses"),
    "weight_decays": Bound(
        lambda value: list_of(POSITIVE, 2, 2).holds(value) and value[0] >= value[1],
        "two numbers above 0, the stronger one first",
    ),
    "number_of_decays": COUNT,
    "spectrum": Bound(lambda value: value in ("log_mel", None), "log_mel or null"),
    "ridges": Bound(list_of(POSITIVE, shortest=1).holds, "a list of numbers above 0"),
    "freeze": one_of("all", "cnn", "none"),
    "layer": Bound(_is_layer, "last, mix, all, the number of a layer or a list of numbers"),
    "pooling": one_of("mean", "mean_std", "attentive"),
    "dropouts": _mapping(NUMBER, "a mapping like {attention_dropout: 0.0}, or {}"),
    "lora": Bound(
        _is_lora, "null, or a mapping like {rank: 8, alpha: 16, targets: [q_proj, v_proj]}"
    ),
    "patience": nullable(COUNT),
    "layer_decay": SHARE,
    "unfreeze": Bound(
        lambda value: (
            isinstance(value, dict)
            and all(map(COUNT.holds, value))
            and all(count == "all" or INDEX.holds(count) for count in value.values())
        ),
        "a mapping of epochs to numbers of layers or all, like {2: 4, 4: all}, or {}",
    ),
    "warmup_epochs": AT_LEAST_0,
    "lr_schedule": one_of("annealing", "cosine"),
    "weight_averaging": Bound(
        _is_average, "null, {ema: a number between 0 and 1} or {from_epoch: a whole number}"
    ),
    "lr_encoder": POSITIVE,
    "lr_heads": POSITIVE,
    "annealing_factor": SHARE,
    "annealing_threshold": NUMBER,
    "experiment_logger": nullable(one_of("tensorboard", "wandb")),
    "modules": Bound(
        lambda value: isinstance(value, dict) and "encoder" in value and len(value) > 1,
        "a mapping with an encoder and a head",
    ),
    "brain": BUILT,
    "encoder": Bound(BUILT.holds, f"{BUILT.says}; a folder or hub id is encoder_source"),
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
