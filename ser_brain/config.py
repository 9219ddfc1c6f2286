"""Experiment settings: plain HyperPyYAML plus one key, ``extends``.

Settings come in layers: a root file, the files that extend it, the command line. A later layer
replaces a top-level key of an earlier one whole; a key that no earlier layer has is an error.
The merged text is ordinary HyperPyYAML again and is kept in the run folder.

To load settings is to run them: tags name what is built and called. To read them is not:
:func:`plain_settings` follows ``!ref`` and leaves every other tag a :class:`Tagged`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ruamel.yaml
import yaml
from hyperpyyaml import load_hyperpyyaml, resolve_references
from hyperpyyaml.core import parse_arithmetic
from ruamel.yaml import YAMLError as RuamelError  # what HyperPyYAML's first pass raises

from ser_brain.errors import SERError, bad_value, nearest
from ser_brain.setting_kinds import check_kinds
from ser_brain.yaml_keys import MOST_CHARACTERS, split_keys

EXTENDS = "extends"
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
        For a missing or malformed file, a circle of files, or an unknown key.
    """
    blocks = _read_file(Path(path), ())
    for key, value in overrides:
        layer = split_keys(f"{key}: {value}\n", f"--{key}={value}"[:SHOWN])
        _replace(blocks, layer, f"--{key}", also)
    return "".join(blocks.values())


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
    known = [p.relative_to(home).as_posix() for p in home.glob("hparams/**/*.yaml")]
    if not known:  # installed from a wheel
        raise SERError(
            f"No settings file {path}; those of the experiments are in hparams/ of the "
            "project's source, which an installed package lacks. Give the path of one."
        )
    raise bad_value("settings file", path, known)


def _read_file(path: Path, below: tuple[Path, ...]) -> dict[str, str]:
    """The blocks of a file laid over those of the files it extends."""
    if path.resolve() in below:
        raise SERError(f"Settings file {path} extends itself.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SERError(f"Cannot read settings file {path}: {error}.") from error
    own = split_keys(text, str(path))
    if EXTENDS not in own:
        return own
    base, *fragments = _extended(own.pop(EXTENDS), path)
    below = (*below, path.resolve())
    blocks = _read_file(path.parent / base, below)
    for fragment in fragments:
        _replace(blocks, _read_file(path.parent / fragment, below), fragment)
    _replace(blocks, own, str(path))
    return blocks


def _extended(block: str, path: Path) -> list[str]:
    """The files that an ``extends`` line names."""
    found = yaml.safe_load(block)[EXTENDS]
    names = found if isinstance(found, list) else [found]
    if not names or not all(isinstance(name, str) for name in names):
        raise SERError(
            f"Bad extends in {path}; expected a file, or a list of files: {found!r}."
        )
    return names


def _replace(
    blocks: dict[str, str], layer: dict[str, str], name: str, also: Sequence[str] = ()
) -> None:
    for key, block in layer.items():
        if key not in blocks:
            close = ", ".join(nearest(key, [*blocks, *also])[:3])
            raise SERError(f"Unknown setting {key!r} in {name}; the nearest are: {close}.")
        blocks[key] = block
