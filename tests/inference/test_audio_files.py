"""Which files are meant by what is typed."""

import os
from pathlib import Path

import pytest

from ser_brain.errors import SERError
from ser_brain.inference.audio_files import audio_files


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A working folder with clips, one below another folder, and files that are no audio."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a.FLAC", "deep/c.mp3", "deep/d.opus", "labels.csv", "._a.wav"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(*inputs, stdin=()):
    return [path.as_posix() for path in audio_files(inputs, stdin)]


ALL = ["clips/a.FLAC", "clips/b.wav", "clips/deep/c.mp3", "clips/deep/d.opus"]


def test_a_folder_is_all_audio_below_it(clips, caplog):
    with caplog.at_level("INFO"):
        assert names("clips") == ALL
    assert "passed over by their suffix: 1 .csv" in caplog.text


def test_patterns(clips):
    assert names("clips/*") == ALL  # deep is a folder that it matches
    assert names("clips/*.wav") == ["clips/b.wav"]
    assert names("clips/**/*.[mo]*") == ["clips/deep/c.mp3", "clips/deep/d.opus"]
    assert names("clips/**") == ALL


def test_a_file_is_taken_whatever_its_name(clips):
    assert names("clips/labels.csv", "absent.wav") == ["clips/labels.csv", "absent.wav"]
    odd = Path("take[1].wav")
    odd.touch()
    assert names("take[1].wav") == ["take[1].wav"]


def test_each_once_in_the_order_given(clips):
    given = names("clips/deep", "./clips/b.wav", "clips")
    assert given == ["clips/deep/c.mp3", "clips/deep/d.opus", "clips/b.wav", "clips/a.FLAC"]


def test_paths_on_standard_input(clips):
    lines = ["clips/b.wav\n", "\n", "clips/deep\r\n", "with space *.wav"]
    expected = ["clips/b.wav", "clips/deep/c.mp3", "clips/deep/d.opus", "with space *.wav"]
    assert names("-", stdin=lines) == expected


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["empty"], "No audio in the folder empty: Expected files with .wav, .flac"),
        (["*.wav"], r"No audio in the pattern '\*.wav'"),
        (["clips/*.csv"], "No audio in the pattern"),
        (["-"], "No path on standard input; expected one a line"),
    ],
)
def test_nothing_found(clips, inputs, message):
    os.mkdir("empty")
    with pytest.raises(SERError, match=message):
        audio_files(inputs)
