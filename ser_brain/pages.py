"""Pages: self-contained HTML from the project's templates.

A page is one file that asks for nothing else. Its policy allows no script but those of
``templates/``, known by their hash, so that hostile words in data could not run even where they
were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from ser_brain.tables import (
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
