"""What predict() can be given."""

import numpy as np
import pytest
import soundfile

from ser_brain.errors import SERError
from ser_brain.inference.inputs import Input, named_inputs

SAMPLES = np.sin(np.arange(16_000) / 20).astype("float32")[:, None] * [0.5, 0.25]


def test_a_file():
    (clip,), several = named_inputs("a.wav", None)
    assert (clip.name, several) == ("a.wav", False)


def test_arrays_bring_their_rate_or_get_one():
    clips, several = named_inputs([SAMPLES, (SAMPLES, 8000), "a.wav"], 16_000)
    assert several
    assert [clip.rate_hz for clip in clips] == [16_000, 8000, None]
    assert [clip.name for clip in clips] == ["clip 0", "clip 1", "a.wav"]


def test_a_folder_is_its_audio_in_order(tmp_path):
    hidden = ("._b.wav", ".Trash/old.wav")
    for name in ("b.wav", "deep/c.FLAC", "a.ogg", "labels.csv", *hidden):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    clips, several = named_inputs(tmp_path, None)
    assert several
    assert [clip.path.name for clip in clips] == ["a.ogg", "b.wav", "c.FLAC"]


@pytest.mark.parametrize(
    "x, message",
    [
        (SAMPLES, "No sampling rate for the clip"),
        (None, "a NoneType; expected a file"),
        ([b"riff"], "Cannot score clip 0, which is a bytes"),
    ],
)
def test_what_is_no_audio(x, message):
    with pytest.raises(SERError, match=message):
        named_inputs(x, None)


def test_a_folder_without_audio(tmp_path):
    with pytest.raises(SERError, match="No audio in the folder .*: Expected files with .wav"):
        named_inputs(tmp_path, None)
    for name in ("a.m4a", "b.m4a", "c"):
        (tmp_path / name).touch()
    with pytest.raises(
        SERError, match="found 2 .m4a, 1 without an ending. Expected .* .ffmpeg -i X X.wav"
    ):
        named_inputs(tmp_path, None)


def test_a_path_without_its_ending_is_told_which_file_there_is(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 16_000)
    with pytest.raises(SERError, match="missing; there is a.wav"):
        Input("a", path=tmp_path / "a").read(60)


@pytest.mark.parametrize("name, atol", [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.mp3", 0.2)])
def test_files_are_read_with_all_channels(name, atol, tmp_path):
    soundfile.write(tmp_path / name, SAMPLES, 16_000)
    samples, rate_hz = Input(name, path=tmp_path / name).read(60)
    assert rate_hz == 16_000
    np.testing.assert_allclose(samples[4000:8000].std(0), SAMPLES[4000:8000].std(0), atol=atol)


def test_problems_of_files(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(SERError, match="missing"):
        Input("a", path=path).read(60)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SERError, match="git-LFS stub"):
        Input("a", path=path).read(60)
    soundfile.write(path, SAMPLES, 16_000)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SERError, match="truncated"):
        Input("a", path=path).read(60)


def test_a_long_file_is_refused_unread(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 100)
    with pytest.raises(SERError, match="160.0 s is too long"):
        Input("a", path=tmp_path / "a.wav").read(60)


def test_silent_files_are_left_to_the_waveforms_checks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    assert len(Input("a", path=tmp_path / "a.wav").read(60)[0]) == 16_000
