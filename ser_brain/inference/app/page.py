"""The page: a recording in, its scores out, laid out by gradio."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from time import monotonic

import gradio as gr

from ser_brain.core.errors import SERError
from ser_brain.data.labels import listed
from ser_brain.inference.app.live import PATH, live_html
from ser_brain.inference.app.plots import course_figure, plane_figure
from ser_brain.inference.app.result import (
    ScoredRecording,
    nearest_words,
    score_recording,
)
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.reporting.html import data_address, render

WINDOWS_S = {"As one clip": None, "In windows of 2 s": 2.0, "4 s": 4.0, "8 s": 8.0}
KEPT_S = 1800  # after which a recording is deleted
MOST_WAITING = 20  # visitors, who are served one after the other
MOST_S = 1800  # for one recording, while others wait
ENDS = {"valence": "unpleasant to pleasant", "arousal": "calm to excited"}
ENDS["dominance"] = "submissive to dominant"
SCRIPT = f"import('{PATH}page.js').then(page => page.live(element))"
PROGRESS = gr.Progress()  # gradio looks for it among the default arguments


def build(recognizer: EmotionRecognizer, ending: Event, uploads: Path) -> gr.Blocks:
    """Lay out the page.

    Scoring stops when ``ending`` is set. Only what is in the folder ``uploads`` is scored.
    """
    with gr.Blocks(
        title=f"{recognizer.name}: emotion in speech",
        analytics_enabled=False,
        delete_cache=(60, KEPT_S),
    ) as page:
        gr.HTML(about_html(recognizer))
        with gr.Tab("A recording"):
            recording = gr.Audio(
                label="Recording: a file, or your microphone",
                sources=["upload", "microphone"],
                type="filepath",
                editable=False,
                buttons=[],
            )
            window = gr.Radio(
                label="How to score it",
                choices=list(WINDOWS_S),
                value=next(iter(WINDOWS_S)),
                info="Windows overlap by half and show the course over time.",
            )
            result = gr.HTML(elem_id="result", min_height=80)
        with gr.Tab("Live"):
            gr.HTML(live_html(recognizer), elem_id="live", js_on_load=SCRIPT)
        gr.on(
            [recording.change, window.change],
            answer(recognizer, ending, uploads),
            [recording, window],
            result,
            api_visibility="private",
            trigger_mode="always_last",
        )
    page.queue(max_size=MOST_WAITING)
    return page


def answer(recognizer: EmotionRecognizer, ending: Event, uploads: Path) -> Callable[..., str]:
    """The function that turns a recording into HTML; errors become text on the page."""

    def result_of(path: str | None, window: str, progress: gr.Progress = PROGRESS) -> str:
        if path is None:
            return ""
        until = monotonic() + MOST_S

        def report(share: float) -> None:
            if ending.is_set():
                raise SERError("The page is being closed.")
            if monotonic() > until:
                raise SERError(
                    f"The recording took more than {MOST_S // 60} minutes, and others are "
                    "waiting. `ser predict` has no limit."
                )
            progress(share, desc="scored")

        try:
            if not is_uploaded(path, uploads):
                raise SERError("This recording was not uploaded here, or has been deleted.")
            scored = score_recording(recognizer, Path(path), WINDOWS_S[window], report)
            return result_html(scored)
        except SERError as error:
            return error_html(str(error))

    return result_of


def is_uploaded(path: str | Path, uploads: Path) -> bool:
    """Whether a path is a regular file in ``uploads``, reached without links.

    ``uploads`` is absolute and without links.
    """
    try:
        return (
            Path(path).is_relative_to(uploads)
            and os.path.realpath(path) == str(path)
            and stat.S_ISREG(os.lstat(path).st_mode)
        )
    except (OSError, ValueError):  # no file can have such a name
        return False


def theme() -> gr.themes.Base:
    """The fonts of the machine, and a grey that is dark enough to read."""
    grey = "*neutral_600"
    return gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    ).set(
        body_text_color_subdued=grey,
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color=grey,
        block_info_text_color_dark="*neutral_300",
    )


def about_html(recognizer: EmotionRecognizer) -> str:
    """What the model is, and what it is not for."""
    corpora = recognizer.card.get("training_data", {}).get("corpora", {}).values()
    return render(
        "app_about.html",
        scripts=(),
        recognizer=recognizer,
        rates=listed([f"{name} ({ENDS[name]})" for name in recognizer.dimensions]),
        corpora=[corpus.get("title", "a corpus without title") for corpus in corpora],
        languages=sorted({one for corpus in corpora for one in corpus.get("languages") or ()}),
        synthetic=any(corpus.get("synthetic") for corpus in corpora),
    )


def result_html(scored: ScoredRecording) -> str:
    """The result: bars, figures, and the table to download."""
    stem = Path(scored.name).stem
    windows = ""
    if scored.window_s is not None:
        windows = f" --window {scored.window_s:g} --hop {scored.hop_s:g}"
    command = f"ser predict {shlex.quote(scored.name)} --model MODEL{windows}"
    return render(
        "app_result.html",
        scripts=(),
        scored=scored,
        how_scored=scored.how,
        bars=_bars(scored),
        means={name: float(value_N.mean()) for name, value_N in scored.values.items()},
        point=_point(scored),
        plane=plane_figure(scored),
        course=course_figure(scored),
        csv=data_address(scored.csv().encode(), "text/csv;charset=utf-8"),
        csv_name=f"{stem}.csv",
        command=f"{command} --out {shlex.quote(f'{stem}.csv')}",
    )


def error_html(message: str) -> str:
    """Why there is no result."""
    return render("app_error.html", scripts=(), message=message)


def _bars(scored: ScoredRecording) -> dict[str, float]:
    """Emotion -> probability (the mean over windows), most probable first."""
    if scored.probs_NC is None:
        return {}
    means = dict(zip(scored.emotions, scored.probs_NC.mean(axis=0).tolist(), strict=True))
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _point(scored: ScoredRecording) -> Mapping | None:
    """Where the mean is on Russell's plane; None without valence or without arousal."""
    if scored.points_N2 is None:
        return None
    x, y = scored.points_N2.mean(axis=0).tolist()
    return {"words": nearest_words(x, y), "off_scale": max(abs(x), abs(y)) > 1}
