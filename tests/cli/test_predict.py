"""``ser predict`` as it is typed."""

import csv
import io
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.analysis.mood.timeline import read_timeline
from ser_brain.core.lock import held
from ser_brain.data.labelling import CorpusData
from ser_brain.data.segment_tables import read_segments
from ser_brain.evaluation.answers import outputs_of
from ser_brain.inference import predict as predicting
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.segments import SpeechDetector
from tests.inference.diarised import HIGH_HZ, LOW_HZ, loud, pitch, tones
from tests.inference.stand_in import RATE_HZ, StandIn, noise, stand_in_model, write
from tests.inference.tiny_models import write_model


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The working folder is empty but for a model folder, which loads as the stand-in."""
    return stand_in_model(tmp_path, monkeypatch)


def ser_predict(*arguments):
    return main(["predict", *arguments, "--model", "model"])


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_without_out_a_table_is_printed(model, capsys):
    write(model / "clips/a.wav", noise(2))
    write(model / "clips/b.ogg", noise(0.4, level=0.9))
    write(model / "clips/c.flac", np.zeros(RATE_HZ))
    assert ser_predict("clips", "absent.wav") == 1
    said = capsys.readouterr().out
    head = "file         start  stop   emotion  probability  valence  arousal  warnings"
    assert said.startswith(head)
    assert "very short: 0.40 s" in said
    assert said.endswith("could not be used:\n  clips/c.flac: silent\n  absent.wav: missing\n")
    assert ser_predict("clips/a.wav", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["predictions"]
    assert (row["file"], row["start"], row["stop"]) == ("clips/a.wav", 0.0, 2.0)
    total = sum(row[f"p_{emotion}"] for emotion in StandIn.emotions)
    assert total == pytest.approx(1, abs=3e-6)
    assert sorted(path.name for path in model.iterdir()) == ["clips", "model"]


def test_below_a_confidence_there_is_no_answer(model, capsys):
    for n, level in enumerate([0.1, 0.9]):
        write(model / f"{n}.wav", noise(1, level=level))
    assert ser_predict("0.wav", "1.wav", "--min_confidence", "0.6", "--out", "out.csv") == 0
    assert "below --min_confidence, no_answer: 1 of 2\n" in capsys.readouterr().out
    rows = read("out.csv")
    assert [row["emotion"] for row in rows] == ["no_answer", "anger"]
    assert [max(float(row[f"p_{e}"]) for e in StandIn.emotions) >= 0.6 for row in rows] == [
        False,
        True,
    ]
    utterances = {f"mine_{n}": {"wav": f"/data/{n}.wav"} for n in range(2)}
    data = CorpusData("mine", None, {"name": "mine"}, utterances, {})
    answers, classes, counts = outputs_of(Path("out.csv"), data, StandIn.emotions, {})
    assert [row["predicted_emotion"] for row in answers] == ["no_answer", "anger"]
    assert classes == [*StandIn.emotions, "no_answer"] and counts["refused"] == 1
    assert ser_predict("0.wav", "--out", "out.csv") == 2
    assert "made with other settings" in capsys.readouterr().err


def test_each_side_of_a_call_has_rows_of_its_own(model, capsys):
    write(model / "call.wav", np.stack([noise(1), np.zeros(RATE_HZ)], axis=1))
    assert ser_predict("call.wav", "--channel", "each", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in said["predictions"]] == ["call.wav#left"]
    silent = [(item["file"], item["reason"]) for item in said["left_out"]]
    assert silent == [("call.wav#right", "silent")]
    out = ("--out", "call.csv", "--channel", "left", "--window", "0.5")
    assert ser_predict("call.wav", *out) == 0
    assert [row["file"] for row in read("call.csv")] == ["call.wav#left"] * 2


def test_given_segments_keep_who_spoke(model, capsys):
    write(model / "calls/a.wav", noise(9))
    write(model / "calls/b.wav", noise(5, 1))
    rows = "a.wav,0,2,A,u1\na.wav,4,8.5,B,u2\nb.wav,1,3,A,u3\n"
    (model / "calls/turns.csv").write_text(f"file,start,stop,speaker,id\n{rows}")
    arguments = ("--segments", "calls/turns.csv", "--out", "out.csv")
    assert ser_predict(*arguments) == 0
    found = read("out.csv")
    assert [(row["file"], row["stop"], row["id"], row["speaker"]) for row in found] == [
        ("calls/a.wav", "2.0", "u1", "A"),
        ("calls/a.wav", "8.5", "u2", "B"),
        ("calls/b.wav", "3.0", "u3", "A"),
    ]
    assert ser_predict(*arguments) == 0
    assert capsys.readouterr().out.count("new rows: 0; files done before: 2") == 1
    (model / "a.rttm").write_text("SPEAKER a 1 4.0 4.5 <NA> <NA> B <NA> <NA>\n")
    assert ser_predict("calls", "--segments", "a.rttm", "--out", "b.csv") == 0
    (row,) = read("b.csv")
    assert row["p_anger"] == found[1]["p_anger"] and row["speaker"] == "B"
    assert ser_predict("--segments", "a.rttm", "--out", "out.csv") == 2
    assert "made with other settings" in capsys.readouterr().err


def test_turns_of_speakers_are_found_scored_and_written(model, capsys, monkeypatch):
    voices = types.SimpleNamespace(windows=pitch)
    monkeypatch.setattr("ser_brain.inference.diarise.load_voice_encoder", lambda: voices)
    detector = SpeechDetector(loud)
    monkeypatch.setattr("ser_brain.inference.segments.load_speech_detector", lambda: detector)
    write(model / "a.wav", tones((LOW_HZ, 4), (0, 1), (HIGH_HZ, 35)))
    (model / "b.wav").write_text("no sound")
    assert ser_predict("a.wav", "b.wav", "--diarise", "2", "--out", "out.csv") == 1
    assert "b.wav: unreadable" in capsys.readouterr().out
    rows = read("out.csv")
    assert [row["speaker"] for row in rows] == ["S1", "S2", "S2"]  # 30 s is the model's limit
    stops = [float(row["stop"]) for row in rows]
    assert stops == pytest.approx([4, 22.5, 40], abs=0.1)
    table = read_segments(model / "out.rttm", [Path("a.wav")])
    turns = [part.stop_s for part in table.parts[Path("a.wav")]]
    assert turns == pytest.approx([4, 40], abs=0.1)
    assert ser_predict("a.wav", "--diarise", "2", "--out", "out.csv") == 0
    assert "new rows: 0; files done before: 1" in capsys.readouterr().out
    beside = (model / "out.rttm").read_text()
    assert ser_predict("a.wav", "--diarise", "3", "--out", "out.csv") == 2
    assert "diarise 2, now 3" in capsys.readouterr().err
    assert (model / "out.rttm").read_text() == beside
    assert ser_predict("a.wav", "--diarise", "0") == 2
    assert "expected the number of speakers" in capsys.readouterr().err


def test_a_reference_gives_the_error_rate_over_time(model, capsys):
    write(model / "a.wav", noise(8))
    (model / "said.csv").write_text("file,start,stop,emotion\na,0,8,anger\n")
    shown = ("a.wav", "--window", "4", "--hop", "1", "--reference", "said.csv")
    assert ser_predict(*shown, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    wrong = sum(row["emotion"] != "anger" for row in facts["predictions"])
    assert facts["eder"]["emotional"] == 1 and 0 <= facts["eder"]["eder"]["value"] <= 1
    assert (facts["eder"]["eder"]["value"] == 1) == (wrong == len(facts["predictions"]))
    assert ser_predict(*shown, "--out", "out.csv") == 0
    said = capsys.readouterr().out.splitlines()[-1].split()
    assert float(said[0]) == pytest.approx(facts["eder"]["eder"]["value"], abs=5e-4)


def test_what_has_no_score_is_not_judged(model, capsys):
    write(model / "a.wav", noise(4))
    write(model / "long.wav", noise(40))  # too long without windows
    (model / "said.csv").write_text("file,start,stop,emotion\na,0,4,anger\nlong,0,40,anger\n")
    assert ser_predict("a.wav", "long.wav", "--reference", "said.csv", "--json") == 1
    eder = json.loads(capsys.readouterr().out)["eder"]
    assert (eder["recordings"], eder["seconds"], eder["unscored"]) == (1, 4, 1)
    assert ser_predict("a.wav", "long.wav", "--reference", "said.csv") == 1
    assert "Recordings without any score, not judged: 1." in capsys.readouterr().out


def test_without_input_or_segments_there_is_nothing_to_score(model, capsys):
    assert ser_predict() == 2
    assert "Expected INPUT, or --segments TABLE" in capsys.readouterr().err


def test_silence_within_a_recording_is_listed_and_no_mistake(model, capsys, monkeypatch):
    silence = np.zeros(8 * RATE_HZ)
    write(model / "my clip.wav", np.concatenate([noise(4), silence, noise(4)]))
    monkeypatch.setattr(sys, "stdin", io.StringIO("my clip.wav\n"))
    assert ser_predict("-", "--window", "4", "--hop", "1") == 0
    said = capsys.readouterr().out
    assert said.endswith("without a score:\n  my clip.wav, 4.000 s to 12.000 s: silent\n")


def test_with_out_rows_and_what_is_left_out_are_written(model, capsys):
    write(model / "a.wav", noise(2))
    (model / "b.wav").write_text("no sound")
    assert ser_predict("*.wav", "--out", "out.csv") == 1
    said = capsys.readouterr().out
    assert said == (
        "new rows: 1; files done before: 0\ncould not be used:\n"
        "  b.wav: unreadable: text, not audio\n"
        "skipped: 1, listed in out.left_out.csv\nscale of valence and arousal: 1 to 5\n"
        "predictions: out.csv\n"
    )
    assert [row["reason"] for row in read("out.left_out.csv")] == [
        "unreadable: text, not audio"
    ]
    write(model / "b.wav", noise(3))  # mended
    assert ser_predict("*.wav", "--out", "out.csv") == 0
    assert capsys.readouterr().out.startswith("new rows: 1; files done before: 1\n")
    assert [row["file"] for row in read("out.csv")] == ["a.wav", "b.wav"]
    assert not (model / "out.left_out.csv").exists()


def test_files_that_are_refused_for_the_same_reason_share_a_line(model, capsys):
    for n in range(7):
        write(model / f"long/{n}.wav", noise(61 + n))
    (model / "long/8.wav").write_text("no sound")
    for out in [], ["--out", "out.csv"]:
        assert ser_predict("long", *out) == 1
        said = capsys.readouterr().out
        names = ", ".join(f"long/{n}.wav" for n in range(5))
        assert (
            f"could not be used:\n  7 files ({names} and 2 more): A clip of 61.0 to 67.0 s is "
            "too long to be scored as one; at most 30 s are. Score windows of it: `ser predict "
            "--window 4`, or stream().\n  long/8.wav: unreadable: text, not audio\n"
        ) in said
    rows = read("out.left_out.csv")
    assert len(rows) == 8 and rows[6]["reason"].startswith("A clip of 67.0 s is too long")


def test_the_table_of_another_model_or_process_is_left_alone(model, capsys):
    write(model / "a.wav", noise(1))
    with held(model / ".out.csv.lock", "it"):
        assert ser_predict("a.wav", "--out", "out.csv") == 2
    assert "error: out.csv is in use by process" in capsys.readouterr().err
    assert not list(model.glob("out.csv*"))
    assert ser_predict("a.wav", "--out", "out.csv") == 0
    (model / "model/model.safetensors").write_text("trained again")
    assert ser_predict("a.wav", "--out", "out.csv") == 2
    said = capsys.readouterr().err
    assert "out.csv was made with other settings: model.safetensors '" in said


class Stopped(StandIn):
    """Is interrupted in one of its batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def score(self, waveforms):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().score(waveforms)


