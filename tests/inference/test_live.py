"""Audio that is scored while it is heard: late, lost, too fast, and never ahead of its time."""

import io
import json
import struct
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ser_brain.__main__ import main
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.errors import SERError
from ser_brain.inference.adapting import RunningAdapter
from ser_brain.inference.live import Backlog, listen
from ser_brain.inference.live_sources import Microphone, Pipe
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.windows import Stream, Windows
from ser_brain.models.adaptation import LinearAdapter
from ser_brain.training.adapted import Adapter, head_fitter
from tests.inference.stand_in import RATE_HZ, noise, write
from tests.inference.tiny_models import tone, write_adapter, write_model

WINDOW_S, HOP_S, BLOCK_S = 2.0, 0.5, 0.1
BLOCK = round(BLOCK_S * RATE_HZ)
WINDOWS = ["--window", str(WINDOW_S), "--hop", str(HOP_S)]


class Recording(Backlog):
    """Samples 0, 1, 2 ... that come in as time goes by; time goes by as it is told to."""

    def __init__(self, seconds):
        self.now, self.left = 100.0, round(seconds / BLOCK_S)
        super().__init__(RATE_HZ, HOP_S, WINDOW_S + HOP_S, lambda: self.now)
        self.at = 0

    def hear(self, seconds):
        for _ in range(round(seconds / BLOCK_S)):
            self.now += BLOCK_S
            if self.at < self.left:
                self.put(np.arange(self.at * BLOCK, (self.at + 1) * BLOCK))
                self.at += 1
        if self.at == self.left:
            self.end()

    def take(self):
        self.hear(BLOCK_S)
        return super().take()


