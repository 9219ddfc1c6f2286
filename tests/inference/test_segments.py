"""Files become segments, or are skipped with a reason."""

import sys

import numpy as np
import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.data.segment_tables import Part
from ser_brain.inference.segments import (
    DETECTOR_HZ,
    FRAME,
    Segment,
    Segmentation,
    Skipped,
    SpeechDetector,
    load_speech_detector,
    segments,
)
from tests.inference.stand_in import RATE_HZ, StandIn, noise, write


def cut(path, *cutting):
    return list(segments(path, StandIn(), Segmentation(*cutting)))


def times(items):
    return [(item.start_s, item.stop_s) for item in items]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_a_clip_is_one_segment_in_every_format(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", noise(3))
    (segment,) = cut(path)
    assert segment.file == str(path) and segment.start_s == 0 and segment.warnings == []
    assert segment.stop_s == pytest.approx(3, abs=0.1)  # mp3 pads
    assert segment.waveform_S.dtype == np.float32 and segment.share == 1


def test_windows_of_a_recording_are_its_clips(tmp_path):
    samples = noise(41.5)
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    found = cut(path, 4, 2)
    assert times(found[:2]) == [(0, 4), (2, 6)]
    assert times(found[-2:]) == [(36, 40), (37.5, 41.5)]
    assert found[-1].share == 1 and 0.1 < found[1].share < 0.2
    for segment in found:
        start, stop = round(segment.start_s * RATE_HZ), round(segment.stop_s * RATE_HZ)
        np.testing.assert_array_equal(segment.waveform_S, samples[start:stop])


def test_given_parts_are_cut_whole_or_into_windows(tmp_path):
    samples = noise(41.5)
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    parts = {path: [Part(1, 13, {"speaker": "A"}), Part(12, 15.5), Part(40, 41.75)]}
    found = cut(path, None, None, None, parts)
    assert times(found) == [(1, 13), (12, 15.5), (40, 41.5)]  # an overrun is cut off
    assert [segment.facts for segment in found] == [{"speaker": "A"}, {}, {}]
    windows = cut(path, 4, None, None, parts)
    assert times(windows) == [(1, 5), (5, 9), (9, 13), (12, 15.5), (40, 41.5)]
    for segment in [*found, *windows]:
        start, stop = round(segment.start_s * RATE_HZ), round(segment.stop_s * RATE_HZ)
        np.testing.assert_array_equal(segment.waveform_S, samples[start:stop])


@pytest.mark.parametrize(
    "part, reason",
    [
        (Part(1, 4), "a segment is from 1 s to 4 s, and the recording ends at 3 s"),
        (Part(3.2, 3.4), "a segment is from 3.2 s to 3.4 s, and the recording ends at 3 s"),
        (Part(0, 40), "A clip of 40.0 s is too long"),
    ],
)
def test_parts_that_no_recording_has(tmp_path, part, reason):
    path = write(tmp_path / "a.wav", noise(45 if part.stop_s == 40 else 3))
    (skipped,) = cut(path, None, None, None, {path: [Part(0, 1), part]})
    assert skipped.is_whole and skipped.reason.startswith(reason)


def test_windows_are_cut_at_the_files_rate_and_channels_are_averaged(tmp_path):
    left, right = noise(9, 1, rate_hz=44_100), noise(9, 2, rate_hz=44_100)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), 44_100, subtype="FLOAT")
    found = cut(path, 4, 4)
    assert times(found) == [(0, 4), (4, 8), (5, 9)]
    alone, _ = StandIn().prepare((left + right)[4 * 44_100 : 8 * 44_100] / 2, 44_100)
    np.testing.assert_allclose(found[1].waveform_S, alone, atol=1e-6)


def test_silence_within_a_recording_is_skipped(tmp_path):
    samples = np.concatenate([np.zeros(8 * RATE_HZ, "float32"), noise(4), 1e-5 * noise(4)])
    found = cut(write(tmp_path / "a.wav", samples), 4, None)
    assert [type(item) for item in found] == [Skipped, Skipped, Segment, Skipped]
    assert times(found) == [(0, 4), (4, 8), (8, 12), (12, 16)]
    assert found[0].reason == "silent" and not found[0].is_problem


def write_cut(path):
    path.write_bytes(write(path, noise(1)).read_bytes()[:9000])


def write_float(path, samples):
    write(path, samples, subtype="FLOAT")


