"""The live view of the page: what a visitor says is scored while it is said, and kept nowhere.

The page sends blocks of samples, one after the other, and is answered with the scores of the
last window that they complete. Whoever records ten seconds of her usual voice gets the answers
adapted to it, too. Audio is in memory only, two windows of it at most; the adapted head is in
memory only as well, until the visit ends.

Shapes: S samples.
"""

from __future__ import annotations

import json
import secrets
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import monotonic

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ser_brain.core.errors import SERError
from ser_brain.data.audio import SILENCE_PEAK
from ser_brain.data.labels import VALENCE_AROUSAL, WORD_ANGLE_DEG, rescale
from ser_brain.inference.adapting import emotion_by, head_of
from ser_brain.inference.app.result import nearest_words
from ser_brain.inference.live import warm_up
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.waveform import SILENT, longest
from ser_brain.inference.windows import Stream, cut_windows
from ser_brain.models.adaptation import Head
from ser_brain.reporting.html import TEMPLATES, render

PATH = "/live/"
SENT = ("begin", "samples", "enrol", "end")  # below PATH, where the page sends to
WINDOW_S, HOP_S = 4.0, 1.0
VOICE_S, CLIP_S = 10, 2.0  # of the usual voice, and of the clips that it is cut into
MOST_VISITS = 4
AWAY_S = 20  # a visitor from whom nothing came for so long makes room for another
LONGEST_S = 1800  # of a visit
HIGHEST_HZ = 192_000
LARGEST = round(2 * HIGHEST_HZ * (VOICE_S + 1))  # bytes of 16-bit samples in one request
# Of Russell's words, those that have room.
WORDS = ("happy", "excited", "angry", "distressed", "sad", "bored", "sleepy", "relaxed")
ENDED = "The live view was ended. Start it again."
ALIKE = (
    "To this model all of it sounds alike, so its answers stay as they are: levelling out a "
    "voice that shows one emotion would take the emotion away. Try again with more variety."
)


@dataclass
class Visit:
    """One visitor's open page."""

    rate_hz: int
    stream: Stream
    head: Head | None = None  # adapted to the visitor
    began: float = field(default_factory=monotonic)
    seen: float = field(default_factory=monotonic)


