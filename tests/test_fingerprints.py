import numpy as np
import pytest
from made_speech import speak
from scipy import signal

from ser_brain.fingerprints import COMPARED_VIEWS, RATE_HZ, VIEWS, agreement, fingerprint


def at_8khz(samples):
    return signal.resample_poly(samples, 1, 2)


def likeness(one, other):
    views, others = fingerprint(one), fingerprint(other)
    return max(float(views[v] @ others[w]) for v, w in COMPARED_VIEWS)


def test_the_shape_of_a_fingerprint():
    views_VD = fingerprint(at_8khz(speak(1)))
    assert views_VD.shape == (len(VIEWS), 16 * 32) and views_VD.dtype == np.float32
    assert np.linalg.norm(views_VD, axis=1) == pytest.approx(1, abs=1e-5)
    bands_BK = views_VD[0].reshape(16, 32)
    assert bands_BK.mean(axis=1) == pytest.approx(0, abs=1e-6)


def test_neither_level_nor_a_steady_filter_matters_much():
    samples = at_8khz(speak(1))
    assert likeness(samples, samples / 50) == pytest.approx(1, abs=1e-5)
    telephone = signal.butter(2, [300, 3400], "bandpass", fs=RATE_HZ, output="sos")
    assert likeness(samples, signal.sosfilt(telephone, samples)) > 0.9


@pytest.mark.parametrize("shift", [640, 400, 160])
def test_the_start_or_end_may_be_lost_or_gained(shift):
    samples = at_8khz(speak(1))
    assert likeness(samples, samples[shift:]) > 0.9
    assert likeness(samples[:-shift], samples) > 0.9
    assert likeness(samples, np.pad(samples, (shift, 0))) > 0.9


def test_silence_put_before_is_what_the_trimmed_views_are_for():
    samples = at_8khz(speak(3))
    late = np.pad(samples, (640, 0))
    assert fingerprint(samples)[0] @ fingerprint(late)[0] < 0.8
    assert fingerprint(samples)[0] @ fingerprint(late)[1] > 0.99


def test_other_sentences_are_unlike():
    prints = [fingerprint(at_8khz(speak(sentence)))[0] for sentence in range(10)]
    others = np.array(prints) @ np.array(prints).T - np.eye(10)
    assert others.max() < 0.7


@pytest.mark.parametrize("samples", [np.zeros(4000), np.zeros(0), np.zeros(10)])
def test_silence_is_like_silence_and_nothing_else(samples):
    assert likeness(samples, np.zeros(8000)) == pytest.approx(1, abs=1e-5)
    assert likeness(samples, at_8khz(speak(1))) == pytest.approx(0, abs=1e-5)
    assert agreement(samples, np.zeros(8000), 0.1) == 1
    assert agreement(samples, at_8khz(speak(1)), 0.1) == 0


def test_a_waveform_agrees_with_itself_wherever_it_lies():
    samples = at_8khz(speak(1))
    assert agreement(samples, -3 * samples, 0.1) == pytest.approx(1)
    late = np.concatenate([np.zeros(800), samples])
    assert agreement(samples, late, 0.1) == pytest.approx(1, abs=1e-3)
    assert agreement(late, samples, 0.1) == pytest.approx(1, abs=1e-3)
    assert agreement(samples, late, 0.09) < 0.3


def test_the_agreement_of_a_mixture_is_known():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    one, other = np.sin(2 * np.pi * 500 * time_s), np.sin(2 * np.pi * 900 * time_s)
    assert agreement(one, one + other, 0.1) == pytest.approx(np.sqrt(1 / 2), abs=0.01)
    hum = 5 * np.sin(2 * np.pi * 100 * time_s)  # Outside the band.
    assert agreement(one, one + hum, 0.1) == pytest.approx(1, abs=0.01)


def test_a_common_vowel_is_no_agreement():
    """Issue 13, no. 34: repetitions correlate by up to .58, in the vowel that is loudest."""
    vowel = np.sin(2 * np.pi * 500 * np.arange(RATE_HZ // 2) / RATE_HZ)
    said = [at_8khz(speak(n)) for n in (1, 2)]
    one, other = (
        np.concatenate([each / np.linalg.norm(each), 1.3 * vowel / np.linalg.norm(vowel)])
        for each in said
    )
    assert np.corrcoef(one, other)[0, 1] > 0.58
    assert agreement(one, other, 0.1) < 0.1


def test_the_same_sentence_said_again_is_like_but_does_not_agree():
    one, other = at_8khz(speak(1, take=1)), at_8khz(speak(1, take=2))
    assert likeness(one, other) > 0.7
    assert agreement(one, other, 0.15) < 0.3
