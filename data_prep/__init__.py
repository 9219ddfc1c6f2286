"""Prepare corpora: from audio and labels to a manifest. Every other file here is one corpus.

A corpus is found by the name of its file, and described by the first line of its docstring.
The file contains

``CARD``
    a :class:`ser_brain.data.manifest.CorpusCard`;
``FILES``, ``LABEL_FILES``
    audio (fingerprinted by name and size) and label files (by content). Either glob patterns
    under the data folder; or for ``FILES`` a regular expression of the names of audio files
    without suffix, and for ``LABEL_FILES`` names: these are found in any folder of a copy
    (:mod:`data_prep.common.named_files`);
``utterances(data_folder, **options)``
    yields an :class:`~ser_brain.data.manifest.Utterance` for each utterance and a
    :class:`~ser_brain.data.manifest.Problem` for everything that cannot become one;

and, if it needs them,

``UNUSED``
    glob patterns of files that belong to the corpus but are not read (videos, documentation),
    so that they are not reported as stray;
``add_options(group)``
    command-line options of its own, named like the parameters of ``utterances`` (or all that
    it takes as ``**options``);
``card(**options)``, ``files(data_folder, **options)``
    instead of ``CARD`` and of (``FILES``, ``LABEL_FILES``), if they depend on options;
    ``files`` returns two lists of paths;
``described(card, data_folder, **options)``
    the card, completed by what is in the data folder;
``speakers(data_folder, **options)``
    speaker -> facts (``age`` in years, ``accent`` ...), for the card;
``default_folder()``
    the data folder, if the corpus brings its own;
``LINES``
    the lines of ``corpora`` for an experiment that names only this corpus; without them it
    trains on the whole corpus;
``VERSION``
    a number to raise with a change of the file that changes the manifest.

Files of a folder ``data_prep`` where the commands run are found as if they were here.
docs/adding_a_corpus.md shows a complete one.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import inspect
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from data_prep.common.checks import unread_format
from data_prep.common.named_files import (
    audio_paths,
    every_file,
    has_more,
    label_files,
    named_files,
)
from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.manifest import CorpusCard

__path__.append(os.path.abspath("data_prep"))
NEARBY = 50  # subfolders of a wrong data folder that are searched for the right one


@dataclass
class Corpus:
    """One corpus file with its options applied."""

    module: ModuleType
    options: dict
    card: CorpusCard = field(init=False)
    _files: tuple[list[Path], list[Path]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        module = self.module
        self.card = module.card(**self.options) if hasattr(module, "card") else module.CARD

    def folder(self, data_folder: str | Path | None) -> Path:
        """The data folder; without one, the corpus's own if it brings one."""
        if data_folder is None:
            if hasattr(self.module, "default_folder"):
                return self.module.default_folder()
            raise SERError(
                f"{self.card.name} needs --data_folder DIR; expected there: {self.card.layout}."
            )
        data_folder = Path(data_folder).expanduser()
        if not data_folder.is_dir():
            raise SERError(
                f"No data folder {data_folder} for {self.card.name}; "
                f"expected there: {self.card.layout}."
            )
        if hasattr(self.module, "described"):
            self.card = self.module.described(self.card, data_folder, **self.options)
        return data_folder

    def files(self, data_folder: Path) -> tuple[list[Path], list[Path]]:
        """Audio files and label files, sorted."""
        if self._files is None:
            if hasattr(self.module, "files"):
                self._files = self.module.files(data_folder, **self.options)
            elif self._by_name:
                labels = label_files(data_folder, *self.module.LABEL_FILES)
                self._files = (audio_paths(data_folder, self.module.FILES), labels)
            else:
                labels = matching(data_folder, self.module.LABEL_FILES)
                self._files = (audio_files(data_folder, self.module.FILES), labels)
        return self._files

    @property
    def _by_name(self) -> bool:
        """Whether files are found by their names, in whatever folder."""
        return isinstance(getattr(self.module, "FILES", None), re.Pattern)

    def is_unused(self, relative: str) -> bool:
        """Whether a path belongs to the corpus but is not read."""
        parts = relative.split("/")
        patterns = (pattern.split("/") for pattern in getattr(self.module, "UNUSED", ()))
        if self._by_name:
            return any(
                len(wanted) <= len(parts)
                and all(map(fnmatch.fnmatchcase, parts[-len(wanted) :], wanted))
                for wanted in patterns
            )
        return any(
            len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))
            for wanted in patterns
        )

    def nothing_found(self, data_folder: Path) -> SERError:
        """The error for a folder without an utterance; suggests a better one nearby."""
        near = [data_folder.parent, *sorted(p for p in data_folder.iterdir() if p.is_dir())]
        better = [folder for folder in near[: NEARBY + 1] if self._looks_right(folder)]
        hint = f" Did you mean {better[0]}?" if better else ""
        if self._by_name:
            files = itertools.islice(every_file(data_folder), NEARBY)
            there = [data_folder / path for path in files]
        else:
            there = matching(data_folder, (*getattr(self.module, "FILES", ()), "*"))
        unread = next(filter(None, map(unread_format, there)), None)
        hint = f" It contains files that cannot be read: {unread}." if unread else hint
        return SERError(
            f"{self.card.name}: no utterance under {data_folder}; "
            f"expected there: {self.card.layout}.{hint}"
        )

    def larger_folder(self, data_folder: Path) -> Path | None:
        """The folder above, if the data folder is only a part of the copy there."""
        above = data_folder.resolve().parent
        if self._by_name and has_more(above, data_folder.resolve(), self.module.FILES):
            return above
        return None

    def _looks_right(self, folder: Path) -> bool:
        patterns = getattr(self.module, "FILES", ())
        if self._by_name:
            return next(named_files(folder, patterns, depth=4), None) is not None
        try:
            return any(next(folder.glob(p), None) is not None for p in patterns if "/" in p)
        except OSError:
            return False


