"""From a recording to what a model takes: mono, one rate, finite.

What makes a score meaningless is an error. What makes it doubtful is a warning, which goes with
the prediction. Nothing is repaired silently.

Shapes: S samples, H channels.
"""

from __future__ import annotations

import numpy as np

from ser_brain.core.errors import SERError
from ser_brain.data.audio import LOUDEST, SHORTEST_S, SILENCE_PEAK, resample
from ser_brain.data.distortions import rms

SHORT_S = 0.5
LONGEST_S = 60.0  # for models without a limit of their own: no utterance is longer
RATES_HZ = (1000, 768_000)
MOST_CHANNELS = 32
QUIET_RMS = 10 ** (-50 / 20)
CLIPPED_LEVEL, CLIPPED_SHARE = 0.999, 0.001
CANCELLED = 0.1
SILENT = "silent: no sample is above -80 dBFS"
CANCEL = "channels cancel each other when averaged; score them one by one"


def prepare(
    samples: np.ndarray,
    rate_hz: int,
    to_hz: int,
    min_samples: int,
    max_samples: int | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Make a waveform for a model.

    Parameters
    ----------
    samples : numpy.ndarray
        (S,) or (S, H), floating point of full scale 1, or 16- or 32-bit integers.
    to_hz : int
        The model's rate.
    min_samples, max_samples : int
        The model's limits at ``to_hz``; None if there is no limit.

    Returns
    -------
    waveform_S : numpy.ndarray
        float32, mono, at ``to_hz``.
    warnings : list of str
        Why the score may be unreliable.

    Raises
    ------
    SERError
        If the samples are not a waveform, not finite, silent, or too few or too many for the
        model.
    """
    require_rate(rate_hz)
    rate_hz = int(rate_hz)
    scaled = _full_scale(np.asarray(samples))
    duration_s = len(scaled) / rate_hz
    shortest_s, longest_s = shortest(to_hz, min_samples), longest(to_hz, max_samples)
    if duration_s < shortest_s:
        raise SERError(
            f"A clip of {duration_s:.3f} s is too short; expected {shortest_s:.3f} s or more."
        )
    if duration_s > longest_s:
        raise too_long(duration_s, longest_s)
    mono_S = scaled if scaled.ndim == 1 else scaled.mean(axis=1)
    if np.abs(mono_S).max() <= SILENCE_PEAK:  # a model would give a score all the same
        raise SERError(SILENT if np.abs(scaled).max() <= SILENCE_PEAK else CANCEL)
    warnings = _doubts(scaled, mono_S, rate_hz, to_hz)
    waveform_S = resample(np.ascontiguousarray(mono_S), rate_hz, to_hz)
    # Rounding of lengths may cost a sample at either end.
    if len(waveform_S) < min_samples:
        raise SERError(f"A clip of {len(waveform_S)} samples is shorter than {min_samples}.")
    return waveform_S[:max_samples], warnings


def require_rate(rate_hz: float) -> None:
    """Stop at a sampling rate that no recording of speech has."""
    low_hz, high_hz = RATES_HZ
    if not low_hz <= rate_hz <= high_hz or rate_hz != int(rate_hz):
        raise SERError(
            f"Bad sampling rate {rate_hz!r}; expected {low_hz} to {high_hz}, a whole number."
        )


def shortest(to_hz: int, min_samples: int) -> float:
    """Seconds of the shortest clip that is scored."""
    return max(min_samples / to_hz, SHORTEST_S)


def longest(to_hz: int, max_samples: int | None) -> float:
    """Seconds of the longest clip that is scored as one."""
    return LONGEST_S if max_samples is None else max_samples / to_hz


def too_long(duration_s: float, longest_s: float) -> SERError:
    """The error for a clip that is too long to be scored as one."""
    return SERError(
        f"A clip of {duration_s:.1f} s is too long to be scored as one; at most "
        f"{longest_s:g} s are. Score windows of it: `ser predict --window 4`, or stream()."
    )


def _full_scale(samples: np.ndarray) -> np.ndarray:
    """float32 of full scale 1, (S,) or (S, H)."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    if samples.ndim not in (1, 2) or not 1 <= channels <= MOST_CHANNELS:
        raise SERError(
            f"Samples of shape {samples.shape}; expected (samples,) or (samples, channels), "
            f"at most {MOST_CHANNELS} channels."
        )
    if samples.dtype in (np.int16, np.int32):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    if samples.dtype not in (np.float16, np.float32, np.float64):
        raise SERError(
            f"Samples of type {samples.dtype}; expected floating point of full scale 1, or "
            "16- or 32-bit integers."
        )
    scaled = samples.astype(np.float32)
    if not np.isfinite(scaled).all():
        raise SERError("The samples are not all finite.")
    if scaled.size and np.abs(scaled).max() > LOUDEST:
        raise SERError(
            f"The samples reach {np.abs(scaled).max():.0f}, far beyond full scale 1; were they "
            "integers? Divide 16-bit samples by 32768."
        )
    return scaled


def _doubts(scaled: np.ndarray, mono_S: np.ndarray, rate_hz: int, to_hz: int) -> list[str]:
    doubts = []
    if scaled.ndim == 2 and rms(mono_S) < CANCELLED * max(map(rms, scaled.T)):
        doubts.append(CANCEL)
    if (level := rms(mono_S)) < QUIET_RMS:
        doubts.append(f"very quiet: {20 * np.log10(level):.0f} dBFS")
    if abs(mono_S.mean()) > max(mono_S.std(), SILENCE_PEAK):
        doubts.append(f"off centre: its mean is {mono_S.mean():.2f} of full scale")
    share = float((np.abs(scaled) >= CLIPPED_LEVEL).mean())
    if share > CLIPPED_SHARE:
        doubts.append(f"clipped: {share:.1%} of the samples are at full scale")
    if rate_hz < to_hz:
        doubts.append(
            f"recorded at {rate_hz} Hz: nothing above {rate_hz // 2} Hz, where the model has "
            f"learned from {to_hz} Hz"
        )
    duration_s = len(mono_S) / rate_hz
    if duration_s < SHORT_S:
        doubts.append(f"very short: {duration_s:.2f} s")
    return doubts
