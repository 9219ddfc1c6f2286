"""Levels, decay, bands and codecs, against what their names promise."""

import numpy as np
import pytest
import scipy

from ser_brain.data import distortions
from ser_brain.data.distortions import CODECS, rms

RATE_HZ = 16_000


def noise(seconds=2.0, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return samples.astype(np.float32)


def power_db(samples_S, low_hz, high_hz):
    """Mean power per hertz of a band."""
    hz, density = scipy.signal.welch(samples_S, RATE_HZ, nperseg=2048)
    return 10 * np.log10(density[(hz >= low_hz) & (hz < high_hz)].mean())


def tone(hz, seconds=1.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [-5, 0, 20])
def test_noise_has_the_level_that_was_asked_for(snr_db):
    clip_S, rng = tone(440), np.random.default_rng(1)
    for noise_S in (
        distortions.coloured_noise(rng, len(clip_S), 1.0, RATE_HZ),
        distortions.babble(rng, [noise(0.3), noise(3)], len(clip_S)),
    ):
        added_S = distortions.add_noise(clip_S, noise_S, snr_db) - clip_S
        assert 20 * np.log10(rms(clip_S) / rms(added_S)) == pytest.approx(snr_db, abs=0.01)


def test_a_silent_clip_stays_silent():
    silent_S, rng = np.zeros(800, np.float32), np.random.default_rng(0)
    assert not distortions.add_noise(silent_S, noise()[:800], 5).any()
    assert not distortions.in_room(silent_S, np.ones(10)).any()
    shaped_S = distortions.speech_shaped_noise(rng, silent_S)
    assert not distortions.add_noise(silent_S, shaped_S, 5).any()


@pytest.mark.parametrize("colour, fall_db", [(0.0, 0), (1.0, 3.01), (2.0, 6.02)])
def test_the_colour_of_noise_is_its_fall_per_octave(colour, fall_db):
    rng = np.random.default_rng(0)
    samples_S = distortions.coloured_noise(rng, 20 * RATE_HZ, colour, RATE_HZ)
    low, high = power_db(samples_S, 400, 600), power_db(samples_S, 3200, 4800)
    assert (low - high) / 3 == pytest.approx(fall_db, abs=0.3)  # three octaves


def test_speech_shaped_noise_has_the_spectrum_of_the_clip():
    clip_S = distortions.in_band(noise(), 500, 1500, RATE_HZ)
    noise_S = distortions.speech_shaped_noise(np.random.default_rng(0), clip_S)
    assert rms(noise_S) == pytest.approx(rms(clip_S), rel=0.01)
    assert power_db(noise_S, 700, 1300) - power_db(noise_S, 3000, 7000) > 40
    assert abs(np.corrcoef(noise_S, clip_S)[0, 1]) < 0.1


@pytest.mark.parametrize("rt60_s", [0.2, 0.8])
def test_a_room_decays_by_60_db_in_its_rt60(rt60_s):
    """Schroeder (1965): the backward integral of the squared impulse response."""
    impulse_S = distortions.room_impulse(np.random.default_rng(0), rt60_s, 3.0, RATE_HZ)
    tail_S = impulse_S[1:]
    assert impulse_S[0] == 1 and 10 * np.log10(1 / np.sum(tail_S**2)) == pytest.approx(3)
    decay_db = 10 * np.log10(np.cumsum(tail_S[::-1] ** 2)[::-1])
    decay_db -= decay_db[0]
    fitted = (decay_db < -5) & (decay_db > -35)
    slope = np.polyfit(np.flatnonzero(fitted) / RATE_HZ, decay_db[fitted], 1)[0]
    assert -60 / slope == pytest.approx(rt60_s, rel=0.1)


def test_a_room_keeps_length_level_and_place():
    clip_S = np.concatenate(
        [np.zeros(4000, np.float32), noise(0.5), np.zeros(8000, np.float32)]
    )
    impulse_S = distortions.room_impulse(np.random.default_rng(0), 0.5, 3.0, RATE_HZ)
    wet_S = distortions.in_room(clip_S, impulse_S)
    assert len(wet_S) == len(clip_S) and wet_S.dtype == np.float32
    assert rms(wet_S) == pytest.approx(rms(clip_S), rel=1e-5)
    assert np.abs(wet_S[:4000]).max() < 1e-6 < np.abs(wet_S[-8000:]).max()
    assert np.argmax(scipy.signal.correlate(wet_S, clip_S, "same")) == len(clip_S) // 2


def test_a_band_is_kept_and_another_removed():
    kept_S = distortions.in_band(noise(), 300, 3400, RATE_HZ)
    full_db = power_db(noise(), 400, 3300)
    assert power_db(kept_S, 400, 3300) == pytest.approx(full_db, abs=0.1)
    assert max(power_db(kept_S, 0, 230), power_db(kept_S, 3480, 8000)) < full_db - 40
    left_S = distortions.without_band(noise(), 1000, 1500, RATE_HZ)
    assert power_db(left_S, 1080, 1420) < full_db - 40
    assert power_db(left_S, 1600, 7900) == pytest.approx(full_db, abs=0.3)
    assert len(left_S) == len(kept_S) == len(noise())


def test_the_end_of_a_clip_does_not_ring_at_its_beginning():
    clip_S = np.concatenate([np.zeros(8000, np.float32), noise(0.5)])
    assert np.abs(distortions.in_band(clip_S, 300, 3400, RATE_HZ)[:4000]).max() < 1e-3


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("length", [1, 4001, 16_000])
def test_a_codec_keeps_length_place_and_most_of_the_sound(codec, length):
    clip_S = distortions.in_band(noise(1.0), 300, 3000, RATE_HZ)[:length]
    heard_S = distortions.coded(np.random.default_rng(0), clip_S, codec, RATE_HZ)
    assert len(heard_S) == length and heard_S.dtype == np.float32
    assert np.isfinite(heard_S).all()
    if length == 16_000:
        lag = np.argmax(scipy.signal.correlate(heard_S, clip_S, "full")) - (length - 1)
        assert abs(lag) <= 1
        assert np.corrcoef(heard_S, clip_S)[0, 1] > 0.6
        if CODECS[codec][2] == 8000:
            assert power_db(heard_S, 4300, 8000) < power_db(heard_S, 500, 2800) - 30


def test_a_codec_does_not_clip_what_is_louder_than_full_scale():
    loud_S = 5 * tone(440)
    heard_S = distortions.coded(np.random.default_rng(0), loud_S, "mulaw", RATE_HZ)
    assert np.abs(heard_S).max() == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("percent", [95, 105])
def test_speed_changes_length_and_pitch(percent):
    played_S = distortions.at_speed(tone(1000), percent)
    assert len(played_S) == -(-RATE_HZ * 100 // percent)
    assert peak_hz(played_S) == pytest.approx(10 * percent, abs=3)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_stretch_changes_length_and_not_pitch(factor):
    spoken_S = distortions.stretched(tone(1000), factor)
    assert len(spoken_S) == round(RATE_HZ / factor) and spoken_S.dtype == np.float32
    assert peak_hz(spoken_S) == pytest.approx(1000, abs=3)


def peak_hz(samples_S):
    spectrum = np.abs(np.fft.rfft(samples_S * np.hanning(len(samples_S))))
    return np.argmax(spectrum) * RATE_HZ / len(samples_S)
