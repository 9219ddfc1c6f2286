"""Where live audio comes from: a pipe, or the microphone."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from stat import S_ISREG
from threading import Thread

import numpy as np
import soundfile

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.inference.live import POLL_S, Backlog

logger = get_logger(__name__)
RAW = {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"}
PIPE_INSTEAD = "or pipe audio in: ffmpeg ... -f wav - | ser listen MODEL -"


class Pipe:
    """Audio on a file descriptor: with a header that says what it is, or raw 16-bit samples.

    Parameters
    ----------
    descriptor : int
        Of a pipe, or of a file, which is not live.
    rate_hz : int, optional
        Of raw samples, signed and little-endian; by default there is a header.
    channels : int
        Of raw samples.

    Raises
    ------
    SERError
        If there is no audio.
    """

    def __init__(self, descriptor: int, rate_hz: int | None = None, channels: int = 1):
        raw = {} if rate_hz is None else {**RAW, "samplerate": rate_hz, "channels": channels}
        try:
            self._file = soundfile.SoundFile(descriptor, closefd=False, **raw)
        except (soundfile.SoundFileError, ValueError) as error:
            raise SERError(
                f"Standard input cannot be read as audio ({error}). Send WAV (ffmpeg -i X -f "
                "wav -), or raw 16-bit samples (ffmpeg -i X -f s16le -ac 1 -ar 16000 -) with "
                "--rate 16000."
            ) from None
        if self._file.frames == 0:
            raise SERError(
                "The header on standard input announces no samples. Send raw 16-bit samples "
                "with --rate."
            )
        self.rate_hz = self._file.samplerate
        self.clock = None if S_ISREG(os.fstat(descriptor).st_mode) else time.monotonic

    @contextlib.contextmanager
    def into(self, backlog: Backlog) -> Iterator[None]:
        """Read in a thread of its own, which ends with the pipe or with the process."""
        Thread(target=self._read, args=[backlog], daemon=True).start()
        yield

    def _read(self, backlog: Backlog) -> None:
        try:
            while len(block := self._file.read(round(POLL_S * self.rate_hz), dtype="float32")):
                backlog.put(block, may_wait=True)
            backlog.end()
        except Exception as error:  # raised again where the samples are taken
            backlog.end(SERError(f"Standard input cannot be read further: {error}."))


class Microphone:
    """A microphone of this machine, through PortAudio, at its own rate.

    Parameters
    ----------
    name : str, optional
        Part of the device's name; by default the system's choice.

    Raises
    ------
    SERError
        If there is none, or a package is missing.
    """

    clock = staticmethod(time.monotonic)

    def __init__(self, name: str | None = None):
        try:
            import sounddevice
        except ImportError:
            raise SERError(
                "The microphone needs sounddevice: pip install 'ser-recipes[live]'; "
                f"{PIPE_INSTEAD}."
            ) from None
        except OSError:  # the library behind it
            raise SERError(
                "The microphone needs PortAudio: apt install libportaudio2, or brew install "
                f"portaudio; {PIPE_INSTEAD}."
            ) from None
        self._sounddevice, self._name, self._told = sounddevice, name, False
        try:
            found = sounddevice.query_devices(name, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            devices = [
                d["name"] for d in sounddevice.query_devices() if d["max_input_channels"]
            ]
            there = f"there are {', '.join(devices)}" if devices else "this machine has none"
            raise SERError(f"No microphone ({error}); {there}; {PIPE_INSTEAD}.") from None
        self.rate_hz = int(found["default_samplerate"])

    @contextlib.contextmanager
    def into(self, backlog: Backlog) -> Iterator[None]:
        """Record while the block runs."""

        def heard(samples_SH: np.ndarray, frames: int, times: object, status: object) -> None:
            if status and not self._told:
                self._told = True
                logger.warning(f"The microphone lost audio ({status}).")
            backlog.put(samples_SH[:, 0].copy())

        block = round(POLL_S * self.rate_hz)
        try:
            stream = self._sounddevice.InputStream(
                *(self.rate_hz, block, self._name, 1, "float32"), callback=heard
            )
        except self._sounddevice.PortAudioError as error:
            raise SERError(f"The microphone cannot be opened: {error}.") from None
        with stream:
            yield
