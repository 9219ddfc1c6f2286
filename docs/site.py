"""A hook of mkdocs: docstrings name things by Sphinx's roles, which Markdown does not know."""

import re


def on_page_content(html: str, **_: object) -> str:
    """Remove the role before each name."""
    return re.sub(r":(?:meth|class|func|mod):(?=<code)", "", html)
