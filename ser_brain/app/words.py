"""The words of the page: what the model is, the result, a mistake. HTML without scripts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from ser_brain.app.pictures import course_picture, point_picture, scored_as
from ser_brain.app.place import nearest_words, on_plane
from ser_brain.app.scored import Scored
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.pages import data_address, render


def about_html(recognizer: EmotionRecognizer) -> str:
    """What the model is, and what it is not for."""
    corpora = recognizer.card.get("training_data", {}).get("corpora", {}).values()
    return render(
        "app_about.html",
        scripts=(),
        recognizer=recognizer,
        corpora=[corpus.get("title", "a corpus without title") for corpus in corpora],
        languages=sorted({one for corpus in corpora for one in corpus.get("languages") or ()}),
        synthetic=any(corpus.get("synthetic") for corpus in corpora),
    )


def result_html(scored: Scored) -> str:
    """The result: bars, point, course, table to download."""
    return render(
        "app_result.html",
        scripts=(),
        scored=scored,
        scored_as=scored_as(scored),
        bars=_bars(scored),
        place=_place(scored),
        point=point_picture(scored),
        course=course_picture(scored),
        csv=data_address(scored.csv().encode(), "text/csv;charset=utf-8"),
        csv_name=f"{Path(scored.name).stem}.csv",
        command=_command(scored),
    )


def mistake_html(message: str) -> str:
    """Why there is no result."""
    return render("app_mistake.html", scripts=(), message=message)


def _bars(scored: Scored) -> dict[str, float]:
    """Emotion -> probability (of several windows their mean), most probable first."""
    if scored.probs_NC is None:
        return {}
    means = dict(zip(scored.emotions, scored.probs_NC.mean(axis=0).tolist(), strict=True))
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _place(scored: Scored) -> Mapping | None:
    """Mean valence and arousal, and where on Russell's plane that is."""
    if scored.va_range is None:
        return None
    valence, arousal = scored.values_N2.mean(axis=0).tolist()
    x, y = on_plane(scored.values_N2, scored.va_range).mean(axis=0).tolist()
    return {
        "valence": valence,
        "arousal": arousal,
        "words": nearest_words(x, y),
        "off_scale": max(abs(x), abs(y)) > 1,
    }


def _command(scored: Scored) -> str:
    windows = (
        ""
        if scored.window_s is None
        else f" --window {scored.window_s:g} --hop {scored.hop_s:g}"
    )
    name = shlex.quote(scored.name)
    out = shlex.quote(f"{Path(scored.name).stem}.csv")
    return f"ser predict {name} --model MODEL{windows} --out {out}"
