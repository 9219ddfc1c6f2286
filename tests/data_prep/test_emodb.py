"""Emo-DB in its real layout."""

from pathlib import Path

import pytest

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "emodb"
M4A = b"\0\0\0 ftypM4A \0\0\2\0"


@pytest.fixture
def emodb(tmp_path, wav):
    folder = tmp_path / "emodb"
    for name in ("03a01Fa", "08b10Wc", "16a05Lb"):
        wav(folder / "wav" / f"{name}.wav")
    (folder / "lablaut").mkdir()
    (folder / "erklaerung.txt").write_text("how the database is made")
    return folder


def test_file_names_are_the_labels(emodb, run):
    result = run("emodb", emodb)
    entry = result.manifest["emodb_08b10Wc"]
    assert entry["wav"] == "{data_root}/wav/08b10Wc.wav"
    assert (entry["speaker"], entry["gender"], entry["text"]) == ("emodb_08", "female", "b10")
    assert (entry["language"], entry["group"], entry["split"]) == ("deu", None, None)
    assert entry["labels"] == {"intended": {"emotion": "anger", "raw": "W"}}
    assert entry["duration"] == 0.3 and entry["sample_rate"] == 16000
    card = result.card
    assert card["left_out"] == {}  # lablaut and erklaerung.txt belong to the corpus
    assert card["speakers"]["emodb_16"] == {"age": 31}
    counts = {"happiness": 1, "anger": 1, "boredom": 1}
    assert card["counts"]["emotions"] == {"intended": counts}
    assert "utterances 3 (535)" in result.err and "speakers 3 (10)" in result.err


def test_recognition_rates_are_read(emodb, run):
    lines = [
        "Satz        erkannt   natürlich",
        "03a01Fa.wav 90,00     65,5",
        "08b10Wc.wav\t100,00\xa0",
        "16a05Lb.wav  viel     12",
        "",
    ]
    (emodb / "erkennung.txt").write_bytes("\r\n".join(lines).encode("latin-1"))
    result = run("emodb", emodb)
    assert [entry["labels"]["intended"] for entry in result.entries] == [
        {"emotion": "happiness", "raw": "F", "recognition_rate": 0.9, "naturalness": 0.655},
        {"emotion": "anger", "raw": "W", "recognition_rate": 1.0},
        {"emotion": "boredom", "raw": "L"},
    ]
    assert result.card["left_out"] == {"unreadable recognition rate": ["erkennung.txt:4"]}


def test_a_flat_copy(emodb, run):
    """Issue 13, 25: all files in one folder, as many copies are."""
    for path in (emodb / "wav").iterdir():
        path.rename(emodb / path.name)
    (emodb / "wav").rmdir()
    (emodb / "erkennung.txt").write_text("03a01Fa.wav 90,00\n")
    (emodb / "notes.txt").write_text("x")
    result = run("emodb", emodb)
    entry = result.manifest["emodb_03a01Fa"]
    assert len(result.entries) == 3 and entry["wav"] == "{data_root}/03a01Fa.wav"
    assert entry["labels"]["intended"]["recognition_rate"] == 0.9
    assert result.card["left_out"] == {"stray file": ["notes.txt"]}
    assert "up to date" in run("emodb", emodb).err


def test_a_copy_that_must_be_converted_says_how(emodb, run, error):
    """Issue 13, 25: recordings in formats that cannot be read."""
    (emodb / "wav" / "10a07Na.m4a").write_bytes(M4A)
    (emodb / "03a02Nc.mp4").write_bytes(M4A)
    (emodb / "03a02Nc.mka").write_bytes(b"\x1aE\xdf\xa3")
    (emodb / "wav" / "08b10Wc.wav").write_bytes(M4A)
    how = "an MP4 file (m4a, mp4, mov, 3gp); ffmpeg -i X X.wav converts it"
    assert f"1 unreadable: {how}: wav/08b10Wc.wav" in error("emodb", emodb)
    assert run("emodb", emodb, "--allow_partial").card["left_out"] == {
        f"unreadable: {how}": ["wav/08b10Wc.wav"],
        how: ["03a02Nc.mp4", "wav/10a07Na.m4a"],
        "a WebM or Matroska file; ffmpeg -i X X.wav converts it": ["03a02Nc.mka"],
    }
    for path in [*(emodb / "wav").glob("*.wav"), *emodb.glob("03a02Nc.*")]:
        path.unlink()
    expected = f"It contains files that cannot be read: {how}."
    assert error("emodb", emodb).endswith(expected)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real Emo-DB audio in ../shared/corpora")
def test_real_copy(run):
    card = run("emodb", REAL).card
    assert card["counts"]["utterances"] == 339 and card["counts"]["speakers"] == 10
    counts = {"anger": 127, "neutral": 79, "happiness": 71, "sadness": 62}
    assert card["counts"]["emotions"]["intended"] == counts
    assert card["left_out"] == {} and card["same_audio"] == []
