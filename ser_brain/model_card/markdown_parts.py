"""What a Markdown text consists of: sections, pictures, links and HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from markdown_it import MarkdownIt

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
    """

    sections: dict[str, int] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


def parts_of_markdown(text: str) -> MarkdownParts:
    """Read a Markdown text as the hub does: CommonMark with tables."""
    parts, title, in_heading = MarkdownParts(), None, False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
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


def _add(parts: MarkdownParts, token) -> None:
    if token.type == "text":
        parts.prose.append(token.content)
    elif token.type == "image":
        parts.pictures.append(unquote(token.attrGet("src")))
    elif token.type == "link_open":
        parts.links.append(unquote(token.attrGet("href")))
    elif token.type == "html_inline" and token.content not in ALLOWED_HTML:
        parts.html.append(token.content)
