"""What all corpora share: damage, strays, what is written, and when it is written again."""

import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import data_prep
from data_prep import emodb as emodb_corpus
from data_prep.__main__ import main, parser_for
from data_prep.common import prepare as preparing
from data_prep.common.checks import differences
from data_prep.common.prepare import prepare
from ser_brain.core.errors import SERError
from ser_brain.core.lock import held
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import Utterance

ROOT = Path(__file__).parents[2]
BAD = "wav/08b10Wc.wav"


@pytest.fixture
def emodb(tmp_path, wav):
    folder = tmp_path / "emodb"
    for name in ("03a01Fa", "08b10Wc", "16a05Lb"):
        wav(folder / "wav" / f"{name}.wav")
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def as_samples(*arguments, **options):
    return lambda path: soundfile.write(path, *arguments, **options)


def late_data_chunk(path):
    """Cut, with more before the samples than any buffer holds."""
    whole = path.read_bytes()
    path.write_bytes(
        whole[:12] + b"LIST" + struct.pack("<I", 9000) + bytes(9000) + whole[12:-9]
    )


def flac_cut(path):
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples, rate, format="FLAC")
    cut(path)


def link(to):
    return lambda path: path.unlink() or path.symlink_to(to)


DAMAGE = {
    "missing": link("nowhere.wav"),
    "unreadable": lambda path: path.write_bytes(b"RIFF is not what follows" * 9),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": cut,
    "too short": as_samples(np.ones(800) / 2, 16000),
    "silent": as_samples(np.zeros(48000), 16000),
    "not a number": as_samples(np.full(4800, np.nan, "float32"), 16000, subtype="FLOAT"),
    "git-LFS stub": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
    ),
    "wrong sample rate (8000 Hz, expected 16000)": as_samples(np.ones(8000) / 2, 8000),
}
MORE = {
    "header_only": ("empty", as_samples(np.zeros(0), 16000)),
    "late_data_chunk": ("truncated", late_data_chunk),
    "flac_cut": ("truncated", flac_cut),
    "looping_link": ("unreadable", link("08b10Wc.wav")),
}


@pytest.mark.parametrize(
    ("kind", "damage"), [*DAMAGE.items(), *MORE.values()], ids=[*DAMAGE, *MORE]
)
def test_damage_stops_and_is_named(emodb, run, error, kind, damage):
    damage(emodb / BAD)
    assert error("emodb", emodb) == (
        f"error: emodb: 1 of 3 utterances cannot be used (1 {kind}: {BAD}). Repair the copy in "
        f"{emodb}, or skip them: --allow_partial."
    )
    assert not (emodb.parent / "manifests").exists()
    result = run("emodb", emodb, "--allow_partial")
    assert f"skipped 1 {kind}: {BAD}" in result.err
    assert set(result.manifest) == {"emodb_03a01Fa", "emodb_16a05Lb"}
    assert result.card["left_out"] == {kind: [BAD]}
    assert result.card["arguments"] == {"allow_partial": True}
    assert result.card["counts"]["utterances"] == 2


def test_all_damage_is_counted_and_five_of_a_kind_are_named(emodb, error, wav):
    for version in "abcdefg":
        wav(emodb / "wav" / f"10a07N{version}.wav", level=0)
    (emodb / BAD).write_bytes(b"")
    message = error("emodb", emodb)
    assert "8 of 10 utterances" in message and "1 empty" in message
    assert "7 silent: wav/10a07Na.wav" in message and "wav/10a07Ne.wav, ..." in message
    assert "10a07Nf" not in message


def test_nothing_left_is_an_error_even_with_allow_partial(emodb, error):
    for path in (emodb / "wav").iterdir():
        path.write_bytes(b"")
    message = error("emodb", emodb, "--allow_partial")
    assert "3 of 3" in message and message.endswith(f"Repair the copy in {emodb}.")


def test_strays_are_named_counted_and_harmless(emodb, run):
    for name in ("._03a01Fa.wav", "../._notes", ".DS_Store", "notes.txt", "../take 2.wav"):
        (emodb / "wav" / name).write_bytes(b"x")
    (emodb / "wav" / "old").mkdir()
    (emodb / "wav" / "old" / "03a01Fa.wav").write_bytes(b"x")
    (emodb / "wav" / "loop").symlink_to(emodb, target_is_directory=True)
    result = run("emodb", emodb)
    assert len(result.manifest) == 3
    assert "skipped 2 macOS ._ files: ._notes, wav/._03a01Fa.wav" in result.err
    assert "2 stray files: " in result.err and "1 system file: " in result.err
    assert result.card["left_out"] == {
        "macOS ._ file": ["._notes", "wav/._03a01Fa.wav"],
        "stray file": ["take 2.wav", "wav/notes.txt"],
        "stray folder": ["wav/loop", "wav/old"],
        "system file": ["wav/.DS_Store"],
    }


