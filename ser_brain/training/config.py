"""Experiment settings: plain HyperPyYAML plus one key, ``extends``.

Settings come in layers: a root file, the files that extend it, the command line. A later layer
replaces a top-level key of an earlier one whole. A file may bring a key that no earlier layer
has where something reads it, another setting or the experiment's Brain; else it is an error.
The merged text is ordinary HyperPyYAML again and is kept in the run folder.

To load settings is to run them: tags name what is built and called. To read them is not:
:func:`plain_settings` follows ``!ref`` and leaves every other tag a :class:`Tagged`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ruamel.yaml
import yaml
from hyperpyyaml import load_hyperpyyaml, resolve_references
from hyperpyyaml.core import parse_arithmetic
from ruamel.yaml import YAMLError as RuamelError  # what HyperPyYAML's first pass raises

from ser_brain.core.errors import SERError, bad_value, nearest
from ser_brain.core.files import LARGEST_SETTINGS, read_text

# Of a settings file. The project's own has 5 thousand characters and 200 values.
MOST_CHARACTERS = 100_000
MOST_VALUES = 10_000  # with its aliases written out


def split_keys(text: str, name: str) -> dict[str, str]:
    """Cut a YAML text into its top-level keys.

    Nothing is built of it, and aliases are not followed: a text that would grow beyond
    measure is refused before anything expands it.

    Parameters
    ----------
    text : str
        A YAML mapping in block style.
    name : str
        Where it comes from, for errors.

    Returns
    -------
    dict
        key -> its text, with the comment lines right above it.

    Raises
    ------
    SERError
        If it is no such mapping, names a key twice, or is too deep or too large.

    Examples
    --------
    >>> split_keys("a: 1\\n# why\\nb:\\n  c: 2\\n", "example")
    {'a': 'a: 1\\n', 'b': '# why\\nb:\\n  c: 2\\n'}
    """
    if len(text) > MOST_CHARACTERS:
        raise SERError(f"{name}: over {MOST_CHARACTERS:,} characters; no settings need them.")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return {}
        size = _expanded(root, {})
    except yaml.YAMLError as error:
        raise SERError(f"Bad YAML in {name}{_fault(error, text)}.") from error
    except RecursionError:
        raise SERError(f"Bad YAML in {name}: nested too deep, or within itself.") from None
    if size > MOST_VALUES:
        raise SERError(
            f"Bad YAML in {name}: with its aliases written out it has over {MOST_VALUES:,} "
            "values; no settings need them."
        )
    flat = isinstance(root, yaml.MappingNode) and not root.flow_style
    if not flat or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise SERError(f"Bad settings in {name}: expected `key: value` lines.")
    lines = text.splitlines(keepends=True)
    keys = [key.value for key, _ in root.value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise SERError(f"Bad settings in {name}: {', '.join(twice)} given more than once.")
    starts = [_with_comment(lines, key.start_mark.line) for key, _ in root.value]
    stops = [*starts[1:], len(lines)]
    return {
        key: "".join(lines[start:stop]).rstrip("\n") + "\n"
        for key, start, stop in zip(keys, starts, stops, strict=True)
    }


def _fault(error: yaml.YAMLError, text: str) -> str:
    """Where a text is no YAML, and why."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {' '.join(str(error).split())}"
    lines = len(text.splitlines())
    line = f", line {min(error.problem_mark.line + 1, lines)}" if lines > 1 else ""
    return f"{line}: {' '.join(error.problem.split())}"


