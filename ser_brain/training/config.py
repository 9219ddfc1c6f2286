"""Settings files: plain HyperPyYAML plus one key, ``extends``.

``extends`` names a file beside the one that extends it, or one of the project, such as
``hparams/probe/classification.yaml``. Settings come in layers: a root file, the files that
extend it, and the command line. A later layer replaces whole top-level keys of an earlier one.
A file may add a key that no earlier layer has, provided that another setting or the
experiment's Brain reads it. The merged text is ordinary HyperPyYAML again and is kept in the
run folder.

Loading settings runs code, since tags name classes to build and functions to call. What only
needs the values reads them with :func:`ser_brain.training.setting_values.plain_settings`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from hyperpyyaml import load_hyperpyyaml

import ser_brain
from ser_brain.core.errors import SERError, nearest
from ser_brain.core.files import LARGEST_SETTINGS, read_text
from ser_brain.data.corpora import trained_on
from ser_brain.data.experiment import require_tasks
from ser_brain.training.setting_values import (
    BUILD_ERRORS,
    MOST_CHARACTERS,
    check_kinds,
    plain_settings,
)

EXTENDS = "extends"
OUTPUT_FOLDER = "output_folder"
LOAD_ENCODER = "!apply:ser_brain.models.encoders.load_encoder"
HOME = Path(ser_brain.__file__).parents[1]  # with hparams/, in a checkout and when installed
MOST_VALUES = 10_000  # with aliases expanded; the project's own files have 200
SHOWN = 80  # characters of an override in an error message

# Where version 0.1.0 had the classes that settings name: its run folders still load.
MOVED = {
    "ser_brain.encoders.": "ser_brain.models.encoders.",
    "ser_brain.heads.": "ser_brain.models.heads.",
    "ser_brain.run_folder.": "ser_brain.training.run.",
    "ser_brain.checkpoints.": "ser_brain.training.checkpoints.",
}


def read_settings(
    path: str | Path, overrides: Sequence[tuple[str, str]] = (), also: Sequence[str] = ()
) -> str:
    """Merge a settings file with the files it extends and with command-line overrides.

    Parameters
    ----------
    path : str or Path
    overrides : sequence of (key, YAML text)
        For example ``("seed", "3")``.
    also : sequence of str
        SpeechBrain's run options: suggested for a misspelt key, refused in a file.

    Returns
    -------
    str
        One HyperPyYAML text without ``extends``. An experiment's ``output_folder`` that is
        null is named by what is trained on.

    Raises
    ------
    SERError
        For a missing or malformed file, files that extend each other in a circle, or a key
        that is unknown or that nothing reads.
    """
    added: dict[str, str] = {}
    blocks = _read_file(Path(path), (), added)
    for key, value in overrides:
        layer = split_keys(f"{key}: {value}\n", repr(f"--{key}={value}"[:SHOWN]))
        if key not in blocks:
            raise _unknown(key, f"--{key}", [*blocks, *also])
        blocks |= layer
    for key in also:
        if key in blocks:
            raise SERError(
                f"{key} is a run option, not a setting; give it on the command line: --{key}."
            )
    for key, name in added.items():
        if not _is_read(key, blocks):
            raise _unknown(key, name, [each for each in blocks if each not in added])
    if _is_experiment(blocks) and OUTPUT_FOLDER in blocks and _is_null(blocks, OUTPUT_FOLDER):
        folder = _default_folder(plain_settings("".join(blocks.values())))
        blocks[OUTPUT_FOLDER] = f"{OUTPUT_FOLDER}: {json.dumps(folder)}\n"
    return "".join(blocks.values())


def load_settings(text: str) -> dict:
    """Build the objects that a settings text describes.

    Raises
    ------
    SERError
        If HyperPyYAML cannot build it (a broken reference, an unknown class), a value has the
        wrong kind, or the run folder cannot be created.
    """
    checked_settings(text)
    try:
        return load_hyperpyyaml(text)
    except BUILD_ERRORS as error:
        raise SERError(f"Cannot build the settings: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise SERError(f"Cannot write {error.filename}: {error.strerror or error}.") from error


def checked_settings(text: str) -> dict:
    """Read the values of a settings text and check their kinds; nothing is built.

    Raises
    ------
    SERError
        If a value has the wrong kind, or a reference is broken.
    """
    plain = plain_settings(text)
    check_kinds(plain)
    return plain


def with_brain(plain: Mapping) -> dict:
    """Add the class of the Brain to plain settings, and check what needs it.

    Nothing is built and no weights are read, so that a mistake is found at once.

    Parameters
    ----------
    plain : mapping
        From :func:`checked_settings`.

    Raises
    ------
    SERError
        If there is no such Brain or encoder, or the Brain refuses the settings.
    """
    from ser_brain.models.encoders import require_encoder  # imports torch

    brain = load_settings(f"brain: {plain['brain'].tag}\n")["brain"]
    require_tasks(brain)
    brain.require_settings(plain)
    encoder = plain["encoder"]
    if encoder.tag == LOAD_ENCODER and isinstance(encoder.value, dict):
        require_encoder(encoder.value.get("source"), encoder.value.get("revision"))
    return {**plain, "brain": brain}


def find_settings(path: str, home: Path = HOME) -> Path:
    """Find a settings file by its path, or by its path within the project's folder.

    Raises
    ------
    SERError
        If there is none, with the experiments' files, the most similar first.
    """
    for candidate in (Path(path), home / path):
        if candidate.is_file():
            return candidate
    what = "is a folder" if Path(path).is_dir() else "does not exist"
    known = ", ".join(nearest(path, _experiments(home)))
    raise SERError(f"The settings file {path} {what}; the project has, nearest first: {known}.")


def require_experiment(settings: str, file: Path) -> None:
    """Stop if settings describe no experiment, such as those of a file that others extend.

    Raises
    ------
    SERError
        With the experiments' files.
    """
    if not _is_experiment(split_keys(settings, str(file))):
        known = ", ".join(_experiments(HOME))
        raise SERError(
            f"{file} is not an experiment, but a file that experiments extend. Expected one "
            f"of: {known}."
        )


def split_keys(text: str, name: str) -> dict[str, str]:
    """Split a YAML mapping in block style into its top-level keys.

    Nothing is built, and aliases are not followed: a text that would grow beyond measure is
    refused before anything expands it.

    Parameters
    ----------
    text : str
    name : str
        Where the text comes from, for errors.

    Returns
    -------
    dict
        key -> its text, with the comment lines right above it.

    Raises
    ------
    SERError
        If the text is not such a mapping, repeats a key, or is too deep or too large.

    Examples
    --------
    >>> split_keys("a: 1\\n# why\\nb:\\n  c: 2\\n", "example")
    {'a': 'a: 1\\n', 'b': '# why\\nb:\\n  c: 2\\n'}
    """
    if len(text) > MOST_CHARACTERS:
        raise SERError(
            f"{name} has {len(text):,} characters; settings may have {MOST_CHARACTERS:,}."
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return {}
        size = _expanded_size(root, {})
    except yaml.YAMLError as error:
        raise SERError(f"Bad YAML in {name}{_problem(error, text)}.") from error
    except RecursionError:
        raise SERError(f"Bad YAML in {name}: nested too deeply, or within itself.") from None
    if size > MOST_VALUES:
        raise SERError(
            f"Bad YAML in {name}: over {MOST_VALUES:,} values with aliases expanded, which is "
            "the most that settings may have."
        )
    flat = isinstance(root, yaml.MappingNode) and not root.flow_style
    if not flat or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise SERError(f"Bad settings in {name}: expected `key: value` lines.")
    lines = text.splitlines(keepends=True)
    keys = [key.value for key, _ in root.value]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise SERError(f"Bad settings in {name}: {', '.join(repeated)} given more than once.")
    starts = [_with_comment(lines, key.start_mark.line) for key, _ in root.value]
    stops = [*starts[1:], len(lines)]
    return {
        key: "".join(lines[start:stop]).rstrip("\n") + "\n"
        for key, start, stop in zip(keys, starts, stops, strict=True)
    }


def with_current_names(settings: str) -> str:
    """Replace the names that earlier versions gave to classes in a settings text."""
    for then, now in MOVED.items():
        settings = settings.replace(f":{then}", f":{now}")
    return settings


# -- YAML text


def _problem(error: yaml.YAMLError, text: str) -> str:
    """Where and why a text is not YAML."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": {' '.join(str(error).split())}"
    lines = len(text.splitlines())
    line = f", line {min(error.problem_mark.line + 1, lines)}" if lines > 1 else ""
    return f"{line}: {' '.join(error.problem.split())}"


