"""Issue 13, the worst of it: nobody gets in (S1, S2, S6)."""

import contextlib
import http.client
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

import train
from ser_brain.__main__ import main
from tests.inference.stand_in import noise, write
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import settings, write_corpus

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


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app") / "model"
    write_model(folder)
    return folder


@needs_gradio
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_page_scores_what_was_uploaded_and_no_other_file(model, tmp_path, stop):
    """S1."""
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
        server.send_signal(stop)
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
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_a_page_that_is_busy(tmp_path, stop):
    """S1."""
    clip = write(tmp_path / "clip.wav", noise(1))
    temporary = tmp_path / "temporary"
    with ser_app(["-c", BUSY], temporary) as (server, visitor):
        kept = visitor.upload("clip.wav", Path(clip).read_bytes())
        assert visitor.ask_for(kept, "a")[0] == 200
        time.sleep(2)  # until it is taken from the queue
        server.send_signal(stop)
        assert server.wait(STOP_S) == 128 + stop
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained run and the manifest of its corpus."""
    home = tmp_path_factory.mktemp("trained")
    corpus = write_corpus(home / "tiny")
    recipe = Path(train.__file__).parent / "hparams" / "classification.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", str(recipe), *settings(corpus, home / "run")])
        assert train.main() == 0
    return home


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it, to do harm to."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


def add(run, line):
    """Change a setting of a run, or add one; its line is no longer in the checksums."""
    key, text = line.partition(":")[0], (run / "hyperparams.yaml").read_text()
    kept = re.sub(rf"^{key}:.*\n(?:  .*\n)*", "", text, flags=re.MULTILINE)
    (run / "hyperparams.yaml").write_text(f"{kept}{line}\n")
    sums = (run / "SHA256SUMS").read_text().splitlines(keepends=True)
    (run / "SHA256SUMS").write_text("".join(x for x in sums if "hyperparams" not in x))


CODE = [
    "manifest_folder: !applyref:os.system ['touch MARK']",
    "manifest_folder: !apply:os.system ['touch MARK']",
    "more: !applyref:os.system ['touch MARK']",
    "more: !include:/dev/zero",
    "__more: !apply:os.system ['touch MARK']",
    "more: !new:subprocess.Popen [[touch, MARK]]",
    "more: !module:antigravity",
    "encoder_optimizer: !new:subprocess.Popen [[touch, MARK]]",
    "train_log: !new:subprocess.Popen [[touch, MARK]]",
]


@pytest.mark.parametrize("line", CODE)
def test_what_a_run_folder_names_is_not_run_where_it_is_read(trained, run, line, monkeypatch):
    """S2."""
    mark = run.parent / "mark"
    add(run, line.replace("MARK", str(mark)))
    manifest = next((trained / "manifests").glob("*.card.json"))
    manifest = str(manifest).replace(".card.json", ".json")
    out = run.parent
    commands = [
        ["verify", run, "--manifest_folder", trained / "manifests"],
        ["report", run],
        ["embed", manifest, "--run", run, "--out", out / "embedded"],
        ["export", run, out / "exported"],
        ["evaluate", run, "--on", manifest],
    ]
    monkeypatch.chdir(out)
    needed = line.startswith("manifest_folder")  # a folder that is no text is none
    assert main(["verify", str(run)]) == (1 if needed else 0)
    for command in commands:
        refused = needed and command[0] not in ("verify", "report")
        assert main([*map(str, command)]) == (2 if refused else 0), command
    assert not mark.exists() and "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "line",
    [
        "brain: !name:os.system",
        "brain: !apply:os.system ['touch MARK']",
        "brain: !name:ser_brain.files.write_text",
        "emotion_head: !new:subprocess.Popen [[touch, MARK]]",
        "emotion_head: !new:ser_brain.files.Path [MARK]",
        "modules: {encoder: !ref <encoder>, emotion_head: !new:elsewhere.Head {}}",
        "encoder: !apply:os.system ['touch MARK']",
    ],
)
def test_a_model_of_foreign_code_is_refused_by_name(run, line, capsys):
    """S2."""
    mark = run.parent / "mark"
    add(run, line.replace("MARK", str(mark)))
    assert main(["export", str(run), str(run.parent / "exported")]) == 2
    said = capsys.readouterr().err
    assert "which is no part of ser_brain or recipes" in said and said.count("\n") == 1
    assert not mark.exists()


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *command):
    assert main([*map(str, command)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def test_a_report_is_not_written_through_a_link(run, capsys):
    """S6."""
    home = run.parent / "home"
    home.mkdir()
    for name in ("index.html", "results.json", "SHA256SUMS", "files.json"):
        (home / name).write_text("mine")
    shutil.rmtree(run / "report")
    (run / "report").symlink_to(home)
    before = content(home)
    said = refused(capsys, "report", run)
    assert f"{run}/report leads to {home}, and nothing of {run} is written elsewhere" in said
    (run / "report").unlink()
    (run / "report").mkdir()
    for name in (".lock", "index.html"):
        (run / "report" / name).symlink_to(home / "index.html")
    refused(capsys, "report", run)  # its lock
    (run / "report" / ".lock").unlink()
    assert main(["report", str(run)]) == 0
    assert content(home) == before and not (run / "report" / "index.html").is_symlink()


def test_nothing_else_of_a_run_is_written_through_a_link(trained, run, capsys, monkeypatch):
    """S6."""
    home = run.parent / "home"
    shutil.copytree(run / "predictions", home)
    (home / "log").write_text("mine")
    before = content(home)
    manifest = next((trained / "manifests").glob("*.card.json"))
    evaluate = ["--on", str(manifest).replace(".card.json", ".json")]
    shutil.rmtree(run / "predictions")
    (run / "predictions").symlink_to(home)
    assert "predictions leads to" in refused(capsys, "evaluate", run, *evaluate)

    folds = run.parent / "folds"
    folds.mkdir()
    (run / "predictions").unlink()
    (folds / "fold-1").symlink_to(run)
    for part in ("fold-1", "../run", str(run)):
        (folds / "folds.json").write_text(json.dumps({"parts": {"fold 1": part}}))
        assert "is written elsewhere" in refused(capsys, "evaluate", folds, *evaluate)
    assert not (run / "predictions").exists()

    recipe = Path(train.__file__).parent / "hparams" / "classification.yaml"
    arguments = ["train.py", str(recipe), *settings(trained / "tiny", run)]
    for name in ("predictions", "train_log.txt"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(home / "log" if name.endswith("txt") else home)
        monkeypatch.setattr(sys, "argv", arguments)
        assert train.main() == 2
        assert f"{name} leads to" in capsys.readouterr().err
        (run / name).unlink()
    assert content(home) == before
