"""The ``corpora`` setting: which corpora an experiment takes, and for what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields

from ser_brain.errors import SERError, bad_value
from ser_brain.manifest import ENTRY_KEYS

USES = ("train", "test")


@dataclass(frozen=True)
class CorpusSetting:
    """One line of the ``corpora`` setting.

    Attributes
    ----------
    corpus : str
        Name of a prep script.
    use : str
        ``train``: cut into train, valid and test by the split protocol; ``test``: tested on
        whole.
    data_folder : str, optional
        Where the corpus lies; None only for corpora that bring their own.
    label_source : str, optional
        None takes the default of the corpus's card.
    where : dict
        Keep utterances whose manifest fields equal these, e.g. ``{"language": "eng"}``.
    options : dict
        Options of the prep script.
    """

    corpus: str
    use: str = "train"
    data_folder: str | None = None
    label_source: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise bad_value("use of a corpus", self.use, USES)
        for name in ("corpus", "data_folder", "label_source"):
            value = getattr(self, name)
            if not isinstance(value, str | None) or (value is None and name == "corpus"):
                raise SERError(f"Bad {name} {value!r} in corpora; expected a name.")
        for name in ("where", "options"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise SERError(f"Bad {name} {value!r}; expected a mapping like {{key: value}}.")
        for key in self.where:
            if key not in ENTRY_KEYS:
                raise bad_value("field in where", key, ENTRY_KEYS)

    @property
    def source(self) -> str:
        """What is prepared, whatever is then taken of it; two lines may share it."""
        return repr((self.corpus, self.data_folder, sorted(self.options.items())))


def is_of(corpus: str, names: Collection[str]) -> bool:
    """Whether an experiment took a corpus under any of its names there.

    A line with ``where`` is named after both: ``demo_eng`` is of ``demo``.

    Examples
    --------
    >>> is_of("demo", {"demo_eng"}), is_of("demo_2", {"demo"})
    (True, False)
    """
    return any(f"{name}_".startswith(f"{corpus}_") for name in names)


def parse_corpora(settings: Sequence[Mapping]) -> list[CorpusSetting]:
    """Check the ``corpora`` setting.

    Raises
    ------
    SERError
        For what is no list of mappings, an unknown key, or if nothing is to be trained on.
    """
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
        if "corpus" not in setting:
            raise SERError(f"A line of corpora names no corpus: {dict(setting)}.")
        parsed.append(CorpusSetting(**setting))
    if not any(setting.use == "train" for setting in parsed):
        raise SERError("No corpus in corpora has use: train.")
    return parsed
