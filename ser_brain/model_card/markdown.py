"""Words of data in Markdown: what a name or a licence says is shown, never obeyed."""

from __future__ import annotations

import re

import jinja2
from markupsafe import Markup

from ser_brain.model_card.languages import language_name
from ser_brain.pages import SAYS_NOTHING, TEMPLATES
from ser_brain.tables import Table, to_markdown, value_text

SPECIAL = re.compile(r"([\\`*_\[\]<>|$&#!~])")


def fill(template: str, **content: object) -> str:
    """Fill a Markdown template of ``templates/``; all text that comes from data is escaped.

    A name that the template uses and the content lacks is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        finalize=_finalised,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        code=code, block=block, table=_table, language_name=language_name
    )
    environment.globals.update(says_nothing=SAYS_NOTHING)
    return environment.get_template(template).render(**content)


def literal(text: str) -> str:
    """Text on one line that Markdown shows as it is.

    Examples
    --------
    >>> print(literal("a|b [c](d) <e>"))
    a\\|b \\[c\\](d) \\<e\\>
    """
    return " ".join(SPECIAL.sub(r"\\\1", text).split())


def code(text: str) -> Markup:
    """Text as a code span.

    Examples
    --------
    >>> print(code("a`b"))
    `` a`b ``
    """
    fence = "`" * (_longest_run(text) + 1)
    space = " " if "`" in text else ""
    return Markup(f"{fence}{space}{' '.join(text.split())}{space}{fence}")


def block(text: str, language: str = "") -> Markup:
    """Text as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return Markup(f"{fence}{language}\n{text}\n{fence}")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _table(table: Table) -> Markup:
    # A name in brackets before one in parentheses would be a link.
    return Markup(to_markdown(table).strip().replace("](", "]\\("))


def _finalised(value: object) -> object:
    if isinstance(value, Markup) or not isinstance(value, str | float):
        return value
    return Markup(literal(value_text(value)))
