"""Which files and samples a user means."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.inference.inputs import Input, audio_files, clips_of

SAMPLES = np.sin(np.arange(16_000) / 20).astype("float32")[:, None] * [0.5, 0.25]
ALL = ["clips/a.FLAC", "clips/b.wav", "clips/deep/c.mp3", "clips/deep/d.opus"]
DEEP = ALL[2:]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A working folder with clips, one folder below another, and files that are not audio."""
    monkeypatch.chdir(tmp_path)
    others = ["clips/labels.csv", "clips/._a.wav", "clips/.Trash/old.wav", "take[1].wav"]
    for name in [*ALL, *others]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    "inputs, expected",
    [
        (["clips"], ALL),
        (["clips/*"], ALL),  # it also matches the folder deep
        (["clips/*.wav"], ["clips/b.wav"]),
        (["clips/**/*.[mo]*"], DEEP),
        (["clips/**"], ALL),
        (["clips/labels.csv", "absent.wav"], ["clips/labels.csv", "absent.wav"]),
        (["take[1].wav"], ["take[1].wav"]),
        (["clips/deep", "./clips/b.wav", "clips"], [*DEEP, "clips/b.wav", "clips/a.FLAC"]),
        (["-"], ["clips/b.wav", *DEEP, "with space *.wav"]),
    ],
)
def test_files_that_arguments_name(clips, inputs, expected):
    stdin = ["clips/b.wav\n", "\n", "clips/deep\r\n", "with space *.wav"]
    assert [path.as_posix() for path in audio_files(inputs, stdin)] == expected


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["empty"], "No audio in the folder empty: Expected files with .wav, .flac"),
        (["none/*.wav"], r"No audio in the pattern 'none/\*.wav'"),
        (["clips/*.csv"], "in the pattern .*: found 1 .csv. Expected .*ffmpeg -i X X.w"),
        (["-"], "No path on standard input; expected one on each line"),
    ],
)
def test_nothing_found(clips, inputs, message):
    os.mkdir("empty")
    with pytest.raises(SERError, match=message):
        audio_files(inputs)


def test_a_file_a_folder_and_arrays_are_clips(clips, caplog):
    caplog.set_level("INFO")
    assert clips_of("a.wav", None) == ([Input("a.wav", path=Path("a.wav"))], False)
    folder, several = clips_of("clips", None)
    assert several and [clip.path.as_posix() for clip in folder] == ALL
    assert "without a suffix of audio: 1 .csv" in caplog.text
    arrays, several = clips_of([SAMPLES, (SAMPLES, 8000), "a.wav"], 16_000)
    assert several and [clip.rate_hz for clip in arrays] == [16_000, 8000, None]
    assert [clip.name for clip in arrays] == ["clip 0", "clip 1", "a.wav"]


@pytest.mark.parametrize(
    "x, message",
    [
        (SAMPLES, "No sampling rate for the clip"),
        (None, "a NoneType; expected a file"),
        ([0.1, 0.2], r"Cannot score clip 0, which is a float; .*numpy.asarray\(x\)"),
        ({"audio": "a.wav"}, "a dict of audio; expected array and sampling_rate, or bytes"),
        (io.StringIO("riff"), "opened as text; open it with mode 'rb'"),
        (
            pandas.DataFrame({"file": ["a.wav"]}),
            r"several columns: give .* such as x\['file'\]",
        ),
        (("a.wav", 16_000), "Cannot score"),
    ],
)
def test_what_is_not_audio(x, message):
    with pytest.raises(SERError, match=message):
        clips_of(x, None)


MONO = (SAMPLES[:, 0] * 32767).astype("int16")
FLAC = io.BytesIO()
soundfile.write(FLAC, MONO, 16_000, format="FLAC")
DECODED = SimpleNamespace(data=torch.from_numpy(SAMPLES.T), sample_rate=16_000)


@pytest.mark.parametrize(
    "x",
    {
        "array": MONO,
        "tensor": torch.from_numpy(MONO),
        "as torchaudio loads": (torch.from_numpy(MONO)[None], 16_000),
        "as soundfile reads": (MONO, 16_000),
        "as scipy reads": (np.int64(16_000), MONO),
        "Hugging Face": {"path": "a.flac", "array": MONO.tolist(), "sampling_rate": 16_000},
        "undecoded": {"path": None, "bytes": FLAC.getvalue()},
        "bytes": FLAC.getvalue(),
        "file object": io.BytesIO(FLAC.getvalue()),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_one_clip_in_many_forms(x):
    rate_hz = 16_000 if x[0] in ("array", "tensor") else None
    (clip,), several = clips_of(x[1], rate_hz)
    samples, rate_hz = clip.read(60)
    assert not several and rate_hz == 16_000
    scale = 32768 if samples.dtype == np.float32 else 1  # a file is read at full scale 1
    np.testing.assert_array_equal((samples * scale).ravel(), MONO)


@pytest.mark.parametrize(
    "xs",
    [
        ("a.wav", Path("b.wav")),
        (name for name in ("a.wav", "b.wav")),
        np.array(["a.wav", "b.wav"]),
        pandas.Series(["a.wav", "b.wav"], index=[7, 3]),
        {"x": "a.wav", "y": "b.wav"}.values(),
    ],
    ids=["tuple", "generator", "array", "pandas", "values"],
)
def test_several_clips_in_many_forms(xs):
    clips, several = clips_of(xs, None)
    assert several and [clip.name for clip in clips] == ["a.wav", "b.wav"]


def test_channels_and_clips_are_not_confused():
    for x in (SAMPLES.T, torch.from_numpy(SAMPLES.T)):
        with pytest.raises(SERError, match="2 channels or 2 clips: give x.T for channels"):
            clips_of(x, 16_000)[0][0].read(60)
    decoder = SimpleNamespace(get_all_samples=lambda: DECODED)  # it says which are channels
    np.testing.assert_array_equal(clips_of(decoder, None)[0][0].read(60)[0], SAMPLES)


@pytest.mark.parametrize("name, atol", [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.mp3", 0.2)])
def test_files_are_read_with_all_channels(name, atol, tmp_path):
    soundfile.write(tmp_path / name, SAMPLES, 16_000)
    samples, rate_hz = Input(name, path=tmp_path / name).read(60)
    assert rate_hz == 16_000
    np.testing.assert_allclose(samples[4000:8000].std(0), SAMPLES[4000:8000].std(0), atol=atol)


def test_problems_of_files(tmp_path):
    path = tmp_path / "a.wav"

    def problem(path=path):
        with pytest.raises(SERError) as error:
            Input("a", path=path).read(60)
        return str(error.value)

    assert "missing" in problem()
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git-LFS stub" in problem()
    assert "missing; there is a.wav" in problem(tmp_path / "a")
    soundfile.write(path, SAMPLES, 100)
    assert "160.0 s is too long" in problem()
    path.write_bytes(path.read_bytes()[:-1000])
    assert "truncated" in problem()
    soundfile.write(path, np.zeros(16_000), 16_000)  # waveform.prepare() warns of silence
    assert len(Input("a", path=path).read(60)[0]) == 16_000
