"""Which corpora to train and test on: the ``corpora`` setting and the option ``--on``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.manifest import ENTRY_KEYS

USES = ("train", "test")
LONGEST_NAME = 60  # characters of a folder that is named by its corpora


@dataclass(frozen=True)
class CorpusSetting:
    """One line of the ``corpora`` setting.

    ``use: train`` splits the corpus into train, valid and test by the protocol; ``test`` makes
    all of it a test set. ``where`` keeps utterances whose manifest fields equal its values,
    e.g. ``{"language": "eng"}``.
    """

    corpus: str  # name of a prep script
    use: str = "train"
    data_folder: str | None = None  # None only for corpora that bring their own
    label_source: str | None = None  # None takes the default of the corpus's card
    where: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)  # of the prep script
    manifest: str | None = None  # one that is prepared already, in place of a prep script

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise bad_value("use of a corpus", self.use, USES)
        for name in ("corpus", "data_folder", "label_source", "manifest"):
            value = getattr(self, name)
            if not isinstance(value, str | None) or (value is None and name == "corpus"):
                raise SERError(f"Bad {name} {value!r} in corpora; expected a name.")
        for name in ("where", "options"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise SERError(f"Bad {name} {value!r}; expected a mapping like {{key: value}}.")
        for key, value in self.where.items():
            if key not in ENTRY_KEYS:
                raise bad_value("field in where", key, ENTRY_KEYS)
            if isinstance(value, list | dict):
                raise SERError(
                    f"Bad where {key}: {value!r}; expected one value. Give each value a line "
                    "of its own in corpora."
                )

    @property
    def source(self) -> str:
        """Identifies what is prepared; two lines that select from it share it."""
        made_of = self.corpus, self.data_folder, sorted(self.options.items()), self.manifest
        return repr(made_of)

    @property
    def name(self) -> str:
        """Of the corpus's manifest, with the values of ``where``: ``demo_eng``."""
        named = self.options.get("name", self.corpus)  # of a table, the name that it is given
        return "_".join(map(str, [named, *self.where.values()]))


def is_of(corpus: str, names: Collection[str]) -> bool:
    """Whether a corpus is among an experiment's, under any of its names there.

    A line with ``where`` has a longer name: ``demo_eng`` is of ``demo``.
    """
    return any(f"{name}_".startswith(f"{corpus}_") for name in names)


def parse_corpora(settings: Sequence[Mapping]) -> list[CorpusSetting]:
    """Check the ``corpora`` setting: a list of mappings, one of them with ``use: train``."""
    if not isinstance(settings, list) or not all(isinstance(s, Mapping) for s in settings):
        raise SERError(
            f"Bad corpora {settings!r}; expected a list of lines like {{corpus: demo}}."
        )
    known = [f.name for f in fields(CorpusSetting)]
    parsed = []
    for setting in settings:
        for key in setting:
            if key not in known:
                raise bad_value("key in corpora", key, known)
        if "corpus" not in setting and "manifest" not in setting:
            raise SERError(f"A line of corpora has no key corpus: {dict(setting)}.")
        named = {"corpus": Path(str(setting.get("manifest"))).stem}
        parsed.append(CorpusSetting(**{**named, **setting}))
    if not any(setting.use == "train" for setting in parsed):
        raise SERError("No line of corpora has use: train.")
    return parsed


def trained_on(corpora: Sequence[Mapping] | None, corpus: str) -> str:
    """Name a folder by the corpora that are trained on.

    Parameters
    ----------
    corpora : list of mapping, optional
        Lines for :func:`parse_corpora`; None trains on ``corpus``.
    corpus : str

    Examples
    --------
    >>> trained_on([{"corpus": "emodb"}, {"corpus": "urdu"}], "demo")
    'emodb+urdu'
    >>> trained_on([{"corpus": f"corpus_number_{n}"} for n in range(9)], "demo")
    'corpus_number_0+corpus_number_1+corpus_number_2+6_more'
    """
    if corpora is None:
        return corpus
    lines = [line for line in parse_corpora(corpora) if line.use == "train"]
    names = [re.sub(r"[^\w.-]", "_", name) for name in dict.fromkeys(n.name for n in lines)]
    shown = len(names)
    while shown > 1 and len("+".join(names[:shown])) > LONGEST_NAME:
        shown -= 1
    more = [f"{len(names) - shown}_more"] if shown < len(names) else []
    return "+".join([*names[:shown], *more])


