"""Every fault that issue 13 reported stays mended; sections carry the numbers of the issue."""

from __future__ import annotations

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

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

import recipes
from data_prep.__main__ import main as data_prep
from data_prep.common.prepare import prepare
from ser_brain import EmotionRecognizer
from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json
from ser_brain.data import audio
from ser_brain.data.manifest import read_manifest
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.app.page import about_html
from ser_brain.inference.segments import Skipped, merged
from ser_brain.publishing.verify import DIFFERS, verify
from tests import fake_run
from tests.inference.stand_in import RATE_HZ, noise, write
from tests.inference.tiny_models import write_model
from tests.test_supply_chain import Harm
from tests.tiny_corpus import run_train, settings, write_corpus

ROOT = Path(__file__).parents[2]
TINY = {"csv": "labels.csv", "vad_scale": [1, 5]}  # options of the corpora of these tests


def content(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def loaded(path: Path):
    return json.loads(path.read_text())


@pytest.fixture
def model(tmp_path):
    """The folder of a tiny wav2vec 2.0."""
    write_model(tmp_path / "model")
    return tmp_path / "model"


def english(home: Path, folder: Path) -> list[str]:
    """Settings that train in a folder on the English part of the corpus of a home."""
    options = "{name: tiny, csv: labels.csv, vad_scale: [1, 5]}"
    line = f"corpus: table, data_folder: '{home}/tiny', where: {{language: eng}}"
    line = f"[{{{line}, options: {options}}}]"
    return settings(home / "tiny", folder, number_of_epochs=1, corpora=line)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A home with a corpus in two languages, its manifest, and a run on its English part."""
    home = tmp_path_factory.mktemp("trained")
    table = write_corpus(home / "tiny", clips=1) / "labels.csv"
    head, *rows = table.read_text().splitlines()
    named = [f"{row},{'deu' if row.startswith('s5') else 'eng'}" for row in rows]
    table.write_text("\n".join([f"{head},language", *named]))
    assert run_train("classification.yaml", *english(home, home / "run")) == 0
    return home


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the run, to damage."""
    return shutil.copytree(trained / "run", tmp_path / "run")


def epochs(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "train_log.jsonl").open()]


def steps(folder: Path) -> int:
    """How many steps the optimizer took, as SpeechBrain notes it in the last checkpoint."""
    notes = (max(folder.glob("save/CKPT+*")) / "brain.ckpt").read_text()
    return int(re.search(r"optimizer_step: (\d+)", notes)[1])


# ---- S1: the page


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
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_page_scores_what_was_uploaded_and_no_other_file(model, tmp_path, stop):
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
    clip = write(tmp_path / "clip.wav", noise(1))
    temporary = tmp_path / "temporary"
    with ser_app(["-c", BUSY], temporary) as (server, visitor):
        kept = visitor.upload("clip.wav", Path(clip).read_bytes())
        assert visitor.ask_for(kept, "a")[0] == 200
        time.sleep(2)  # until it is taken from the queue
        server.send_signal(stop)
        assert server.wait(STOP_S) == 128 + stop
    assert list(temporary.iterdir()) == []


# ---- S2: no code that a run folder names is run


def add(run, line):
    """Change a setting of a run, or add one; its line is no longer in the checksums."""
    key, text = line.partition(":")[0], (run / "hyperparams.yaml").read_text()
    kept = re.sub(rf"^{key}:.*\n(?:  .*\n)*", "", text, flags=re.MULTILINE)
    (run / "hyperparams.yaml").write_text(f"{kept}{line}\n".replace("MARK", f"{run}.mark"))
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
def test_what_a_run_folder_names_is_not_run_where_it_is_read(trained, run, line, ser):
    add(run, line)
    manifest, out = trained / "manifests/tiny.json", run.parent
    needed = line.startswith("manifest_folder")  # a folder that is no text is none
    ser("verify", run, code=1 if needed else 0)
    ser("verify", run, "--manifest_folder", trained / "manifests")
    ser("report", run)
    for command in (
        ["embed", manifest, "--run", run, "--out", out / "embedded"],
        ["export", run, out / "exported"],
        ["evaluate", run, "--on", manifest],
    ):
        ser(*command, code=2 if needed else 0)
    assert not Path(f"{run}.mark").exists() and "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "line",
    [
        "brain: !name:os.system",
        "brain: !apply:os.system ['touch MARK']",
        "brain: !name:ser_brain.core.files.write_text",
        "emotion_head: !new:subprocess.Popen [[touch, MARK]]",
        "emotion_head: !new:ser_brain.core.files.Path [MARK]",
        "modules: {encoder: !ref <encoder>, emotion_head: !new:elsewhere.Head {}}",
        "encoder: !apply:os.system ['touch MARK']",
    ],
)
def test_a_model_of_foreign_code_is_refused_by_name(run, line, refused):
    add(run, line)
    said = refused("export", run, run.parent / "exported")
    assert "which is no part of ser_brain or recipes" in said
    assert not Path(f"{run}.mark").exists()


# ---- S3, S4: answers that are not finite, and models that ask for much memory


def test_an_answer_that_is_not_finite_is_an_error_that_names_the_model(model, ser):
    """Finite weights whose products overflow."""
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = torch.full_like(weights["classifier.weight"], 3e38)
    save_file(weights, model / "model.safetensors")
    said = ser("predict", write(model.parent / "a.wav", noise(1)), "--model", model, code=2)
    assert "tiny wav2vec2-base gives no usable scores: its log_probabilities are" in said.err
    assert "nan" not in said.out
    with pytest.raises(SERError, match="gives no usable scores"):
        EmotionRecognizer.from_pretrained(model).predict(noise(1), RATE_HZ)