@pytest.mark.parametrize("slow_s", [0.0, 0.4, 0.7, 1.3, 6.0])
def test_however_slow_the_machine_the_delay_is_bounded(slow_s):
    """Seconds to score a window, of which one comes every half second."""
    recording = Recording(60)

    def predict(samples, rate_hz):
        recording.hear(slow_s)
        return {"first": int(samples[0]), "whole": (np.diff(samples) == 1).all()}

    model = SimpleNamespace(
        stream=lambda rate_hz, window_s, hop_s, embedding: Stream(
            predict, Windows(window_s, hop_s, rate_hz), rate_hz
        )
    )
    rows = list(listen(model, recording, RATE_HZ, WINDOW_S, HOP_S))
    for row in rows:
        assert row["stop_s"] - row["start_s"] == WINDOW_S
        assert row["first"] == round(row["start_s"] * RATE_HZ) and row["whole"]
        if row["stop_s"] + row["delay_s"] < 60:  # nothing newer comes after the end
            assert row["delay_s"] <= slow_s + HOP_S + 2 * BLOCK_S
    skipped = sum(row["skipped"] for row in rows)
    every = round((60 - WINDOW_S) / HOP_S) + 1
    assert skipped == 0 if slow_s < HOP_S else skipped > 0
    assert skipped + len(rows) == pytest.approx(every, abs=1 + slow_s)
    assert len(rows) >= 58 / (max(slow_s, HOP_S) + 3 * BLOCK_S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model with an adapter."""
    folder = tmp_path_factory.mktemp("live") / "model"
    write_model(folder, "compact", pooling="mean_std")
    write_adapter(folder)
    return folder


def wav(samples, announced=0xFFFFFFFF):
    """A WAV file as a program writes it that does not know when it will end."""
    kind = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + kind
    head += b"data" + struct.pack("<I", announced)
    return head + (samples * 32767).astype("<i2").tobytes()


def heard(model, content, adapt=False, hop_s=HOP_S, **how):
    """The scores of a recording on standard input."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        source = Pipe(file.fileno(), **how)
        backlog = Backlog(source.rate_hz, hop_s, WINDOW_S + hop_s, source.clock)
        with source.into(backlog):
            return list(listen(model, backlog, source.rate_hz, WINDOW_S, hop_s, adapt))


def test_of_a_recording_nothing_is_lost(folder):
    model = EmotionRecognizer.from_pretrained(folder, device="cpu")
    samples = (np.round(noise(4.3) * 32767) / 32767).astype("float32")
    stream = model.stream(RATE_HZ, WINDOW_S, HOP_S)
    whole = stream.feed((samples * 32767).astype("<i2")) + stream.finish()
    for content, how in ((wav(samples), {}), (wav(samples)[44:], {"rate_hz": RATE_HZ})):
        rows = heard(model, content, **how)
        assert [row["skipped"] for row in rows] == [0] * len(whole)
        for row, alone in zip(rows, whole, strict=True):
            assert {name: row[name] for name in alone} == alone


def test_windows_may_be_nearer_than_blocks_of_sound(folder):
    model = EmotionRecognizer.from_pretrained(folder, device="cpu")
    rows = heard(model, wav(noise(3)), hop_s=0.04)
    assert [row["skipped"] for row in rows] == [0] * 26
    assert [row["start_s"] for row in rows] == pytest.approx([0.04 * n for n in range(26)])


def test_nothing_that_comes_later_changes_an_answer(folder):
    model = EmotionRecognizer.from_pretrained(folder, device="cpu")
    samples = np.concatenate([noise(1, seed, level=0.02 * (1 + seed % 4)) for seed in range(9)])
    long = heard(model, wav(samples), adapt=True)
    short = heard(model, wav(samples[: 5 * RATE_HZ]), adapt=True)
    pairs = [
        (one["probabilities"], other["probabilities"])
        for one, other in zip(short, long[:7], strict=True)
    ]
    assert all(one == other for one, other in pairs)
    assert [row["adapted_to"] for row in long] == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 3
    plain = model.stream(RATE_HZ, WINDOW_S, HOP_S).feed(samples)
    for row, adapted in zip(plain, long, strict=True):
        assert row["probabilities"] != adapted["probabilities"]
        assert row["emotion"] == adapted["unadapted_emotion"]
        assert row["valence"] == pytest.approx(adapted["valence"], abs=1e-3)  # 16 bits


def test_running_adaptation_forgets_what_was_long_ago():
    generator = torch.Generator().manual_seed(1)
    embeddings_ND = torch.randn(60, 5, generator=generator)
    class_N = torch.arange(60) % 3
    embeddings_ND[torch.arange(60), class_N] += 3
    corpora = [place // 20 for place in range(60)]
    linear = LinearAdapter.fit(head_fitter(3), embeddings_ND, class_N, corpora, corpora)
    later = [*(embeddings_ND + 1).numpy()]
    other = [*(embeddings_ND - 5).numpy()]
    heads = {}
    for most in (20, None):
        for name, before in (("one", later), ("other", other)):
            running = RunningAdapter(Adapter(linear, True), most)
            for embedding_D in [*before, *later]:
                running.hear(embedding_D)
            assert running.count == 120
            heads[most, name] = running.head()[0]
    assert torch.equal(heads[20, "one"], heads[20, "other"])
    assert not torch.equal(heads[None, "one"], heads[None, "other"])


def test_the_rows_are_those_of_ser_predict(folder, tmp_path, monkeypatch, capsys):
    quiet = np.zeros(2 * RATE_HZ, "float32")
    clip = write(tmp_path / "clip.wav", np.concatenate([tone(0, 4), quiet, tone(2, 4)]))
    options = ["--window", "2", "--hop", "2", "--adapt"]
    out = tmp_path / "out.jsonl"
    predicting = ["predict", str(clip), "--model", str(folder), "--out", str(out)]
    assert main([*predicting, *options]) == 0
    capsys.readouterr()
    with open(clip, "rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["listen", str(folder), "-", *options]) == 0
    heard = map(json.loads, capsys.readouterr().out.splitlines())
    predicted = map(json.loads, out.read_text().splitlines())
    for live, row in zip(heard, predicted, strict=True):
        live |= {"file": str(clip)}
        for name, value in row.items():
            exact = not isinstance(value, float)
            assert live[name] == (value if exact else pytest.approx(value, abs=2e-5)), name


def test_ser_mood_reads_what_is_heard(folder, tmp_path, monkeypatch, capsys):
    quiet = np.zeros(4 * RATE_HZ, "float32")
    clip = write(tmp_path / "clip.wav", np.concatenate([noise(4), quiet, noise(3, seed=1)]))
    with open(clip, "rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["listen", str(folder), "-", *WINDOWS]) == 0
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert [row["start"] for row in rows[:5]] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert "19 windows, of which 5 silent (without a row) and 0 without" in printed.err
    assert len(rows) == 14
    table = tmp_path / "day.jsonl"
    table.write_text(printed.out)
    read_timeline(table, va_range=(1, 5))


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (b"no sound at all " * 50, ["-"], "cannot be read as audio"),
        (wav(noise(1), announced=0), ["-"], "announces no samples. Send raw"),
        (wav(noise(3)), ["-", "--window", "90"], "Bad window of 90 s"),
        (b"", ["--rate", "8000"], "give - after the model, too"),
        (b"", ["-", "--rate", "0"], "Bad --rate 0; expected 16000"),
        (b"", ["-", "--rate", "8000", "--channels", "0"], "Bad --channels 0; expected 1"),
    ],
    ids=["no audio", "empty", "window", "no source", "rate", "channels"],
)
def test_mistakes_are_one_line(folder, tmp_path, monkeypatch, capsys, content, words, message):
    (tmp_path / "in").write_bytes(content)
    with open(tmp_path / "in", "rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["listen", str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1


class Sounds:
    """The package sounddevice of a machine with one microphone."""

    class PortAudioError(Exception):
        pass

    class InputStream(io.StringIO):
        def __init__(self, rate_hz, block, name, channels, dtype, callback):
            super().__init__()
            callback(np.full((block, 1), 0.5, "float32"), block, None, "input overflow")

    @staticmethod
    def query_devices(name=None, kind=None):
        if name not in (None, "head"):
            raise ValueError(f"No input device matching {name!r}")
        found = {"name": "head set", "max_input_channels": 1, "default_samplerate": 44100.0}
        return found if kind else [found]


def test_the_microphone(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "sounddevice", Sounds)
    with pytest.raises(
        SERError, match=r"No microphone .*'left'.*; there are head set; or pipe"
    ):
        Microphone("left")
    source = Microphone("head")
    backlog = Backlog(source.rate_hz, 1, 5)
    with source.into(backlog):
        lost, samples = backlog.take()
    assert source.rate_hz == 44100 and lost == 0 and samples.tolist() == [0.5] * 4410
    assert "The microphone lost audio (input overflow)." in caplog.text
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SERError, match="pip install 'ser-recipes.live.'; or pipe audio in"):
        Microphone()