@dataclass(frozen=True)
class Target:
    """A corpus to test on; None takes the label source or the folder that its card names."""

    manifest: Path
    label_source: str | None = None
    data_folder: Path | None = None
    where: Mapping[str, str] = field(default_factory=dict)  # as in :class:`CorpusSetting`
    balanced: bool = False  # as many utterances of each class as the smallest class has
    per_class: int | None = None  # this many of each class

    @property
    def drawn(self) -> list[str]:
        """How a part of the corpus is drawn, for protocols; [] where it is not."""
        drawn = ["balanced"] if self.balanced else []
        return drawn + ([f"{self.per_class} per class"] if self.per_class else [])


def add_on_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add ``--on`` and the options that belong to it."""
    parser.add_argument(
        "--on",
        nargs="+",
        default=[],
        required=required,
        metavar="MANIFEST[:SOURCE]",
        help="corpora to test on, each with the label source if not the corpus's default",
    )
    parser.add_argument(
        "--data_folder",
        nargs="+",
        default=[],
        type=Path,
        metavar="DIR",
        help="where the audio is, one for each --on (default: as noted in the corpus card)",
    )
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="only utterances whose manifest field has this value, e.g. language=deu",
    )
    parser.add_argument(
        "--balanced",
        action="store_true",
        help="test on as many utterances of each class as the smallest class has",
    )
    parser.add_argument(
        "--per_class",
        type=int,
        metavar="N",
        help="test on N utterances of each class, drawn by a hash of their ids",
    )
    parser.add_argument("--device", help="where the model runs (default: a GPU, if any)")


def targets(arguments: argparse.Namespace) -> list[Target]:
    """The corpora that a command line tests on."""
    where = dict(parse_pair("--where", pair) for pair in arguments.where)
    drawn = arguments.balanced, arguments.per_class
    if all(drawn) or (drawn[1] is not None and drawn[1] < 1):
        raise SERError("Give --balanced, or --per_class with a number from 1 on.")
    return targets_of(arguments.on, arguments.data_folder, where, *drawn)


def targets_of(
    manifests: Sequence[str], folders: Sequence[Path], *how: Mapping | bool | int | None
) -> list[Target]:
    """One for each manifest; ``how``: the last fields of :class:`Target`."""
    folders = folders or [None] * len(manifests)
    if len(folders) != len(manifests):
        raise SERError(
            f"--data_folder names {len(folders)} folders for {len(manifests)} manifests; "
            "expected one for each, in the same order."
        )
    return [
        Target(*parse_manifest(name), folder, *how)
        for name, folder in zip(manifests, folders, strict=True)
    ]


def parse_pair(option: str, text: str) -> tuple[str, str]:
    """Split ``KEY=VALUE``; ``option`` is for the error."""
    key, _, value = text.partition("=")
    if not (key and value):
        raise SERError(f"Bad {option} {text!r}; expected KEY=VALUE.")
    return key, value


def parse_manifest(text: str) -> tuple[Path, str | None]:
    """Split ``MANIFEST[:LABEL_SOURCE]``; stop if there is no such manifest."""
    if Path(text).is_file():
        return Path(text), None
    path, _, source = text.rpartition(":")
    if source and path and Path(path).is_file():
        return Path(path), source
    raise SERError(
        f"No manifest at {path or text}; write it first: "
        "python -m data_prep CORPUS --data_folder DIR --manifest_folder DIR."
    )