@pytest.mark.parametrize(
    "family, changes",
    [
        ("wav2vec2-base", {"conv_stride": [1] * 7}),
        ("wavlm-base", {"conv_stride": [1] * 7, "num_attention_heads": 32}),
        ("wavlm-base", {"num_buckets": 1}),
    ],
)
def test_a_small_folder_cannot_ask_for_much_memory(tmp_path, family, changes, refused):
    """One second of audio took 10.8 GB, or divided by zero."""
    write_model(tmp_path / "model", family)
    path = tmp_path / "model" / "config.json"
    config = loaded(path)
    config["ser_brain"]["encoder"]["config"].update(changes)
    write_json(path, config)
    clip = write(tmp_path / "a.wav", noise(1))
    assert refused("predict", clip, "--model", tmp_path / "model").startswith("error: Bad ")


# ---- S5: hostile files


def pickled(path):
    torch.save({"weight": Harm(path.parents[3] / "harm")}, path)


def tagged(path):
    with open(path, "a") as file:
        file.write(f"x: !!python/object/apply:os.mkdir ['{path.parents[3] / 'harm'}']\n")


def piped(path):
    path.unlink()
    os.mkfifo(path)


def endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "name, damage, message",
    [
        ("save/CKPT*/modules.ckpt", pickled, "UnpicklingError: Weights only load failed"),
        ("save/CKPT*/modules.ckpt", lambda path: path.write_text("none"), "cannot be loaded"),
        ("save/CKPT*/modules.ckpt", piped, "it is not a regular file"),
        ("save/CKPT*/CKPT.yaml", tagged, "could not determine a constructor for the tag"),
        ("save/CKPT*/CKPT.yaml", piped, "it is not a regular file"),
        ("save/CKPT*/CKPT.yaml", lambda path: path.write_text("[1]"), "expected a number"),
        ("run.json", piped, "Cannot read the run description"),
        ("splits.json", endless, "Cannot read the split"),
        ("predictions/tiny_eng.jsonl", piped, "Cannot read the predictions"),
    ],
)
def test_a_hostile_run_folder_is_refused_in_one_line(run, name, damage, message, refused):
    """Pickles, tags, pipes and devices ended in tracebacks or hung."""
    (path,) = run.glob(name)
    (path.parent / "SHA256SUMS").unlink(missing_ok=True)
    damage(path)
    assert message in refused("export", run, run.parent / "model")
    assert not (run.parent / "harm").exists()


@pytest.mark.parametrize("damage", [piped, endless])
@pytest.mark.parametrize("name", ["tiny.json", "tiny.card.json"])
def test_a_manifest_that_is_no_file_is_refused(trained, run, name, damage, refused):
    """A pipe was waited for, and a device was read for ever."""
    shutil.copytree(trained / "manifests", run.parent / "manifests")
    damage(run.parent / "manifests" / name)
    said = refused("evaluate", run, "--on", run.parent / "manifests/tiny.json")
    assert "not a regular file" in said or "No manifest at" in said or "No corpus card" in said


# ---- S6: nothing is written through a link


def test_a_report_is_not_written_through_a_link(run, ser, refused):
    home = run.parent / "home"
    home.mkdir()
    for name in ("index.html", "results.json", "SHA256SUMS", "files.json"):
        (home / name).write_text("mine")
    shutil.rmtree(run / "report")
    (run / "report").symlink_to(home)
    before = content(home)
    said = refused("report", run)
    assert f"{run}/report leads to {home}, " in said and "so it is not written" in said
    (run / "report").unlink()
    (run / "report").mkdir()
    for name in (".lock", "index.html"):
        (run / "report" / name).symlink_to(home / "index.html")
    refused("report", run)  # its lock
    (run / "report" / ".lock").unlink()
    ser("report", run)
    assert content(home) == before and not (run / "report" / "index.html").is_symlink()


def test_nothing_else_of_a_run_is_written_through_a_link(trained, run, refused, capsys):
    home = run.parent / "home"
    shutil.copytree(run / "predictions", home)
    (home / "log").write_text("mine")
    before = content(home)
    evaluate = ["--on", trained / "manifests/tiny.json"]
    shutil.rmtree(run / "predictions")
    (run / "predictions").symlink_to(home)
    assert "predictions leads to" in refused("evaluate", run, *evaluate)

    folds = run.parent / "folds"
    folds.mkdir()
    (run / "predictions").unlink()
    (folds / "fold-1").symlink_to(run)
    for part in ("fold-1", "../run", str(run)):
        (folds / "folds.json").write_text(json.dumps({"parts": {"fold 1": part}}))
        assert "so it is not written" in refused("evaluate", folds, *evaluate)
    assert not (run / "predictions").exists()

    for name in ("predictions", "train_log.txt"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(home / "log" if name.endswith("txt") else home)
        assert run_train("classification.yaml", *english(trained, run)) == 2
        assert f"{name} leads to" in capsys.readouterr().err
        (run / name).unlink()
    assert content(home) == before


# ---- 1, 9: the table of a corpus, and 3: names that differ only in writing


PIECES_S = [(0.0, 1.0), (1.0, 2.0), (1.5, 3.0)]


@pytest.fixture
def table(tmp_path, capsys):
    """``python -m data_prep table`` of a recording of 3 s; gives its entries and errors."""
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ)
    soundfile.write(tmp_path / "talk.wav", samples, RATE_HZ)
    where = ["--data_folder", str(tmp_path), "--manifest_folder", str(tmp_path / "m")]

    def table(columns, rows, *options, code=0):
        lines = [f"path,{columns}", *(",".join(["talk.wav", *map(str, row)]) for row in rows)]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = data_prep(["table", "--name", "mine", "--csv", "t.csv", *where, *options])
        said = capsys.readouterr().err
        assert found == code, said
        return [*loaded(tmp_path / "m/mine.json").values()] if code == 0 else [], said

    return table


