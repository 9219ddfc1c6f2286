"""Pages: self-contained HTML from the project's templates.

A page is one file that asks for nothing else. Its policy allows no script but those of
``templates/``, known by their hash, so that hostile words in data could not run even where they
were not escaped.
"""

from __future__ import annotations

import base64
import contextlib
import filecmp
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    PARTIAL,
    SUMS,
    read_json,
    remove_partial,
    write_checksums,
    write_json,
)
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import get_logger
from ser_brain.core.tables import (
    NOTHING,
    Table,
    interval_text,
    is_best,
    is_number,
    to_csv,
    value_text,
)

TEMPLATES = Path(__file__).parent / "templates"
SAYS_NOTHING = "it says nothing about accuracy on people."


def render(template: str, scripts: Sequence[str] = ("page.js",), **content: object) -> str:
    """Fill a template; everything that comes from data is escaped.

    Parameters
    ----------
    template : str
        A file of ``templates/`` that extends ``base.html``.
    scripts : sequence of str
        Files of ``templates/`` that the page runs; ``page.js`` sorts tables.
    **content
        What the template names; a name it misses is an error.
    """
    script = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    content = {"script": script, "script_sha256": digest, **content}
    return _environment().get_template(template).render(**content)


def data_address(content: bytes, media_type: str) -> str:
    """A ``data:`` address that holds a whole file.

    Examples
    --------
    >>> data_address(b"a,b", "text/csv")
    'data:text/csv;base64,YSxi'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        value_text=value_text,
        interval_text=interval_text,
        is_best=is_best,
        is_number=is_number,
        spans=_spans,
        numeric_columns=_numeric_columns,
        sort_value=_sort_value,
        csv_address=_csv_address,
        nothing=NOTHING,
        says_nothing=SAYS_NOTHING,
    )
    environment.filters["duration"] = _duration
    return environment


def _numeric_columns(table: Table) -> list[bool]:
    """Which columns are set to the right."""
    return [all(is_number(row[i]) for row in table.rows) for i in range(len(table.head))]


def _spans(titles: list[str]) -> list[tuple[str, int]]:
    """Headings that stand over several columns, and over how many."""
    return [(title, len(list(group))) for title, group in itertools.groupby(titles)]


def _sort_value(cell: object) -> str:
    """What a column is sorted by: every digit of a number, nothing where there is none."""
    value = cell["value"] if isinstance(cell, Mapping) else cell
    return "" if value is None else str(value)


def _csv_address(table: Table) -> str:
    return data_address(to_csv(table).encode("utf-8"), "text/csv;charset=utf-8")


def _duration(seconds: float | None) -> str:
    """Seconds in words a person uses.

    Examples
    --------
    >>> _duration(75), _duration(4000.0), _duration(None)
    ('1 min 15 s', '1 h 6 min', '–')
    """
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{seconds:.1f} s"
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
    )


logger = get_logger(__name__)
WRITTEN = "files.json"
MARKS = ("hyperparams.yaml", "folds.json", "config.json")  # of a run, folds and a model
NEW = "report"  # in the name of the folder that is written before it is moved


@contextlib.contextmanager
def rewritten(folder: Path, own: bool = False) -> Iterator[Path]:
    """Give a new folder, whose files take the place of those an earlier report wrote.

    Parameters
    ----------
    folder : Path
        Holds the report. Files that no report wrote stay as they are.
    own : bool
        Nothing else is at home in the folder: whatever has the name of a file of the report
        gives way. Without, a folder that somebody has named is not taken for this.

    Yields
    ------
    Path
        Where to write; its files are moved to ``folder`` when the block succeeds, and listed
        in ``files.json`` and ``SHA256SUMS``.

    Raises
    ------
    SERError
        If the folder cannot be written, or another process writes it; and unless it is the
        report's own, if it is of something else, or holds a file of that name that no report
        wrote.
    """
    try:
        with held(folder / NAME, folder):
            remove_partial(folder, NEW, WRITTEN)
            if not own:
                _require_for_reports(folder)
            with tempfile.TemporaryDirectory(prefix=f"{PARTIAL}{NEW}-", dir=folder) as name:
                new = Path(name)
                yield new
                _move(new, folder, own)
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error


def written_files(folder: Path) -> set[str]:
    """Names of the files that a report wrote into a folder, with its lists; {} without."""
    if not (folder / WRITTEN).exists():
        return set()
    try:
        names = read_json(folder / WRITTEN, "list of a report's files").get("written")
    except SERError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        logger.warning(
            f"{folder / WRITTEN} is damaged: nobody knows which files of {folder} are of an "
            "earlier report"
        )
        return set()
    return {WRITTEN, *(name for name in names if Path(name).name == name)}


def _require_for_reports(folder: Path) -> None:
    """Stop where something else than a report is at home."""
    home = folder.resolve()
    for mark in MARKS:
        if (home / mark).exists():
            raise SERError(
                f"{folder} holds {mark}, of a run, folds or a model; choose another folder."
            )
        if home.name == "report" and (home.parent / mark).exists():
            raise SERError(f"{folder} is the report of a run; choose another folder.")
    _require_written(folder, {SUMS, WRITTEN}, written_files(folder))


def _require_written(folder: Path, names: Iterable[str], earlier: set[str]) -> None:
    """Stop where files would be replaced that no earlier report wrote."""
    foreign = [name for name in sorted(set(names) - earlier) if os.path.lexists(folder / name)]
    if foreign:
        raise SERError(
            f"{folder} holds {', '.join(foreign)}, which no report wrote; choose another "
            "folder, or remove that."
        )


def _same(new: Path, there: Path) -> bool:
    """Whether a file is there already, so that nothing is lost where a new one replaces it."""
    return new.is_file() and there.is_file() and filecmp.cmp(new, there, shallow=False)


def _move(new: Path, folder: Path, own: bool) -> None:
    """Move files to a folder, and remove those of an earlier report that have no successor."""
    earlier = written_files(folder)
    written = {SUMS, WRITTEN, *(path.name for path in new.iterdir())}
    if not own:
        kept = {name for name in written if _same(new / name, folder / name)}
        _require_written(folder, written - kept, earlier)
    write_json(new / WRITTEN, {"written": sorted(written)})
    write_checksums(new)
    # Both until the end: who is stopped in between leaves nothing whose owner is unknown.
    write_json(folder / WRITTEN, {"written": sorted(earlier | written)})
    for name in sorted(written - {SUMS, WRITTEN}):
        os.replace(new / name, folder / name)
    stale = sorted(name for name in earlier - written if (folder / name).is_file())
    for name in stale:
        (folder / name).unlink()
    for name in (WRITTEN, SUMS):  # the checksums last, when they are true
        os.replace(new / name, folder / name)
    if stale:
        logger.info(f"{folder}: removed {', '.join(stale)} of an earlier report")


@dataclass(frozen=True)
class ReportFigure:
    """A figure as the page needs it.

    Attributes
    ----------
    caption, alt : str
    source : str
        A ``data:`` address that holds the SVG.
    """

    caption: str
    alt: str
    source: str


def inlined(stem: Path, caption: str, alt: str) -> ReportFigure:
    """The figure whose SVG was written to ``stem``."""
    svg = Path(f"{stem}.svg").read_bytes()
    return ReportFigure(caption, alt, data_address(svg, "image/svg+xml"))


def stem_of(folder: Path, evaluation: Mapping, what: str) -> Path:
    """Where a figure of one test set is written, without suffix."""
    return folder / f"{evaluation['test_set']}-{what}"


def subtitle(evaluations: Iterable[Mapping]) -> str:
    """Experiment and protocol, and where speech is synthetic, that it is."""
    evaluations = list(evaluations)
    protocols = dict.fromkeys(evaluation["protocol"] for evaluation in evaluations)
    words = f"{evaluations[0]['experiment']}, {' + '.join(protocols)}"
    synthetic = any(evaluation["synthetic"] for evaluation in evaluations)
    return f"{words}, SYNTHETIC SPEECH" if synthetic else words
