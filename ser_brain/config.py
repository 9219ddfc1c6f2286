"""Experiment settings: plain HyperPyYAML plus one key, ``extends``.

Settings come in layers: a root file, the files that extend it, the command line. A later layer
replaces a top-level key of an earlier one whole. A file may bring a key that no earlier layer
has where something reads it, another setting or the experiment's Brain; else it is an error.
The merged text is ordinary HyperPyYAML again and is kept in the run folder.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import ruamel.yaml
import yaml
from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAMLError as RuamelError  # what HyperPyYAML's first pass raises

from ser_brain.errors import SERError, bad_value, nearest
from ser_brain.setting_kinds import check_kinds
from ser_brain.yaml_keys import split_keys

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
    RecursionError,
)


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
        layer = split_keys(f"{key}: {value}\n", f"--{key}={value}"[:SHOWN])
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
    close = ", ".join(nearest(key, known)[:3])
    hint = "" if name.startswith("--") else f". A new one must be read as hparams.{key}"
    return SERError(f"Unknown setting {key!r} in {name}; the nearest are: {close}{hint}.")


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
    check_kinds(plain_settings(text))
    try:
        return load_hyperpyyaml(text)
    except UNBUILT as e:
        raise _unbuilt(e) from e
    except OSError as e:
        raise SERError(f"Cannot write {e.filename}: {e.strerror or e}.") from e


def plain_settings(text: str) -> dict:
    """The values of a settings text with references resolved and nothing built.

    Raises
    ------
    SERError
        If a reference is broken.
    """
    try:
        return ruamel.yaml.YAML().load(resolve_references(text)) or {}
    except UNBUILT as e:
        raise _unbuilt(e) from e


def _unbuilt(error: Exception) -> SERError:
    return SERError(f"Cannot build the settings: {' '.join(str(error).split())}")


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
    raise bad_value("settings file", path, known)


def _read_file(path: Path, below: tuple[Path, ...], new: dict[str, str]) -> dict[str, str]:
    """The blocks of a file laid over those of the files it extends.

    Notes in ``new`` which keys those did not have, and the file that brought each.
    """
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
    blocks = _read_file(path.parent / base, below, new)
    layers = {name: _read_file(path.parent / name, below, new) for name in fragments}
    for name, layer in {**layers, str(path): own}.items():
        new |= {key: name for key in layer if key not in blocks}
        blocks |= layer
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