def clock(seconds):
    return f"0 days 00:00:{seconds:09.6f}"


def with_end(start, stop):
    return start, stop


def with_duration(start, stop):
    return start, stop - start


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("start,end", with_end),
        ("start,stop", with_end),
        ("begin,end", with_end),
        ("start_time,end_time", with_end),
        ("Start Time,End Time", with_end),
        ("onset,offset", with_end),
        ("start,duration", with_duration),
        ("offset,duration", with_duration),
        ("onset,duration", with_duration),
        ("start_s,duration_s", with_duration),
        ("start_ms,end_ms", lambda *times: [1000 * time for time in times]),
        ("start,end", lambda *times: [clock(time) for time in times]),
        ("start,end", lambda *times: [clock(time).removeprefix("0 days ") for time in times]),
        ("start,end", lambda *times: [f"0:{time:.2f}" for time in times]),
    ],
)
def test_pieces_of_a_file_have_both_their_ends(table, columns, cells):
    """The end was ignored, and every segment lasted to the end of the file."""
    rows = [[*cells(*piece), "sad", "a"] for piece in PIECES_S]
    entries, _ = table(f"{columns},emotion,speaker", rows)
    found = [(entry["start"], entry["stop"], entry["duration"]) for entry in entries]
    assert found == [(start, stop, stop - start) for start, stop in PIECES_S]


def test_an_end_alone_counts_from_the_beginning_of_the_file(table):
    """``end`` alone was ignored."""
    (entry,), _ = table("end,label", [[1.25, "sad"]])
    assert entry["duration"] == 1.25


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        ("start,dur_frames", "'dur_frames' may be where they stop"),
        ("start,num_frames", "'num_frames' may be where they stop"),
        ("start,finish", "--stop_column or --duration_column"),
        ("start,Segment Length", "ignore it with --ignore_columns 'Segment Length'"),
        ("start,segment_end", "ignore it with --ignore_columns segment_end"),
        ("end,segment_start", "'segment_start' may be where they start"),
        ("start,offset", "'offset' may be where they stop"),  # beside an onset it is the end
        ("from,to", "ignore them: --ignore_columns from to."),
        ("start_sample,end_sample", "ignore them: --ignore_columns start_sample end_sample."),
        ("t0,t1", "ignore them: --ignore_columns t0 t1."),
    ],
)
def test_an_end_that_may_stand_unread_is_refused(table, columns, advice):
    """A start was read alone, or whole files, although the table knew the ends."""
    rows, pair = [[0.5, 1, "sad"]], columns.split(",")
    assert advice in table(f"{columns},emotion", rows, code=2)[1]
    table(
        f"{columns},emotion", rows, "--ignore_columns", *pair[-2 if "them" in advice else -1 :]
    )
    named = ["--start_column", pair[0], "--stop_column", pair[1]]
    if "them" in advice:
        assert table(f"{columns},emotion", rows, *named)[0][0]["duration"] == 0.5


def test_columns_that_are_not_used_are_always_named(table):
    """A column that was not understood was passed over in silence."""
    for _ in range(2):  # the second time the manifest is up to date
        _, said = table("label,mood,duration", [["sad", "x", 3]])
        assert "t.csv: columns not used: mood, duration." in said
        assert "columns read: path, emotion (label)." in said


def test_a_stop_before_its_start_is_refused_wherever_it_stands(table, tmp_path):
    """``stop < start`` read to the end of the file."""
    _, said = table("start,stop,emotion", [[2, 1, "sad"]], code=2)
    assert "1 stop before its start: talk.wav 2-1 s" in said
    with pytest.raises(audio.AudioProblem, match="stop before its start"):
        audio.read(tmp_path / "talk.wav", 2.0, 1.0)
    table("start,stop,emotion", [[1, 2, "sad"]])
    manifest = tmp_path / "m" / "mine.json"
    (tmp_path / "m" / "mine.card.json").unlink()
    manifest.write_text(manifest.read_text().replace('"stop": 2.0', '"stop": 0.5'))
    match = "Bad stop in entry 'mine_talk_1.000_2.000' .*: found 0.5"
    with pytest.raises(SERError, match=match):
        read_manifest(manifest)


def test_an_explicit_map_goes_before_the_words_for_nothing(table):
    """``--emotion_map none=neutral`` left the rows without a label."""
    rows = [[0, 1, "none"], [1, 2, "n/a"], [2, 3, "NA"]]
    entries, _ = table("start,end,label", rows, "--emotion_map", "none=neutral", "n/a=calm")
    assert [entry["labels"]["intended"] for entry in entries] == [
        {"emotion": "neutral", "raw": "none"},
        {"emotion": "calm", "raw": "n/a"},
        {"emotion": None, "raw": None},
    ]


@pytest.mark.parametrize(
    "names, alike",
    [
        (("spk01", "Spk01"), True),
        (("spk1", "spk01"), True),
        (("7", "007"), True),
        (("spk 1", "spk_1"), True),
        (("Zo\u00eb", "Zoe\u0308"), True),
        (("anna", "anna\u200b"), True),
        (("s1", "s11", "1s"), False),
    ],
)
def test_speakers_whose_names_differ_by_writing_alone_are_told(table, names, alike):
    """``spk01`` and ``Spk01`` were two speakers without a warning."""
    rows = [[at, at + 1, "sad", name] for at, name in enumerate(names)]
    entries, said = table("start,end,label,speaker", rows)
    assert len({entry["speaker"] for entry in entries}) == len(names)
    shown = " = ".join(ascii(name)[1:-1] for name in sorted(names))
    assert (f"speakers that may be the same: {shown}" in said) == alike
    assert ("may be the same" in said) == alike


