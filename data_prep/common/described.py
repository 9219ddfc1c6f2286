"""A corpus that rows describe, in whatever format they come: a table, Kaldi, audformat ...

A reader gives :class:`Rows`; :class:`Described` makes of it all that a corpus file needs, with
the same options for every format.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep import corpora
from data_prep.common.flat import label_columns, label_of
from data_prep.common.table_cells import CODED, Cells, language_code, meanings_of
from data_prep.common.table_columns import COLUMNS, used_columns
from ser_brain.core.errors import SERError, bad_value, nearest
from ser_brain.core.log import get_logger
from ser_brain.data.audio import CHANNELS, split_channel, with_channel
from ser_brain.data.labels import (
    DIMENSIONS,
    LABEL_SOURCES,
    annotation,
    majority,
    require_own_emotions,
)
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

logger = get_logger(__name__)
ID = "id"  # what a column of names is
FIELD = re.compile(r"\{([^{}]+)\}")
EACH = "each"
RATED = "consensus"  # the label source of rows by several raters


@dataclass
class Rows:
    """What a format says: cells of text, one row for each utterance, rating or segment."""

    source: Path  # the file or folder, for errors
    columns: list[str]
    rows: dict[int, dict[str, str]]  # by line or number
    label_files: list[Path] = field(default_factory=list)  # whose content makes the manifest
    known: Mapping[str, str] = field(default_factory=dict)  # what a column is -> the column
    facts: Mapping[str, object] = field(default_factory=dict)  # of the card
    used: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """The functions of a corpus file whose utterances a reader's rows describe."""

    read: Callable[..., Rows]  # from the data folder and all options
    layout: str  # one line

    def utterances(
        self,
        data_folder: Path,
        name: str,
        own_emotions: str | Sequence[str] = (),
        vad_scale: Sequence[float] | None = None,
        label_source: str | None = None,
        rater_column: str | None = None,
        channel: str | None = None,
        **options: object,
    ) -> Iterator[Utterance | Problem]:
        """Every row, or every group of ratings. The options are the command's."""
        if channel not in (None, EACH, *CHANNELS):
            raise bad_value("channel", channel, (*CHANNELS, EACH))
        rows = self._rows(data_folder, rater_column=rater_column, **options)
        scale = vad_scale or rows.facts.get("vad_scale")
        own = _listed(own_emotions) or rows.facts.get("own_emotions", ())
        sources = _sources(rows, label_source or (RATED if rater_column else "intended"), scale)
        groups = _groups(rows, rater_column)
        facts = {w: c for w, c in rows.used.items() if w not in ("emotion", *DIMENSIONS)}
        cells = {
            source: [Cells(row, {**facts, **parts}, rows.source, n) for n, row in _items(rows)]
            for source, parts in sources.items()
        }
        named = label_columns(rows.columns)
        spoken = _emotions(cells, options, rows.source, own)
        first = next(iter(cells.values()))
        meant = {
            what: _meant(what, first, options.get(f"{what}_map"), rows.source, own)
            for what in CODED
            if what != "emotion"
        }
        endless = 0
        for group in groups:
            one = first[group[0]]
            relative = one.path(data_folder)
            if isinstance(relative, Problem):
                yield relative
                continue
            start, stop = one.part()
            endless += start is not None and stop is None
            labels = {
                source: _label(
                    [cells[source][i] for i in group],
                    [spoken[source][i] for i in group],
                    named.get(source),
                    scale,
                    rater_column is not None,
                )
                for source in sources
            }
            coded = {what: codes[group[0]] for what, codes in meant.items()}
            utterance = Utterance(
                name=one.text(ID) or one.name(relative),
                path=relative,
                labels={source: label for source, label in labels.items() if label is not None},
                speaker=one.text("speaker"),
                group=one.text("group"),
                text=one.text("text"),
                start=start,
                stop=stop,
                **coded,
            )
            yield from _of_channels(utterance, channel)
        if endless:
            logger.warning(
                f"{name}: {endless} utterances have a start and no stop; they end with their "
                "files."
            )

    def card(
        self,
        name: str,
        language: str | None = None,
        vad_scale: Sequence[float] | None = None,
        label_source: str | None = None,
        rater_column: str | None = None,
        emotion_map: Mapping[str, str | None] | None = None,
        own_emotions: str | Sequence[str] = (),
        title: str | None = None,
        licence: str | None = None,
        **options: object,
    ) -> CorpusCard:
        """The card, as the options describe the corpus."""
        if not name.isidentifier():
            raise SERError(
                f"Bad name {name!r}; expected letters, digits and _, like my_corpus."
            )
        if name in corpora():
            raise SERError(
                f"The name {name} belongs to a corpus with a prep script of its own; choose "
                f"another, like my_{name}."
            )
        source = label_source or (RATED if rater_column else "intended")
        if source not in LABEL_SOURCES:
            raise bad_value("label_source", source, LABEL_SOURCES)
        if vad_scale is not None and not (len(vad_scale) == 2 and vad_scale[0] < vad_scale[1]):
            raise SERError(
                f"Bad vad_scale {vad_scale}; expected two numbers LOW HIGH, like 1 5."
            )
        return CorpusCard(
            name=name,
            title=title or name,
            version="not stated",
            licence=licence or "not stated",
            citation="not stated",
            languages=(language_code(language),) if language else (),
            style="not stated",
            emotions={raw: e for raw, e in (emotion_map or {}).items() if e},
            sources=(source,),
            layout=self.layout.format(**options) if options else self.layout,
            vad_scale=tuple(map(float, vad_scale)) if vad_scale is not None else None,
            own_emotions=require_own_emotions(_listed(own_emotions), "--own_emotions"),
        )

    def described(self, card: CorpusCard, data_folder: Path, **options: object) -> CorpusCard:
        """The card with what the format itself says and no option did."""
        rows, unsaid = self._rows(data_folder, **options), ("not stated", card.name)
        found = {
            key: value
            for key, value in rows.facts.items()
            if hasattr(card, key) and (not getattr(card, key) or getattr(card, key) in unsaid)
        }
        sources = _sources(rows, card.sources[0], card.vad_scale or rows.facts.get("vad_scale"))
        default = options.get("label_source") or rows.facts.get("default_source")
        order = sorted(sources, key=lambda source: source != default)
        return dataclasses.replace(card, **{**found, "sources": tuple(order)})

    def speakers(self, data_folder: Path, **options: object) -> dict[str, dict[str, object]]:
        """Age and accent of the speakers, where columns say them."""
        rows, found = self._rows(data_folder, **options), {}
        for number, row in _items(rows):
            one = Cells(row, rows.used, rows.source, number)
            for what in filter(one.text, ("age", "accent") if one.text("speaker") else ()):
                said = one.text(what)
                fact = int(said) if said.isdecimal() else said
                found.setdefault(one.text("speaker"), {}).setdefault(what, fact)
        return found

    def files(
        self, data_folder: Path, name: str, **options: object
    ) -> tuple[list[Path], list[Path]]:
        """The audio files that the rows name, and the label files; logs the columns read."""
        rows = self._rows(data_folder, **options)
        dotted = [c for parts in label_columns(rows.columns).values() for c in parts.values()]
        read = [w if w == column else f"{w} ({column})" for w, column in rows.used.items()]
        rater, template = (options.get(k) or "" for k in ("rater_column", "path_template"))
        named = [f"rater ({rater})"] if rater else []
        logger.info(
            f"{name}: {rows.source.name}: columns read: {', '.join([*read, *dotted, *named])}."
        )
        known = {*rows.used.values(), *dotted, rater, *FIELD.findall(template)}
        unused = [column or "(no name)" for column in rows.columns if column not in known]
        if unused:
            logger.warning(
                f"{name}: {rows.source.name}: columns not used: {', '.join(unused)}."
            )
        cells = (Cells(row, rows.used, rows.source, n) for n, row in _items(rows))
        found = {one.path(data_folder) for one in cells}
        paths = {data_folder / split_channel(p)[0] for p in found if isinstance(p, str)}
        return sorted(paths), rows.label_files

    def _rows(
        self,
        data_folder: Path,
        ignore_columns: str | Sequence[str] = (),
        path_template: str | None = None,
        label_columns: Mapping[str, str] | None = None,
        **options: object,
    ) -> Rows:
        """The rows with the columns that are read."""
        rows = self.read(data_folder, **options)
        for source, column in (label_columns or {}).items():
            if source not in LABEL_SOURCES:
                raise bad_value("source in --label_columns", source, LABEL_SOURCES)
            if column not in rows.columns:
                raise bad_value(
                    f"column of {rows.source} in --label_columns", column, rows.columns
                )
            _add_column(rows, f"{source}.emotion", lambda row, c=column: row[c])
            rows.columns.remove(column)
        known = dict(rows.known)
        if path_template is not None:
            for name in FIELD.findall(path_template):
                if name not in rows.columns:
                    raise bad_value("column in --path_template", name, rows.columns)
            _add_column(
                rows, "path", lambda row: FIELD.sub(lambda f: row[f[1]].strip(), path_template)
            )
            known["path"] = "path"
        named = {what: options.get(f"{what}_column") for what in (*COLUMNS, ID)}
        asked = {**known, **{what: column for what, column in named.items() if column}}
        free = [
            c for c in rows.columns if c not in (options.get("rater_column"), known.get(ID))
        ]
        free += [c for c in asked.values() if c not in free and c in rows.columns]
        rows.used = used_columns(rows.source, free, asked, _listed(ignore_columns))
        if "path" not in rows.used:
            has = ", ".join(nearest("path", rows.columns))
            raise SERError(
                f"{rows.source} has no column called path; name the one with the audio files "
                f"with --path_column. Its columns are: {has}."
            )
        return rows

    @staticmethod
    def add_options(group: argparse._ArgumentGroup) -> None:
        """What :meth:`utterances` takes, whatever the format."""
        add = group.add_argument
        add("--name", help="name of the corpus, first part of every id")
        for what, meaning in COLUMNS.items():
            add(f"--{what}_column", metavar="COLUMN", help=f"{meaning} (default: {what})")
        add("--id_column", metavar="COLUMN", help="column of names (default: from the paths)")
        template = "where the audio is, with columns in braces: wav/{speaker}/{file}.wav"
        add("--path_template", metavar="TEMPLATE", help=template)
        rater = "column of raters: rows of one utterance are its votes (ties are kept)"
        add("--rater_column", metavar="COLUMN", help=rater)
        add(
            "--label_columns",
            nargs="+",
            metavar="SOURCE=COLUMN",
            action=_Pairs,
            help="several columns of emotions, such as intended=label consensus=majority",
        )
        misleading = "columns whose names are misleading"
        add("--ignore_columns", nargs="+", metavar="COLUMN", help=misleading)
        for what, example in CODED.items():
            add(
                f"--{what}_map",
                nargs="+",
                metavar=f"RAW={what.upper()}",
                action=_Pairs,
                help=f"meaning of the table's {what} codes, such as {example}; everyday words "
                "need no entry",
            )
        own = "classes beyond the known emotions, such as confusion interest"
        add("--own_emotions", nargs="+", metavar="CLASS", help=own)
        scale = "scale of valence, arousal and dominance, such as 1 5"
        add("--vad_scale", nargs=2, type=float, metavar=("LOW", "HIGH"), help=scale)
        source = f"where the labels come from: {', '.join(LABEL_SOURCES)} (default: intended)"
        add("--label_source", metavar="SOURCE", help=source)
        add(
            "--channel",
            metavar="CHANNEL",
            help="left, right or each, of telephone calls: each side is an utterance (default: "
            "the average)",
        )
        add("--language", metavar="CODE", help="ISO 639 code, such as kor")
        add("--title", help="for the corpus card")
        add("--licence", help="for the corpus card")


