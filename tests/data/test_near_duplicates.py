"""Copies of recordings."""

import io

import numpy as np
import pytest
import soundfile
from scipy import signal

from ser_brain.core.errors import SERError
from ser_brain.data import near_duplicates
from ser_brain.data.near_duplicates import (
    RATE_HZ,
    likeness,
    read_recordings,
    read_waveform,
    same_recordings,
)
from tests.made_speech import RATE_HZ as SPEECH_HZ
from tests.made_speech import entry, speak


def at_8khz(samples):
    return signal.resample_poly(samples, 1, 2)


def test_the_agreement_of_a_mixture_is_known():
    time_s = np.arange(RATE_HZ) / RATE_HZ
    one, other = np.sin(2 * np.pi * 500 * time_s), np.sin(2 * np.pi * 900 * time_s)
    assert likeness(one, one + other, 0.1) == pytest.approx(np.sqrt(1 / 2), abs=0.01)
    hum = 5 * np.sin(2 * np.pi * 100 * time_s)  # Outside the band.
    assert likeness(one, one + hum, 0.1) == pytest.approx(1, abs=0.01)


def test_very_short_clips_are_shifted_by_less():
    short = at_8khz(speak(0))[: int(0.15 * RATE_HZ)]
    assert likeness(short, short, 0.35) == pytest.approx(1, abs=0.01)
    assert likeness(short, short[40:], 0.35) > 0.9


