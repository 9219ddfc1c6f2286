"""Files that are whole or not there, and checksums."""

import hashlib
import os

import pytest

from ser_brain.core import files
from ser_brain.core.errors import SERError
from ser_brain.core.files import changed_files, write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "two words").write_bytes(b"second")
    write_checksums(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "harm, found",
    [
        (lambda folder: (folder / "two words").write_bytes(b"sec0nd"), ["two words"]),
        (lambda folder: (folder / "a").unlink(), ["a"]),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b""), ["SHA256SUMS"]),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff\xfe\n"), ["SHA256SUMS"]),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b"0  ../a\n"), ["SHA256SUMS"]),
        (lambda folder: (folder / "SHA256SUMS").unlink(), []),
        (lambda folder: (folder / "more").write_bytes(b"new"), []),
    ],
)
def test_what_has_changed(folder, harm, found):
    harm(folder)
    assert changed_files(folder) == found


def test_the_list_of_checksums(folder):
    first, second = (hashlib.sha256(text).hexdigest() for text in (b"first", b"second"))
    assert (folder / "SHA256SUMS").read_text() == f"{first}  a\n{second}  two words\n"
    assert changed_files(folder) == []
    (folder / "a").write_bytes(b"other")
    assert changed_files(folder, "two words", "unknown") == []
    assert changed_files(folder, "a") == ["a"]


def test_json_round_trip(tmp_path):
    content = {"غم": [1, None, 0.5], "b": {"c": "{}"}}
    files.write_json(tmp_path / "new" / "a.json", content)
    assert files.read_json(tmp_path / "new" / "a.json", "thing") == content
    text = (tmp_path / "new" / "a.json").read_text(encoding="utf-8")
    assert "غم" in text and text.endswith("}\n")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"a": float("nan")})
    with pytest.raises(RuntimeError), files.atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert files.read_json(path, "thing") == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_cannot_be_written_or_removed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match=r"Cannot write .*file/a\.txt: \S+file is a file, not"):
        files.write_text(tmp_path / "file" / "a.txt", "x")
    files.remove(tmp_path / "nothing")
    files.remove(tmp_path / "file")
    assert not (tmp_path / "file").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SERError, match="Cannot write .*: Not a directory"):
        files.remove(tmp_path / "file" / "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"No manifest at .*a\.json\."),
        (b"{", "Cannot read the manifest"),
        (b"\xff\xfe", "Cannot read the manifest"),
        (b"[1]", "expected a JSON object"),
        (b"[" * 100_000, "Cannot read the manifest"),
    ],
)
def test_read_json_mistakes(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SERError, match=message):
        files.read_json(tmp_path / "a.json", "manifest")


def test_what_a_killed_process_left_is_not_found_and_can_be_removed(tmp_path):
    never_left = [files.atomic_path(tmp_path / name) for name in ("a.json", "b[1].json")]
    for writing in never_left:
        writing.__enter__().write_text("{")
    assert len(os.listdir(tmp_path)) == 2
    assert list(tmp_path.glob("*.json")) == []
    files.remove_partial(tmp_path, "b[1].json", "a")
    assert [name[:16] for name in os.listdir(tmp_path)] == [".partial-a.json-"]
    files.remove_partial(tmp_path)
    assert os.listdir(tmp_path) == []


def test_only_regular_files_of_a_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "endless")
    for name in ("pipe", "endless"):
        with pytest.raises(OSError, match="it is not a regular file"):
            files.open_regular(tmp_path / name)
        with pytest.raises(SERError, match=f"Cannot read the manifest .*{name}: it is not a"):
            files.require_text(tmp_path / name, "manifest")
    (tmp_path / "a").write_text("ä\r\nb", newline="")
    assert files.read_text(tmp_path / "a") == "ä\nb"
    with pytest.raises(OSError, match="it has over 4 bytes"):
        files.read_text(tmp_path / "a", largest=4)
    with pytest.raises(IsADirectoryError):
        files.open_regular(tmp_path)
    with pytest.raises(SERError, match="Cannot read the manifest .*null byte"):
        files.require_text("a\0b", "manifest")
