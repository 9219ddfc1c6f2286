"""Pages: self-contained HTML from templates, and the folder into which a report is written.

A page is one file that requests nothing else. Its policy allows only the scripts of
``templates/``, which it knows by their hash: hostile text in the data could not run even if it
were not escaped.
"""

from __future__ import annotations

import base64
import contextlib
import filecmp
import functools
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

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
    interval_text,
    is_best,
    is_number,
    to_csv,
    value_text,
)

logger = get_logger(__name__)
TEMPLATES = Path(__file__).parent / "templates"
SAYS_NOTHING = "it says nothing about accuracy on people."
WRITTEN = "files.json"
MARKS = ("hyperparams.yaml", "folds.json", "config.json")  # of a run, of folds, of a model
NEW = "report"  # part of the name of the temporary folder
UNTITLED = "-untitled"  # in the names of figures without title, for papers
DOWNLOADS = (".csv", ".md", ".tex", ".svg", ".png", ".pdf")


def render(template: str, scripts: Sequence[str] = ("page.js",), **content: object) -> str:
    """Fill a template that extends ``base.html``; everything that comes from data is escaped.

    A missing variable is an error. ``scripts``: files of ``templates/`` that the page runs;
    ``page.js`` makes tables sortable.
    """
    script = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    content = {"script": script, "script_sha256": digest, **content}
    return pages().get_template(template).render(**content)


@functools.cache
def pages() -> jinja2.Environment:
    """The templates of pages, each compiled once in a process."""
    environment = templates(autoescape=True)
    environment.globals.update(
        value_text=value_text,
        interval_text=interval_text,
        is_best=is_best,
        is_number=is_number,
        spans=_spans,
        sort_value=_sort_value,
        csv_address=lambda table: data_address(to_csv(table).encode(), CSV_TYPE),
        file_address=lambda name: f"./{quote(name)}",  # a name with a colon is no scheme
        nothing=NOTHING,
    )
    environment.filters["duration"] = _duration
    return environment


def templates(**options: object) -> jinja2.Environment:
    """The templates of this package; a name that one uses and nobody gives is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.globals.update(says_nothing=SAYS_NOTHING)
    return environment


CSV_TYPE = "text/csv;charset=utf-8"


def data_address(content: bytes, media_type: str) -> str:
    """Make a ``data:`` address that contains a whole file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _spans(titles: list[str]) -> list[tuple[str, int]]:
    """Headings over several columns, and how many each one spans."""
    return [(title, len(list(group))) for title, group in itertools.groupby(titles)]


def _sort_value(cell: object) -> str:
    """The key by which a column is sorted: every digit of a number, or nothing."""
    value = cell["value"] if isinstance(cell, Mapping) else cell
    return "" if value is None else str(value)


def _duration(seconds: float | None) -> str:
    """``1.5 s``, ``1 min 15 s`` or ``1 h 6 min``."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


@dataclass(frozen=True)
class ReportFigure:
    """A figure on a page: caption, alternative text, and its SVG as a ``data:`` address."""

    caption: str
    alt: str
    source: str


def inlined(stem: Path, caption: str, alt: str) -> ReportFigure:
    """Read the figure that was written to ``<stem>.svg``."""
    svg = Path(f"{stem}.svg").read_bytes()
    return ReportFigure(caption, alt, data_address(svg, "image/svg+xml"))


def subtitle(evaluations: Iterable[Mapping]) -> str:
    """Experiment, protocol and, where speech is synthetic, a warning: for below a title."""
    evaluations = list(evaluations)
    protocols = dict.fromkeys(evaluation["protocol"] for evaluation in evaluations)
    text = f"{evaluations[0]['experiment']}, {' + '.join(protocols)}"
    synthetic = any(evaluation["synthetic"] for evaluation in evaluations)
    return f"{text}, SYNTHETIC SPEECH" if synthetic else text


def downloads(folder: Path) -> dict[str, list[str]]:
    """List the tables and figures of a folder: name without suffix -> its files.

    The files of a figure without title belong to the name of the figure.
    """
    found: dict[str, list[str]] = {}
    files = [path for path in folder.iterdir() if path.suffix in DOWNLOADS]
    for path in sorted(files, key=lambda path: (path.stem, DOWNLOADS.index(path.suffix))):
        found.setdefault(path.stem.removesuffix(UNTITLED), []).append(path.name)
    return dict(sorted(found.items()))


@contextlib.contextmanager
def rewritten(folder: Path, own: bool = False) -> Iterator[Path]:
    """Yield a new folder, whose files replace those that an earlier report wrote.

    They are moved when the block succeeds, and listed in ``files.json`` and ``SHA256SUMS``.
    Files that no report wrote stay as they are, unless the folder is the report's ``own``
    (``RUN/report``) and a new file has the same name.

    Otherwise such a file is an error, as is the folder of a run, of folds or of a model.
    """
    try:
        with held(folder / NAME, folder):
            remove_partial(folder, NEW, WRITTEN)
            if not own:
                require_for_reports(folder)
            with tempfile.TemporaryDirectory(prefix=f"{PARTIAL}{NEW}-", dir=folder) as name:
                new = Path(name)
                yield new
                _move(new, folder, own)
    except OSError as error:
        raise SERError(f"Cannot write {folder}: {error.strerror or error}.") from error


def written_files(folder: Path) -> set[str]:
    """Names of the files that a report wrote into a folder, its lists included."""
    if not (folder / WRITTEN).exists():
        return set()
    try:
        names = read_json(folder / WRITTEN, "list of a report's files").get("written")
    except SERError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        logger.warning(
            f"{folder / WRITTEN} is damaged, so the files of an earlier report in {folder} "
            "cannot be told from others"
        )
        return set()
    # Only plain names: a forged list must not lead to files elsewhere.
    return {WRITTEN, *(name for name in names if Path(name).name == name)}


def require_for_reports(folder: Path) -> None:
    """Stop if a folder is that of a run, of folds or of a model, or has files of others."""
    home = folder.resolve()
    for mark in MARKS:
        if (home / mark).exists():
            what = f"{folder} contains {mark}: it is a run, folds or a model"
            raise SERError(f"{what}. Choose another folder.")
        if home.name == "report" and (home.parent / mark).exists():
            raise SERError(f"{folder} is the report of a run. Choose another folder.")
    _require_written(folder, {SUMS, WRITTEN}, written_files(folder))


def _require_written(folder: Path, names: Iterable[str], earlier: set[str]) -> None:
    foreign = [name for name in sorted(set(names) - earlier) if os.path.lexists(folder / name)]
    if foreign:
        raise SERError(
            f"{folder} contains {', '.join(foreign)}, not written by a report. Choose another "
            "folder, or remove the file."
        )


def _move(new: Path, folder: Path, own: bool) -> None:
    """Move files to a folder and remove files of an earlier report that were not replaced."""
    earlier = written_files(folder)
    written = {SUMS, WRITTEN, *(path.name for path in new.iterdir())}
    if not own:
        unlike = [name for name in written if not _same(new / name, folder / name)]
        _require_written(folder, unlike, earlier)
    write_json(new / WRITTEN, {"written": sorted(written)})
    write_checksums(new)
    # Until the end, the list names old and new files: if the process is stopped in between,
    # the next report still knows which files it may remove.
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


def _same(new: Path, old: Path) -> bool:
    return new.is_file() and old.is_file() and filecmp.cmp(new, old, shallow=False)
