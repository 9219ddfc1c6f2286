"""eSpeak NG through ctypes: text and voice in, samples out.

The library comes with the ``espeakng-loader`` wheel (Linux with glibc, macOS and Windows,
x86-64 and arm64); nothing is installed on the system and no sound card is used. The names of
functions and constants are those of eSpeak NG's ``speak_lib.h``.

The sound of a call depends on the calls before it: noise and flutter continue from static
variables that neither ``espeak_Terminate`` nor ``espeak_ng_SetRandSeed`` resets. Unloading the
library and loading it again does, in about a millisecond; see :meth:`Synthesizer.restart`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError

PATH_LIMIT = 120  # bytes; leaves room for the longest name inside
DATA = ("phondata", "phonindex", "phontab", "intonations", "lang", "voices/!v")


def library_files() -> tuple[Path, Path]:
    """The shared library and its data folder."""
    try:
        import espeakng_loader

        library = Path(espeakng_loader.get_library_path())
        data = Path(espeakng_loader.get_data_path())
    except ImportError:
        raise SERError(
            "The demo corpus is spoken by eSpeak NG, which is not installed; "
            "run: pip install espeakng-loader"
        ) from None
    except RuntimeError as error:
        raise SERError(
            f"espeakng-loader is broken ({error}); "
            "run: pip install --force-reinstall espeakng-loader"
        ) from None
    return library, data


def library_digest() -> str:
    """SHA-256 of the library's bytes, which identifies the version of eSpeak NG."""
    return hashlib.sha256(library_files()[0].read_bytes()).hexdigest()


def short_copy(data: Path, dictionaries: Iterable[str]) -> tempfile.TemporaryDirectory:
    """A copy of the data that eSpeak NG needs, in a temporary folder with a short path.

    On macOS and Windows eSpeak NG keeps the path of its data in 160 bytes, and builds longer
    paths from it without a check; the path of an environment in a deep folder is longer.
    """
    try:
        temporary = tempfile.TemporaryDirectory(prefix="espeak-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SERError(f"No temporary folder can be made: {error}; set TMPDIR.") from error
    folder = Path(temporary.name)
    with contextlib.ExitStack() as undo:
        undo.callback(temporary.cleanup)
        if len(os.fsencode(folder)) > PATH_LIMIT:
            raise SERError(
                f"The path of the temporary folder {folder.parent} is too long for "
                f"eSpeak NG (expected at most {PATH_LIMIT} bytes); set TMPDIR to a shorter one."
            )
        try:
            for name in (*DATA, *(f"{language}_dict" for language in dictionaries)):
                copy = shutil.copytree if (data / name).is_dir() else shutil.copyfile
                copy(data / name, folder / name)
        except OSError as error:
            raise SERError(
                f"Cannot copy eSpeak NG's data from {data} to {folder}: {error}; "
                "set TMPDIR to a folder with 5 MB free."
            ) from error
        undo.pop_all()
    return temporary


SAMPLE_RATE_HZ = 22050
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
EE_OK = 0
POS_CHARACTER = 1
CHARS_UTF8 = 1
RANDOM_SEED = 1  # for the breath of some voices; by default it depends on the clock
PARAMETERS = {"rate_wpm": 1, "volume": 2, "pitch": 3, "range": 4}  # espeak_PARAMETER
SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True)
class Prosody:
    """eSpeak's own units; the defaults are the voice's own."""

    rate_wpm: int = 175  # 80 to 450
    pitch: int = 50  # 0 to 99
    range: int = 50  # of pitch, 0 (monotone) to 99
    volume: int = 100  # 0 to 200


class Synthesizer:
    """eSpeak NG for some languages (``en``, ``de``, ``fa``); one at a time in a process.

    Examples
    --------
    >>> with Synthesizer(["en"]) as espeak:
    ...     samples = espeak.say("en-us+f1", "Good morning.", Prosody(rate_wpm=160))
    >>> samples.dtype
    dtype('int16')
    """

    def __init__(self, dictionaries: Iterable[str]) -> None:
        self._library_file, data = library_files()
        self._data = short_copy(data, dictionaries)
        self._library: ctypes.CDLL | None = None
        self._samples = bytearray()
        self._interrupt: BaseException | None = None
        self._callback = SynthCallback(self._receive)
        self.restart()

    def __enter__(self) -> Synthesizer:
        return self

    def __exit__(self, *_: object) -> None:
        self._unload()
        self._data.cleanup()

    def restart(self) -> None:
        """Reset eSpeak NG, so that the next call does not depend on earlier ones."""
        self._unload()
        try:
            library = ctypes.CDLL(str(self._library_file))
        except OSError as error:
            raise SERError(
                f"Cannot load eSpeak NG ({error}); "
                "run: pip install --force-reinstall espeakng-loader"
            ) from None
        number, pointer = ctypes.c_int, ctypes.c_void_p
        unsigned, text = ctypes.c_uint, ctypes.c_char_p
        library.espeak_Synth.argtypes = (
            *(text, ctypes.c_size_t, unsigned, number),
            *(unsigned, unsigned, pointer, pointer),
        )
        library.espeak_Initialize.argtypes = (number, number, text, number)
        rate_hz = library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(self._data.name), INITIALIZE_DONT_EXIT
        )
        if rate_hz != SAMPLE_RATE_HZ:
            raise SERError(
                f"eSpeak NG does not start (sample rate {rate_hz}, expected {SAMPLE_RATE_HZ}); "
                "run: pip install --force-reinstall espeakng-loader"
            )
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_ng_SetRandSeed(ctypes.c_long(RANDOM_SEED))
        self._library = library

    def say(self, voice: str, text: str, prosody: Prosody) -> np.ndarray:
        """Speak a text with a voice such as ``en-us+f1``: int16 samples (S,) at 22,050 Hz."""
        library = self._library
        if library.espeak_SetVoiceByName(voice.encode()) != EE_OK:
            raise SERError(f"eSpeak NG has no voice {voice!r}.")
        for field, parameter in PARAMETERS.items():
            library.espeak_SetParameter(parameter, getattr(prosody, field), 0)
        self._samples.clear()
        said = text.encode() + b"\0"
        status = library.espeak_Synth(
            said, len(said), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None
        )
        library.espeak_Synchronize()
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        if status != EE_OK or not self._samples:
            raise SERError(f"eSpeak NG is silent for {text!r} (voice {voice}, {status}).")
        return np.frombuffer(bytes(self._samples), dtype=np.int16)

    def _receive(self, samples: object, count: int, _events: object) -> int:
        # ctypes swallows exceptions, even Ctrl-C, and the samples would be lost.
        try:
            if samples and count > 0:
                self._samples.extend(ctypes.string_at(samples, 2 * count))
        except BaseException as error:
            self._interrupt = error
            return 1  # stop speaking
        return 0

    def _unload(self) -> None:
        if self._library is None:
            return
        import _ctypes

        self._library.espeak_Terminate()
        unload = _ctypes.FreeLibrary if os.name == "nt" else _ctypes.dlclose
        unload(self._library._handle)
        self._library = None