def test_a_common_vowel_is_no_agreement():
    """Issue 13, no. 34: repetitions correlate by up to .58, in the vowel that is loudest."""
    vowel = np.sin(2 * np.pi * 500 * np.arange(RATE_HZ // 2) / RATE_HZ)
    said = [at_8khz(speak(n)) for n in (1, 2)]
    one, other = (
        np.concatenate([each / np.linalg.norm(each), 1.3 * vowel / np.linalg.norm(vowel)])
        for each in said
    )
    assert np.corrcoef(one, other)[0, 1] > 0.58
    assert likeness(one, other, 0.1) < 0.1


ORIGINAL = speak(0)
MS = SPEECH_HZ // 1000


def coded(samples, rate_hz=SPEECH_HZ, **options):
    """Through an encoder and back."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **options)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


def at_rate(samples, rate_hz):
    common = np.gcd(rate_hz, SPEECH_HZ)
    return signal.resample_poly(samples, rate_hz // common, SPEECH_HZ // common), rate_hz


def at_speed(samples, speed):
    return signal.resample_poly(samples, 1000, round(1000 * speed)), SPEECH_HZ


def in_a_room(samples):
    """Noise that decays by 60 dB in 0.4 s, as loud as the voice itself."""
    time_s = np.arange(int(0.4 * SPEECH_HZ)) / SPEECH_HZ
    echo = np.random.default_rng(0).normal(size=len(time_s)) * 10 ** (-3 * time_s / 0.4)
    return samples + signal.fftconvolve(samples, echo / np.linalg.norm(echo))[: len(samples)]


COPIES = {
    "vorbis": lambda x: coded(x, format="OGG", subtype="VORBIS"),
    "opus": lambda x: coded(x, format="OGG", subtype="OPUS"),
    "mp3": lambda x: coded(x, format="MP3", subtype="MPEG_LAYER_III"),
    "u-law": lambda x: coded(x, format="WAV", subtype="ULAW"),
    "8 bit": lambda x: coded(x, format="WAV", subtype="PCM_U8"),
    "GSM": lambda x: coded(*at_rate(x, 8000), format="WAV", subtype="GSM610"),
    "8 kHz": lambda x: at_rate(x, 8000),
    "22.05 kHz": lambda x: at_rate(x, 22050),
    "-20 dB": lambda x: (x / 10, SPEECH_HZ),
    "20 ms lost at the start": lambda x: (x[20 * MS :], SPEECH_HZ),
    "40 ms lost at both ends": lambda x: (x[40 * MS : -40 * MS], SPEECH_HZ),
    "80 ms put before": lambda x: (np.pad(x, (80 * MS, 0)), SPEECH_HZ),
    "inverted": lambda x: (-x, SPEECH_HZ),
    "200 ms lost at the start": lambda x: (x[200 * MS :], SPEECH_HZ),
    "200 ms lost at the end": lambda x: (x[: -200 * MS], SPEECH_HZ),
    "200 ms lost at both ends": lambda x: (x[200 * MS : -200 * MS], SPEECH_HZ),
    "200 ms put before": lambda x: (np.pad(x, (200 * MS, 0)), SPEECH_HZ),
    "1 % faster": lambda x: at_speed(x, 1.01),
    "1 % slower": lambda x: at_speed(x, 0.99),
    "10 % faster": lambda x: at_speed(x, 1.1),
    "10 % slower": lambda x: at_speed(x, 0.9),
    "in a room": lambda x: (in_a_room(x), SPEECH_HZ),
}


@pytest.fixture
def heard(tmp_path):
    """Write and listen to recordings; a recording is samples, or (samples, rate)."""

    def heard(recordings):
        entries = {}
        for name, recording in recordings.items():
            sound = recording if isinstance(recording, tuple) else (recording, SPEECH_HZ)
            entries[name] = entry(tmp_path / f"{name}.wav", *sound, subtype="FLOAT")
        return read_recordings(entries, "made")

    return heard


@pytest.fixture
def others():
    """The same sentence said again twice, and other sentences."""
    takes = {f"take{n}": speak(0, take=n) for n in (1, 2)}
    return takes | {f"other{n}": speak(n) for n in range(1, 6)}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_among_others(heard, others, kind):
    left = heard({"original": ORIGINAL, "other9": speak(9)})
    right = heard({**others, "copy": COPIES[kind](ORIGINAL)})
    assert same_recordings(left, right) == ([], [["original", "copy"]])
    assert same_recordings(right, left) == ([], [["copy", "original"]])


def test_equal_samples_are_identical_and_a_sentence_said_again_is_no_copy(heard, others):
    left = heard({"a": ORIGINAL})
    right = heard({**others, "b": ORIGINAL, "c": ORIGINAL * 0.99})
    assert same_recordings(left, right) == ([["a", "b"]], [["a", "c"]])
    assert same_recordings(left, heard(others)) == ([], [])


@pytest.mark.parametrize("longer_ms, found", [(160, [["a", "b"]]), (400, [])])
def test_recordings_must_be_about_equally_long(heard, longer_ms, found):
    left = heard({"a": ORIGINAL, "other": speak(9, duration_s=1.8)})
    right = heard({"b": np.pad(ORIGINAL, (0, longer_ms * MS))})
    assert same_recordings(left, right) == ([], found)


def test_very_short_recordings_must_be_equal(heard):
    short = speak(7, duration_s=0.4)
    left, right = heard({"a": short}), heard({"b": short, "c": short / 2})
    assert same_recordings(left, right) == ([["a", "b"]], [])


def test_a_part_of_a_file(tmp_path):
    whole = entry(tmp_path / "whole.wav", np.concatenate([speak(1), ORIGINAL, speak(2)]))
    part = {**whole, "start": 1.5, "stop": 3.0}
    alone = entry(tmp_path / "alone.wav", ORIGINAL / 3)
    left = read_recordings({"a": whole, "b": part}, "left")
    right = read_recordings({"c": alone}, "right")
    assert same_recordings(left, right) == ([], [["b", "c"]])


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_blocks_change_nothing(heard, others, monkeypatch, at_once):
    monkeypatch.setattr(near_duplicates, "BLOCK", at_once)
    lengths = {f"short{n}": speak(20 + n, duration_s=0.6 + 0.2 * n) for n in range(4)}
    left = heard({**others, **lengths, "original": ORIGINAL})
    right = heard({**{f"copy_of_{name}": x / 4 for name, x in lengths.items()}, "b": ORIGINAL})
    expected = [[f"short{n}", f"copy_of_short{n}"] for n in range(4)]
    assert same_recordings(left, right) == ([["original", "b"]], expected)


def test_a_block_reaches_as_far_as_its_longest(heard, monkeypatch):
    monkeypatch.setattr(near_duplicates, "BLOCK", 2)
    left = heard({"short": speak(30, duration_s=0.6), "long": ORIGINAL})
    shorts = {f"short{n}": speak(31 + n, duration_s=0.6) for n in range(4)}
    assert same_recordings(left, heard({**shorts, "b": ORIGINAL})) == ([["long", "b"]], [])


def test_no_recording_at_all(heard):
    assert same_recordings(read_recordings({}, "none"), heard({"a": ORIGINAL})) == ([], [])
    assert same_recordings(heard({"a": ORIGINAL}), read_recordings({}, "none")) == ([], [])


def test_silence_is_a_copy_of_silence(heard):
    left = heard({"a": np.zeros(SPEECH_HZ, "float32"), "b": speak(3, duration_s=1)})
    right = heard({"c": np.zeros(SPEECH_HZ + 5, "float32"), "d": speak(4, duration_s=1)})
    assert same_recordings(left, right) == ([], [["a", "c"]])


def test_a_file_that_is_not_there(tmp_path):
    missing = {"wav": str(tmp_path / "none.wav"), "start": None, "stop": None}
    match = r"Cannot compare .*none\.wav: unreadable .*give its folder with --data_folder"
    with pytest.raises(SERError, match=match):
        read_waveform(missing)
