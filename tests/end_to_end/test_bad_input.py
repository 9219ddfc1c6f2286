"""Finds of the fuzz targets that ended in a traceback, each as it was found or smaller."""

import csv
import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

import data_prep
from data_prep import cremad
from data_prep.common.checks import strays
from data_prep.common.prepare import prepare
from ser_brain.analysis.mood.table import read_rows
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.dataset import load_signal
from ser_brain.data.folding import cut
from ser_brain.data.leakage import read_ids
from ser_brain.data.manifest import read_manifest
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.inference.inputs import Input
from ser_brain.inference.segments import Segmentation, segments
from tests import fake_run
from tests.inference.stand_in import StandIn

HUGE = 10**400  # Python makes no float of it


@pytest.fixture
def predictions(tmp_path):
    """A run without checksums in its card, as somebody else may have written it."""
    path = fake_run.write(tmp_path / "run" / "predictions")
    card = path.with_name("fake.card.json")
    facts = json.loads(card.read_text())
    facts.pop("sha256", None)
    card.write_text(json.dumps(facts))
    return path


def changed_card(path, **changes):
    card = path.with_name("fake.card.json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


def changed_row(path, **changes):
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *rest]) + "\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": {"a": 1}},
        {"role": ["test"]},
        {"experiment": None},
        {"emotions": [["anger"]]},
        {"emotions": {"anger": 1}},
        {"seed": True},
        {"va_range": [float("-inf"), float("inf")]},
        {"va_range": [False, True]},
        {"temperature": float("inf")},
        {"temperature": True},
    ],
)
def test_a_prediction_card_of_other_kinds(predictions, changes):
    changed_card(predictions, **changes)
    with pytest.raises(SERError, match=f"Bad {next(iter(changes))} in prediction card"):
        read_predictions(predictions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speaker": ["a"]}, "has speaker .*, neither text nor null"),
        ({"language": 1}, "has language 1, neither text nor null"),
        ({"predicted_emotion": {"a": 1}}, "has predicted_emotion .*, neither text nor null"),
        ({"duration": "1.5"}, "has duration '1.5', which is not a number"),
        ({"duration": float("nan")}, "has duration nan, which is not a number"),
        ({"duration": HUGE}, "has duration 1000+, which is not a number"),
        ({"predicted_valence": HUGE}, "has predicted_valence .* that is NaN or infinite"),
    ],
)
def test_a_prediction_with_facts_of_other_kinds(predictions, changes, message):
    changed_row(predictions, **changes)
    with pytest.raises(SERError, match=f"line 1: {message}"):
        read_predictions(predictions)


def array(content):
    file = io.BytesIO()
    np.save(file, content)
    return file.getvalue()


ZEROS = array(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (b"no array at all", "Bad embeddings"),  # np.load gives the bytes themselves
        (ZEROS.replace(b"{'descr'", b"{('descr'"), "Cannot read"),
        (ZEROS.replace(b"(3, 4)", b"(3, 9" + b"9" * 15 + b")"), "Cannot read"),
        (array(np.array([["a"] * 4] * 3)), "found <U1, expected float"),
    ],
)
def test_embeddings_whose_archive_is_whole_and_whose_arrays_are_not(
    predictions, embeddings, message
):
    ids = [json.loads(line)["id"] for line in predictions.read_text().splitlines()]
    with zipfile.ZipFile(predictions.with_name("fake.npz"), "w") as archive:
        archive.writestr("ids.npy", array(np.array(ids)))
        archive.writestr("embeddings.npy", embeddings)
    with pytest.raises(SERError, match=message):
        read_predictions(predictions)


def test_a_split_whose_tests_are_a_list(predictions):
    run = predictions.parents[1]
    (run / "splits.json").write_text('{"tests": [["fake"]]}')
    with pytest.raises(SERError, match="Bad split .*: tests must be a mapping of test sets"):
        read_run(run)


@pytest.mark.parametrize("train", [[["a"]], [1], "made_1", 5])
def test_ids_that_are_no_text(tmp_path, train):
    (tmp_path / "splits.json").write_text(json.dumps({"train": train, "tests": {}}))
    with pytest.raises(SERError, match="Bad list of ids .*: expected ids, each of them text"):
        read_ids(f"{tmp_path}/splits.json:train")
    (tmp_path / "splits.json").write_text('{"train": [], "tests": 3}')
    with pytest.raises(SERError, match="it has no test sets"):
        read_ids(f"{tmp_path}/splits.json:train")