# ---- 2: the options of a run


@pytest.mark.parametrize(
    "option", ["--debug", "--optimizer_step_limit=1", "--device=mps", "--jit"]
)
def test_a_run_option_that_cannot_work_is_refused_in_one_line(option, train_in):
    """--debug reported on half of the test set; others left tracebacks."""
    folder, error = train_in("run", option, code=2)
    assert error.count("\n") == 1 and option.partition("=")[0].lstrip("-") in error
    assert not folder.exists()


def test_no_mps_for_predict_and_the_api(model, refused):
    """A traceback in both."""
    with pytest.raises(SERError, match="Bad device 'mps'"):
        EmotionRecognizer.from_pretrained(model, device="mps")
    clip = write(model.parent / "a.wav", noise(1))
    refused("predict", clip, "--model", model, "--device", "mps")


def test_accumulated_gradients_step_as_one_large_batch(train_in, monkeypatch):
    """The batches that were left at the end of an epoch had no step."""
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, values: values)  # no chance
    found = {}
    for name, size, factor in (("small", 5, 3), ("large", 15, 1)):
        option = f"--grad_accumulation_factor={factor}"
        folder, _ = train_in(name, option, recipe="multiobjective.yaml", batch_size=size)
        options = loaded(folder / "run.json")["run_options"]
        assert options["grad_accumulation_factor"] == factor
        assert len(loaded(folder / "splits.json")["train"]) == 15 + 5 + 4
        assert steps(folder) == 4
        found[name] = epochs(folder)
    for ours, theirs in zip(found["small"], found["large"], strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=1e-3)
        assert ours["valid"] == pytest.approx(theirs["valid"], rel=1e-3)


@pytest.mark.parametrize("batching", ["random", "dynamic"])
def test_more_batches_for_a_step_than_an_epoch_has(batching, train_in):
    """A factor of 4 with 2 batches took no step at all."""
    option, changes = "--grad_accumulation_factor=4", {"batch_size": 16, "batching": batching}
    assert steps(train_in("run", option, **changes)[0]) == 2


def test_run_options_are_recorded_kept_and_verified(train_in):
    """Neither the record nor the next command knew of them."""
    folder, _ = train_in("run", "--grad_accumulation_factor=2", "--max_grad_norm=1")
    record, before = loaded(folder / "run.json"), (folder / "run.json").read_bytes()
    options = {"grad_accumulation_factor": 2, "max_grad_norm": 1.0, "device": "cpu"}
    options |= {"precision": "fp32", "eval_precision": "fp32"}
    assert options.items() <= record["run_options"].items()

    _, said = train_in("run", "--max_grad_norm=1", number_of_epochs=3, code=2)
    assert "grad_accumulation_factor was 2" in said
    assert (folder / "run.json").read_bytes() == before
    assert DIFFERS not in {check.state for check in verify(folder)}

    record["run_options"]["max_grad_norm"] = 5.0
    (folder / "run.json").write_text(json.dumps(record))
    reasons = {check.item: check.reason for check in verify(folder)}
    assert "max_grad_norm 1.0, not 5.0" in reasons["run.json"]


def test_a_norm_below_zero_clips_nothing(train_in):
    """SpeechBrain's way to disable clipping turned the gradients round."""
    folders = [train_in(f"norm{norm}", f"--max_grad_norm={norm}")[0] for norm in ("-1", "1e9")]
    none, high = ([epoch["train"] for epoch in epochs(folder)] for folder in folders)
    assert none == high


def test_only_testing_needs_the_epochs_that_were_asked_for(train_in):
    """A run of one epoch of three passed for finished."""
    train_in("run", number_of_epochs=1)
    _, said = train_in("run", "--test_only", number_of_epochs=3, code=2)
    assert "--test_only: 1 of 3 epochs are trained" in said
    train_in("run", "--test_only", number_of_epochs=1)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_skipped_batch_is_not_in_the_train_loss(factor, train_in, spoiled_batch):
    """A batch whose gradient overflowed was skipped, and counted."""
    # The root is 0, with an infinite gradient.
    spoiled_batch(lambda found: found - 1000 + (found - found.detach()).sqrt())
    option = f"--grad_accumulation_factor={factor}"
    folder, _ = train_in("run", option, nonfinite_batches="skip", batch_size=6)
    assert [epoch["skipped_batches"] for epoch in epochs(folder)] == [factor, factor]
    assert all(epoch["train"]["loss"] < 100 for epoch in epochs(folder))


# ---- 3: unknown speakers, 7: folds tested further, 16, 19: cards of corpora


