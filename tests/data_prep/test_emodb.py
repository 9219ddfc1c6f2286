"""Emo-DB in its real layout."""

from pathlib import Path

import pytest

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "emodb"


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
    assert result.code == 0
    entry = result.manifest("emodb")["emodb_08b10Wc"]
    assert entry["wav"] == "{data_root}/wav/08b10Wc.wav"
    assert (entry["speaker"], entry["gender"], entry["text"]) == ("emodb_08", "female", "b10")
    assert (entry["language"], entry["group"], entry["split"]) == ("deu", None, None)
    assert entry["labels"] == {"intended": {"emotion": "anger", "raw": "W"}}
    assert entry["duration"] == 0.3 and entry["sample_rate"] == 16000
    card = result.card("emodb")
    assert card["left_out"] == {}  # lablaut and erklaerung.txt belong to the corpus
    assert card["speakers"]["emodb_16"] == {"age": 31}
    assert card["counts"]["emotions"] == {
        "intended": {"happiness": 1, "anger": 1, "boredom": 1}
    }
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
    assert result.code == 0
    manifest = result.manifest("emodb")
    label = manifest["emodb_03a01Fa"]["labels"]["intended"]
    assert (label["recognition_rate"], label["naturalness"]) == (0.9, 0.655)
    label = manifest["emodb_08b10Wc"]["labels"]["intended"]
    assert label["recognition_rate"] == 1.0 and "naturalness" not in label
    assert "recognition_rate" not in manifest["emodb_16a05Lb"]["labels"]["intended"]
    assert result.card("emodb")["left_out"] == {
        "unreadable recognition rate": ["erkennung.txt:4"]
    }


def test_files_that_are_not_utterances_are_strays(emodb, run, wav):
    wav(emodb / "wav" / "99x99Zz.wav")
    (emodb / "wav" / "._03a01Fa.wav").write_bytes(b"\0\5\26\7")
    result = run("emodb", emodb)
    assert result.code == 0 and len(result.manifest("emodb")) == 3
    assert result.card("emodb")["left_out"] == {
        "macOS ._ file": ["wav/._03a01Fa.wav"],
        "stray file": ["wav/99x99Zz.wav"],
    }


def test_a_flat_copy(emodb, run):
    """Issue 13, 25: all files in one folder, as many copies are."""
    for path in (emodb / "wav").iterdir():
        path.rename(emodb / path.name)
    (emodb / "wav").rmdir()
    (emodb / "erkennung.txt").write_text("03a01Fa.wav 90,00\n")
    (emodb / "notes.txt").write_text("x")
    result = run("emodb", emodb)
    assert result.code == 0 and len(result.manifest("emodb")) == 3
    entry = result.manifest("emodb")["emodb_03a01Fa"]
    assert entry["wav"] == "{data_root}/03a01Fa.wav"
    assert entry["labels"]["intended"]["recognition_rate"] == 0.9
    assert result.card("emodb")["left_out"] == {"stray file": ["notes.txt"]}
    assert "up to date" in run("emodb", emodb).err


M4A = b"\0\0\0 ftypM4A \0\0\2\0"


def test_a_copy_that_must_be_converted_says_how(emodb, run, error):
    """Issue 13, 25: recordings in formats that cannot be read."""
    (emodb / "wav" / "10a07Na.m4a").write_bytes(M4A)
    (emodb / "03a02Nc.mp4").write_bytes(M4A)
    (emodb / "wav" / "08b10Wc.wav").write_bytes(M4A)
    how = "an MP4 file (m4a, mp4, mov, 3gp); ffmpeg -i X X.wav converts it"
    assert f"1 unreadable: {how}: wav/08b10Wc.wav" in error(run("emodb", emodb))
    result = run("emodb", emodb, "--allow_partial")
    assert result.card("emodb")["left_out"] == {
        f"unreadable: {how}": ["wav/08b10Wc.wav"],
        how: ["03a02Nc.mp4", "wav/10a07Na.m4a"],
    }
    for path in [*(emodb / "wav").glob("*.wav"), *emodb.glob("*.mp4")]:
        path.unlink()
    expected = f"It contains files that cannot be read: {how}."
    assert error(run("emodb", emodb)).endswith(expected)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real Emo-DB audio in ../shared/corpora")
def test_real_copy(run):
    result = run("emodb", REAL)
    assert result.code == 0
    card = result.card("emodb")
    assert card["counts"]["utterances"] == 339 and card["counts"]["speakers"] == 10
    assert card["counts"]["emotions"]["intended"] == {
        "anger": 127,
        "neutral": 79,
        "happiness": 71,
        "sadness": 62,
    }
    assert card["left_out"] == {} and card["same_audio"] == []
