"""Corpora -> manifests. Every other file in this folder is one corpus, found by its name.

A corpus file says in the first line of its docstring what the corpus is, and holds

``CARD``
    a :class:`ser_brain.data.manifest.CorpusCard`;
``FILES``, ``LABEL_FILES``
    glob patterns under the data folder: audio (fingerprinted by name and size) and label files
    (by content);
``utterances(data_folder, **options)``
    yields an :class:`~ser_brain.data.manifest.Utterance` for each utterance and a
    :class:`~ser_brain.data.manifest.Problem` for each thing that cannot become one;

and, where it needs them,

``UNUSED``
    glob patterns of what belongs to the corpus but is not read (videos, documentation), so that
    it is not taken for stray;
``add_options(group)``
    command-line options of its own, named like the parameters of ``utterances``;
``card(**options)``, ``files(data_folder, **options)``
    in place of ``CARD`` and of (``FILES``, ``LABEL_FILES``) where they depend on options;
    ``files`` returns two lists of paths;
``speakers(data_folder)``
    speaker -> facts (age ...), for the card;
``default_folder()``
    where no data folder need be named;
``LINES``
    what of it an experiment trains and tests on that names no lines of ``corpora``; without
    them it trains on the whole.

docs/adding_a_corpus.md shows a complete one.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect as python_inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from data_prep.common.checks import unread_format
from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.manifest import CorpusCard

NEARBY = 50  # subfolders of a wrong data folder that are looked into for the right one


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
        """The data folder, or the corpus's own where it has one and none is named."""
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
        return data_folder

    def files(self, data_folder: Path) -> tuple[list[Path], list[Path]]:
        """Audio files and label files, sorted."""
        if self._files is None:
            if hasattr(self.module, "files"):
                self._files = self.module.files(data_folder, **self.options)
            else:
                labels = matching(data_folder, self.module.LABEL_FILES)
                self._files = (audio_files(data_folder, self.module.FILES), labels)
        return self._files

    def is_unused(self, relative: str) -> bool:
        """Whether a path belongs to the corpus but is not read."""
        parts = relative.split("/")
        for pattern in getattr(self.module, "UNUSED", ()):
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
                return True
        return False

    def nothing_found(self, data_folder: Path) -> SERError:
        """The error for a folder without an utterance; names a better one if it is near."""
        near = [data_folder.parent, *sorted(p for p in data_folder.iterdir() if p.is_dir())]
        better = [f for f in near[: NEARBY + 1] if self._looks_right(f)]
        hint = f" Did you mean {better[0]}?" if better else ""
        there = matching(data_folder, (*getattr(self.module, "FILES", ()), "*"))
        unread = next(filter(None, map(unread_format, there)), None)
        hint = f" There are files of {unread}." if unread else hint
        return SERError(
            f"{self.card.name}: no utterance under {data_folder}; "
            f"expected there: {self.card.layout}.{hint}"
        )

    def _looks_right(self, folder: Path) -> bool:
        patterns = getattr(self.module, "FILES", ())
        try:
            return any(next(folder.glob(p), None) is not None for p in patterns if "/" in p)
        except OSError:
            return False


def corpora() -> list[str]:
    """Names of the corpora: the files of this folder."""
    folder = Path(__file__).parent
    files = [p.stem for p in folder.glob("*.py") if not p.stem.startswith(("_", "."))]
    return sorted([*files, "demo"])


def lines_of(corpora: list[dict] | None, corpus: str, data_folder: str | None) -> list[dict]:
    """An experiment's ``corpora``, or, where it names none, the lines of its ``corpus``."""
    if corpora is not None:
        return corpora
    lines = getattr(_module(corpus), "LINES", ({"use": "train"},))
    return [{"corpus": corpus, "data_folder": data_folder, **line} for line in lines]


def load(corpus: str, **options: object) -> Corpus:
    """Find a corpus by name.

    Parameters
    ----------
    corpus : str
        Name of its file.
    **options
        Its own options; None means that an option is not given.

    Raises
    ------
    SERError
        If there is no such corpus or option, with the known ones, nearest first.
    """
    module = _module(corpus)
    parameters = list(python_inspect.signature(module.utterances).parameters.values())[1:]
    options = {name: value for name, value in options.items() if value is not None}
    known = [p.name for p in parameters]
    for option in options:
        if option not in known:
            raise (
                bad_value(f"option of {corpus}", option, known)
                if known
                else SERError(f"{corpus} has no options; found {option!r}.")
            )
    needed = [p.name for p in parameters if p.default is p.empty and p.name not in options]
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
    """Files that match, or the WAV files of a flat copy: all in the folder itself.

    A folder inside a copy that is whole is no flat copy.
    """
    found = matching(folder, patterns)
    if found or matching(folder.resolve().parent, patterns):
        return found
    return matching(folder, ("*.[wW][aA][vV]",))


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files under a folder that match any of the glob patterns, sorted.

    Not those that macOS leaves beside every file (``._name``). Links that lead nowhere are
    among them: their file is missing, and that must show.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    return sorted(p for p in found if not (p.name.startswith("._") or os.path.isdir(p)))