@pytest.fixture(scope="module")
def unknown_speakers(tmp_path_factory):
    """A run on a table without speakers, texts or groups, and a folder of two such folds."""
    home = tmp_path_factory.mktemp("unknown")
    corpus = write_corpus(home / "tiny")
    lines = (corpus / "labels.csv").read_text().splitlines()
    kept = [",".join(line.split(",")[:2]) for line in lines]  # path and emotion
    (corpus / "labels.csv").write_text("\n".join(kept))
    chosen = ["--split=random", "--number_of_epochs=1", *settings(corpus, home / "run")]
    chosen = [one.replace("labels.csv, vad_scale: [1, 5]", "labels.csv") for one in chosen]
    assert run_train("classification.yaml", *chosen) == 0
    for part in ("fold-1", "fold-2"):
        shutil.copytree(home / "run", home / "folds" / part)
    write_json(home / "folds/folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    other = write_corpus(home / "other", seed=1)
    prepare("table", other, home / "manifests", name="other", **TINY)
    return home


@pytest.fixture
def home(unknown_speakers, tmp_path):
    return shutil.copytree(unknown_speakers, tmp_path / "home")


UNKNOWN = (
    "not compared: speakers of 48, groups of 48, texts of 48 utterances, which are unknown"
)


def test_nothing_is_an_all_clear_about_unknown_speakers(home, ser):
    """In the log, splits.json, ser audit, the report and the card."""
    log = (home / "run/train_log.txt").read_text()
    assert f"audit: {UNKNOWN}" in log and "audit: nothing known is shared" in log
    splits = loaded(home / "run/splits.json")
    sizes = [len(splits[part]) for part in ("train", "valid")]
    assert splits["audit"]["train-valid"]["speakers"]["unknown"] == sizes
    lists = [f"{home}/run/splits.json:{part}" for part in ("train", "tiny")]
    said = ser("audit", *lists, "--manifest", home / "manifests/tiny.json").out
    count = len(splits["train"]) + len(splits["tests"]["tiny"])
    assert UNKNOWN.replace("48", str(count)) in said and "nothing known is shared" in said
    ser("report", home / "run")
    page = (home / "run/report/index.html").read_text()
    assert "It is unknown whether the model was trained on speakers" in page
    assert UNKNOWN.capitalize() in page and "0 known" in page
    ser("export", home / "run", home / "model")
    card = (home / "model/README.md").read_text()
    assert "WARNING: tiny" in card and "not checked" in card
    assert "tiny and training, not compared: texts of" in card


def test_folds_that_were_tested_further_are_still_verified(home, ser, facts):
    """After ser evaluate, and after ser crosscorpus of a single run."""
    folds, run, manifest = (home / part for part in ("folds", "run", "manifests/other.json"))
    manifests = ["--manifest_folder", home / "manifests"]
    reports = [folds / part / "report" for part in ("fold-1", "fold-2")]
    for report in reports:
        shutil.copytree(report, report.with_name("before"))
    ser("evaluate", folds, "--on", manifest, "--balanced")
    ser("report", run)
    ser("crosscorpus", run, "--on", manifest)
    for folder in (folds, run):
        checks = facts("verify", folder, *manifests)["checks"]
        assert {check["state"] for check in checks} <= {"OK", "not checked"}
        assert {c["state"] for c in checks if c["item"].endswith("numbers")} == {"OK"}
    # As an evaluation leaves them that was stopped before it wrote the reports of the folds.
    for report in reports:
        shutil.rmtree(report)
        report.with_name("before").rename(report)
    checks = facts("verify", folds, *manifests)["checks"]
    reasons = [c["reason"] for c in checks if c["item"].endswith("report, numbers")]
    again = "older than the predictions on other-balanced; ser report writes it again"
    assert reasons == [again] * 2


def test_a_card_may_lack_what_it_need_not_have(home, ser, refused):
    """Ser balance, ser evaluate and ser embed."""
    path, manifest, run = (
        home / f"manifests/other{end}" for end in (".card.json", ".json", "")
    )
    needed, run = ("name", "sources", "default_source", "vad_scale"), home / "run"
    whole = loaded(path)
    write_json(path, {key: whole[key] for key in needed})
    where = ["--data_folder", home / "other"]
    evaluate = ["evaluate", run, "--on", manifest, *where]
    embed = ["embed", manifest, "--run", run, *where, "--out"]
    ser("balance", manifest)
    ser(*evaluate)
    ser(*embed, home / "e")
    # Without a hash in the card, a manifest that was edited is predicted on again.
    entries = loaded(manifest)
    write_json(manifest, dict(list(entries.items())[4:]))
    ser(*evaluate)
    predicted = (run / "predictions/other.jsonl").read_text().splitlines()
    assert len(predicted) == len(entries) - 4
    for key in needed:
        write_json(path, {k: whole[k] for k in needed if k != key})
        for command in (["balance", manifest], evaluate, [*embed, home / "f"]):
            assert f"it lacks {key}. Prepare the corpus again." in refused(*command)


def test_a_damaged_card_of_another_corpus_harms_no_run(home, ser):
    verify = ["verify", home / "run", "--manifest_folder", home / "manifests"]
    (home / "manifests/other.card.json").write_text("{")
    ser(*verify)
    (home / "manifests/tiny.card.json").write_text("{")
    assert "DIFFERS      manifests: Cannot read the corpus card" in ser(*verify, code=1).out


# ---- 4: repeated seeds, and 10: one rule for intervals


def said_otherwise(rows, every):
    """The rows of a model that is right where these are, but for every so many."""
    found = []
    for n, row in enumerate(rows):
        if n % every == 0:
            wrong = next(e for e in fake_run.EMOTIONS if e != row["emotion"])
            scores = dict.fromkeys(fake_run.EMOTIONS, -3.0) | {wrong: -0.1618507}
            row = {**row, "log_probabilities": scores, "predicted_emotion": wrong}
        found.append(row)
    return found


def write_seeds(folder, rows, seeds):
    """The seeds of a run; one seed is a run of its own."""
    parts = {f"seed {seed}": f"seed-{seed}" for seed in range(1, seeds + 1)}
    for name, part in parts.items():
        changes = {"protocol": f"fake/random/intended/4-class/{name}"}
        fake_run.write(folder / part, "fake", rows, experiment="classification", **changes)
    if seeds > 1:
        write_json(folder / "folds.json", {"parts": parts})
    return folder if seeds > 1 else folder / "seed-1"


def test_five_identical_seeds_are_no_more_evidence_than_one(tmp_path, facts):
    """Ser compare, ser crosscorpus and ser report of two models on 40 unknown speakers."""
    rows = [{**row, "speaker": None} for row in fake_run.rows(40, "classification")]
    models, compared = {"a": rows, "b": said_otherwise(rows, 7)}, {}
    for seeds in (1, 5):
        paths = [write_seeds(tmp_path / f"{k}{seeds}", v, seeds) for k, v in models.items()]
        found = facts("compare", *paths)["test_sets"]["fake"]
        matrix = facts("crosscorpus", *paths)["test_sets"]["fake"]["cells"]
        report = facts("report", *paths, "--out", tmp_path / f"report{seeds}")
        (against_first,) = (cell["against_first"]["uar"] for cell in list(matrix.values())[1:])
        (pair,) = report["pairs"]
        assert (found["both"], found["predictions"]) == (40, 40 * seeds)
        assert [cell["utterances"] for cell in matrix.values()] == [40, 40]
        ours, theirs = found["tasks"]["emotion"], pair["tasks"]["emotion"]
        for tested in (ours, against_first, theirs):
            drawn = tested["drawn"]
            assert (drawn["unit"], drawn["count"], tested["n"]) == ("utterance", 40, 40)
        estimates = (ours["metrics"]["uar"], against_first, theirs["metrics"]["uar"])
        compared[seeds] = [(one["difference"], one["p"]) for one in estimates]
    for (once, p_once), (pooled, p_pooled) in zip(*compared.values(), strict=True):
        assert pooled == pytest.approx(once, abs=1e-9)
        assert p_pooled == pytest.approx(p_once, abs=1e-9)


@pytest.mark.parametrize("speakers", [2, 4, 5])
def test_fewer_than_five_speakers_have_no_interval_anywhere(speakers, tmp_path, ser, facts):
    """One rule for the report, the comparison and the matrix."""
    rows = fake_run.rows(100, speakers=speakers)
    for name in "ab":
        fake_run.write(tmp_path / name, "fake", rows, experiment=f"model {name}")
    runs = [tmp_path / name for name in "ab"]
    report = facts("report", runs[0])["test_sets"]["fake"]
    compared = facts("compare", *runs)["test_sets"]["fake"]["tasks"]
    matrix = facts("crosscorpus", *runs)["test_sets"]["fake"]["cells"]["model a"]
    estimates = [
        report["classification"]["metrics"]["uar"],
        report["regression"]["valence"]["metrics"]["ccc"],
        compared["emotion"]["metrics"]["uar"]["difference"],
        compared["valence"]["metrics"]["ccc"]["difference"],
        matrix["metrics"]["uar"],
    ]
    assert [found["low"] is not None for found in estimates] == [speakers >= 5] * 5
    assert ("too few to say how far" in ser("compare", *runs).out) == (speakers < 5)


# ---- 5, 21: the documented experiment


@pytest.fixture
def documented(tmp_path):
    """The example experiment of docs/adding_an_experiment.md; its settings file."""
    page = (ROOT / "docs" / "adding_an_experiment.md").read_text(encoding="utf-8")
    code, text = (
        re.search(rf"```{kind}\n(.*?)```", page, re.S)[1] for kind in ("python", "yaml")
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "smooth.py").write_text(code)
    file = tmp_path / "smooth.yaml"
    file.write_text(text.replace("base.yaml", str(ROOT / "hparams" / "base.yaml")))
    recipes.__path__.append(str(tmp_path / "recipes"))
    yield str(file)
    recipes.__path__.remove(str(tmp_path / "recipes"))
    sys.modules.pop("recipes.smooth", None)


def test_the_documented_experiment_trains_evaluates_exports_and_predicts(
    documented, train_in, corpus, tmp_path, ser
):
    """A loss of another name, and a setting of its own."""
    folder, _ = train_in("run", recipe=documented, smoothing=0.2, balanced=True)
    predictions = read_predictions(folder / "predictions" / "tiny.jsonl")
    assert predictions.card["protocol"] == "tiny/speaker/intended/4-class/balanced/seed 1"
    assert "smoothing: 0.2" in (folder / "hyperparams.yaml").read_text()
    assert epochs(folder)[0]["valid"].keys() == {"loss", "smooth_nll", "error_rate", "uar"}
    page = (folder / "report" / "index.html").read_text()
    assert "smooth nll" in page and page.count(">Loss<") == 0

    other, cpu = write_corpus(tmp_path / "other", speakers=2, seed=1), ["--device", "cpu"]
    prepare("table", other, tmp_path / "manifests", name="other", **TINY)
    ser("evaluate", folder, "--on", tmp_path / "manifests/other.json", *cpu)
    ser("verify", folder)
    ser("export", folder, tmp_path / "model")
    said = ser("predict", corpus / "s0_anger_0.wav", "--model", tmp_path / "model", *cpu)
    assert re.search(r"s0_anger_0\.wav.* anger ", said.out)

    splits = loaded(folder / "splits.json")
    splits["protocol"] = "tiny/speaker/intended//seed 1"  # as an earlier version wrote it
    (folder / "splits.json").write_text(json.dumps(splits))
    ser("export", folder, tmp_path / "old")
    recognizer = EmotionRecognizer.from_pretrained(tmp_path / "old", device="cpu")
    assert recognizer.emotions == list(predictions.card["emotions"])


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"emotions": "[anger, contempt]"}, "labelled contempt"),
        ({"smothing": "0.3"}, "Unknown setting 'smothing' in --smothing; the nearest are: smo"),
    ],
)
def test_the_documented_experiment_is_checked_as_any(documented, train_in, changes, said):
    """No check for empty classes; misspelt keys still count."""
    assert said in train_in("run", recipe=documented, code=2, **changes)[1]


