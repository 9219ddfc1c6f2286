"""The pictures of a result, and their words for who cannot see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from ser_brain.analysis.plane import draw_plane
from ser_brain.inference.app.result import Scored, nearest_words, on_plane
from ser_brain.reporting.html import ReportFigure, inlined
from ser_brain.reporting.plots.frame import GAP, GREY, INK, VERMILLION, panels

ROW_IN, LINE_IN = 0.27, 1.15
TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
MOST_TICKS = 9
FORMATS = ("svg", "png")  # a person waits for the page, which needs no PDF


def affect_course(
    stem: str | Path,
    spans_N2: np.ndarray,
    duration_s: float,
    probs_NC: np.ndarray | None,
    emotions: Sequence[str],
    values: Mapping[str, np.ndarray],
    va_range: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Probabilities as shades, valence and arousal as lines, over time; grey has no score.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    spans_N2 : ndarray
        Seconds, in order; where two overlap, each is drawn up to the middle of the overlap.
    duration_s : float
        Of the recording.
    probs_NC : ndarray or None
        None where the model has no classes.
    emotions : sequence of str
    values : mapping
        ``Valence``, ``Arousal`` -> (N,) in the model's units; empty where it has none.
    va_range : (float, float) or None
    title, subtitle : str
    """
    spans_N2 = without_overlap(spans_N2)
    heights = [] if probs_NC is None else [max(1.2, ROW_IN * len(emotions))]
    heights += [LINE_IN] * len(values)
    size_in = (7.0, sum(heights) / len(heights) + 0.1)
    every_s = next((t for t in TICKS_S if duration_s <= MOST_TICKS * t), TICKS_S[-1])
    with panels(stem, len(heights), size_in, title, subtitle, 1, FORMATS) as grid:
        grid[0].get_gridspec().set_height_ratios(heights)
        lines = list(grid)
        if probs_NC is not None:
            _shades(lines.pop(0), spans_N2, probs_NC, emotions)
        for axes, (name, value_N) in zip(lines, values.items(), strict=True):
            _line(axes, spans_N2, value_N, va_range)
            axes.set_ylabel(name)
        for axes in grid:
            axes.set_facecolor(GAP)
            axes.set_xlim(0, duration_s)
            axes.xaxis.set_major_locator(MultipleLocator(every_s))
            axes.xaxis.set_major_formatter(FuncFormatter(clock))
            axes.tick_params(labelbottom=axes is grid[-1], labelsize=8)
        grid[-1].set_xlabel("Time in the recording (min:s)")
        grid[0].figure.align_ylabels(grid)


def without_overlap(spans_N2: np.ndarray) -> np.ndarray:
    """Let each of two windows that overlap end in the middle of what they share.

    Examples
    --------
    >>> without_overlap(np.array([[0.0, 4.0], [2.0, 6.0], [8.0, 12.0]])).tolist()
    [[0.0, 3.0], [3.0, 6.0], [8.0, 12.0]]
    """
    start_N, stop_N = spans_N2.T.copy()
    overlap = stop_N[:-1] > start_N[1:]
    middle = ((stop_N[:-1] + start_N[1:]) / 2)[overlap]
    stop_N[:-1][overlap] = start_N[1:][overlap] = middle
    return np.stack([start_N, stop_N], axis=1)


def clock(seconds: float, _place: int | None = None) -> str:
    """Seconds as a player shows them.

    Examples
    --------
    >>> clock(75.0), clock(7.5), clock(3600.0)
    ('1:15', '0:07.5', '60:00')
    """
    minutes, rest = divmod(seconds, 60)
    text = f"{rest:04.1f}".removesuffix(".0")
    return f"{int(minutes)}:{text.zfill(2)}"


def _shades(
    axes: Axes, spans_N2: np.ndarray, probs_NC: np.ndarray, emotions: Sequence[str]
) -> None:
    """A row for each emotion; what lies between two windows is left blank."""
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


def _line(
    axes: Axes, spans_N2: np.ndarray, value_N: np.ndarray, va_range: Sequence[float]
) -> None:
    """A step for each window on white, broken where nothing was said."""
    low, high = min(va_range[0], value_N.min()), max(va_range[1], value_N.max())
    margin = 0.05 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.axhline(sum(va_range) / 2, color=GREY, linewidth=0.5, zorder=1)
    for start, stop in _runs(spans_N2):
        axes.axvspan(spans_N2[start, 0], spans_N2[stop - 1, 1], color="white", zorder=0)
        edges = [*spans_N2[start:stop, 0], spans_N2[stop - 1, 1]]
        axes.stairs(value_N[start:stop], edges, baseline=None, color=INK, linewidth=1.2)