def test_manifests_inside_the_data_folder_are_not_strays(emodb):
    prepare("emodb", emodb, emodb / "manifests")
    card = json.loads((emodb / "manifests" / "emodb.card.json").read_text())
    assert card["left_out"] == {}


def test_a_folder_that_may_not_be_read_is_damage(emodb, error, monkeypatch):
    (emodb / "more").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "more")
    assert "1 folder without read permission: more" in error("emodb", emodb)


def test_names_that_are_not_utf8(emodb, run):
    with open(os.fsencode(emodb / "wav") + b"/\xe4\xf6.wav", "wb") as file:
        file.write(b"x")
    left_out = run("emodb", emodb).card["left_out"]
    assert left_out == {"stray file": ["wav/\\udce4\\udcf6.wav"]}


@pytest.fixture
def written(emodb, run):
    """Prepare, change something, and tell whether a second run wrote again."""

    def again(change, *more):
        result = run("emodb", emodb)
        old = time.time() - 60  # files of one second ago are older than the manifest
        for path in (emodb / "wav").iterdir():
            os.utime(path, (old, old))
        change(result.folder)
        return "up to date" not in run("emodb", emodb, *more).err

    return again


CHANGES = {
    "size": lambda data, folder: soundfile.write(data / BAD, np.ones(9999) / 2, 16000),
    "new file": lambda data, folder: soundfile.write(
        data / "wav/10a01Na.wav", np.ones(9999) / 2, 16000
    ),
    "file gone": lambda data, folder: (data / BAD).unlink(),
    "file renamed": lambda data, folder: (data / BAD).rename(data / "wav/08b10Na.wav"),
    "label file": lambda data, folder: (data / "erkennung.txt").write_text("03a01Fa.wav 90 80"),
    "manifest gone": lambda data, folder: (folder / "emodb.json").unlink(),
    "card gone": lambda data, folder: (folder / "emodb.card.json").unlink(),
    "card broken": lambda data, folder: (folder / "emodb.card.json").write_text("{"),
    "other card": lambda data, folder: (folder / "emodb.card.json").write_text("{}"),
    "same size, later": lambda data, folder: os.utime(data / BAD, (time.time() + 60,) * 2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_prepares_again(emodb, written, change):
    assert written(lambda folder: change(emodb, folder))


def test_only_the_same_arguments_are_up_to_date(written):
    assert not written(lambda folder: None)
    assert written(lambda folder: None, "--allow_partial")


def test_an_edited_manifest_is_neither_used_nor_thrown_away(emodb, run, error):
    result = run("emodb", emodb)
    manifest, card = (result.folder / f"emodb{suffix}" for suffix in (".json", ".card.json"))
    edited = manifest.read_text().replace('"gender": "male"', '"gender": "female"')
    manifest.write_text(edited)
    said = error("emodb", emodb)
    assert f"{manifest} is not as it was written. If it was damaged, remove it" in said
    assert manifest.read_text() == edited
    accepted = said.rpartition('"manifest_sha256": "')[2].removesuffix('".')
    card.write_text(json.dumps({**json.loads(card.read_text()), "manifest_sha256": accepted}))
    assert "up to date" in run("emodb", emodb).err
    assert manifest.read_text() == edited
    manifest.unlink()
    assert "wrote" in run("emodb", emodb).err


def test_two_at_once(emodb, run, error, tmp_path):
    lock = tmp_path / "manifests" / ".emodb.json.lock"
    with held(lock, "it"):
        said = error("emodb", emodb)
        assert f"manifests/emodb.json is in use by process {os.getpid()} on" in said
    run("emodb", emodb)
    with held(lock, "it"):  # What is there and current is only read.
        assert "up to date" in run("emodb", emodb).err


@pytest.mark.parametrize(
    "module, name", [(preparing, "FORMAT_VERSION"), (emodb_corpus, "VERSION")]
)
def test_a_newer_version_of_the_code_prepares_again(written, monkeypatch, module, name):
    assert written(lambda folder: monkeypatch.setattr(module, name, 2, raising=False))


def test_the_fingerprint_is_the_same_elsewhere(emodb, run, tmp_path):
    first = run("emodb", emodb).card["fingerprint"]
    moved = emodb.rename(tmp_path / "elsewhere")
    os.utime(moved / BAD)
    assert run("emodb", moved).card["fingerprint"] == first


def test_a_run_that_dies_leaves_nothing_that_looks_finished(emodb, run, tmp_path, monkeypatch):
    result = run("emodb", emodb)
    (emodb / BAD).unlink()

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ser_brain.data.manifest.write_json", die)
    with pytest.raises(KeyboardInterrupt):
        prepare("emodb", emodb, result.folder)
    monkeypatch.undo()
    assert sorted(p.name for p in result.folder.iterdir()) == ["emodb.json"]  # no card
    assert len(run("emodb", emodb).manifest) == 2


def test_what_a_run_left_that_was_killed_while_it_noted_the_folder_is_removed(emodb, run):
    result = run("emodb", emodb)
    card = json.loads((result.folder / "emodb.card.json").read_text())
    del card["data_folder"]
    (result.folder / "emodb.card.json").write_text(json.dumps(card))
    (result.folder / ".partial-emodb.card.json-a1b2c3d4").mkdir()
    assert run("emodb", emodb).card["data_folder"] == str(emodb)
    assert {p.name for p in result.folder.iterdir()} == {"emodb.json", "emodb.card.json"}


def test_folders_that_are_not_the_right_ones(emodb, error, tmp_path):
    (tmp_path / "x").mkdir()
    layout = (
        "expected there: wav/03a01Fa.wav ..., or all in one folder (optional erkennung.txt)."
    )
    assert error("emodb", tmp_path / "x").endswith(layout)
    assert error("emodb", None).endswith(f"emodb needs --data_folder DIR; {layout}")
    nowhere = tmp_path / "nowhere"
    assert error("emodb", nowhere).endswith(f"No data folder {nowhere} for emodb; {layout}")
    for near in (emodb.parent, emodb / "wav"):
        assert error("emodb", near).endswith(f"Did you mean {emodb}?")
    (tmp_path / "manifests").write_text("")
    assert f"Cannot write {tmp_path}/manifests/emodb" in error("emodb", emodb)


def test_options(emodb, tmp_path, error):
    assert "Bad corpus 'emodbb'; expected one of: emodb, " in error("emodbb", tmp_path)
    with pytest.raises(SERError, match="emodb has no options; found 'scale'"):
        prepare("emodb", emodb, tmp_path, scale=3)
    with pytest.raises(SERError, match="Bad option of table 'cvs'; expected one of: csv"):
        prepare("table", emodb, tmp_path, cvs="x")
    misspelt = error("emodb", emodb, "--data_foler", "x")
    assert "Bad argument '--data_foler'; expected one of: --data_folder" in misspelt
    assert "expected one of: --allow_partial" in error("emodb", emodb, "--allow_part")
    assert "No corpus before '--data_folder'. python -m data_prep" in error(
        "--data_folder", "x"
    )


def test_the_command_itself(emodb, tmp_path, capsys):
    command = [sys.executable, "-m", "data_prep", "emodb", "--data_folder", emodb]
    command += ["--manifest_folder", tmp_path / "m"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == ""
    assert "emodb: 3 utterances, 0.00 h, 3 speakers." in done.stderr
    assert main(["emodb", "--data_folder", "x"]) == 2
    said = (
        "error: These arguments are missing: --manifest_folder. See python -m data_prep emodb"
    )
    assert capsys.readouterr().err == f"{said} --help.\n"
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name in data_prep.corpora():
        assert re.search(rf"^  {name} +\S.*\.$", said, re.MULTILINE)
    said = parser_for("shemo").format_help()
    assert "expected in the data folder: male/M01A01.wav" in said and "--allow_partial" in said


def test_differences_from_a_full_copy():
    counts = {"utterances": 3, "speakers": 2, "emotions": {"intended": {"anger": 3}}}
    expected = {
        "utterances": 3,
        "speakers": 4,
        "emotions": {"intended": {"anger": 2, "fear": 1}, "rated_voice": {"fear": 9}},
    }
    assert list(differences(counts, expected)) == [
        "speakers 2 (4)",
        "intended anger 3 (2)",
        "intended fear 0 (1)",
    ]


def test_labels_outside_the_card_are_refused(emodb, error, monkeypatch):
    rated = annotation("anger", vad={"valence": 1, "arousal": None})
    for labels, message in (
        ({"self": annotation("anger")}, "Bad label source of x 'self'; expected one of: int"),
        ({"intended": annotation("angry")}, "Bad emotion of x 'angry'; expected one of: anger"),
        ({"intended": annotation(votes={"joy": 1})}, "Bad emotion of x 'joy'"),
        ({"intended": rated}, "valence of x is given, but the card names no scale"),
    ):
        one = Utterance("x", "wav/03a01Fa.wav", labels)
        monkeypatch.setattr(emodb_corpus, "utterances", lambda folder, one=one: [one])
        assert message in error("emodb", emodb)
