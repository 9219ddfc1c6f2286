"""The points of the page's turnable picture, and the scripts of the page."""

from __future__ import annotations

import numpy as np

from ser_brain.circumplex.analysis import Analysis
from ser_brain.plots.circumplex_marks import MARKS

MOST_POINTS = 2_000  # the page stays light
DIGITS = 4
SCRIPTS = ("page.js", "scatter3d.js")


def space_of(analysis: Analysis) -> dict | None:
    """The first part's points in three components; None where there are fewer.

    Returns
    -------
    dict or None
        ``data`` (what the script reads), ``part``, ``shares``, ``utterances`` and how many of
        them are ``drawn``.
    """
    found = analysis.found
    part = analysis.results["parts"][0]
    points_Nk, emotion_N = found.reduced(part), found.judged.clouds[part].emotion_N
    if points_Nk.shape[1] < 3:
        return None
    rows = np.arange(len(points_Nk))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    size = np.abs(points_Nk[:, :3]).max()
    shown = np.round(points_Nk[rows, :3] / size, DIGITS).tolist()
    return {
        "data": {
            "emotions": [
                {"name": e, "colour": MARKS[e][0], "marker": MARKS[e][1]}
                for e in found.emotions
            ],
            "points": [[*p, n] for p, n in zip(shown, emotion_N[rows].tolist(), strict=True)],
        },
        "part": part,
        "shares": f"{found.reductions[part].ratio_R[:3].sum():.0%}",
        "utterances": len(points_Nk),
        "drawn": len(rows),
    }