def corpora() -> list[str]:
    """Names of the corpora, sorted."""
    return sorted(corpus_files())


def corpus_files() -> dict[str, Path]:
    """Name of a corpus -> its file, in this folder or the user's; the demo is a package."""
    files = [p for folder in reversed(__path__) for p in sorted(Path(folder).glob("*.py"))]
    found = {path.stem: path for path in files if not path.name.startswith(("_", "."))}
    return {**found, "demo": Path(__path__[0], "demo", "__init__.py")}


def lines_of(corpora: list[dict] | None, corpus: str, data_folder: str | None) -> list[dict]:
    """The ``corpora`` of an experiment; without them, the lines of its ``corpus``."""
    if corpora is not None:
        return corpora
    lines = getattr(_module(corpus), "LINES", ({"use": "train"},))
    return [{"corpus": corpus, "data_folder": data_folder, **line} for line in lines]


def load(corpus: str, **options: object) -> Corpus:
    """Find a corpus by the name of its file; of its options, None means not given."""
    module = _module(corpus)
    _, *parameters = inspect.signature(module.utterances).parameters.values()
    options = {name: value for name, value in options.items() if value is not None}
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    needed = [p.name for p in parameters if p.name in known and p.default is p.empty]
    if len(known) < len(parameters):  # **options: all that the command has
        parser = argparse.ArgumentParser(add_help=False)
        module.add_options(parser)
        known = [action.dest for action in parser._actions]
    for option in (each for each in options if each not in known):
        if not known:
            raise SERError(f"{corpus} has no options; found {option!r}.")
        raise bad_value(f"option of {corpus}", option, known)
    needed = [name for name in needed if name not in options]
    if needed:
        example = ", ".join(f"{name}: ..." for name in needed)
        raise SERError(
            f"{corpus} needs {', '.join('--' + name for name in needed)}; in an experiment, "
            f"--corpora='[{{corpus: {corpus}, data_folder: DIR, options: {{{example}}}}}]'."
        )
    return Corpus(module, options)


def _module(corpus: str) -> ModuleType:
    if corpus not in corpora():
        raise bad_value("corpus", corpus, corpora())
    return importlib.import_module(f"{__name__}.{corpus}")


def audio_files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files that match; without any, the WAV files of a flat copy, which has no subfolders.

    A subfolder of a complete copy is not a flat copy.
    """
    found = matching(folder, patterns)
    if found or matching(folder.resolve().parent, patterns):
        return found
    return matching(folder, ("*.[wW][aA][vV]",))


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files under a folder that match any of the glob patterns, sorted.

    The files that macOS adds beside every file (``._name``) are skipped. Broken links are
    included, so that their missing file is reported.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    return sorted(p for p in found if not (p.name.startswith("._") or os.path.isdir(p)))
