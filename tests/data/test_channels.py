"""One channel of a file, and files that PyAV decodes."""

import importlib.util
import json

import numpy as np
import pytest
import soundfile

from data_prep.__main__ import main
from ser_brain.data import audio
from ser_brain.data.dataset import require_files

RATE_HZ = 8000


@pytest.fixture
def call(tmp_path):
    """A telephone call: another tone on either channel."""
    time_s = np.arange(RATE_HZ) / RATE_HZ
    both = 0.5 * np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (200, 700)], axis=1)
    soundfile.write(tmp_path / "call.wav", both, RATE_HZ, subtype="FLOAT")
    return tmp_path / "call.wav", both.astype("float32")


def test_a_path_names_a_channel(call, tmp_path):
    path, both = call
    for place, channel in enumerate(audio.CHANNELS):
        one = audio.with_channel(path, channel)
        np.testing.assert_array_equal(audio.read(one)[0], both[:, place])
        part = audio.read(one, 0.25, 0.5)[0]
        np.testing.assert_array_equal(part, both[2000:4000, place])
        assert audio.inspect(one).frames == len(both)
        with audio.opened(one) as file:
            assert [block.shape for block in file.blocks(6000, dtype="float32")][1] == (2000, 1)
        require_files({"a": {"wav": one}})
    np.testing.assert_allclose(audio.read(path)[0], both.mean(axis=1), atol=1e-7)
    marks = {audio.inspect(f"{path}{end}").mark for end in ("", "#left", "#right")}
    assert len(marks) == 3
    odd = tmp_path / "odd.wav#left"  # a file's own name goes first
    soundfile.write(odd, both[:, 0], RATE_HZ, format="WAV")
    assert len(audio.read(odd)[0]) == len(both)
    soundfile.write(tmp_path / "mono.wav", both[:, 0], RATE_HZ)
    with pytest.raises(audio.AudioProblem, match=r"^without a left and .* \(1 channel\)"):
        audio.inspect(tmp_path / "mono.wav#right")


def test_each_side_of_a_call_is_an_utterance(call, tmp_path):
    path, _ = call
    (tmp_path / "t.csv").write_text("path,emotion,speaker,start,stop\ncall.wav,sad,c1,0,0.5\n")
    line = ["table", "--name", "calls", "--csv", "t.csv", "--data_folder", str(tmp_path)]
    line += ["--manifest_folder", str(tmp_path / "m"), "--channel"]
    assert main([*line, "each"]) == 0
    entries = json.loads((tmp_path / "m" / "calls.json").read_text())
    assert [e["wav"].rpartition("/")[2] for e in entries.values()] == [
        "call.wav#left",
        "call.wav#right",
    ]
    assert [e["speaker"] for e in entries.values()] == ["calls_c1_left", "calls_c1_right"]
    card = json.loads((tmp_path / "m" / "calls.card.json").read_text())
    assert card["left_out"] == {} and card["same_audio"] == []
    assert card["counts"]["sample_rates"] == {"8000": 2}
    assert main([*line, "middle"]) == 2


NEEDS_AV = pytest.mark.skipif(
    importlib.util.find_spec("av") is None, reason="PyAV (the extra av) is not installed"
)
CODINGS = [("mp4", "aac", 44100), ("matroska", "libopus", 48000), ("adts", "aac", 16000)]


@NEEDS_AV
@pytest.mark.parametrize(("container", "codec", "rate_hz"), CODINGS)
def test_what_pyav_decodes_is_read_like_any_file(tmp_path, container, codec, rate_hz):
    import av

    tone = 0.4 * np.sin(2 * np.pi * 300 * np.arange(rate_hz) / rate_hz)
    path = tmp_path / "speech.bin"  # the content tells the format
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        samples = (tone * 32767).astype("int16")[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    found, found_hz = audio.read(path)
    facts = audio.inspect(path)
    assert (found_hz, facts.sample_rate_hz, facts.frames) == (rate_hz, rate_hz, len(found))
    assert abs(len(found) / rate_hz - 1) < 0.1
    spectrum = np.abs(np.fft.rfft(found))
    assert abs(spectrum.argmax() * rate_hz / len(found) - 300) < 3
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(audio.AudioProblem):
        audio.inspect(path)


@pytest.mark.parametrize(
    ("name", "told"), [("a.gsm", "-f gsm -ar 8000 "), ("a.ul", "-f mulaw -ar 8000 -ac 1 ")]
)
def test_headerless_codings_are_refused_with_their_command(tmp_path, name, told):
    (tmp_path / name).write_bytes(bytes(range(256)) * 9)
    with pytest.raises(audio.AudioProblem, match=f"ffmpeg {told}-i X X.wav converts it"):
        audio.inspect(tmp_path / name)
