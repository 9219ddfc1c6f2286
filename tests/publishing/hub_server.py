"""A model hub on this machine: the calls that publishing and loading make, and no other.

Every call is recorded. One that is not known is answered 501 and recorded in ``unknown``.
``fail(method, pattern, how)`` lets the next call of an address go wrong.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.publishing.hub_answers import ROUTES, SIGNED, TOKEN, Answers, Refused


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


class _Call(Answers, BaseHTTPRequestHandler):
    """One connection."""

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
        try:
            if isinstance(how, tuple):
                raise Refused(how[0], "", how[1])
            status, headers, content = self._answer(address.path)
        except Refused as refused:
            status, code, message = refused.args
            headers = {"X-Error-Code": code, "X-Error-Message": message}
            content = {"error": message}
        if how == "reset after":
            return self._reset()
        self._send(status, headers, content)

    do_HEAD = do_POST = do_PUT = do_GET

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

    def _send(self, status, headers, content):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _reset(self):
        """Drop the connection as a machine does that goes down."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def finish(self):
        if not self.wfile.closed:
            super().finish()

    def log_message(self, *_):
        pass