def _with_comment(lines: list[str], start: int) -> int:
    while start > 0 and lines[start - 1].startswith("#"):
        start -= 1
    return start


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, each alias counted with all that it repeats."""
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = (part for pair in node.value for part in pair)
        known[id(node)] = 1 + sum(_expanded(part, known) for part in inner)
    return known[id(node)]


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
        :func:`plain_settings`. A key that is not there is not checked.

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


EXTENDS = "extends"
# Where version 0.1.0 had the classes that settings name: the run folders that it wrote.
MOVED = {
    "ser_brain.encoders.": "ser_brain.models.encoders.",
    "ser_brain.heads.": "ser_brain.models.heads.",
    "ser_brain.run_folder.": "ser_brain.training.run.",
    "ser_brain.checkpoints.": "ser_brain.training.checkpoints.",
}
SHOWN = 80  # characters of an override in an error

# Of a text that describes nothing that can be built.
UNBUILT = (
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
SUM = re.compile(r"(?!.*\*\*)[-+*/%().eE\d\s]{1,99}")  # no powers: they can take for ever
GETATTR = "!apply:getattr"  # what !ref <object.attribute> stands for


@dataclass(frozen=True, eq=False, repr=False)
class Tagged:
    """A value of a settings text that would be built or called: it is neither.

    Attributes
    ----------
    tag : str
        As it is written, such as ``!new:torch.nn.Linear``.
    value : object
        What follows the tag: a text, a list or a dict.
    """

    tag: str
    value: object

    def __repr__(self) -> str:
        return f"{self.tag} {self.value!r}"


class _Reader(ruamel.yaml.SafeLoader):
    """Reads values as HyperPyYAML's loader does, tags without doing what they say."""


def _tagged(reader: _Reader, suffix: str, node: ruamel.yaml.Node) -> Tagged:
    if isinstance(node, ruamel.yaml.ScalarNode):
        return Tagged(f"!{suffix}", node.value)
    if isinstance(node, ruamel.yaml.SequenceNode):
        return Tagged(f"!{suffix}", reader.construct_sequence(node, deep=True))
    return Tagged(f"!{suffix}", reader.construct_mapping(node, deep=True))


_Reader.add_multi_constructor("!", _tagged)


def read_settings(
    path: str | Path, overrides: Sequence[tuple[str, str]] = (), also: Sequence[str] = ()
) -> str:
    """Merge a settings file with what it extends and with command-line overrides.

    Parameters
    ----------
    path : str or Path
        The experiment's YAML file.
    overrides : sequence of (key, YAML text)
        From the command line, e.g. ``("seed", "3")``.
    also : sequence of str
        Further names to offer when a key is misspelt (SpeechBrain's run options).

    Returns
    -------
    str
        One HyperPyYAML text without ``extends``.

    Raises
    ------
    SERError
        For a missing or malformed file, a circle of files, an unknown key, or one that
        nothing reads.
    """
    new: dict[str, str] = {}
    blocks = _read_file(Path(path), (), new)
    for key, value in overrides:
        layer = split_keys(f"{key}: {value}\n", f"{f'--{key}={value}'[:SHOWN]!r}")
        if key not in blocks:
            raise _unknown(key, f"--{key}", [*blocks, *also])
        blocks |= layer
    for key in also:
        if key in blocks:
            raise SERError(f"{key} is no setting; give it on the command line: --{key}.")
    for key, name in new.items():
        if not _is_read(key, blocks):
            known = [each for each in blocks if each not in new]
            raise _unknown(key, name, known)
    return "".join(blocks.values())


def _unknown(key: str, name: str, known: Sequence[str]) -> SERError:
    close = ", ".join(nearest(key, [n for n in known if not n.startswith("__")])[:3])
    choice = f"the nearest are: {close}" if close else "there are none to change"
    hint = "" if name.startswith("--") else f". A new one must be read as hparams.{key}"
    return SERError(f"Unknown setting {key!r} in {name}; {choice}{hint}.")


def _is_read(key: str, blocks: dict[str, str]) -> bool:
    """Whether another setting refers to a key, or the code beside the Brain asks for it.

    The code is looked at, not run. Code that cannot be found is left to the error that
    building the settings gives.
    """
    name = re.escape(key)
    others = "".join(block for other, block in blocks.items() if other != key)
    if re.search(rf"<{name}[>.\[]", others):
        return True
    brain = re.search(r"!name:\s*([\w.]+)", blocks.get("brain", ""))
    files = _beside(brain[1]) if brain else []
    asked = re.compile(rf"hparams(\.{name}\b|\[[\"']{name}[\"']\]|,\s*[\"']{name}[\"'])")
    return files is None or any(
        asked.search(file.read_text(encoding="utf-8", errors="replace")) for file in files
    )


