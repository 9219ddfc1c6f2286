"""What rooms, noise, telephones and codecs do to speech, as functions of NumPy arrays.

A clip is an array of its own, so nothing reaches it from the padding or from other clips of a
batch, and a function that draws is given a generator. SpeechBrain's augmentations do neither:
docs/augmentation.md has the numbers.

Shapes: S samples, mono float32.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import scipy  # its parts are imported when they are first used; they take a second
import soundfile

TELEPHONE_HZ = 8000
EDGE_HZ = 100.0  # from full to no gain at either end of a band
LOWEST_HZ = 20.0  # coloured noise is flat below
DIRECT_S = 0.0025  # from the direct sound to the first reflection: 86 cm of detour

# Name -> container, coding, rate in Hz (None: as it is) and the range of libsndfile's
# compression level, from which one is drawn: opus 8 to 24 kbit/s, mp3 24 to 48 at 16 kHz.
CODECS: dict[str, tuple[str, str, int | None, tuple[float, float] | None]] = {
    "mulaw": ("WAV", "ULAW", TELEPHONE_HZ, None),
    "alaw": ("WAV", "ALAW", TELEPHONE_HZ, None),
    "gsm": ("WAV", "GSM610", TELEPHONE_HZ, None),
    "adpcm": ("AU", "G721_32", TELEPHONE_HZ, None),
    "opus": ("OGG", "OPUS", None, (0.928, 0.992)),
    "mp3": ("MP3", "MPEG_LAYER_III", None, (0.74, 0.9)),
}
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls as 1 / frequency ** colour


def rms(samples_S: np.ndarray) -> float:
    """Root mean square, computed in float64."""
    return math.sqrt(np.mean(np.square(samples_S, dtype=np.float64)))


def fitted(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut to a length, or pad with zeros, as float32."""
    samples = samples[:length].astype(np.float32, copy=False)
    return np.pad(samples, (0, length - len(samples)))


def at_speed(samples_S: np.ndarray, percent: int) -> np.ndarray:
    """Play faster (over 100) or slower, the pitch with it: ceil(100 S / percent) samples."""
    return scipy.signal.resample_poly(samples_S, 100, percent).astype(np.float32)


def stretched(samples_S: np.ndarray, factor: float) -> np.ndarray:
    """Speak faster (over 1) or slower at the same pitch: round(S / factor) samples.

    Clips of less than half a window (256 samples) stay as they are.
    """
    import torch  # the corpora are prepared with this package, and without torch
    from torchaudio.functional import phase_vocoder

    size, hop = 512, 128
    if len(samples_S) <= size // 2:  # too short to be mirrored at its ends
        return samples_S
    window = torch.hann_window(size)
    frames = torch.stft(
        torch.from_numpy(samples_S), size, hop, window=window, return_complex=True
    )
    advance = torch.linspace(0, math.pi * hop, size // 2 + 1)[:, None]
    faster = phase_vocoder(frames, factor, advance)
    length = round(len(samples_S) / factor)
    return torch.istft(faster, size, hop, window=window, length=length).numpy()


# -- rooms


def room_impulse(
    rng: np.random.Generator, rt60_s: float, direct_db: float, rate_hz: int
) -> np.ndarray:
    """Impulse response of a made-up room: direct sound, then noise that decays exponentially.

    Parameters
    ----------
    rng : numpy.random.Generator
    rt60_s : float
        Until reverberation has fallen by 60 dB.
    direct_db : float
        Energy of the direct sound over that of all reverberation.
    rate_hz : int

    Returns
    -------
    numpy.ndarray, shape (S,), float64
        The direct sound is its first sample, of height 1.
    """
    time_s = np.arange(round(rt60_s * rate_hz) + 1) / rate_hz
    impulse_S = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / rt60_s)
    impulse_S[time_s < DIRECT_S] = 0
    impulse_S *= 10 ** (-direct_db / 20) / np.linalg.norm(impulse_S)
    impulse_S[0] = 1
    return impulse_S


def in_room(samples_S: np.ndarray, impulse: np.ndarray) -> np.ndarray:
    """Convolve with an impulse response; length and level stay."""
    wet_S = scipy.signal.fftconvolve(samples_S, impulse)[: len(samples_S)]
    loudness = rms(wet_S)
    return (wet_S * (rms(samples_S) / loudness if loudness else 0)).astype(np.float32)


