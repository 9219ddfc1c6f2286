"""The figures of a page of several runs, and how they are told to who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser_brain.crosscorpus_legend import protocols
from ser_brain.plots.confusion import confusion
from ser_brain.report_picture import ReportFigure, inlined
from ser_brain.report_tables import metric_title
from ser_brain.tables import value_text


def heat_maps(
    folder: Path, drawn: Mapping[str, Sequence[str]], matrix: Mapping
) -> list[ReportFigure]:
    """The heat maps that :func:`ser_brain.crosscorpus_files.write_matrix` drew."""
    found = []
    for name, metrics in drawn.items():
        names = " and ".join(metric_title(metric) for metric in metrics)
        size = f"{len(matrix['models'])} models on {len(matrix['test_sets'])} test sets"
        caption = f"{names} by colour: white at chance or below, darkest at 1."
        alt = f"Heat map of {names}, {size}. The tables of the summary have the same numbers."
        found.append(inlined(folder / name, caption, alt))
    return found


def confusions(folder: Path, matrix: Mapping) -> dict[str, ReportFigure]:
    """Test set -> the confusion matrices of all models side by side.

    Of models with other classes than the first one's, none is drawn.
    """
    found = {}
    for name, row in matrix["test_sets"].items():
        judged = {
            label: cell for label, cell in row["cells"].items() if "uar" in cell["metrics"]
        }
        emotions = next((cell["emotions"] for cell in judged.values()), None)
        counts = {
            label: np.array(cell["confusion"])
            for label, cell in judged.items()
            if cell["emotions"] == emotions
        }
        if counts:
            stem, heading = folder / f"{name}-confusion", f"Confusion on {name}"
            confusion(stem, counts, emotions, heading, _subtitle(matrix, row))
            spoken = "; ".join(
                f"{label}: UAR {value_text(judged[label]['metrics']['uar'])}"
                for label in counts
            )
            found[name] = inlined(
                stem,
                f"{name}: percent of each true class (colour) and counts.",
                f"Confusion matrices of {name}, a panel per model. {spoken}.",
            )
    return found


def _subtitle(matrix: Mapping, row: Mapping) -> str:
    return f"{protocols(matrix)} SYNTHETIC SPEECH" if row["synthetic"] else protocols(matrix)
