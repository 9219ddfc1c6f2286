"""A figure of a report: the file, its caption, and its words for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ser_brain.pages import data_address


@dataclass(frozen=True)
class ReportFigure:
    """A figure as the page needs it.

    Attributes
    ----------
    caption, alt : str
    source : str
        A ``data:`` address that holds the SVG.
    """

    caption: str
    alt: str
    source: str


def inlined(stem: Path, caption: str, alt: str) -> ReportFigure:
    """The figure whose SVG was written to ``stem``."""
    svg = Path(f"{stem}.svg").read_bytes()
    return ReportFigure(caption, alt, data_address(svg, "image/svg+xml"))


def stem_of(folder: Path, evaluation: Mapping, what: str) -> Path:
    """Where a figure of one test set is written, without suffix."""
    return folder / f"{evaluation['test_set']}-{what}"


def subtitle(evaluations: Iterable[Mapping]) -> str:
    """Experiment and protocol, and where speech is synthetic, that it is."""
    evaluations = list(evaluations)
    protocols = dict.fromkeys(evaluation["protocol"] for evaluation in evaluations)
    words = f"{evaluations[0]['experiment']}, {' + '.join(protocols)}"
    synthetic = any(evaluation["synthetic"] for evaluation in evaluations)
    return f"{words}, SYNTHETIC SPEECH" if synthetic else words