class _Pairs(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        pairs = {}
        for value in values:
            raw, equals, emotion = value.rpartition("=")
            if not equals or not raw:
                parser.error(f"bad {option_string} {value!r}; expected {self.metavar}")
            pairs[raw] = emotion
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest, None) or {}), **pairs})


def _items(rows: Rows) -> Iterator[tuple[int, dict[str, str]]]:
    return iter(rows.rows.items())


def _of_channels(utterance: Utterance, channel: str | None) -> Iterator[Utterance]:
    """The utterance of a channel; of each, two: speakers that are known get its name."""
    if channel is None:
        yield utterance
    for one in CHANNELS if channel == EACH else [channel] if channel else ():
        spoken = utterance.speaker and channel == EACH
        yield dataclasses.replace(
            utterance,
            path=with_channel(utterance.path, one),
            name=f"{utterance.name}_{one}",
            speaker=f"{utterance.speaker}_{one}" if spoken else utterance.speaker,
        )


def _add_column(rows: Rows, column: str, cell: Callable[[dict], str]) -> None:
    rows.rows = {number: {**row, column: cell(row)} for number, row in rows.rows.items()}
    rows.columns = [*(each for each in rows.columns if each != column), column]


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    """A list of names, of which YAML may give one alone."""
    return [names] if isinstance(names, str) else names