def test_too_few_utterances_of_every_class():
    rows = {f"u{n}": {"emotion": ("anger", "sadness")[n % 2]} for n in range(4)}
    with pytest.raises(SERError, match="4 utterances of 2 classes are too few to cut into 3"):
        cut(rows, list(rows), None, 3, 0)


@pytest.mark.parametrize("level", ["nan", "1e999:2"])
def test_cremad_levels_that_are_not_finite(level):
    summary = {"voicevote": "A", "voicelevel": level, "filename": "1001_IEO_ANG_HI"}
    with pytest.raises(SERError, match="cannot read the voice rating 'A' of 1001_IEO_ANG_HI"):
        cremad._rated(summary, {})


@pytest.mark.parametrize("age", ["²", "٣٣", "9" * 5000])
def test_cremad_ages_that_are_digits_and_no_number(tmp_path, age):
    table = tmp_path / cremad.DEMOGRAPHICS
    table.write_text(f"ActorID,Age,Sex\n1001,{age},Male\n", encoding="utf-8")
    assert cremad.speakers(tmp_path)["1001"]["age"] is None


def test_a_number_in_a_mood_table_that_is_too_large_for_a_float(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"valence": HUGE}))
    with pytest.raises(SERError, match="valence is 1000+; expected a number"):
        read_rows(tmp_path / "t.jsonl").numbers("valence")


def test_a_file_where_a_folder_should_be_and_links_in_a_circle_are_strays(tmp_path):
    (tmp_path / "AudioWAV").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "here").symlink_to(".")
    corpus = data_prep.load("emodb")
    found = strays(corpus, tmp_path, ["a.wav", "AudioWAV/a.wav"], tmp_path / "manifests")
    assert [(problem.kind, problem.path) for problem in found] == [
        ("stray file", "AudioWAV"),
        ("stray folder", "here"),
        ("stray file", "loop"),
    ]


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
    "text": (b"a poem\n" * 500, "unreadable: text, not audio", "unreadable", None),
    "44099 Hz": (sound(noise(rate_hz=44099), 44099), 16000, "Convert the recording", None),
}


def prepared(folder, *names):
    """Problem, or samples at 16 kHz, of every file, as ``table`` prepares it."""
    (folder / "zz.wav").write_bytes(sound(noise(0.5)))
    rows = [[name, "angry", f"s{n}"] for n, name in enumerate((*names, "zz.wav"))]
    with open(folder / "t.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "emotion", "speaker"], *rows])
    manifest, _ = prepare("table", folder, folder / "m", True, name="odd", csv="t.csv")
    entries = read_manifest(manifest).located(folder)
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
    (piece,) = segments(path, StandIn(), Segmentation())
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
        (piece,) = segments(tmp_path / name, StandIn(), Segmentation())
        assert piece.file == str(tmp_path / name)


def test_a_name_that_is_no_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    with open(tmp_path / name, "wb") as file:
        file.write(sound())
    (piece,) = segments(tmp_path / name, StandIn(), Segmentation())
    assert piece.reason == "its name is not valid UTF-8; rename it"
    with pytest.raises(SERError, match="its name is not valid UTF-8; rename it"):
        Input(name, tmp_path / name).read(60)


NO_FILES = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "nowhere": lambda path: path.symlink_to("gone.wav"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_ends_at_once(tmp_path, name):
    path = tmp_path / f"{name}.wav"
    NO_FILES[name](path)
    expected = "missing" if name == "nowhere" else "unreadable"
    assert prepared(tmp_path, path.name)[path.name] == expected
    with pytest.raises(audio.AudioProblem, match="unreadable|missing"):
        audio.read(path)
    (piece,) = segments(path, StandIn(), Segmentation())
    assert piece.reason == expected


@pytest.mark.parametrize("look", [audio.inspect, audio.read])
def test_a_name_that_no_file_can_have(tmp_path, look):
    for name in ("a\0.wav", "x" * 5000):
        with pytest.raises(audio.AudioProblem, match="unreadable"):
            look(tmp_path / name)


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
    (piece,) = segments(path, StandIn(), Segmentation())
    assert "A clip of 10800.0 s is too long" in piece.reason
    assert len(load_signal(str(path), 0.0, 1.0, RATE_HZ)) == RATE_HZ
