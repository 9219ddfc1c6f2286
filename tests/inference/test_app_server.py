"""The server of ``ser app``: it scores what was uploaded and no other file, and it stops."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.inference.stand_in import noise, write
from tests.inference.tiny_models import write_model


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny wav2vec 2.0."""
    write_model(tmp_path / "model")
    return tmp_path / "model"


START_S, ANSWER_S, STOP_S = 120, 60, 30


needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="the page needs the extra 'app'"
)


class Visitor:
    """A client that sends what it likes: no browser, no gradio."""

    def __init__(self, address):
        self.host = address.removeprefix("http://")

    def ask(self, method, path, body=None, origin=True, **headers):
        headers |= {"Origin": f"http://{self.host}"} if origin else {}
        link = http.client.HTTPConnection(self.host, timeout=ANSWER_S)
        with contextlib.closing(link):
            link.request(method, path, body, headers)
            answer = link.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def upload(self, name, content):
        """The path under which the server keeps a file."""
        mark = uuid.uuid4().hex
        head = f'Content-Disposition: form-data; name="files"; filename="{name}"'
        body = b"\r\n".join(
            [f"--{mark}\r\n{head}\r\n".encode(), content, f"--{mark}--\r\n".encode()]
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        status, said = self.ask("POST", "/gradio_api/upload", body, **kind)
        assert status == 200, said
        return json.loads(said)[0]

    def ask_for(self, path, session, origin=True, **more):
        """Ask for the scores of a recording; status and what is said at once."""
        recording = {"path": path, "meta": {"_type": "gradio.FileData"}, **more}
        question = {"data": [recording, "As one clip"], "fn_index": 0, "session_hash": session}
        kind = {"Content-Type": "application/json"}
        asked = json.dumps(question).encode()
        return self.ask("POST", "/gradio_api/queue/join", asked, origin, **kind)

    def score(self, path, **more):
        """The same, and what the page is then told."""
        session = uuid.uuid4().hex
        status, said = self.ask_for(path, session, **more)
        if status == 200:
            _, said = self.ask("GET", f"/gradio_api/queue/data?session_hash={session}")
        return status, said


@contextlib.contextmanager
def ser_app(command, temporary):
    """``ser app`` with temporary files of its own: process, visitor."""
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        ready, *_ = select.select([process.stderr], [], [], START_S)
        said = process.stderr.readline().decode() if ready else ""
        address = re.search(r"Page: (http://127\.0\.0\.1:\d+) ", said)
        assert address, said
        yield process, Visitor(address[1])
    finally:
        process.kill()
        process.communicate()


@needs_gradio
def test_the_page_scores_what_was_uploaded_and_no_other_file(model, tmp_path):
    clip = write(tmp_path / "clip.wav", noise(1))
    secret = tmp_path / "secret.svg"
    secret.write_text("s3cret")
    os.mkfifo(tmp_path / "pipe.wav")
    temporary = tmp_path / "temporary"
    command = ["-m", "ser_brain", "app", str(model), "--port", "0"]
    with ser_app(command, temporary) as (server, visitor):
        kept = visitor.upload("clip.wav", Path(clip).read_bytes())
        status, said = visitor.score(kept)
        assert status == 200 and "data-emotion" in said

        uploads = Path(kept).parent.parent
        (Path(kept).parent / "link.wav").symlink_to(clip)
        os.mkfifo(Path(kept).parent / "pipe.wav")
        others = [
            *(clip, secret, "/etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin"),
            *(tmp_path / "pipe.wav", tmp_path / "missing.wav", tmp_path, uploads),
            *(f"{uploads}/../../clip.wav", f"{kept}/../link.wav", f"{kept}\0"),
            *(Path(kept).parent / "link.wav", Path(kept).parent / "pipe.wav"),
            *("http://192.0.2.1/a.wav", f"file://{kept}", "clip.wav", ""),
        ]
        answers = set()
        for other in map(str, others):
            begun = time.monotonic()
            for more in ({}, {"is_stream": True}, {"url": "/gradio_api/file=x"}):
                answers.add(visitor.score(other, **more))
            answers.add(visitor.ask("GET", f"/gradio_api/file={other}".replace("\0", "%00")))
            assert time.monotonic() - begun < 5
        assert answers == {(403, "Not a recording that was uploaded here.")}

        # Nor is another way in, nor is a request taken that no page sent.
        body = json.dumps({"data": [{"path": str(clip)}, "4 s"], "fn_index": 0})
        for path in ("run/predict", "api/0", "call/0", "component_server", "process_recording"):
            assert visitor.ask("POST", f"/gradio_api/{path}", body)[0] == 403
        assert visitor.ask("GET", "/gradio_api/proxy=http://192.0.2.1/")[0] == 403
        assert visitor.score(kept, origin=False)[0] == 403

        assert visitor.ask("GET", f"/gradio_api/file={kept}")[0] == 200
        kinds = {"clip.wav", "link.wav", "pipe.wav"}  # nothing was copied in
        assert {path.name for path in uploads.glob("*/*")} == kinds
        assert "data-emotion" in visitor.score(kept)[1]  # it still answers
        server.send_signal(signal.SIGINT)
        said, told = server.communicate(timeout=STOP_S)
    assert server.returncode == 0 and told == b""
    assert said.decode() == "The page is closed; recordings are deleted.\n"
    assert list(temporary.iterdir()) == []


BUSY = """
import sys, time
from ser_brain.__main__ import main
from ser_brain.inference.recognizer import EmotionRecognizer
from tests.inference.stand_in import StandIn

class Busy(StandIn):
    card = {}
    def score(self, waveforms):
        time.sleep(600)  # as in a library that cannot be stopped

EmotionRecognizer.from_pretrained = lambda *_: Busy()
sys.exit(main(["app", "model", "--port", "0"]))
"""


@needs_gradio
def test_a_stop_ends_a_page_that_is_busy(tmp_path):
    clip = write(tmp_path / "clip.wav", noise(1))
    temporary = tmp_path / "temporary"
    with ser_app(["-c", BUSY], temporary) as (server, visitor):
        kept = visitor.upload("clip.wav", Path(clip).read_bytes())
        assert visitor.ask_for(kept, "a")[0] == 200
        time.sleep(2)  # until it is taken from the queue
        server.send_signal(signal.SIGTERM)
        assert server.wait(STOP_S) == 128 + signal.SIGTERM
    assert list(temporary.iterdir()) == []
