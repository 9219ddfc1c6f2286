"""What a Markdown text consists of: sections, tables, pictures, links and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

CARD = "README.md"  # of a model folder
# The one piece of HTML that a card is made with: a line break within a table's cell.
ALLOWED_HTML = ("<br>",)


@dataclass
class MarkdownParts:
    """See :func:`parts_of_markdown`.

    Attributes
    ----------
    sections : dict
        Heading -> number of blocks of text under it.
    pictures, links : list of str
        Addresses.
    html : list of str
        Tags, as they stand.
    prose : list of str
        Text that is no code.
    tables : list of list of list of str
        Rows of each, the head first; the text of their cells, in which a break is a new line.
    """

    sections: dict[str, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)


def parts_of_markdown(text: str) -> MarkdownParts:
    """Read a Markdown text as the hub does: CommonMark with tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    parts, title, in_heading = MarkdownParts(tables=_tables(tokens)), None, False
    for token in tokens:
        if token.type == "heading_open":
            in_heading = True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "inline":
            if in_heading:
                title = token.content
                parts.sections.setdefault(title, 0)
            elif title is not None:
                parts.sections[title] += 1
            for child in token.children or ():
                _add(parts, child)
        elif token.type == "html_block":
            parts.html.append(token.content.strip())
    return parts


def _tables(tokens: Sequence[Token]) -> list[list[list[str]]]:
    tables = []
    for before, token in zip(tokens, tokens[1:], strict=False):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif before.type in ("th_open", "td_open"):
            cell = [t.content for t in token.children or ()]
            tables[-1][-1].append("".join("\n" if t in ALLOWED_HTML else t for t in cell))
    return tables


def _add(parts: MarkdownParts, token: Token) -> None:
    if token.type == "text":
        parts.prose.append(token.content)
    elif token.type == "image":
        parts.pictures.append(unquote(token.attrGet("src")))
    elif token.type == "link_open":
        parts.links.append(unquote(token.attrGet("href")))
    elif token.type == "html_inline" and token.content not in ALLOWED_HTML:
        parts.html.append(token.content)