def test_a_brain_predicts_what_it_declares(documented, train_in, tmp_path):
    """What an experiment learns is declared, and held to."""
    recipe = tmp_path / "recipes" / "smooth.py"
    for declared, said in (
        ('("emotion", "valence_arousal")', "gives log_probabilities, expected: log_pr"),
        ("()", "Bad tasks () of SmoothBrain"),
    ):
        recipe.write_text(re.sub(r"tasks = .*", f"tasks = {declared}", recipe.read_text()))
        sys.modules.pop("recipes.smooth", None)
        assert said in train_in("run", recipe=documented, code=2)[1]


# ---- 6: half of the folds


def two_folds(folder, cards):
    """Two folds that both predicted korean, and their own part of fake."""
    rows = fake_run.rows(60, "classification", speakers=10)
    for number, part, every in ((1, rows[:30], 2), (2, rows[30:], 9)):
        fold = folder / f"fold-{number}"
        facts = {"protocol": f"fake/speaker-2fold-fold{number}/intended/4-class/seed 1"}
        fake_run.write(fold, "fake", part, **facts)
        asked = {"checkpoint": "CKPT+1", "manifest_sha256": cards[number - 1]}
        fake_run.write(fold, "korean", said_otherwise(rows[:40], every), **facts, **asked)
        write_json(fold / "splits.json", {"tests": {"fake": [row["id"] for row in part]}})
    write_json(folder / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    return folder


@pytest.mark.parametrize(
    "removed, why",
    [
        ("korean*", "not completely predicted by fold 2"),  # removed by the user
        ("korean.card.json", "not completely predicted by fold 2"),  # never finished
        (None, "manifest_sha256 differs between parts"),  # as while ser evaluate runs
    ],
)
def test_half_of_the_folds_is_never_reported_as_the_whole(tmp_path, ser, facts, removed, why):
    """In the report, the comparison and the matrix."""
    folds = two_folds(tmp_path / "folds", ("a", "a" if removed else "b"))
    for path in folds.glob(f"fold-2/predictions/{removed}"):
        path.unlink()
    results = facts("report", folds)
    assert list(results["test_sets"]) == ["fake"] and results["incomplete"] == {"korean": why}
    said = f"korean is excluded: {why}."
    assert said in (folds / "report" / "index.html").read_text()
    assert said in ser("report", folds).out
    other = two_folds(tmp_path / "other", "aa")
    for command in ("compare", "crosscorpus"):
        printed = ser(command, folds, other).out
        assert f"is excluded: {why}." in printed and "0.400" not in printed
    ser("audit", "--labels", folds, "--test_set", "korean", code=2)


def test_folds_of_which_nothing_is_whole(tmp_path, ser):
    """Also where the run's own test set is half there."""
    folds = two_folds(tmp_path, "ab")
    for path in folds.glob("fold-1/predictions/fake*"):
        path.unlink()
    error = ser("report", folds, code=2).err
    assert "No test set of" in error and "fake (not completely predicted by fold 1)" in error
    assert "ser evaluate" in error and len(error.splitlines()) == 1


# ---- 8: the command, the API and the stream agree


def test_predict_and_the_stream_cut_the_same_windows(model, facts):
    """Of 9 s the command scored 5 to 9 s last, the API 8 to 9 s."""
    clip = write(model.parent / "a.wav", noise(9), subtype="FLOAT")
    rows = facts("predict", clip, "--model", model, "--window", "4")["predictions"]
    stream = EmotionRecognizer.from_pretrained(model).stream(RATE_HZ, 4, 4)
    live = [*stream.feed(noise(9)), *stream.finish()]
    assert [(row["start"], row["stop"]) for row in rows] == [(0, 4), (4, 8), (5, 9)]
    assert [(row["start_s"], row["stop_s"]) for row in live] == [(0, 4), (4, 8), (5, 9)]
    for row, of_stream in zip(rows, live, strict=True):
        assert row["p_anger"] == pytest.approx(of_stream["probabilities"]["anger"], abs=1e-5)


def test_hidden_files_are_listed_by_neither(model, facts):
    """The API listed the ._a.wav that macOS adds beside every file."""
    folder = model.parent / "clips"
    write(folder / "a.wav", noise(1))
    (folder / "._a.wav").write_bytes(b"macOS")
    (row,) = facts("predict", folder, "--model", model)["predictions"]
    (found,) = EmotionRecognizer.from_pretrained(model).predict(folder)
    assert row["file"] == found["name"]


# ---- 10: smaller faults of numbers and names


def test_pieces_left_out_are_told_up_to_the_last_of_their_ends():
    """A piece within the one before it shrank what was left out."""
    windows = [Skipped("a.wav", 0.0, 4.0, "silent"), Skipped("a.wav", 1.0, 3.0, "silent")]
    assert merged(windows) == [Skipped("a.wav", 0.0, 4.0, "silent")]


def test_the_page_names_the_languages_that_were_trained_on(run, ser):
    """It named those of the whole corpus, of which one language was taken."""
    ser("export", run, run.parent / "model")
    page = about_html(EmotionRecognizer.from_pretrained(run.parent / "model"))
    assert "(languages: eng)" in page


@pytest.mark.parametrize(
    "trained, learned", [("cremad", True), ("shemo+cremad_eng", True), ("shemo", False)]
)
def test_a_corpus_is_known_again_by_whatever_name_its_test_set_has(
    tmp_path, capsys, trained, learned
):
    """Cremad-rated_face, for a model that was trained on cremad."""
    rows = [{**row, "corpus": "cremad"} for row in fake_run.rows(80, "classification")]
    protocol = f"{trained}/speaker/intended/4-class/seed 1 on cremad/rated_face"
    main(
        [
            "audit",
            "--labels",
            str(fake_run.write(tmp_path, "cremad-rated_face", rows, protocol=protocol)),
        ]
    )
    assert ("The model was trained on these labels" in capsys.readouterr().out) == learned


# ---- 11, 12: recordings of other formats


def test_one_file_of_another_kind_costs_no_other_its_score(model, ser):
    """X.raw ended in a traceback; 25: what is not decoded is named."""
    folder = model.parent
    write(folder / "good.wav", noise(1))
    shutil.copy(folder / "good.wav", folder / "wav.raw")
    (folder / "x.raw").write_bytes((noise(1) * 32767).astype("<i2").tobytes())
    (folder / "x.m4a").write_bytes(b"\0\0\0 ftypM4A " + bytes(5000))
    names = [str(folder / name) for name in ("x.raw", "x.m4a", "good", "wav.raw", "good.wav")]
    said = json.loads(ser("predict", *names, "--model", model, "--json", code=1).out)
    assert [row["file"] for row in said["predictions"]] == names[3:]
    raw, m4a, missing = (item["reason"] for item in said["left_out"])
    assert raw.startswith("unreadable: samples without a header") and "ffmpeg -f s16le" in raw
    assert m4a.startswith("unreadable: an MP4 file") and "ffmpeg -i X X.wav" in m4a
    assert missing == "missing; there is good.wav"
    found = EmotionRecognizer.from_pretrained(model).predict(names)
    assert ["error" in row for row in found] == [True, True, True, False, False]
    table = "path,emotion\nx.raw,anger\ngood.wav,anger\nwav.raw,neutral\n"
    (folder / "labels.csv").write_text(table)
    options = {"name": "mixed", "csv": "labels.csv", "allow_partial": True}
    manifest, _ = prepare("table", folder, folder / "manifests", **options)
    assert list(loaded(manifest)) == ["mixed_good", "mixed_wav"]


def test_gsm_recordings_of_telephones_are_scored(model, facts):
    """GSM 6.10 cannot seek, and was taken for truncated."""
    path = write(model.parent / "call.wav", noise(9, rate_hz=8000), 8000, subtype="GSM610")
    rows = facts("predict", path, "--model", model, "--window", "4")["predictions"]
    times = [(row["start"], row["stop"]) for row in rows]
    assert times == [(0, 4), (4, 8), (5.04, 9.04)]  # the last block is padded
    assert "error" not in EmotionRecognizer.from_pretrained(model).predict(path)


# ---- 14: room on the disk


def test_a_run_needs_room_for_the_checkpoints_that_are_to_come(train_in, monkeypatch):
    """A finished run needs none, one that goes on needs one more than it has."""
    usage = shutil.disk_usage(ROOT)

    def free(size: int) -> None:
        left = usage._replace(free=size)
        monkeypatch.setattr("ser_brain.training.checkpoints.shutil.disk_usage", lambda _: left)

    free(10**5)
    _, said = train_in("run", code=2)
    assert "has 0.00 GB free, the checkpoints need about" in said

    free(10**12)
    folder, _ = train_in("run")
    kept = sorted(folder.glob("save/CKPT+*"))
    size = max(sum(file.stat().st_size for file in each.iterdir()) for each in kept)
    free(0)
    shutil.rmtree(folder / "report")
    train_in("run")
    assert (folder / "report" / "index.html").is_file()

    free(size // 2)
    train_in("run", number_of_epochs=3, code=2)
    assert sorted(folder.glob("save/CKPT+*")) == kept
    free(size + size // 10)
    train_in("run", number_of_epochs=3)


# ---- found later, of the same kinds


def test_the_test_sets_of_a_run_are_never_overwritten(trained, run, ser, monkeypatch):
    """Its own corpus as a whole, most of which it has trained on, is another test set."""
    before = content(run / "predictions")
    on = ["--on", trained / "manifests" / "tiny.json", "--where"]
    ser("evaluate", run, *on, "language=eng")
    ser("evaluate", run, *on, "speaker=tiny_s0")
    after = content(run / "predictions")
    assert {path: after[path] for path in before} == before
    added = {path.name for path in after.keys() - before.keys() if path.suffix == ".jsonl"}
    assert added == {"tiny_eng-all.jsonl", "tiny_tiny_s0.jsonl"}
    sets = loaded(run / "report/results.json")["test_sets"]
    assert sets["tiny_eng"]["role"] == "test" and sets["tiny_eng-all"]["role"] == "train"
    ser("verify", run, "--manifest_folder", trained / "manifests")


def test_folds_of_which_some_have_trained_on_a_set_are_pooled(tmp_path, ser):
    """They are, as seen by all, and the report says by which they were."""
    for part, role in (("fold-1", "test"), ("fold-2", "train")):
        fake_run.write(tmp_path / part, "other", role=role)
        fake_run.write(tmp_path / part, "own")
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    note = "Trained or validated on only by fold 2, so seen as a whole."
    assert f"other: {note}" in ser("report", tmp_path).err
    sets = loaded(tmp_path / "report/results.json")["test_sets"]
    assert sets["own"]["role"] == "test" and sets["other"]["role"] == "train"
    assert sets["other"]["notes"] == note


def test_a_graph_tells_nothing_of_the_machine_that_wrote_it(run, ser):
    """Stack traces of the exporter named its folders."""
    pytest.importorskip("onnxscript")
    ser("export", run, run.parent / "exported", "--onnx")
    graph = (run.parent / "exported" / "model.onnx").read_bytes()
    assert b"sample_rate_hz" in graph  # its facts stay
    for word in (str(ROOT), sys.prefix, str(run.parent), ".py", "stack_trace"):
        assert word.encode() not in graph, word
