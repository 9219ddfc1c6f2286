"""Odd recordings and names on the whole way: preparing, training, ``ser predict``."""

import csv
import io
import json
import os
import struct

import numpy as np
import pytest
import soundfile

from data_prep._run import prepare
from ser_brain import audio
from ser_brain.errors import SERError
from ser_brain.inference.inputs import Input
from ser_brain.inference.pieces import Cutting, pieces
from ser_brain.manifest import read_manifest
from ser_brain.recordings import load_signal
from tests.inference.stand_in import StandIn

RATE_HZ = 16000


def noise(seconds=1.0, rate_hz=RATE_HZ, channels=1, level=0.1):
    return np.random.default_rng(0).normal(0, level, (round(seconds * rate_hz), channels))


def sound(samples=None, rate_hz=RATE_HZ, form="WAV", subtype=None):
    content = io.BytesIO()
    samples = noise() if samples is None else samples
    soundfile.write(content, samples, rate_hz, format=form, subtype=subtype)
    return content.getvalue()


def saying(length):
    """A WAV of one second whose header says another number of bytes."""
    data = bytearray(sound())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", length)
    return bytes(data)


def with_value(value):
    samples = noise()
    samples[8000] = value
    return sound(samples, subtype="FLOAT")


# Content; samples at 16 kHz, or the problem, as prepared and as trained on; ser predict's
# warning, None where it gives no score.
RECORDINGS = {
    "8 channels": (sound(noise(channels=8)), 16000, 16000, ""),
    "8 bit": (sound(subtype="PCM_U8"), 16000, 16000, ""),
    "24 bit": (sound(subtype="PCM_24"), 16000, 16000, ""),
    "192 kHz": (sound(noise(rate_hz=192000), 192000), 16000, 16000, ""),
    "off centre": (sound(noise() * 0.2 + 0.5), 16000, 16000, "off centre: its mean is 0.50"),
    "clipped": (sound(np.clip(noise(level=3), -1, 1)), 16000, 16000, "clipped"),
    "FLAC in .wav": (sound(form="FLAC"), 16000, 16000, ""),
    "header says less": (saying(8000), 4000, 4000, "very short: 0.25 s"),
    "header says more": (saying(64000), "truncated", 16000, None),
    "header says 4 GB": (saying(0xFFFFFFF0), "truncated", 16000, None),
    "header says nothing": (saying(0), "empty", "empty", None),
    "no sample": (sound(np.zeros((0, 1))), "empty", "empty", None),
    "no byte": (b"", "empty", "unreadable", None),
    "one sample": (sound(np.full((1, 1), 0.5)), "too short", 1, None),
    "NaN": (with_value(np.nan), "not a number", "not all finite", None),
    "infinite": (with_value(np.inf), "not a number", "not all finite", None),
    "integers as floats": (with_value(12000.0), "not at full scale 1", 16000, None),
    "text": (b"a poem\n" * 500, "unreadable", "unreadable", None),
    "44099 Hz": (sound(noise(rate_hz=44099), 44099), 16000, "Convert the recording", None),
}


def prepared(folder, *names):
    """Problem, or samples at 16 kHz, of every file, as ``table`` prepares it."""
    with open(folder / "t.csv", "w", newline="", encoding="utf-8") as file:
        rows = [[name, "angry", f"s{n}"] for n, name in enumerate(names)]
        csv.writer(file).writerows([["path", "emotion", "speaker"], *rows])
    other = folder / "zz.wav"
    other.write_bytes(sound(noise(0.5)))
    with open(folder / "t.csv", "a", encoding="utf-8") as file:
        file.write("zz.wav,sad,z\n")
    manifest, _ = prepare("table", folder, folder / "m", True, name="odd", csv="t.csv")
    entries = read_manifest(manifest, folder)
    left_out = json.loads(manifest.with_suffix(".card.json").read_text())["left_out"]
    found = {path: kind for kind, paths in left_out.items() for path in paths}
    for entry in entries.values():
        found[os.path.relpath(entry["wav"], folder)] = round(entry["duration"] * RATE_HZ)
    return found