def _beside(class_name: str) -> list[Path] | None:
    """The Python files in the folder of a class's module; None where there is no module."""
    top, *inner, _ = class_name.split(".") if "." in class_name else (class_name, "")
    try:
        found = importlib.util.find_spec(top)  # imports nothing
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None and not found.submodule_search_locations:
        return None
    if not inner:
        return [Path(found.origin)] if found.origin else None
    folders = [Path(place, *inner[:-1]) for place in found.submodule_search_locations or ()]
    return [file for folder in folders for file in sorted(folder.glob("*.py"))] or None


def load_settings(text: str) -> dict:
    """Build the objects that a settings text describes.

    Raises
    ------
    SERError
        If HyperPyYAML cannot build it (a broken reference, an unknown class), a value is of
        the wrong kind, or the run folder cannot be made.
    """
    try:
        check_kinds(ruamel.yaml.YAML().load(resolve_references(text)) or {})
        return load_hyperpyyaml(text)
    except UNBUILT as e:
        raise _unbuilt(e) from e
    except OSError as e:
        raise SERError(f"Cannot write {e.filename}: {e.strerror or e}.") from e


def checked_settings(text: str) -> dict:
    """The values of :func:`plain_settings`, each of which is of its setting's kind.

    Raises
    ------
    SERError
        If one is not, or a reference is broken.
    """
    plain = plain_settings(text)
    check_kinds(plain)
    return plain


def plain_settings(text: str) -> dict:
    """The values of a settings text; nothing that it names is built, called or opened.

    Returns
    -------
    dict
        With ``!ref`` resolved, and what has another tag as a :class:`Tagged`; two references to
        one value give the same object.

    Raises
    ------
    SERError
        If it is no mapping, or a reference is broken.
    """
    try:
        found = _Reader(text).get_single_data()
        if not isinstance(found, dict | None):
            raise ValueError("expected `key: value` lines")
        return _References(found or {}).resolved(found or {})
    except UNBUILT as e:
        raise _unbuilt(e, "read") from e


class _References:
    """Follows the references of a settings text.

    Parameters
    ----------
    root : dict
        The text's values.
    """

    def __init__(self, root: dict) -> None:
        self._root = root
        self._done: dict[int, object] = {}  # of each value, by its identity

    def resolved(self, value: object, below: tuple[str, ...] = ()) -> object:
        """A value with what it refers to in place of its references."""
        if not isinstance(value, Tagged | list | dict):
            return value
        if id(value) not in self._done:
            if isinstance(value, list):
                done = [self.resolved(item, below) for item in value]
            elif isinstance(value, dict):
                done = {key: self.resolved(item, below) for key, item in value.items()}
            elif value.tag in REFERS and isinstance(value.value, str):
                done = self._referred(value.value, below)
            else:
                done = Tagged(value.tag, self.resolved(value.value, below))
            self._done[id(value)] = self._done[id(done)] = done
        return self._done[id(value)]

    def _referred(self, text: str, below: tuple[str, ...]) -> object:
        if text in below:
            raise ValueError(f"{text} refers to itself")
        below = (*below, text)
        if not REFERENCE.search(text):
            return text
        whole = REFERENCE.fullmatch(text)
        if whole:
            return self._at(whole[1], below)
        text = REFERENCE.sub(lambda match: self._word(match[1], below), text)
        return parse_arithmetic(text) if SUM.fullmatch(text) else text

    def _word(self, place: str, below: tuple[str, ...]) -> str:
        value = self._at(place, below)
        if isinstance(value, Tagged | list | dict) or len(str(value)) > MOST_CHARACTERS:
            raise ValueError(f"<{place}> is no short text to put into another")
        return str(value)

    def _at(self, place: str, below: tuple[str, ...]) -> object:
        """The value at a place such as ``encoder[source]`` or ``encoder.dim``."""
        path, _, attribute = place.partition(".")
        value: object = self._root
        for part in path.split("["):
            inner = value.value if isinstance(value, Tagged) else value
            if not isinstance(inner, dict) or part.strip("]") not in inner:
                raise ValueError(f'The reference "{path}" is not valid')
            value = inner[part.strip("]")]
            if isinstance(value, Tagged) and value.tag in REFERS:
                value = self.resolved(value, below)
        value = self.resolved(value, below)
        return Tagged(GETATTR, [value, attribute]) if attribute else value


