"""Figures of a scored recording, with a description of each for those who cannot see it.

Axes: N windows, C emotions, 2 = valence and arousal, or start and stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ser_brain.analysis.plots import draw_plane
from ser_brain.data.labels import VALENCE_AROUSAL
from ser_brain.evaluation.emotion_timeline import without_overlap
from ser_brain.inference.app.result import ScoredRecording, nearest_words
from ser_brain.reporting.html import ReportFigure, inlined
from ser_brain.reporting.plots.frame import GAP, GREY, INK, VERMILLION, panels

MOST_JOINED = 30  # points joined by a line; more would be a tangle
ROW_IN, LINE_IN = 0.27, 1.15
TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
MOST_TICKS = 9
RUSSELL = (
    "The words are Russell's (1980, figure 2). They name directions of the plane, not what the "
    "speaker felt."
)


def plane_figure(scored: ScoredRecording) -> ReportFigure | None:
    """Valence and arousal among Russell's words; None if the model lacks one of them."""
    points_N2 = scored.points_N2
    if points_N2 is None:
        return None
    mean_2 = points_N2.mean(axis=0)
    valence, arousal = (scored.values[name].mean() for name in VALENCE_AROUSAL)
    words = nearest_words(*mean_2)
    where = f"nearest words: {', '.join(words)}" if words else "in the middle of the circle"
    marks = "Cross: the clip."
    if len(points_N2) > 1:
        marks = "Cross: mean. Dots: windows, dark to light in time."
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "plane"
        titles = "Predicted valence and arousal", _subtitle(scored)
        with panels(stem, 1, (5.0, 4.1), *titles, for_papers=False) as (axes,):
            draw_plane(axes, words=True)
            if 1 < len(points_N2) <= MOST_JOINED:
                axes.plot(*points_N2.T, color=GREY, linewidth=0.6, zorder=2)
            if len(points_N2) > 1:
                look = {"cmap": "cividis", "linewidths": 0.4, "edgecolors": INK, "zorder": 3}
                order_N = np.arange(len(points_N2))
                axes.scatter(*points_N2.T, c=order_N, s=22, rasterized=True, **look)
            direction_2 = mean_2 / max(float(np.linalg.norm(mean_2)), 1e-9)
            axes.plot(
                *np.transpose([(0, 0), direction_2]), ":", color=VERMILLION, linewidth=1.2
            )
            look = {"color": VERMILLION, "markeredgecolor": "white", "zorder": 5}
            axes.plot(*mean_2, "P", markersize=11, **look)
            low, high = scored.va_range
            ticks = [f"{value:g}" for value in (low, (low + high) / 2, high)]
            for name, label in (("x", "Valence"), ("y", "Arousal")):
                axes.set(**{f"{name}ticklabels": ticks, f"{name}label": label})
        return inlined(
            stem,
            f"{marks} {RUSSELL}",
            f"Point on the plane of valence and arousal: valence {valence:.2f}, arousal "
            f"{arousal:.2f}; {where}.",
        )


def course_figure(scored: ScoredRecording) -> ReportFigure | None:
    """Probabilities as shades, dimensions as lines, over time; None for one window."""
    if len(scored.rows) < 2:
        return None
    values = scored.values
    heights = [] if scored.probs_NC is None else [max(1.2, ROW_IN * len(scored.emotions))]
    heights += [LINE_IN] * len(values)
    size_in = (7.0, sum(heights) / len(heights) + 0.1)
    spans_N2 = without_overlap(scored.spans_N2)
    every_s = next((t for t in TICKS_S if scored.duration_s <= MOST_TICKS * t), TICKS_S[-1])
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "course"
        titles = "Predicted affect over time", _subtitle(scored)
        with panels(stem, len(heights), size_in, *titles, per_row=1, for_papers=False) as grid:
            grid[0].get_gridspec().set_height_ratios(heights)
            lines = list(grid)
            if scored.probs_NC is not None:
                _draw_shades(lines.pop(0), spans_N2, scored.probs_NC, scored.emotions)
            for axes, (name, value_N) in zip(lines, values.items(), strict=True):
                _draw_line(axes, spans_N2, value_N, scored.va_range)
                axes.set_ylabel(name.capitalize())
            for axes in grid:
                axes.set_facecolor(GAP)
                axes.set_xlim(0, scored.duration_s)
                axes.xaxis.set_major_locator(MultipleLocator(every_s))
                axes.xaxis.set_major_formatter(FuncFormatter(_clock))
                axes.tick_params(labelbottom=axes is grid[-1], labelsize=8)
            grid[-1].set_xlabel("Time in the recording (min:s)")
            grid[0].figure.align_ylabels(grid)
        shown = [*(["probabilities"] if scored.emotions else []), *values]
        return inlined(
            stem,
            "Each window is drawn around its middle."
            + (" Grey: no score." if scored.skipped else ""),
            f"{', '.join(shown).capitalize()} over {scored.duration_s:.0f} s, in "
            f"{len(scored.rows)} windows. The CSV file holds the numbers.",
        )


def _clock(seconds: float, _place: int | None = None) -> str:
    """Examples
    --------
    >>> _clock(75.0), _clock(7.5), _clock(3600.0)
    ('1:15', '0:07.5', '60:00')
    """
    minutes, rest = divmod(seconds, 60)
    text = f"{rest:04.1f}".removesuffix(".0")
    return f"{int(minutes)}:{text.zfill(2)}"


def _draw_shades(
    axes: Axes, spans_N2: np.ndarray, probs_NC: np.ndarray, emotions: Sequence[str]
) -> None:
    """A row for each emotion; a gap between two windows stays blank."""
    edges, columns = [spans_N2[0, 0]], []
    for (start, stop), probs_C in zip(spans_N2, probs_NC, strict=True):
        if start > edges[-1]:
            edges.append(start)
            columns.append(np.full(len(emotions), np.nan))
        edges.append(stop)
        columns.append(probs_C)
    rows = np.arange(len(emotions) + 1)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "rasterized": True}
    shades = axes.pcolormesh(edges, rows, np.array(columns).T, **look)
    axes.set_yticks(rows[:-1] + 0.5, emotions)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    bar = axes.figure.colorbar(shades, ax=axes, aspect=12, pad=0.01)
    bar.set_label("Probability", size=8)
    bar.set_ticks([0, 0.5, 1], labels=["0", "0.5", "1"])
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _draw_line(
    axes: Axes, spans_N2: np.ndarray, value_N: np.ndarray, va_range: Sequence[float]
) -> None:
    """A step for each window on white, broken where there is no score."""
    low, high = min(va_range[0], value_N.min()), max(va_range[1], value_N.max())
    margin = 0.05 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.axhline(sum(va_range) / 2, color=GREY, linewidth=0.5, zorder=1)
    breaks = np.flatnonzero(spans_N2[1:, 0] > spans_N2[:-1, 1]) + 1
    for run in np.split(np.arange(len(spans_N2)), breaks):
        edges = [*spans_N2[run, 0], spans_N2[run[-1], 1]]
        axes.axvspan(edges[0], edges[-1], color="white", zorder=0)
        axes.stairs(value_N[run], edges, baseline=None, color=INK, linewidth=1.2)


def _subtitle(scored: ScoredRecording) -> str:
    return f"{scored.name}, {scored.how}; {scored.model}. Not a diagnosis."
