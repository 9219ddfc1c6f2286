"""What headers and first samples say of an audio file, and one resampler for all."""

import struct

import numpy as np
import pytest
import soundfile

from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.dataset import load_signal


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 8000)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_length_and_rate(tmp_path, noise, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, noise, 16000)
    facts = audio.inspect(path)
    assert facts.sample_rate_hz == 16000
    assert facts.duration_s == pytest.approx(0.5, abs=0.08)  # mp3 pads


def test_of_a_longer_file_the_header_alone_is_read(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(16000), 16000)
    assert audio.inspect(tmp_path / "a.flac", longest_s=0.9).duration_s == 1.0
    with pytest.raises(audio.AudioProblem, match="^silent$"):
        audio.inspect(tmp_path / "a.flac", longest_s=1.0)


def test_the_mark_tells_files_apart(tmp_path, noise):
    for name, samples in {"a": noise, "b": noise, "c": noise[::-1], "d": noise[:-1]}.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    a, b, c, d = (audio.inspect(tmp_path / f"{name}.wav").mark for name in "abcd")
    assert a == b and len({a, c, d}) == 3


@pytest.mark.parametrize("length", audio.UNKNOWN_LENGTH[1:])
def test_streamed_wav_without_a_length(tmp_path, noise, length):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", length)
    path.write_bytes(content)
    assert audio.inspect(path).frames == 8000


def test_what_comes_late_in_a_file_counts(tmp_path, noise):
    late = np.concatenate([np.zeros(3 * audio.BLOCK_FRAMES), noise])
    soundfile.write(tmp_path / "a.wav", late, 16000)
    assert audio.inspect(tmp_path / "a.wav").frames == len(late)
    quiet = np.full(8000, audio.SILENCE_PEAK / 2)
    soundfile.write(tmp_path / "b.wav", quiet, 16000, subtype="FLOAT")
    with pytest.raises(audio.AudioProblem, match="^silent$"):
        audio.inspect(tmp_path / "b.wav")

    late = np.concatenate([np.resize(noise, 2 * audio.BLOCK_FRAMES), [np.nan]])
    soundfile.write(tmp_path / "a.wav", late, 16000, subtype="FLOAT")
    with pytest.raises(audio.AudioProblem, match="^not a number$"):
        audio.inspect(tmp_path / "a.wav")


def test_read_averages_channels(tmp_path, noise):
    stereo = np.stack([noise, -noise / 2], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 16000, subtype="FLOAT")
    samples, rate_hz = audio.read(tmp_path / "a.wav")
    assert rate_hz == 16000 and samples.dtype == np.float32 and samples.shape == (8000,)
    np.testing.assert_allclose(samples, noise / 4, atol=1e-6)


def test_read_a_part(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype="FLOAT")
    part, _ = audio.read(tmp_path / "a.wav", 0.1, 0.3)
    np.testing.assert_allclose(part, noise[1600:4800], atol=1e-6)
    tail, _ = audio.read(tmp_path / "a.wav", start_s=0.4)
    assert len(tail) == 1600


@pytest.mark.parametrize(
    "kind, subtype",
    [("WAV", "GSM610"), ("WAV", "G721_32"), ("AU", "G723_24"), ("PAF", "PCM_24")],
)
def test_codings_that_cannot_seek_are_read(tmp_path, noise, kind, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, 8000, format=kind, subtype=subtype)
    whole, rate_hz = audio.read(path)
    assert (audio.inspect(path).frames, rate_hz) == (len(whole), 8000)
    assert 0 <= len(whole) - len(noise) < 400  # the last block is filled up
    part, _ = audio.read(path, 0.1, 0.3)
    np.testing.assert_array_equal(part, whole[800:2400])
    if subtype == "GSM610":
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(audio.AudioProblem, match="^truncated$"):
            audio.inspect(path)


@pytest.mark.parametrize("name", ["a.raw", "a.pcm", "a.sd2", "a", "a.mp3"])
def test_the_content_says_the_format_and_not_the_name(tmp_path, noise, name):
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    (tmp_path / "a.wav").rename(tmp_path / name)
    assert audio.inspect(tmp_path / name).frames == len(noise)
    assert len(audio.read(tmp_path / name)[0]) == len(noise)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.m4a", b"\0\0\0 ftypM4A ", "unreadable: an MP4 file .*; ffmpeg -i X X.wav converts"),
        ("a.wav", b"\0\0\0 ftypisom", "unreadable: an MP4 file"),
        ("a.webm", b"\x1aE\xdf\xa3", "unreadable: a WebM or Matroska file; ffmpeg -i X X.wav"),
        ("a.amr", b"#!AMR-XX\n", "unreadable: an AMR file; ffmpeg -i X X.wav"),
        ("a.aac", b"\xff\xf1P\x80", "unreadable: an AAC file; ffmpeg -i X X.wav"),
        ("a.raw", bytes(range(256)), "unreadable: samples without a header; .* -f s16le -ar"),
        ("a.mp3", b"<!DOCTYPE html>", "unreadable: a web page"),
        ("a.wav", b"no audio", "unreadable$"),
    ],
)
def test_what_is_not_decoded_is_named_with_what_converts_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content + bytes(5000))
    with pytest.raises(audio.AudioProblem, match=f"^{message}"):
        audio.inspect(tmp_path / name)


@pytest.mark.parametrize("text", ["a poem\n" * 500, "dört mevsim\r\n" * 50, "ö" * 4001])
def test_text_is_said_to_be_no_audio(tmp_path, text):
    (tmp_path / "a.wav").write_bytes(text.encode())
    with pytest.raises(audio.AudioProblem, match="^unreadable: text, not audio$"):
        audio.inspect(tmp_path / "a.wav")


@pytest.mark.parametrize("from_hz", [8000, 16_000, 44_100])
def test_what_is_used_is_what_was_trained_on(from_hz, tmp_path):
    samples_S = np.random.default_rng(0).normal(0, 0.1, from_hz).astype("float32")
    soundfile.write(tmp_path / "a.wav", samples_S, from_hz, subtype="FLOAT")
    trained_S = load_signal(str(tmp_path / "a.wav"), None, None, 16_000).numpy()
    np.testing.assert_array_equal(audio.resample(samples_S, from_hz, 16_000), trained_S)


def test_a_filter_that_would_fill_the_memory_is_refused():
    with pytest.raises(SERError, match="from 44099 Hz to 16000 Hz: .* a factor of 1"):
        audio.resampler(44_099, 16_000)
