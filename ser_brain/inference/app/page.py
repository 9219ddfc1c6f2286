"""The page: a recording in, the result out. What gradio lays out, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from time import monotonic

import gradio as gr

from ser_brain.core.errors import SERError
from ser_brain.inference.app.access import is_uploaded
from ser_brain.inference.app.plots import course_picture, point_picture, scored_as
from ser_brain.inference.app.result import Scored, nearest_words, on_plane, score_recording
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.reporting.html import data_address, render


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


WINDOWS_S = {"As one clip": None, "In windows of 2 s": 2.0, "4 s": 4.0, "8 s": 8.0}
KEPT_S = 1800  # A recording, after which it is deleted; looked for every minute.
MOST_WAITING = 20  # visitors; each is served in turn
MOST_S = 1800  # that a recording is worked on while others wait
PROGRESS = gr.Progress()  # gradio looks for one among the defaults


def build(recognizer: EmotionRecognizer, ending: Event, uploads: Path) -> gr.Blocks:
    """Lay the page out.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    ending : threading.Event
        Set when the server ends, which then waits for no recording.
    uploads : Path
        The folder of the recordings; nothing else is scored.

    Returns
    -------
    gradio.Blocks
        Not yet served.
    """
    with gr.Blocks(
        title=f"{recognizer.name}: emotion in speech",
        analytics_enabled=False,
        delete_cache=(60, KEPT_S),
    ) as page:
        gr.HTML(about_html(recognizer))
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
    """What the page does with a recording; mistakes become words on the page."""

    def result_of(path: str | None, window: str, progress: gr.Progress = PROGRESS) -> str:
        if path is None:
            return ""
        until = monotonic() + MOST_S

        def told(share: float) -> None:
            if ending.is_set():
                raise SERError("The page is being closed.")
            if monotonic() > until:
                raise SERError(
                    f"The recording took more than {MOST_S // 60} minutes, and others wait. "
                    "`ser predict` has no limit."
                )
            progress(share, desc="scored")

        try:
            if not is_uploaded(path, uploads):
                raise SERError(
                    "This is no recording that was uploaded here, or it was deleted."
                )
            return result_html(score_recording(recognizer, Path(path), WINDOWS_S[window], told))
        except SERError as error:
            return mistake_html(str(error))

    return result_of


def theme() -> gr.themes.Base:
    """The fonts of the machine, and grey that can be read."""
    words = "*neutral_600"
    return gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    ).set(
        body_text_color_subdued=words,
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color=words,
        block_info_text_color_dark="*neutral_300",
    )
