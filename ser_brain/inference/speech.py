"""Where speech is in a recording, by Silero VAD; read block by block.

The model comes with the package ``silero-vad`` (extra ``vad``); nothing is downloaded.

Shapes: S samples and H channels of the recording, V samples at the detector's rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from ser_brain.errors import SERError
from ser_brain.inference.windows import Held
from ser_brain.resampling import resample

RATE_HZ = 16_000
FRAME = 512  # samples at RATE_HZ that the detector takes at once
# Most pauses within an utterance are shorter; Silero's own 0.1 s cuts utterances apart.
PAUSE_MS = 500
SHORTEST_S = 0.25  # as in Silero's get_speech_timestamps: what is shorter is a click
BACK_S = 0.1  # by how much a start may lie before the frame that shows it


def load_speech() -> Speech:
    """Silero's detector.

    Raises
    ------
    SERError
        If ``silero-vad`` is not installed.
    """
    threads = torch.get_num_threads()
    try:
        import silero_vad
    except ImportError as error:
        raise SERError(
            "--vad needs the package silero-vad: pip install 'ser-recipes[vad]'. Without it, "
            "cut recordings into windows: --window 4 --hop 1."
        ) from error
    finally:
        torch.set_num_threads(threads)  # Its import leaves one thread to all of torch.
    events = silero_vad.VADIterator(
        silero_vad.load_silero_vad(), sampling_rate=RATE_HZ, min_silence_duration_ms=PAUSE_MS
    )

    def of_recording() -> Callable[[torch.Tensor], dict | None]:
        events.reset_states()
        return events

    return Speech(of_recording)


class Speech:
    """Finds stretches of speech.

    Parameters
    ----------
    detector : callable
        Gives, for each recording, what takes it frame by frame and says ``{"start": place}``
        or ``{"end": place}``, in samples at ``RATE_HZ``, where speech begins or has ended.
    """

    def __init__(self, detector: Callable[[], Callable[[torch.Tensor], dict | None]]):
        self._detector = detector

    def stretches(
        self, blocks: Iterable[np.ndarray], rate_hz: int, longest_s: float
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Stretches of speech in a recording.

        Parameters
        ----------
        blocks : iterable of numpy.ndarray
            The recording in order, (S, H) each, whole seconds but for the last.
        rate_hz : int
        longest_s : float
            A stretch that goes on for longer is cut there.

        Yields
        ------
        place : int
            Of the first sample.
        samples : numpy.ndarray, (S, H)
        """
        detect, held, began = self._detector(), Held(), None
        heard, rest_V = 0, np.zeros(0, np.float32)
        shortest, longest, back = (
            round(seconds * rate_hz) for seconds in (SHORTEST_S, longest_s, BACK_S)
        )
        for block in blocks:
            held.add(block)
            rest_V = np.concatenate([rest_V, _at_detector_rate(block, rate_hz)])
            while len(rest_V) >= FRAME:
                event = detect(torch.from_numpy(rest_V[:FRAME])) or {}
                rest_V, heard = rest_V[FRAME:], heard + FRAME
                now = round(heard * rate_hz / RATE_HZ)
                if "start" in event:
                    began = max(held.first, round(event["start"] * rate_hz / RATE_HZ))
                elif "end" in event:
                    stop = round(event["end"] * rate_hz / RATE_HZ)
                    if stop - began >= shortest:
                        yield began, held.between(began, stop)
                    began = None
                elif began is not None and now - began >= longest:
                    yield began, held.between(began, began + longest)
                    began += longest
            held.forget(held.end - back if began is None else began)
        if began is not None and held.end - began >= shortest:
            yield began, held.between(began, held.end)


def _at_detector_rate(block: np.ndarray, rate_hz: int) -> np.ndarray:
    return resample(np.ascontiguousarray(block.mean(axis=1)), rate_hz, RATE_HZ)