@pytest.mark.parametrize("batches", [0, 1, 3, 5])
def test_a_rerun_goes_on_within_a_recording(model, monkeypatch, capsys, batches):
    monkeypatch.setattr(predicting, "CHUNK_S", 20.0)
    for n, seconds in enumerate([3, 33.3, 2]):
        write(model / f"clips/{n}.flac", noise(seconds, n))
    windows = ["clips", "--window", "4", "--hop", "1"]
    assert ser_predict(*windows, "--out", "whole.csv") == 0
    stopped, again = Stopped(batches), StandIn()
    stopped.device = again.device = "cuda:0"
    monkeypatch.setattr(EmotionRecognizer, "from_pretrained", lambda *_: stopped)
    assert ser_predict(*windows, "--out", "out.csv") == 130
    assert not (model / "out.csv").exists()
    monkeypatch.setattr(EmotionRecognizer, "from_pretrained", lambda *_: again)
    assert ser_predict(*windows, "--out", "out.csv") == 0
    assert (model / "out.csv").read_text() == (model / "whole.csv").read_text()
    assert len(read("out.csv")) == 1 + 31 + 1
    # CHUNK_S makes each chunk one batch.
    assert sum(map(len, stopped.batches[:batches] + again.batches)) == 33


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_ser_mood_takes_the_table_of_a_recording(model, capsys, suffix):
    silence = np.zeros(20 * RATE_HZ)
    write(model / "a.flac", np.concatenate([noise(50, level=0.02), silence, noise(41.2)]))
    assert ser_predict("a.flac", "--window", "4", "--hop", "1", "--out", f"out.{suffix}") == 0
    began = "2026-03-02T08:15:30+01:00"
    timeline = read_timeline(f"out.{suffix}", StandIn.va_range, recorded_at=began)
    # One second each but for those before the silence and at the end, 4 s, and the last hop.
    assert timeline.seconds_N.sum() == pytest.approx(49 + 4 + 40 + 0.2 + 4)
    assert timeline.local_N[-1] == np.datetime64("2026-03-02T08:17:17.2")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.wav", "--hop", "1"], "--hop is the step between windows; give --window too"),
        (["a.wav", "--window", "90"], "Bad window of 90 s; this model scores clips of 0.1"),
        (["*.ogg"], "No audio in the pattern '*.ogg'"),
        (["a.wav", "--out", "a.wav"], "Bad --out suffix '.wav'; expected one of: .csv"),
        (["a.wav", "--out", "absent/folder.csv/x.csv"], "Cannot write"),
    ],
)
def test_mistakes_are_one_line(model, capsys, arguments, message):
    write(model / "a.wav", noise(1))
    (model / "absent").write_text("a file where a folder should be")
    assert ser_predict(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error


@pytest.fixture
def real_model(tmp_path, monkeypatch):
    """A tiny wav2vec 2.0, whose scores differ much from clip to clip, in the working folder."""
    write_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return EmotionRecognizer.from_pretrained("model")


SCORES = ["p_anger", "p_sadness", "p_neutral", "valence", "arousal"]


def test_a_real_model_scores_every_clip_as_if_it_were_alone(real_model, tmp_path, capsys):
    for n, seconds in enumerate([0.4, 7, 2.5, 1, 3]):
        rate_hz = [RATE_HZ, 44_100][n % 2]
        write(tmp_path / f"clips/{n}.wav", noise(seconds, n, 0.2, rate_hz), rate_hz)
    assert ser_predict("clips", "--out", "out.csv") == 0
    rows = read("out.csv")
    assert len(rows) == 5
    for row in rows:
        alone = real_model.predict(row["file"])
        assert row["emotion"] == alone["emotion"]
        said = [row[name] for name in SCORES]
        expected = [*alone["probabilities"].values(), alone["valence"], alone["arousal"]]
        assert [*map(float, said)] == pytest.approx(expected, abs=1e-5)


def test_windows_of_a_real_model_are_those_of_a_stream(real_model, tmp_path, capsys):
    samples = noise(11)
    write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert ser_predict("a.wav", "--window", "4", "--hop", "1", "--out", "out.csv") == 0
    rows, stream = read("out.csv"), real_model.stream(RATE_HZ, 4, 1)
    live = [*stream.feed(samples[:70_000]), *stream.feed(samples[70_000:]), *stream.finish()]
    assert len(rows) == len(live) == 8
    for row, now in zip(rows, live, strict=True):
        assert float(row["start"]) == now["start_s"] and float(row["stop"]) == now["stop_s"]
        expected = [*now["probabilities"].values(), now["valence"], now["arousal"]]
        assert [float(row[name]) for name in SCORES] == pytest.approx(expected, abs=1e-5)