def _runs(spans_N2: np.ndarray) -> list[tuple[int, int]]:
    """First and end of each run of windows that follow each other."""
    breaks = np.flatnonzero(spans_N2[1:, 0] > spans_N2[:-1, 1]) + 1
    ends = [0, *breaks.tolist(), len(spans_N2)]
    return list(zip(ends[:-1], ends[1:], strict=True))


MOST_JOINED = 30  # points; more would be a tangle


def affect_point(
    stem: str | Path,
    points_N2: np.ndarray,
    va_range: Sequence[float],
    title: str,
    subtitle: str,
) -> None:
    """Points on the plane, dark to light in the order of time, and their mean.

    Parameters
    ----------
    stem : str or Path
        Output path without suffix.
    points_N2 : ndarray
        On Russell's plane, where the circle has radius 1.
    va_range : (float, float)
        The model's scale, for the axes.
    title, subtitle : str
    """
    with panels(stem, 1, (5.0, 4.1), title, subtitle, formats=FORMATS) as (axes,):
        draw_plane(axes, words=True)
        if len(points_N2) > 1:
            _way(axes, points_N2)
        mean_2 = points_N2.mean(axis=0)
        direction_2 = mean_2 / max(float(np.linalg.norm(mean_2)), 1e-9)
        axes.plot(*np.transpose([(0, 0), direction_2]), ":", color=VERMILLION, linewidth=1.2)
        look = {"color": VERMILLION, "markeredgecolor": "white", "zorder": 5}
        axes.plot(*mean_2, "P", markersize=11, **look)
        for name, label in (("x", "Valence"), ("y", "Arousal")):
            low, high = va_range
            ticks = [f"{value:g}" for value in (low, (low + high) / 2, high)]
            axes.set(**{f"{name}ticklabels": ticks, f"{name}label": label})


def _way(axes: Axes, points_N2: np.ndarray) -> None:
    if len(points_N2) <= MOST_JOINED:
        axes.plot(*points_N2.T, color=GREY, linewidth=0.6, zorder=2)
    look = {"cmap": "cividis", "linewidths": 0.4, "edgecolors": INK, "zorder": 3}
    axes.scatter(*points_N2.T, c=np.arange(len(points_N2)), s=22, rasterized=True, **look)


RUSSELL = (
    "The words are Russell's (1980, figure 2) and name directions of the plane, not what the "
    "speaker felt."
)


def point_picture(scored: Scored) -> ReportFigure | None:
    """Valence and arousal among Russell's words; None where the model has neither."""
    if scored.va_range is None:
        return None
    points_N2 = on_plane(scored.values_N2, scored.va_range)
    valence, arousal = scored.values_N2.mean(axis=0)
    words = nearest_words(*points_N2.mean(axis=0))
    where = f"nearest words: {', '.join(words)}" if words else "in the middle of the circle"
    several = len(points_N2) > 1
    mark = (
        "Cross: mean. Dots: windows, dark to light in time." if several else "Cross: the clip."
    )
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "point"
        affect_point(
            stem,
            points_N2,
            scored.va_range,
            "Predicted valence and arousal",
            _subtitle(scored),
        )
        return inlined(
            stem,
            f"{mark} {RUSSELL}",
            f"Point on the plane of valence and arousal: valence {valence:.2f}, arousal "
            f"{arousal:.2f}; {where}.",
        )


def course_picture(scored: Scored) -> ReportFigure | None:
    """Everything over time; None where there is one window only."""
    if len(scored.rows) < 2:
        return None
    values_N2 = scored.values_N2
    values = (
        {} if values_N2 is None else dict(zip(("Valence", "Arousal"), values_N2.T, strict=True))
    )
    grey = " Grey: no score." if scored.left_out else ""
    with TemporaryDirectory() as folder:
        stem = Path(folder) / "course"
        affect_course(
            stem,
            scored.spans_N2,
            scored.duration_s,
            scored.probs_NC,
            scored.emotions,
            values,
            scored.va_range,
            "Predicted affect over time",
            _subtitle(scored),
        )
        shown = [*(["probabilities"] if scored.emotions else []), *map(str.lower, values)]
        return inlined(
            stem,
            f"Each window is drawn around its middle.{grey}",
            f"{', '.join(shown).capitalize()} over {scored.duration_s:.0f} s, in "
            f"{len(scored.rows)} windows. Their numbers are in the CSV file.",
        )


def scored_as(scored: Scored) -> str:
    """How the recording was cut, in words."""
    count = len(scored.rows)
    if scored.window_s is None:
        return "scored as one clip"
    if count == 1:
        return "scored as one window"
    return f"scored in {count:,} windows of {scored.window_s:g} s, one every {scored.hop_s:g} s"


def _subtitle(scored: Scored) -> str:
    return f"{scored.name}, {scored_as(scored)}; {scored.model}. No diagnosis."
