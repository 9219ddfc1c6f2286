"""What a hub keeps of a model repository: commits, names for them, and large files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Blob:
    """A file of a commit: its bytes, or what Git LFS knows of them."""

    data: bytes | None
    size: int
    oid: str  # SHA-1 as git has it, or the SHA-256 of a large file

    @property
    def is_large(self):
        return self.data is None


def regular(data):
    return Blob(data, len(data), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())


@dataclass
class Repository:
    private: bool
    files: dict = field(default_factory=dict)  # commit -> path -> Blob
    refs: dict = field(default_factory=dict)  # "main", "v1.0", "refs/pr/1" -> commit
    large: dict = field(default_factory=dict)  # SHA-256 -> bytes
    proposals: list = field(default_factory=list)  # titles of pull requests

    def __post_init__(self):
        self.add("main", {".gitattributes": regular(b"*.safetensors filter=lfs\n")}, None)

    @property
    def commits(self):
        return list(self.files)

    def add(self, ref, files, parent):
        """A commit with these files, which a name then means."""
        names = json.dumps({path: blob.oid for path, blob in sorted(files.items())})
        commit = hashlib.sha1(f"{len(self.files)} {parent} {names}".encode()).hexdigest()
        self.files[commit] = files
        self.refs[ref] = commit
        return commit

    def commit_of(self, revision):
        return revision if revision in self.files else self.refs.get(revision)

    def at(self, revision):
        return self.files[self.commit_of(revision)]

    def content(self, revision, path):
        blob = self.at(revision)[path]
        return self.large[blob.oid] if blob.is_large else blob.data

    def info(self, revision, path):
        blob = self.at(revision)[path]
        known = {"type": "file", "path": path, "size": blob.size, "oid": blob.oid}
        if blob.is_large:
            known["lfs"] = {"oid": blob.oid, "size": blob.size, "pointerSize": 134}
            known["oid"] = hashlib.sha1(blob.oid.encode()).hexdigest()
        return known
