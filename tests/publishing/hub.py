"""A model hub on this machine: the calls that publishing and loading make, and no other.

Every call is recorded. One that is not known is answered 501 and recorded in ``unknown``.
``fail(method, pattern, how)`` lets the next call of an address go wrong.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_the-token-of-the-tests"
NAME = r"/(?P<name>[^/]+/[^/]+)"
MODEL = f"/api/models{NAME}"
REVISION = r"/(?P<revision>[^/]+)"
ROUTES = {
    ("POST", "/api/repos/create"): "create",
    ("POST", "/api/validate-yaml"): "validate_yaml",
    ("GET", MODEL): "about",
    ("GET", f"{MODEL}/revision{REVISION}"): "about",
    ("GET", f"{MODEL}/refs"): "references",
    ("GET", f"{MODEL}/tree{REVISION}"): "tree",
    ("GET", f"{MODEL}/discussions"): "discussions",
    ("POST", f"{MODEL}/preupload{REVISION}"): "preupload",
    ("POST", f"{MODEL}/commit{REVISION}"): "commit",
    ("POST", f"{MODEL}/tag{REVISION}"): "tag",
    ("POST", rf"{NAME}\.git/info/lfs/objects/batch"): "batch",
    ("POST", f"/verify{NAME}"): "verify",
    ("PUT", rf"/large{NAME}/(?P<oid>\w{{64}})"): "put",
    ("GET", rf"/large{NAME}/(?P<oid>\w{{64}})"): "get_large",
    ("HEAD", f"{NAME}/resolve{REVISION}/(?P<path>.+)"): "resolve",
    ("GET", f"{NAME}/resolve{REVISION}/(?P<path>.+)"): "resolve",
}
SIGNED = ("put", "get_large")  # storage on another machine, which asks for no token


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

    def put(self, path, data):
        """Commit one more file to main."""
        self.add("main", {**self.at("main"), path: regular(data)}, self.refs["main"])

    def commit_of(self, revision):
        return revision if revision in self.files else self.refs.get(revision)

    def at(self, revision):
        return self.files[self.commit_of(revision)]

    def content(self, revision, path):
        blob = self.at(revision)[path]
        return self.large[blob.oid] if blob.is_large else blob.data


class Hub:
    """The hub: ``with Hub() as hub`` it answers at ``hub.endpoint``."""

    def __init__(self):
        self.repositories, self.calls, self.unknown, self.failures = {}, [], [], []
        self.may_write, self.ignored = True, set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Call)
        self._server.hub = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.storage = f"http://localhost:{self._server.server_port}"  # for the client, another

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def fail(self, method, pattern, how, times=1):
        """Make calls fail: "reset", "reset after" it is done, (status, message), or a function
        to call first."""
        self.failures += [(method, pattern, how)] * times

    def failure_of(self, method, path):
        for number, (of, pattern, how) in enumerate(self.failures):
            if of == method and re.search(pattern, path):
                del self.failures[number]
                return how
        return None

    def called(self, method, pattern):
        return [c for c in self.calls if c[0] == method and re.search(pattern, c[1])]


class Refused(Exception):
    """An answer that is an error: status, X-Error-Code, X-Error-Message."""


class _Call(BaseHTTPRequestHandler):
    """One connection; a method for each name in ROUTES gives the content of an answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # which makes every answer 40 ms late

    def do_GET(self):
        self.hub = self.server.hub
        address = urlsplit(self.path)
        self.query = {key: value[0] for key, value in parse_qs(address.query).items()}
        self.hub.calls.append((self.command, unquote(self.path)))
        how = self.hub.failure_of(self.command, self.path)
        if how == "reset":
            return self._reset()
        if callable(how):
            how()
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if len(self.body) < length:  # the caller has ended
            self.close_connection = True
            return
        self.status, self.more = 200, {}
        try:
            if isinstance(how, tuple):
                raise Refused(how[0], "", how[1])
            content = self._answer(address.path)
        except Refused as refused:
            self.status, code, content = refused.args
            self.more = {"X-Error-Code": code, "X-Error-Message": content}
            content = {"error": content}
        if how == "reset after":
            return self._reset()
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(self.status)
        for key, value in {"Content-Length": str(len(data)), **self.more}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass

    def _reset(self):
        """Drop the connection as a machine does that goes down."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for end in (self.rfile, self.wfile, self.connection):
            end.close()
        self.rfile, self.wfile = io.BytesIO(), io.BytesIO()  # which the server still uses

    def _answer(self, path):
        name, match = self._route(path)
        self._require_token(None if name in SIGNED else f"Bearer {TOKEN}")
        found = {key: unquote(value) for key, value in match.groupdict().items()}
        if "name" in found:
            self.name = found.pop("name")
            self.repository = self.hub.repositories.get(self.name)
            if self.repository is None:
                raise Refused(404, "RepoNotFound", "Repository not found")
        revision = found.get("revision")
        if revision and self.repository.commit_of(revision) is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return getattr(self, name)(**found)

    def _route(self, path):
        for (method, pattern), name in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                return name, match
        self.hub.unknown.append((self.command, self.path))
        raise Refused(501, "", f"unknown call {self.command} {self.path}")

    def _require_token(self, expected):
        token = self.headers.get("Authorization")
        if expected is None and token is not None:
            raise Refused(400, "", "a token is not for the storage")
        if expected is not None and token is None:
            raise Refused(401, "RepoNotFound", "Repository not found")
        if token != expected:
            raise Refused(401, "", "Invalid credentials in Authorization header")

    def _require_write(self):
        if not self.hub.may_write and "create_pr" not in self.query:
            raise Refused(403, "", "You don't have the rights to do this")

    def create(self):
        asked = json.loads(self.body)
        self._require_write()
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            raise Refused(409, "", "You already created this model repo")
        self.hub.repositories[name] = Repository(asked["visibility"] == "private")
        return {"url": f"{self.hub.endpoint}/{name}"}

    def validate_yaml(self):
        return {"errors": [], "warnings": []}

    def about(self, revision="main"):
        sha, private = self.repository.commit_of(revision), self.repository.private
        return {"id": self.name, "sha": sha, "private": private}

    def references(self):
        refs = self.repository.refs
        tags = [r for r in refs if r != "main" and not r.startswith("refs/")]
        listed = {"branches": ["main"], "converts": [], "tags": tags}
        return {
            kind: [{"name": n, "ref": n, "targetCommit": refs[n]} for n in names]
            for kind, names in listed.items()
        }

    def tree(self, revision):
        found = []
        for path, blob in self.repository.at(revision).items():
            known = {"type": "file", "path": path, "size": blob.size, "oid": blob.oid}
            if blob.is_large:
                known["lfs"] = {"oid": blob.oid, "size": blob.size, "pointerSize": 134}
                known["oid"] = hashlib.sha1(blob.oid.encode()).hexdigest()
            found.append(known)
        return found

    def discussions(self):
        known = {
            "author": {"name": "ann"},
            "createdAt": "2026-01-01T00:00:00.000Z",
            "status": "open",
            "repo": {"name": self.name, "type": "model"},
            "isPullRequest": True,
        }
        titles = enumerate(self.repository.proposals, 1)
        found = [{**known, "title": title, "num": number} for number, title in titles]
        return {"count": len(found), "start": 0, "discussions": found}

    def preupload(self, revision):
        self._require_write()
        there = self.repository.at(revision)
        paths = [asked["path"] for asked in json.loads(self.body)["files"]]
        return {
            "files": [
                {
                    "path": path,
                    "uploadMode": "lfs"
                    if path.endswith(("safetensors", "onnx"))
                    else "regular",
                    "shouldIgnore": path in self.hub.ignored,
                    "oid": there[path].oid if path in there else None,
                }
                for path in paths
            ]
        }

    def batch(self):
        objects = []
        for asked in json.loads(self.body)["objects"]:
            if asked["oid"] not in self.repository.large:
                href = f"{self.hub.storage}/large/{self.name}/{asked['oid']}"
                verify = f"{self.hub.endpoint}/verify/{self.name}"
                asked["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
            objects.append(asked)
        return {"transfer": "basic", "objects": objects}

    def put(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "", "these are other bytes")
        self.repository.large[oid] = self.body
        return b""

    def verify(self):
        asked = json.loads(self.body)
        self._require_large(asked["oid"], asked["size"])
        return {}

    def _require_large(self, oid, size):
        if len(self.repository.large.get(oid, b"")) != size:
            raise Refused(400, "", f"{oid} was not uploaded")

    def commit(self, revision):
        self._require_write()
        repository = self.repository
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        parent = header["value"].get("parentCommit", repository.commit_of(revision))
        proposes = "create_pr" in self.query
        if parent != repository.commit_of(revision) and not proposes:
            raise Refused(412, "", "A commit has happened since")
        if not operations:
            raise Refused(400, "", "an empty commit")
        files = dict(repository.files[parent])
        for operation in operations:
            self._apply(operation["key"], operation["value"], files)
        home, answer = f"{self.hub.endpoint}/{self.name}", {}
        if proposes:
            repository.proposals.append(header["value"]["summary"])
            revision = f"refs/pr/{len(repository.proposals)}"
            answer["pullRequestUrl"] = f"{home}/discussions/{len(repository.proposals)}"
        oid = repository.add(revision, files, parent)
        return {**answer, "commitOid": oid, "commitUrl": f"{home}/commit/{oid}"}

    def _apply(self, key, value, files):
        path = value["path"]
        if key == "file":
            files[path] = regular(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            self._require_large(value["oid"], value["size"])
            files[path] = Blob(None, value["size"], value["oid"])
        elif key == "deletedFile" and path in files:
            del files[path]
        else:
            raise Refused(400, "", f"cannot do {key} of {path}")

    def tag(self, revision):
        self._require_write()
        name = json.loads(self.body)["tag"]
        if name in self.repository.refs:
            raise Refused(409, "", "Tag reference exists already")
        self.repository.refs[name] = self.repository.commit_of(revision)
        return {}

    def resolve(self, revision, path):
        blob = self.repository.at(revision).get(path)
        if blob is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        self.more = {"X-Repo-Commit": self.repository.commit_of(revision)}
        if not blob.is_large:
            self.more["ETag"] = f'"{blob.oid}"'
            return blob.data
        self.status = 302
        self.more |= {"X-Linked-Etag": f'"{blob.oid}"', "X-Linked-Size": str(blob.size)}
        self.more["Location"] = f"{self.hub.storage}/large/{self.name}/{blob.oid}"
        return b""

    def get_large(self, oid):
        self.more = {"ETag": f'"{oid}"'}
        return self.repository.large[oid]