def _unbuilt(error: Exception, how: str = "build") -> SERError:
    return SERError(f"Cannot {how} the settings: {' '.join(str(error).split())}")


def find_settings(path: str, home: Path) -> Path:
    """The settings file as named, or as the project's own folder knows it.

    Raises
    ------
    SERError
        If neither is a file, with the files that could have been meant.
    """
    for candidate in (Path(path), home / path):
        if candidate.is_file():
            return candidate
    known = _experiments(home)
    if not known:  # installed from a wheel
        raise SERError(
            f"No settings file {path}; those of the experiments are in hparams/ of the "
            "project's source, which an installed package lacks. Give the path of one."
        )
    raise bad_value("settings file", path, known)


def require_experiment(settings: str, file: Path, home: Path) -> None:
    """Stop if settings belong to no experiment, such as those of a file that others extend.

    Raises
    ------
    SERError
        With the experiments' files.
    """
    if not _names_experiment(split_keys(settings, str(file))):
        known = ", ".join(_experiments(home)) or "a YAML file of your own"
        raise SERError(
            f"{file} names no experiment: others extend it. Expected one of: {known}."
        )


def _experiments(home: Path) -> list[str]:
    """The files of the project that can be run; the others are there to be extended."""
    found = []
    for path in home.glob("hparams/**/*.yaml"):
        with contextlib.suppress(SERError):  # one that cannot be read is no advice
            if _names_experiment(_read_file(path, (), {})):
                found.append(path.relative_to(home).as_posix())
    return sorted(found)


def _names_experiment(blocks: dict[str, str]) -> bool:
    block = blocks.get("experiment", "experiment: null")
    return yaml.compose(block).value[0][1].value not in ("null", "~", "")


def _read_file(path: Path, below: tuple[Path, ...], new: dict[str, str]) -> dict[str, str]:
    """The blocks of a file laid over those of the files it extends.

    Notes in ``new`` which keys those did not have, and the file that brought each.
    """
    if path.resolve() in below:
        raise SERError(f"Settings file {path} extends itself.")
    try:
        text = read_text(path, "utf-8-sig", largest=LARGEST_SETTINGS)
    except (OSError, UnicodeDecodeError) as error:
        raise SERError(f"Cannot read settings file {path}: {error}.") from error
    own = split_keys(with_current_names(text), str(path))
    if EXTENDS not in own:
        return own
    base, *fragments = _extended(own.pop(EXTENDS), path)
    below = (*below, path.resolve())
    blocks = _read_file(path.parent / base, below, new)
    layers = {name: _read_file(path.parent / name, below, new) for name in fragments}
    for name, layer in {**layers, str(path): own}.items():
        new |= {key: name for key in layer if key not in blocks}
        blocks |= layer
    return blocks


def with_current_names(settings: str) -> str:
    """A settings text with the classes of earlier versions where they are now."""
    for then, now in MOVED.items():
        settings = settings.replace(f":{then}", f":{now}")
    return settings


def _extended(block: str, path: Path) -> list[str]:
    """The files that an ``extends`` line names."""
    found = yaml.safe_load(block)[EXTENDS]
    names = found if isinstance(found, list) else [found]
    if not names or not all(isinstance(name, str) for name in names):
        raise SERError(
            f"Bad extends in {path}; expected a file, or a list of files: {found!r}."
        )
    return names
