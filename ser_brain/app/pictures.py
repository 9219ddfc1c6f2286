"""The pictures of a result, and their words for who cannot see them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ser_brain.app.place import nearest_words, on_plane
from ser_brain.app.scored import Scored
from ser_brain.plots.affect_course import affect_course
from ser_brain.plots.affect_point import affect_point
from ser_brain.report_picture import ReportFigure, inlined

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