@pytest.mark.parametrize("what", RECORDINGS)
def test_odd_recordings(tmp_path, what):
    content, as_prepared, as_trained, warning = RECORDINGS[what]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert prepared(tmp_path, "a.wav")["a.wav"] == as_prepared
    if isinstance(as_trained, int):
        assert len(load_signal(str(path), None, None, RATE_HZ)) == as_trained
    else:
        with pytest.raises(SERError, match=f"(?i){as_trained}"):
            load_signal(str(path), None, None, RATE_HZ)
    (piece,) = pieces(path, StandIn(), Cutting())
    if warning is None:
        assert piece.reason
    else:
        assert warning in "; ".join(piece.warnings) and bool(warning) == bool(piece.warnings)


NAMES = (
    *("with space.wav", "quo'te\"s.wav", "new\nline.wav", "bra{ce}s {}.wav", "{data_root}.wav"),
    *("שלום.wav", "\u202egpj.wav", "ü" * 100 + ".wav", "=1+1.wav", "-rf.wav", "a,b;c.wav"),
    *("tab\t.wav", "%s*?[x].wav", "e\u0301.wav", "~.wav", "$HOME.wav", "#.wav"),
)


def test_odd_names(tmp_path):
    for place, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(sound(noise() * (1 + place / 100)))
    found = prepared(tmp_path, *NAMES)
    for name in NAMES:
        assert found[name] == 16000, name
        assert len(load_signal(str(tmp_path / name), None, None, RATE_HZ)) == 16000
        (piece,) = pieces(tmp_path / name, StandIn(), Cutting())
        assert piece.file == str(tmp_path / name)


def test_a_name_that_is_no_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    with open(tmp_path / name, "wb") as file:
        file.write(sound())
    (piece,) = pieces(tmp_path / name, StandIn(), Cutting())
    assert piece.reason == "its name is no UTF-8; rename it"
    with pytest.raises(SERError, match="its name is no UTF-8; rename it"):
        Input(name, tmp_path / name).read(60)


@pytest.fixture
def no_files(tmp_path):
    """Things that are named like a recording and are none."""
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "nowhere.wav").symlink_to("gone.wav")
    return tmp_path


@pytest.mark.parametrize("name", ["folder", "pipe", "loop", "zero", "nowhere"])
def test_what_is_no_file_ends_at_once(no_files, name):
    path = no_files / f"{name}.wav"
    expected = "missing" if name == "nowhere" else "unreadable"
    assert prepared(no_files, path.name)[path.name] == expected
    with pytest.raises(audio.AudioProblem, match="unreadable|missing"):
        audio.read(path)
    (piece,) = pieces(path, StandIn(), Cutting())
    assert piece.reason == expected


def test_a_name_that_no_file_can_have(tmp_path):
    for name in ("a\0.wav", "x" * 5000):
        with pytest.raises(audio.AudioProblem, match="unreadable"):
            audio.inspect(tmp_path / name)
        with pytest.raises(audio.AudioProblem, match="unreadable"):
            audio.read(tmp_path / name)


def test_three_hours(tmp_path):
    """One second of noise and silence after it; the file takes no room on the disk."""
    frames = 3 * 3600 * RATE_HZ
    head = b"RIFF" + struct.pack("<I", 36 + 2 * frames) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    path = tmp_path / "a.wav"
    with open(path, "wb") as file:
        file.write(head + b"data" + struct.pack("<I", 2 * frames))
        file.write((noise() * 32767).astype("<i2").tobytes())
        file.truncate(44 + 2 * frames)
    assert prepared(tmp_path, "a.wav")["a.wav"] == frames
    (piece,) = pieces(path, StandIn(), Cutting())
    assert "A clip of 10800.0 s is too long" in piece.reason
    assert len(load_signal(str(path), 0.0, 1.0, RATE_HZ)) == RATE_HZ
