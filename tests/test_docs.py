"""The site: every page is in its navigation, and what was generated is up to date."""

import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def _pages(entry):
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for part in inner for page in _pages(part)]


def test_every_page_and_notebook_is_in_the_navigation():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    notebooks = [f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert sorted(_pages(nav)) == sorted(pages + notebooks)


def test_the_table_of_corpora_is_as_the_cards_are():
    written = runpy.run_path(str(ROOT / "docs" / "corpora.py"))["page"]()
    advice = "run python docs/corpora.py"
    assert written == (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8"), advice