def _sources(
    rows: Rows, plain: str, scale: Sequence[float] | None
) -> dict[str, Mapping[str, str]]:
    """Label source -> its columns; those without a source in their names are ``plain``'s."""
    used = {what: rows.used[what] for what in ("emotion", *DIMENSIONS) if what in rows.used}
    sources = label_columns(rows.columns)
    if used:
        sources = {plain: {**used, **sources.get(plain, {})}, **sources}
    if not sources:
        has = ", ".join(nearest("emotion", rows.columns))
        raise SERError(
            f"{rows.source} has no labels: no column is called emotion, valence or arousal. "
            f"Its columns are: {has}. Name one with --emotion_column."
        )
    rated = [
        column for parts in sources.values() for w, column in parts.items() if w in DIMENSIONS
    ]
    if rated and scale is None:
        what = ", ".join(
            dict.fromkeys(w for p in sources.values() for w in p if w in DIMENSIONS)
        )
        raise SERError(
            f"{rows.source} has {what}; give their scale with --vad_scale LOW HIGH, or "
            f"ignore them with --ignore_columns {' '.join(rated)}."
        )
    return sources


def _groups(rows: Rows, rater_column: str | None) -> list[list[int]]:
    """Places of the rows of each utterance: several where each rater has one."""
    if rater_column is None:
        return [[place] for place in range(len(rows.rows))]
    if rater_column not in rows.columns:
        raise bad_value(
            f"column of {rows.source} in --rater_column", rater_column, rows.columns
        )
    keys = [rows.used[w] for w in ("path", "start", "stop", "duration") if w in rows.used]
    found: dict[tuple, dict[str, int]] = {}
    for place, (number, row) in enumerate(rows.rows.items()):
        ratings = found.setdefault(tuple(row[key] for key in keys), {})
        if row[rater_column] in ratings:
            raise SERError(
                f"{rows.source}, line {number}: rater {row[rater_column]!r} rates "
                f"{row[rows.used['path']]} a second time."
            )
        ratings[row[rater_column]] = place
    return [[*ratings.values()] for ratings in found.values()]