@pytest.mark.parametrize(
    "name, make, reason",
    [
        ("absent.wav", lambda path: None, "missing"),
        ("empty.wav", lambda path: path.touch(), "empty"),
        ("text.mp3", lambda path: path.write_text("no audio"), "unreadable"),
        ("stub.wav", lambda p: p.write_text("version https://git-lfs..."), "git-LFS stub"),
        ("cut.wav", write_cut, "truncated"),
        ("silent.flac", lambda path: write(path, np.zeros(RATE_HZ)), "silent"),
        ("short.ogg", lambda path: write(path, noise(0.05)), "too short"),
        ("nan.wav", lambda path: write_float(path, noise(1) * np.nan), "not a number"),
        ("loud.wav", lambda path: write_float(path, noise(1) * 1e4), "full scale"),
        ("long.wav", lambda path: write(path, noise(31)), "31.0 s is too long to be scored as"),
        ("wide.wav", lambda path: write(path, np.ones((RATE_HZ, 40))), "at most 32 channels"),
        ("n\udcffme.wav", lambda path: None, "its name is not valid UTF-8; rename it"),
    ],
)
def test_a_file_that_cannot_be_used_is_skipped_with_a_reason(tmp_path, name, make, reason):
    make(tmp_path / name)
    (item,) = cut(tmp_path / name)
    assert item.is_whole and item.is_problem and item.stop_s is None
    assert reason in item.reason
    item.file.encode()  # can be printed and written


def test_a_rate_at_which_a_window_would_have_no_sample(tmp_path):
    (item,) = cut(write(tmp_path / "slow.wav", noise(1), rate_hz=1), 0.2, 0.1)
    assert item.is_whole and item.reason.startswith("Bad sampling rate 1; expected 1000 to")


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path):
    path = write(tmp_path / "a.flac", noise(60))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(content)
    *found, last = cut(path, 4, None)
    assert len(found) >= 2 and all(isinstance(item, Segment) for item in found)
    assert last.start_s == found[-1].stop_s < 40
    assert last.is_problem and not last.is_whole


@pytest.mark.parametrize("window, expected", [(None, (2, 7, 2, 7)), (4, (2, 6, 3, 7))])
def test_with_a_detector_only_speech_is_scored(tmp_path, window, expected):
    samples = np.concatenate([np.zeros(2 * RATE_HZ), np.ones(5 * RATE_HZ), np.zeros(RATE_HZ)])
    path = write(tmp_path / "a.wav", 0.9 * samples)
    hop = None if window is None else 1
    found = times(cut(path, window, hop, SpeechDetector(by_level)))
    assert (*found[0], *found[-1]) == pytest.approx(expected, abs=2 * FRAME_S)
    (item,) = cut(write(tmp_path / "b.wav", noise(4)), window, hop, SpeechDetector(by_level))
    assert item.is_whole and item.reason == "no speech found"


FRAME_S = FRAME / DETECTOR_HZ


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


def stretches(*spans, seconds, rate_hz=DETECTOR_HZ, longest_s=30.0):
    """What is found in blocks of 2 s: silence but for ones in the spans (seconds)."""
    samples = np.zeros((seconds * rate_hz, 2), np.float32)
    for start, stop in spans:
        samples[round(start * rate_hz) : round(stop * rate_hz)] = 1
    blocks = [samples[at : at + 2 * rate_hz] for at in range(0, len(samples), 2 * rate_hz)]
    speech = SpeechDetector(by_level)
    for _ in range(2):  # each recording has a detector of its own
        found = list(speech.stretches(blocks, rate_hz, longest_s))
    for start, part in found:
        np.testing.assert_array_equal(part, samples[start : start + len(part)])
    return [(start / rate_hz, (start + len(part)) / rate_hz) for start, part in found]


@pytest.mark.parametrize("rate_hz", [DETECTOR_HZ, 8000, 44_100])
def test_stretches_begin_and_end_where_the_detector_says(rate_hz):
    """A click at 4 s is not speech; the last stretch ends with the recording."""
    found = stretches((0, 3), (4, 4.1), (5.5, 9), seconds=9, rate_hz=rate_hz)
    assert np.ravel(found) == pytest.approx([0, 3, 5.5, 9], abs=FRAME_S)


def test_a_long_stretch_is_cut_and_none_of_it_lost():
    found = stretches((1, 12), seconds=14, longest_s=4.0)
    assert [stop - start for start, stop in found[:-1]] == pytest.approx([4.0, 4.0])
    assert [stop for _, stop in found[:-1]] == [start for start, _ in found[1:]]
    assert (found[0][0], found[-1][1]) == pytest.approx((1, 12), abs=FRAME_S)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(SERError, match="--vad needs the package silero-vad: pip install"):
        load_speech_detector()


def test_silero_tells_silence_from_no_silence():
    pytest.importorskip("silero_vad")
    threads = torch.get_num_threads()
    speech = load_speech_detector()
    assert torch.get_num_threads() == threads
    silence = np.zeros((DETECTOR_HZ, 1), np.float32)
    assert list(speech.stretches([silence], DETECTOR_HZ, 30.0)) == []
