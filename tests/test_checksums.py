import hashlib

import pytest

from ser_brain.checksums import changed_files, write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "two words").write_bytes(b"second")
    write_checksums(tmp_path)
    return tmp_path


def test_what_is_noted(folder):
    first, second = (hashlib.sha256(text).hexdigest() for text in (b"first", b"second"))
    assert (folder / "SHA256SUMS").read_text() == f"{first}  a\n{second}  two words\n"
    assert changed_files(folder) == []


@pytest.mark.parametrize(
    "harm, found",
    [
        (lambda folder: (folder / "two words").write_bytes(b"sec0nd"), ["two words"]),
        (lambda folder: (folder / "a").unlink(), ["a"]),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b""), ["SHA256SUMS"]),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff\xfe\n"), ["SHA256SUMS"]),
        (lambda folder: (folder / "SHA256SUMS").unlink(), []),
        (lambda folder: (folder / "more").write_bytes(b"new"), []),
    ],
)
def test_what_has_changed(folder, harm, found):
    harm(folder)
    assert changed_files(folder) == found


def test_only_what_is_asked_for(folder):
    (folder / "a").write_bytes(b"other")
    assert changed_files(folder, "two words", "unknown") == []
    assert changed_files(folder, "a") == ["a"]
