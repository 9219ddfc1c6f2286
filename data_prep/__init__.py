"""Corpora -> manifests. Every other file in this folder is one corpus, found by its name.

A corpus file holds

``CARD``
    a :class:`ser_brain.manifest.CorpusCard`;
``FILES``, ``LABEL_FILES``
    glob patterns under the data folder: audio (fingerprinted by name and size) and label files
    (by content);
``utterances(data_folder, **options)``
    yields an :class:`~ser_brain.manifest.Utterance` for each utterance and a
    :class:`~ser_brain.manifest.Problem` for each file that cannot become one;

and, where it needs them, ``add_options(parser)`` for command-line options of its own,
``card(**options)`` for a card that depends on them, ``files(**options)`` for patterns that do,
and ``default_folder()`` where no data folder need be named.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect as python_inspect
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ser_brain.errors import SERError, bad_value
from ser_brain.manifest import CorpusCard


@dataclass
class Corpus:
    """One corpus file with its options applied."""

    module: ModuleType
    options: dict
    card: CorpusCard = field(init=False)
    files: tuple[str, ...] = field(init=False)
    label_files: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        module, options = self.module, self.options
        self.card = module.card(**options) if hasattr(module, "card") else module.CARD
        if hasattr(module, "files"):
            self.files, self.label_files = module.files(**options)
        else:
            self.files, self.label_files = module.FILES, module.LABEL_FILES

    def folder(self, data_folder: str | Path | None) -> Path:
        """The data folder, or the corpus's own where it has one and none is named."""
        if data_folder is None:
            if hasattr(self.module, "default_folder"):
                return self.module.default_folder()
            raise SERError(
                f"{self.card.name} needs --data_folder DIR; expected there: {self.card.layout}."
            )
        if not Path(data_folder).is_dir():
            raise SERError(
                f"No data folder {data_folder} for {self.card.name}; "
                f"expected there: {self.card.layout}."
            )
        return Path(data_folder)

    def fingerprint(self, data_folder: Path) -> str:
        """SHA-256 over file names, sizes, label files, options and the code that reads them."""
        digest = hashlib.sha256()
        for code in (Path(self.module.__file__), Path(__file__).with_name("_run.py")):
            digest.update(code.read_bytes())
        digest.update(json.dumps(self.options, sort_keys=True, default=str).encode())
        for path in matching(data_folder, self.files):
            name = path.relative_to(data_folder).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode(errors="replace"))
        for path in matching(data_folder, self.label_files):
            name = path.relative_to(data_folder).as_posix()
            digest.update(f"{name}\0".encode(errors="replace") + path.read_bytes())
        return digest.hexdigest()


def corpora() -> list[str]:
    """Names of the corpora: the files of this folder."""
    folder = Path(__file__).parent
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith(("_", ".")))


def load(name: str, **options: object) -> Corpus:
    """Find a corpus by name.

    Raises
    ------
    SERError
        If there is no such corpus, with the known ones, nearest first.
    """
    if name not in corpora():
        raise bad_value("corpus", name, corpora())
    module = importlib.import_module(f"{__name__}.{name}")
    known = list(python_inspect.signature(module.utterances).parameters)[1:]
    for option in options:
        if option not in known:
            raise bad_value(f"option of {name}", option, known)
    return Corpus(module, options)


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files under a folder that match any of the glob patterns, sorted."""
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file())
