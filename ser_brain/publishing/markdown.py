"""Markdown: fill a template with escaped text, and read a card back as the hub does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markupsafe import Markup

from ser_brain.core.tables import Table, to_markdown, value_text
from ser_brain.data.labels import listed
from ser_brain.publishing.card_facts import language_name
from ser_brain.reporting.html import templates

SPECIAL = re.compile(r"([\\`*_\[\]<>|$&#!~])")

# The only HTML that our cards contain: a line break within a table cell.
ALLOWED_HTML = ("<br>",)


def fill(template: str, **content: object) -> str:
    """Fill a Markdown template; all text that comes from data is escaped.

    A name that the template uses and ``content`` lacks is an error.
    """
    environment = templates(finalize=_finalised, keep_trailing_newline=True)
    environment.filters.update(
        code=code, block=block, table=_table, language_name=language_name, listed=listed
    )
    return environment.get_template(template).render(**content)


def _finalised(value: object) -> object:
    if isinstance(value, Markup) or not isinstance(value, str | float):
        return value
    return Markup(literal(value_text(value)))


def literal(text: str) -> str:
    """Escape text, as one line, so that Markdown shows it unchanged.

    Examples
    --------
    >>> print(literal("a|b [c](d) <e>"))
    a\\|b \\[c\\](d) \\<e\\>
    """
    return " ".join(SPECIAL.sub(r"\\\1", text).split())


def code(text: str) -> Markup:
    """Text as a code span."""
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
    # A name in brackets directly before one in parentheses would be a link.
    return Markup(to_markdown(table).strip().replace("](", "]\\("))


@dataclass
class MarkdownParts:
    """What a Markdown text contains."""

    sections: dict[str, int] = field(default_factory=dict)  # heading -> blocks of text under it
    pictures: list[str] = field(default_factory=list)  # addresses, as are the links
    links: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)  # tags, verbatim
    prose: list[str] = field(default_factory=list)  # text outside code
    # The rows of each table, the header first; a line break in a cell is a newline.
    tables: list[list[list[str]]] = field(default_factory=list)


def parts_of_markdown(text: str) -> MarkdownParts:
    """Read a Markdown text as the hub does: CommonMark with tables."""
    parts, title, opened = MarkdownParts(), None, ""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            parts.html.append(token.content.strip())
        elif token.type == "table_open":
            parts.tables.append([])
        elif token.type == "tr_open":
            parts.tables[-1].append([])
        elif token.type == "inline":
            children = token.children or []
            if opened == "heading_open":
                title = token.content
                parts.sections.setdefault(title, 0)
            elif title is not None:
                parts.sections[title] += 1
            if opened in ("th_open", "td_open"):
                cell = ["\n" if c.content in ALLOWED_HTML else c.content for c in children]
                parts.tables[-1][-1].append("".join(cell))
            for child in children:
                if child.type == "text":
                    parts.prose.append(child.content)
                elif child.type == "image":
                    parts.pictures.append(unquote(child.attrGet("src")))
                elif child.type == "link_open":
                    parts.links.append(unquote(child.attrGet("href")))
                elif child.type == "html_inline" and child.content not in ALLOWED_HTML:
                    parts.html.append(child.content)
        opened = token.type
    return parts