def _emotions(
    cells: Mapping[str, Sequence[Cells]],
    options: Mapping[str, object],
    table: Path,
    own_emotions: Sequence[str],
) -> dict[str, list[str | None]]:
    """Source -> what each row's code means; one map for the codes of all sources."""
    every = [one for rows in cells.values() for one in rows]
    meant = iter(_meant("emotion", every, options.get("emotion_map"), table, own_emotions))
    return {source: [next(meant) for _ in rows] for source, rows in cells.items()}


def _meant(
    what: str,
    cells: Sequence[Cells],
    given: Mapping[str, str | None] | None,
    table: Path,
    own_emotions: Sequence[str],
) -> list[str | None]:
    if given and not any(what in one.used for one in cells):
        raise SERError(
            f"{table} has no {what} column for --{what}_map; name it with --{what}_column."
        )
    codes = [one.code(what) for one in cells]
    return meanings_of(what, codes, given or {}, table, own_emotions)


def _label(
    cells: Sequence[Cells],
    emotions: Sequence[str | None],
    named: Mapping[str, str] | None,
    scale: Sequence[float] | None,
    by_raters: bool,
) -> dict | None:
    """One source's label; None where the columns ``named`` after it are all blank."""
    if by_raters:
        votes = Counter(emotion for emotion in emotions if emotion is not None)
        return annotation(majority(votes), votes=votes, **_means(cells, scale))
    (one,), (emotion,) = cells, emotions
    raw = one.code("emotion") if emotion else one.text("emotion")
    vad = one.vad(scale)
    if named is not None:
        label = label_of(one.row, named)
        if emotion is None and not label:
            return None
        # A code that is the emotion's own name is the translation, not the corpus's.
        raw = None if "raw" in named or raw == emotion else raw
        return annotation(emotion, label.pop("raw", raw), **label)
    return annotation(emotion, raw, **({"vad": vad} if vad else {}))


def _means(cells: Sequence[Cells], scale: Sequence[float] | None) -> dict:
    """The mean rating of each dimension, over the raters who gave one."""
    ratings = [one.vad(scale) or {} for one in cells]
    found = {d: [r[d] for r in ratings if r.get(d) is not None] for d in DIMENSIONS}
    vad = {d: sum(values) / len(values) for d, values in found.items() if values}
    return {"vad": vad} if vad else {}
