"""Stretches of speech from the edges that a detector reports."""

import sys

import numpy as np
import pytest
import torch

from ser_brain.errors import SERError
from ser_brain.inference.speech import FRAME, RATE_HZ, Speech, load_speech


def by_level(pause=4):
    """A detector: speech is what is loud, and ends after ``pause`` quiet frames."""
    state = {"heard": 0, "on": False, "quiet": 0}

    def detect(frame_V):
        assert len(frame_V) == FRAME
        loud = frame_V.abs().max() > 0.5
        state["heard"] += FRAME
        state["quiet"] = 0 if loud else state["quiet"] + 1
        if loud and not state["on"]:
            state["on"] = True
            return {"start": state["heard"] - FRAME}
        if state["on"] and state["quiet"] == pause:
            state["on"] = False
            return {"end": state["heard"] - pause * FRAME}
        return None

    return detect


def recording(*spans, seconds, rate_hz=RATE_HZ, channels=1):
    """Silence but for ones in the spans (seconds); the second column counts the samples."""
    samples = np.zeros((seconds * rate_hz, channels), np.float32)
    for start, stop in spans:
        samples[round(start * rate_hz) : round(stop * rate_hz)] = 1
    return samples


def stretches(samples, rate_hz=RATE_HZ, block_s=2, longest_s=30.0):
    size = block_s * rate_hz
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    found = list(Speech(by_level).stretches(blocks, rate_hz, longest_s))
    for start, part in found:
        np.testing.assert_array_equal(part, samples[start : start + len(part)])
    return [(start / rate_hz, (start + len(part)) / rate_hz) for start, part in found]


FRAME_S = FRAME / RATE_HZ


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 8000, 44_100])
def test_stretches_begin_and_end_where_the_detector_says(rate_hz):
    samples = recording((1, 3), (5.5, 9), seconds=11, rate_hz=rate_hz, channels=2)
    found = stretches(samples, rate_hz)
    assert np.ravel(found) == pytest.approx([1, 3, 5.5, 9], abs=FRAME_S)


def test_speech_to_the_very_end():
    assert stretches(recording((1, 3), seconds=3)) == [pytest.approx((1, 3), abs=FRAME_S)]


def test_a_click_is_no_speech():
    assert stretches(recording((1, 1.1), (2, 3), seconds=5)) == [
        pytest.approx((2, 3), abs=FRAME_S)
    ]
    assert stretches(recording(seconds=4)) == []


def test_a_long_stretch_is_cut_and_none_of_it_lost():
    found = stretches(recording((1, 12), seconds=14), longest_s=4.0)
    assert [stop - start for start, stop in found[:-1]] == pytest.approx([4.0, 4.0])
    assert [stop for _, stop in found[:-1]] == [start for start, _ in found[1:]]
    assert (found[0][0], found[-1][1]) == pytest.approx((1, 12), abs=FRAME_S)


def test_each_recording_has_a_detector_of_its_own():
    speech, samples = Speech(by_level), recording((0, 2), seconds=2)
    first, second = (list(speech.stretches([samples], RATE_HZ, 30.0)) for _ in range(2))
    assert [start for start, _ in first] == [start for start, _ in second] == [0]


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(SERError, match="--vad needs the package silero-vad: pip install"):
        load_speech()


def test_silero_tells_silence_from_no_silence():
    pytest.importorskip("silero_vad")
    threads = torch.get_num_threads()
    speech = load_speech()
    assert torch.get_num_threads() == threads
    assert list(speech.stretches([np.zeros((RATE_HZ, 1), np.float32)], RATE_HZ, 30.0)) == []