# -- noise


def coloured_noise(
    rng: np.random.Generator, length: int, colour: float, rate_hz: int
) -> np.ndarray:
    """Noise whose power falls as 1 / frequency ** colour, at whatever level."""
    white = scipy.fft.rfft(rng.standard_normal(length))
    frequencies_hz = scipy.fft.rfftfreq(length, 1 / rate_hz)
    return scipy.fft.irfft(
        white * np.maximum(frequencies_hz, LOWEST_HZ) ** (-colour / 2), length
    )


def speech_shaped_noise(rng: np.random.Generator, samples_S: np.ndarray) -> np.ndarray:
    """Noise with the long-term spectrum of a clip: its spectrum with random phases."""
    spectrum = np.abs(scipy.fft.rfft(samples_S))
    phases = np.exp(2j * np.pi * rng.random(len(spectrum)))
    return scipy.fft.irfft(spectrum * phases, len(samples_S))


def babble(rng: np.random.Generator, talkers: list[np.ndarray], length: int) -> np.ndarray:
    """Several people at once: equally loud, each repeated from a random place on."""
    heard = np.zeros(length)
    for talker in talkers:
        start = int(rng.integers(len(talker)))
        heard += np.resize(np.roll(talker, -start), length) / (rms(talker) or 1)
    return heard


def add_noise(samples_S: np.ndarray, noise_S: np.ndarray, snr_db: float) -> np.ndarray:
    """Add noise so that the level of the clip is ``snr_db`` above that of the noise."""
    loudness = rms(noise_S)
    scale = rms(samples_S) / loudness * 10 ** (-snr_db / 20) if loudness else 0
    return (samples_S + scale * noise_S).astype(np.float32)


# -- bands and codecs


def in_band(samples_S: np.ndarray, low_hz: float, high_hz: float, rate_hz: int) -> np.ndarray:
    """Keep a band only; phases and length stay."""
    return _filtered(samples_S, rate_hz, lambda hz: _band_gain(hz, low_hz, high_hz))


def without_band(
    samples_S: np.ndarray, low_hz: float, high_hz: float, rate_hz: int
) -> np.ndarray:
    """Remove a band; phases and length stay."""
    return _filtered(samples_S, rate_hz, lambda hz: 1 - _band_gain(hz, low_hz, high_hz))


def _band_gain(frequencies_hz: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Gain 1 within a band and 0 outside, one half at its limits, with raised-cosine edges."""
    inside_hz = np.minimum(frequencies_hz - low_hz, high_hz - frequencies_hz)
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(inside_hz / EDGE_HZ + 0.5, 0, 1))


def _filtered(
    samples_S: np.ndarray, rate_hz: int, gain_at: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    # Zeros behind the clip, or its end would ring at its beginning.
    size = scipy.fft.next_fast_len(len(samples_S) + rate_hz // 20, real=True)
    gains = gain_at(scipy.fft.rfftfreq(size, 1 / rate_hz))
    return fitted(
        scipy.fft.irfft(scipy.fft.rfft(samples_S, size) * gains, size), len(samples_S)
    )


def coded(
    rng: np.random.Generator, samples_S: np.ndarray, codec: str, rate_hz: int
) -> np.ndarray:
    """Encode and decode with a codec of libsndfile; length and rate stay.

    Parameters
    ----------
    rng : numpy.random.Generator
    samples_S : numpy.ndarray
    codec : str
        A key of :data:`CODECS`.
    rate_hz : int
        Of the samples; a multiple of 8000 Hz.
    """
    container, coding, codec_hz, levels = CODECS[codec]
    down = 1 if codec_hz is None else rate_hz // codec_hz
    sent = scipy.signal.resample_poly(samples_S, 1, down) if down > 1 else samples_S
    peak = max(1.0, float(np.abs(sent).max()))  # a codec clips at full scale
    options = {} if levels is None else {"compression_level": rng.uniform(*levels)}
    file = io.BytesIO()
    soundfile.write(file, sent / peak, rate_hz // down, coding, format=container, **options)
    file.seek(0)
    heard = soundfile.read(file, dtype="float32")[0] * peak
    if down > 1:
        heard = scipy.signal.resample_poly(heard, down, 1)
    return fitted(heard, len(samples_S))
