"""Lists of ids, and their entries in manifests."""

import json

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.leakage import entries_of, read_ids, read_manifests

SPLITS = {
    "protocol": "made/random/seed 1",
    "train": ["a", "b"],
    "valid": [],
    "tests": {"made": ["c"], "far": ["d"]},
}


@pytest.fixture
def splits(tmp_path):
    (tmp_path / "splits.json").write_text(json.dumps(SPLITS))
    return tmp_path / "splits.json"


@pytest.fixture
def manifest(tmp_path):
    unknown = dict.fromkeys(("start", "stop", "speaker", "gender", "group", "split", "text"))
    facts = {**unknown, "corpus": "made", "language": "eng", "labels": {}}
    facts |= {"duration": 1.0, "sample_rate": 16000}

    def manifest(ids, name="made", **card):
        path = tmp_path / f"{name}.json"
        path.write_text(
            json.dumps({i: {"wav": f"{{data_root}}/{i}.wav", **facts} for i in ids})
        )
        if card:
            path.with_suffix(".card.json").write_text(json.dumps(card))
        return path

    return manifest


def test_a_text_file_from_elsewhere(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("\ufeff# my test set\r\n b \r\n\r\na\r\nb\r\n", encoding="utf-8")
    assert read_ids(str(path)) == ["b", "a"]


def test_a_manifest_gives_all_its_ids_and_a_split_those_of_a_part(manifest, splits):
    assert read_ids(str(manifest("ba"))) == ["b", "a"]
    for part, ids in (("train", ["a", "b"]), ("made", ["c"]), ("far", ["d"])):
        assert read_ids(f"{splits}:{part}") == ids


@pytest.mark.parametrize(
    "part, match",
    [
        ("", r"holds several lists; expected one of: .*json:train, .*json:valid, .*json:made"),
        (":trian", "Bad part of .*'trian'; expected one of: train,"),
        (":valid", r"No id in .*splits\.json:valid"),
    ],
)
def test_a_split_without_such_a_part(splits, part, match):
    with pytest.raises(SERError, match=match):
        read_ids(f"{splits}{part}")


def test_what_is_no_list(tmp_path, manifest):
    with pytest.raises(SERError, match=r"Bad split .*made\.json: it has no test sets"):
        read_ids(f"{manifest('a')}:train")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "sound.wav").write_bytes(b"RIFF\xff\xfe")
    for name, match in [
        ("empty.txt", r"No id in .*empty\.txt"),
        ("sound.wav", r"Cannot read the list of ids .*sound\.wav"),
        ("none.txt", r"No list of ids at .*none\.txt"),
        ("none.json", r"No list of ids at .*none\.json"),
    ]:
        with pytest.raises(SERError, match=match):
            read_ids(str(tmp_path / name))


def test_a_data_folder_for_each_manifest_or_one_for_all(tmp_path, manifest):
    one, other = manifest("a"), manifest("b", "other")
    folders = [tmp_path / "x", tmp_path / "y"]
    for folder in folders:
        folder.mkdir()
    wavs = {i: e["wav"] for i, e in read_manifests([one, other], folders).items()}
    assert wavs == {"a": str(tmp_path / "x" / "a.wav"), "b": str(tmp_path / "y" / "b.wav")}
    wavs = {i: e["wav"] for i, e in read_manifests([one, other], folders[:1]).items()}
    assert wavs["b"] == str(tmp_path / "x" / "b.wav")


def test_the_data_folder_that_the_card_notes(tmp_path, manifest):
    here = manifest("a", data_folder=str(tmp_path))
    gone = manifest("b", "gone", data_folder=str(tmp_path / "gone"))
    silent = manifest("c", "silent", title="no folder")
    bare = manifest("d", "bare")
    wavs = {i: e["wav"] for i, e in read_manifests([here, gone, silent, bare], []).items()}
    assert wavs == {"a": str(tmp_path / "a.wav"), "b": None, "c": None, "d": None}


def test_manifests_and_folders_that_do_not_fit(tmp_path, manifest):
    paths = [manifest(i, i) for i in "abc"]
    with pytest.raises(SERError, match="Found 2 data folders for 3 manifests; expected one"):
        read_manifests(paths, [tmp_path, tmp_path])
    with pytest.raises(SERError, match="No folder .*gone with the audio of .*a.json"):
        read_manifests(paths, [tmp_path / "gone"])
    with pytest.raises(SERError, match=r"other\.json repeats ids of another manifest: b\."):
        read_manifests([manifest("ab"), manifest("bc", "other")], [])


def test_entries_in_the_order_of_the_list_and_unknown_ids_are_counted(tmp_path, manifest):
    (tmp_path / "ids.txt").write_text("b\na\n")
    known = read_manifests([manifest("abc")], [])
    assert list(entries_of(str(tmp_path / "ids.txt"), known)) == ["b", "a"]
    (tmp_path / "ids.txt").write_text("\n".join(["a", *(f"x{n}" for n in range(7))]))
    match = (
        r"7 of 8 ids of .*ids\.txt are in no manifest: x0, x1, x2, x3, x4 and 2 more; "
        "ids there look like a"
    )
    with pytest.raises(SERError, match=match):
        entries_of(str(tmp_path / "ids.txt"), known)
