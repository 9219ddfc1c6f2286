"""Reports in a notebook: what a command wrote, as tables and figures that it shows."""

from __future__ import annotations

import contextlib
import html
from functools import cached_property
from pathlib import Path
from typing import Any

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.core.tables import Table, read_table, to_html, to_text
from ser_brain.reporting.html import UNTITLED, WRITTEN

HEADLINE = "summary"


class Figure:
    """A figure of a report, which a notebook shows.

    Attributes
    ----------
    png, svg, pdf : Path
        Its files; the PDF has no title, for papers.
    """

    def __init__(self, png: Path):
        self.png, self.svg = png, png.with_suffix(".svg")
        self.pdf = png.with_name(f"{png.stem}{UNTITLED}.pdf")

    def __repr__(self) -> str:
        return f"Figure({str(self.png)!r})"

    def _repr_png_(self) -> tuple[bytes, dict]:
        picture = self.png.read_bytes()
        width = int.from_bytes(picture[16:20], "big")  # of the file's header, in pixels
        return picture, {"width": width // 2}


class Report:
    """A report that a command wrote: of a run, a comparison, the circumplex, moods, a board ...

    A notebook shows its first table and the names of the others.

    Parameters
    ----------
    folder : str or Path
        The folder of the report, or of a run.

    Attributes
    ----------
    page : Path
        The page, which needs no other file. A comparison of two runs has none.

    Raises
    ------
    SERError
        If no report was written there.
    """

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        self.folder = folder / "report" if (folder / "report" / WRITTEN).is_file() else folder
        self.page = self.folder / "index.html"
        if not (self.folder / WRITTEN).is_file():
            raise SERError(f"{folder} has no report; of a run, ser report {folder} writes one.")

    @cached_property
    def results(self) -> dict:
        """Every number of the report, with all digits; the content of its JSON file."""
        files = [path for path in self.folder.glob("*.json") if path.name != WRITTEN]
        return read_json(files[0], "report's results") if files else {}

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Its tables by name; the first is shown for the whole report."""
        paths = sorted(self.folder.glob("*.csv"), key=lambda p: (p.stem != HEADLINE, p.stem))
        return {path.stem: _table(path) for path in paths}

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Its figures by name."""
        paths = [path for path in self.folder.glob("*.png") if UNTITLED not in path.stem]
        return {path.stem: Figure(path) for path in sorted(paths)}

    def __repr__(self) -> str:
        shown = [f"Report({str(self.folder)!r})", *map(to_text, [*self.tables.values()][:1])]
        return "\n\n".join(shown)

    def _repr_html_(self) -> str:
        shown = [to_html(table) for table in [*self.tables.values()][:1]]
        for kind in ("tables", "figures"):
            names = ", ".join(map(html.escape, getattr(self, kind)))
            shown.append(f"<p><code>.{kind}</code>: {names}</p>" if names else "")
        return "".join([*shown, f"<p>{html.escape(str(self.page))}</p>"])


def _table(path: Path) -> Table:
    """Read a table that ``to_csv`` wrote; an estimate and its interval are one cell again."""
    found = read_table(path)
    spread = [column for column in found.columns if f"{column} low" in found.columns]
    ends = {f"{column} {end}" for column in spread for end in ("low", "high")}
    head = [column for column in found.columns if column not in ends]
    rows = []
    for line in found.rows.values():
        cells: dict[str, Any] = {column: _cell(text) for column, text in line.items()}
        for column in spread:
            if cells[column] is not None:
                low, high = (cells[f"{column} {end}"] for end in ("low", "high"))
                cells[column] = {"value": cells[column], "low": low, "high": high}
        rows.append([cells[column] for column in head])
    return Table(path.stem, "", head, rows)


def _cell(text: str) -> str | int | float | None:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text or None
