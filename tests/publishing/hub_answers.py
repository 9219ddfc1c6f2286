"""What a model hub answers to each call that publishing and loading make."""

from __future__ import annotations

import base64
import hashlib
import json

from tests.publishing.hub_repository import Blob, Repository, regular

TOKEN = "hf_the-token-of-the-tests"
MODEL = r"/api/models/(?P<name>[^/]+/[^/]+)"
ROUTES = {
    ("POST", r"/api/repos/create"): "create",
    ("POST", r"/api/validate-yaml"): "validate_yaml",
    ("GET", MODEL): "about",
    ("GET", MODEL + r"/revision/(?P<revision>[^/]+)"): "about",
    ("GET", MODEL + r"/refs"): "references",
    ("GET", MODEL + r"/tree/(?P<revision>[^/]+)"): "tree",
    ("GET", MODEL + r"/discussions"): "discussions",
    ("POST", MODEL + r"/preupload/(?P<revision>[^/]+)"): "preupload",
    ("POST", MODEL + r"/commit/(?P<revision>[^/]+)"): "commit",
    ("POST", MODEL + r"/tag/(?P<revision>[^/]+)"): "tag",
    ("POST", r"/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch"): "batch",
    ("POST", r"/verify/(?P<name>[^/]+/[^/]+)"): "verify",
    ("PUT", r"/large/(?P<name>[^/]+/[^/]+)/(?P<oid>\w{64})"): "put",
    ("GET", r"/large/(?P<name>[^/]+/[^/]+)/(?P<oid>\w{64})"): "get_large",
    ("HEAD", r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"): "resolve",
    ("GET", r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"): "resolve",
}
SIGNED = ("put", "get_large")  # storage on another machine, which asks for no token


class Refused(Exception):
    """An answer that is an error: status, X-Error-Code, X-Error-Message."""


class Answers:
    """A method for each name in ROUTES: (status, headers, content).

    The call has a ``hub``, a ``query`` and a ``body``, and but for those that belong to no
    repository the ``name`` of one and the ``repository``.
    """

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
        return 200, {}, {"url": f"{self.hub.endpoint}/{name}"}

    def validate_yaml(self):
        return 200, {}, {"errors": [], "warnings": []}

    def about(self, revision="main"):
        repository = self.repository
        sha = repository.commit_of(revision)
        return 200, {}, {"id": self.name, "sha": sha, "private": repository.private}

    def references(self):
        refs = self.repository.refs
        listed = {"branches": ["main"], "converts": [], "tags": []}
        listed["tags"] = [r for r in refs if r != "main" and not r.startswith("refs/")]
        return (
            200,
            {},
            {
                kind: [{"name": n, "ref": n, "targetCommit": refs[n]} for n in names]
                for kind, names in listed.items()
            },
        )

    def tree(self, revision):
        repository = self.repository
        return 200, {}, [repository.info(revision, path) for path in repository.at(revision)]

    def discussions(self):
        found = [
            {
                "title": title,
                "num": number,
                "author": {"name": "ann"},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": "open",
                "repo": {"name": self.name, "type": "model"},
                "isPullRequest": True,
            }
            for number, title in enumerate(self.repository.proposals, 1)
        ]
        return 200, {}, {"count": len(found), "start": 0, "discussions": found}

    def preupload(self, revision):
        self._require_write()
        there = self.repository.at(revision)
        files = []
        for asked in json.loads(self.body)["files"]:
            path = asked["path"]
            large = path.endswith((".safetensors", ".onnx"))
            files.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if large else "regular",
                    "shouldIgnore": path in self.hub.ignored,
                    "oid": there[path].oid if path in there else None,
                }
            )
        return 200, {}, {"files": files}

    def batch(self):
        objects = []
        for asked in json.loads(self.body)["objects"]:
            answer = dict(asked)
            if asked["oid"] not in self.repository.large:
                href = f"{self.hub.storage}/large/{self.name}/{asked['oid']}"
                verify = f"{self.hub.endpoint}/verify/{self.name}"
                answer["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
            objects.append(answer)
        return 200, {}, {"transfer": "basic", "objects": objects}

    def put(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "", "these are other bytes")
        self.repository.large[oid] = self.body
        return 200, {}, b""

    def verify(self):
        asked = json.loads(self.body)
        if len(self.repository.large.get(asked["oid"], b"")) != asked["size"]:
            raise Refused(400, "", "not uploaded")
        return 200, {}, {}

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
        answer = {}
        if proposes:
            repository.proposals.append(header["value"]["summary"])
            revision = f"refs/pr/{len(repository.proposals)}"
            answer["pullRequestUrl"] = (
                f"{self.hub.endpoint}/{self.name}/discussions/{len(repository.proposals)}"
            )
        oid = repository.add(revision, files, parent)
        answer |= {
            "commitOid": oid,
            "commitUrl": f"{self.hub.endpoint}/{self.name}/commit/{oid}",
        }
        return 200, {}, answer

    def _apply(self, key, value, files):
        path = value["path"]
        if key == "file":
            files[path] = regular(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if len(self.repository.large.get(value["oid"], b"")) != value["size"]:
                raise Refused(400, "", f"{path} was not uploaded")
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
        return 200, {}, {}

    def resolve(self, revision, path):
        blob = self.repository.at(revision).get(path)
        headers = {"X-Repo-Commit": self.repository.commit_of(revision)}
        if blob is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        if not blob.is_large:
            return 200, {**headers, "ETag": f'"{blob.oid}"'}, blob.data
        linked = {"X-Linked-Etag": f'"{blob.oid}"', "X-Linked-Size": str(blob.size)}
        address = f"{self.hub.storage}/large/{self.name}/{blob.oid}"
        return 302, {**headers, **linked, "Location": address}, b""

    def get_large(self, oid):
        return 200, {"ETag": f'"{oid}"'}, self.repository.large[oid]