class LiveView:
    """Scores what visitors say, for some at a time.

    Nothing is scored any more when ``ending`` is set.
    """

    def __init__(self, recognizer: EmotionRecognizer, ending: Event):
        self._recognizer, self._ending = recognizer, ending
        self._visits: dict[str, Visit] = {}
        # One request at a time, which is faster than two and keeps the visits in order.
        windows = recognizer.sample_rate_hz, window(recognizer), HOP_S
        self._worker = ThreadPoolExecutor(1, "live", warm_up, (recognizer, *windows))

    @property
    def routes(self) -> list[Route]:
        """Where the page sends samples, and its script."""
        made = [Route(f"{PATH}page.js", self._script)]
        for name in SENT:
            answer = self._answer(getattr(self, name))
            made.append(Route(f"{PATH}{name}", answer, methods=["POST"]))
        return made

    async def _script(self, request: Request) -> Response:
        return Response((TEMPLATES / "app_live.js").read_text(), media_type="text/javascript")

    def _answer(self, of: Callable[[Request, bytes], dict]) -> Callable:
        async def answer(request: Request) -> Response:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > LARGEST:
                    return PlainTextResponse("Too much at once.", 413)
            try:
                return JSONResponse(await wrap_future(self._worker.submit(of, request, body)))
            except SERError as error:
                return PlainTextResponse(str(error), 400)

        return answer

    def begin(self, request: Request, body: bytes) -> dict:
        """Start listening; who was here before keeps what was adapted to her."""
        rate_hz = int(_number(request, "rate"))
        if rate_hz > HIGHEST_HZ:
            raise SERError(f"A rate of {rate_hz} Hz; at most {HIGHEST_HZ} are taken.")
        model = self._recognizer
        stream = model.stream(rate_hz, window(model), HOP_S, embedding=model.has_adapter)
        name = request.query_params.get("visit", "")
        if name in self._visits:
            visit = self._visit(request)
            visit.rate_hz, visit.stream = rate_hz, stream
        else:
            self._make_room()
            name = secrets.token_urlsafe(16)
            self._visits[name] = Visit(rate_hz, stream)
        return {"visit": name}

    def samples(self, request: Request, body: bytes) -> dict:
        """Score what was said; ``lost``: samples that the page dropped before these."""
        visit, lost = self._visit(request), int(_number(request, "lost"))
        if self._ending.is_set():
            raise SERError(ENDED)
        if lost:
            visit.stream.jump(lost)
        rows = visit.stream.feed(_pcm(body), latest=True)
        return {"rows": [self._shown(row, visit.head) for row in rows]}

    def enrol(self, request: Request, body: bytes) -> dict:
        """Adapt the answers to a voice; without samples, forget it."""
        visit = self._visit(request)
        if not body:
            visit.head = None
            return {"adapted": False, "said": "Forgotten."}
        most = VOICE_S * visit.rate_hz
        windows = cut_windows([_pcm(body)[:most]], visit.rate_hz, CLIP_S, CLIP_S)
        clips = [
            (clip_S, visit.rate_hz)
            for _, clip_S in windows
            if np.abs(clip_S / 32768).max() > SILENCE_PEAK
        ]
        if len(clips) < 2:
            raise SERError("Hardly anything was heard. Check the microphone, and try again.")
        found, unmoved = (
            head_of(self._recognizer.enrol(some).model) for some in (clips, clips[:1])
        )
        if torch.equal(found[0], unmoved[0]):  # as a single clip, which changes nothing
            visit.head = None
            return {"adapted": False, "said": ALIKE}
        visit.head = found
        seconds = f"{len(clips) * CLIP_S:g}"
        return {"adapted": True, "said": f"Adapted to {seconds} s of your voice."}

    def end(self, request: Request, body: bytes) -> dict:
        """Forget the visitor."""
        self._visits.pop(request.query_params.get("visit", ""), None)
        return {}

    def _visit(self, request: Request) -> Visit:
        now = monotonic()
        for name, visit in list(self._visits.items()):
            if now - visit.began > LONGEST_S:
                self._visits.pop(name, None)
        found = self._visits.get(request.query_params.get("visit", ""))
        if found is None:
            raise SERError(ENDED)
        found.seen = now
        return found

    def _make_room(self) -> None:
        if len(self._visits) < MOST_VISITS:
            return
        name, visit = min(self._visits.items(), key=lambda item: item[1].seen)
        if monotonic() - visit.seen < AWAY_S:
            raise SERError(f"{MOST_VISITS} others are listening; try again later.")
        self._visits.pop(name, None)

    def _shown(self, row: dict, head: Head | None) -> dict:
        """What the page draws: numbers, place on the plane, and words."""
        shown = {"start_s": row["start_s"], "stop_s": row["stop_s"]}
        if row.get("error") == SILENT:
            return {**shown, "silent": True}
        if "error" in row:
            return {**shown, "error": row["error"]}
        shown["doubts"] = row["warnings"]
        if row["probabilities"] is not None:
            shown["probabilities"] = row["probabilities"]
            if head is not None:
                found = emotion_by(head, row["embedding"], self._recognizer.emotions)
                shown["adapted"] = found["probabilities"]
        shown["values"] = {name: row[name] for name in self._recognizer.dimensions}
        if set(VALENCE_AROUSAL) <= shown["values"].keys():
            x, y = (rescale(row[name], row["va_range"], (-1, 1)) for name in VALENCE_AROUSAL)
            shown |= {"x": x, "y": y, "words": nearest_words(x, y)}
        return shown


def window(recognizer: EmotionRecognizer) -> float:
    """Seconds that are scored at a time."""
    return min(WINDOW_S, longest(recognizer.sample_rate_hz, recognizer.max_samples))


def live_html(recognizer: EmotionRecognizer) -> str:
    """The empty view, which ``app_live.js`` fills."""
    angles = {word: np.radians(angle) for word, angle in WORD_ANGLE_DEG.items()}
    places = {w: (float(np.cos(angles[w])), float(np.sin(angles[w]))) for w in WORDS}
    settings = {
        "window_s": window(recognizer),
        "hop_s": HOP_S,
        "voice_s": VOICE_S,
        "path": PATH,
    }
    return render(
        "app_live.html",
        scripts=(),
        recognizer=recognizer,
        plane=set(VALENCE_AROUSAL) <= set(recognizer.dimensions),
        places=places,
        settings=json.dumps({**settings, "emotions": recognizer.emotions}),
        voice_s=VOICE_S,
        window_s=window(recognizer),
    )


def _pcm(body: bytes) -> np.ndarray:
    """Samples (S,) of 16 bits, little-endian."""
    if len(body) % 2:
        raise SERError("Half a sample; expected 16-bit samples.")
    return np.frombuffer(body, "<i2").astype(np.int16, copy=False)


def _number(request: Request, name: str) -> float:
    text = request.query_params.get(name, "0")
    if not text.isdecimal() or len(text) > 12:
        raise SERError(f"Bad {name} {text!r}; expected a whole number.")
    return float(text)