def _with_comment(lines: list[str], start: int) -> int:
    while start > 0 and lines[start - 1].startswith("#"):
        start -= 1
    return start


def _expanded_size(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a node, and at each alias all that it repeats."""
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = (part for pair in node.value for part in pair)
        known[id(node)] = 1 + sum(_expanded_size(part, known) for part in inner)
    return known[id(node)]


def _default_folder(settings: dict) -> str:
    """The run folder of an experiment that names none."""
    corpora = trained_on(settings.get("corpora"), settings.get("corpus"))
    return f"results/{settings['experiment']}/{corpora}/{settings.get('seed')}"


# -- files and the keys they add


def _read_file(path: Path, below: tuple[Path, ...], added: dict[str, str]) -> dict[str, str]:
    """Read a file's keys over those of the files it extends.

    ``below`` are the files that extend this one. Notes in ``added`` which keys the extended
    files lack, and the file that added each.
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
    named = yaml.safe_load(own.pop(EXTENDS))[EXTENDS]
    names = named if isinstance(named, list) else [named]
    if not names or not all(isinstance(name, str) for name in names):
        raise SERError(
            f"Bad extends {named!r} in {path}; expected a file name or a list of them."
        )
    base, *fragments = names
    below = (*below, path.resolve())
    blocks = _read_file(_extended(base, path), below, added)
    layers = {name: _read_file(_extended(name, path), below, added) for name in fragments}
    for name, layer in {**layers, str(path): own}.items():
        added |= {key: name for key in layer if key not in blocks}
        blocks |= layer
    return blocks


def _extended(name: str, by: Path) -> Path:
    """Where a file that ``by`` extends is: beside it, or in the project."""
    beside = by.parent / name
    return beside if beside.exists() or not (HOME / name).is_file() else HOME / name


def _unknown(key: str, name: str, known: Sequence[str]) -> SERError:
    close = ", ".join(nearest(key, [n for n in known if not n.startswith("__")])[:3])
    choice = f"the nearest are: {close}" if close else "there are no settings to change"
    hint = f". A new setting must be read by the Brain's code as hparams.{key}"
    return SERError(
        f"Unknown setting {key!r} in {name}; {choice}{'' if name.startswith('--') else hint}."
    )


def _is_read(key: str, blocks: dict[str, str]) -> bool:
    """Whether another setting refers to a key, or the code beside the Brain reads it.

    The code is searched, not run. If it cannot be found, the key passes: building the settings
    then reports the missing class.
    """
    name = re.escape(key)
    others = "".join(block for other, block in blocks.items() if other != key)
    if re.search(rf"<{name}[>.\[]", others):
        return True
    brain = re.search(r"!name:\s*([\w.]+)", blocks.get("brain", ""))
    files = _files_beside(brain[1]) if brain else []
    reads = re.compile(rf"hparams(\.{name}\b|\[[\"']{name}[\"']\]|,\s*[\"']{name}[\"'])")
    ours = sorted(Path(__file__).parent.glob("*.py"))  # base classes of the Brains
    return files is None or any(
        reads.search(file.read_text(encoding="utf-8", errors="replace"))
        for file in [*files, *ours]
    )


def _files_beside(class_name: str) -> list[Path] | None:
    """Python files in the folder of a class's module; None if there is no such module."""
    top, *inner, _ = class_name.split(".") if "." in class_name else (class_name, "")
    try:
        found = importlib.util.find_spec(top)  # a top-level name: nothing is imported
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None and not found.submodule_search_locations:
        return None
    if not inner:
        return [Path(found.origin)] if found.origin else None
    places = [*(found.submodule_search_locations or ()), top]  # and the user's folder
    folders = [Path(place, *inner[:-1]) for place in places]
    return [file for folder in folders for file in sorted(folder.glob("*.py"))] or None


def _experiments(home: Path) -> list[str]:
    """The project's settings files that can be run, without those that are only extended."""
    found = []
    for path in home.glob("hparams/**/*.yaml"):
        with contextlib.suppress(SERError):  # a broken file is no suggestion
            if _is_experiment(_read_file(path, (), {})):
                found.append(path.relative_to(home).as_posix())
    return sorted(found)


def _is_experiment(blocks: dict[str, str]) -> bool:
    return not _is_null(blocks, "experiment")


def _is_null(blocks: dict[str, str], key: str) -> bool:
    """Whether a key is null; also if it is missing."""
    block = blocks.get(key, f"{key}: null")
    return yaml.compose(block).value[0][1].value in ("null", "~", "")
