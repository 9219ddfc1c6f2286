"""Write the table of corpora in ``docs/corpora.md`` from their cards.

python docs/corpora.py
"""

from __future__ import annotations

from pathlib import Path

from data_prep.common.catalogue import cards, table
from ser_brain.core.tables import to_markdown

PAGE = Path(__file__).with_name("corpora.md")
BEGIN, END = "<!-- corpora -->\n", "<!-- end of corpora -->\n"


def page() -> str:
    """The page with its table and list of sources as the cards are now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    sources = [f"- `{name}`: {card.url}" for name, card in cards().items() if card.url]
    listed = "\nWhere to get them:\n\n" + "\n".join(sources) + "\n" if sources else ""
    return f"{before}{BEGIN}{to_markdown(table())}{listed}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
