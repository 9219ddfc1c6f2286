"""Hooks of mkdocs: what the site has and the pages in docs/ have not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
SETTINGS = "<!-- settings -->"
COMMANDS = "<!-- commands -->"


@event_priority(100)  # before the plugin that renders notebooks looks for them
def on_files(files, config, **_: object):
    """Add the notebooks, which are beside docs/."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        name, urls = f"notebooks/{path.name}", config.use_directory_urls
        files.append(File(name, str(ROOT), config.site_dir, urls))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in the settings, from the comments of the YAML files, and the commands; and link the
    notebooks where :func:`on_files` put them."""
    markdown = markdown.replace("](../notebooks/", "](notebooks/")
    for mark, lines in ((SETTINGS, settings_lines), (COMMANDS, command_lines)):
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(lines()))
    return markdown


def on_page_content(html: str, **_: object) -> str:
    """Docstrings name things by Sphinx's roles, which Markdown does not know; notebooks link to
    each other's files, which are pages here."""
    html = re.sub(r":(?:meth|class|func|mod):(?=<code)", "", html)
    return re.sub(r'href="(\w+)\.ipynb"', r'href="../\1/"', html)


def settings_lines() -> Iterator[str]:
    """A table for each section of hparams/base.yaml; then what the other files change."""
    yield from _table((ROOT / "hparams" / "base.yaml").read_text(encoding="utf-8"))
    for shared in sorted(ROOT.glob("hparams/*/shared.yaml")):
        yield f"\n## `hparams/{shared.parent.name}`"
        yield from _table(shared.read_text(encoding="utf-8"))


def _table(yaml: str) -> Iterator[str]:
    head = ("", "| setting | value | meaning |", "|---|---|---|")
    comment, begun = [], False
    for line in yaml.splitlines():
        if title := re.match("# ---- (.*)", line):
            yield f"\n## {re.sub(r' [(].*', '', title[1]).capitalize()}"
            comment, begun = [], False
        elif line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif setting := re.match(r"(\w+):\s*(.*?)(?:\s+# (.*))?$", line):
            key, value, behind = setting.groups()
            if not begun:
                yield from head
            begun = True
            # Objects and lists over several lines are named by their tag, or not shown.
            shown = f"`{value}`".replace("|", "\\|") if value else "see the file"
            meaning = _linked(" ".join([*comment, behind or ""]).strip().replace("|", "\\|"))
            if not key.startswith("__"):
                yield f"| `{key}` | {shown} | {meaning} |"
            comment = []
        elif not line.strip():
            comment = []


def command_lines() -> Iterator[str]:
    """The help of every command, without its options: the docstring of its file."""
    for path in sorted((ROOT / "ser_brain" / "cli").glob("[!_]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        title, _, rest = text.partition("\n")
        yield f"\n## ser {path.stem}\n\n**{title}**\n"
        for part in rest.strip("\n").split("\n\n"):
            is_example = part.startswith("    ")
            yield f"\n{part if is_example else _linked(part)}\n"


def _linked(text: str) -> str:
    """Link the pages that a text names, and take nothing in it for markup."""
    text = text.replace("<", "&lt;")
    return re.sub(r"docs/(\w+)\.md", lambda m: f"[{m[1].replace('_', ' ')}]({m[1]}.md)", text)
