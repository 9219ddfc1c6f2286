"""ser folds, with a train.py that only writes what ser folds looks for."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, write_json
from ser_brain.core.lock import held
from ser_brain.evaluation.runs import read_run
from ser_brain.training import fold_processes
from ser_brain.training.cross_validation import (
    make_plan,
    require_current,
    run_plan,
)
from ser_brain.training.device import available_cpus
from tests import fake_run

ROOT = Path(__file__).parents[2]
STAND_IN = """
import json, os, sys, time
from pathlib import Path
from ser_brain.training.config import read_settings

main = lambda figures: 0
pairs = [a[2:].split("=", 1) for a in sys.argv[2:]]
given = dict(pairs)
device = given.pop("device", None)
folder = Path(given["output_folder"])
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "runs", "a") as file:
    file.write(f"{device} {os.environ.get('OMP_NUM_THREADS')}\\n")
(folder / "pid.new").write_text(str(os.getpid()))
(folder / "pid.new").rename(folder / "pid")
time.sleep(float(os.environ.get("SLEEP", 0)))
if given["fold"] == os.environ.get("FAILS"):
    sys.exit("error: it went wrong")
settings = read_settings(sys.argv[1], list(given.items()))
(folder / "hyperparams.yaml").write_text(settings)
(folder / "splits.json").write_text('{"folds": 4}')
(folder / "run.json").write_text(json.dumps({"finished": True}))
(folder / "SHA256SUMS").touch()
(folder / "report").mkdir(exist_ok=True)
(folder / "report" / "SHA256SUMS").touch()
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    script = tmp_path / "train.py"
    script.write_text(STAND_IN)
    (tmp_path / "hparams").symlink_to(ROOT / "hparams")
    monkeypatch.setattr(fold_processes, "TRAIN", script)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return script


def plan(tmp_path, protocol="speaker", **more):
    overrides = more.pop("overrides", [("batch_size", "2")])
    arguments = ("hparams/classification.yaml", overrides, [], protocol)
    return make_plan(*arguments, **{"out": tmp_path / "out", **more})


def runs(tmp_path):
    """Part -> how often it was started."""
    found = (tmp_path / "out").glob("*/runs")
    return {path.parent.name: len(path.read_text().splitlines()) for path in found}


def run(tmp_path, protocol="speaker", slots=(None,), **more):
    told = []
    folder = run_plan(plan(tmp_path, protocol, **more), slots, told.append)
    return read_json(folder / "folds.json", "folds"), told


@pytest.mark.parametrize(
    "protocol, more, count, last",
    [
        ("speaker", {"folds": 2}, 2, "fold 2"),
        ("speaker+text", {"folds": 2}, 4, "fold 4"),
        ("group", {}, 4, "fold 4"),
        ("random", {"seeds": [3, 5]}, 2, "seed 5"),
        ("random", {"seeds": [3, 5], "folds": 2}, 4, "seed 5 fold 2"),
        ("official", {"seeds": [1]}, 1, "seed 1"),
    ],
)
def test_what_a_protocol_runs(tmp_path, protocol, more, count, last):
    record, _ = run(tmp_path, protocol, **more)
    assert len(record["parts"]) == count and list(record["parts"])[-1] == last
    assert record["finished"] and "command" in record
    settings = (tmp_path / "out" / record["parts"][last] / "hyperparams.yaml").read_text()
    folds = more.get("folds", "null")
    assert f"split: {protocol}\n" in settings and f"folds: {folds}\n" in settings
    assert "batch_size: 2\n" in settings
    assert set(runs(tmp_path).values()) == {1}


def test_what_is_finished_is_not_run_again(tmp_path):
    run(tmp_path, folds=2)
    (tmp_path / "out" / "fold-2" / "run.json").write_text('{"finished": false}')
    _, told = run(tmp_path, folds=2)
    assert runs(tmp_path) == {"fold-1": 1, "fold-2": 2}
    log = tmp_path / "out" / "fold-2" / "output.txt"
    assert told == [
        "1 of 2 parts are finished already",
        f"fold-2 begins; its output is in {log}",
        "fold-2 is finished; 0 to go",
    ]
    run(tmp_path, folds=2, overrides=[("batch_size", "3")])
    assert runs(tmp_path) == {"fold-1": 2, "fold-2": 3}


def test_the_folder_of_a_run_is_not_for_folds(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "hyperparams.yaml").write_text("seed: 1\n")
    with pytest.raises(SERError, match="out contains a run of train.py. Choose another --out"):
        run(tmp_path, folds=2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hyperparams.yaml"]


def test_a_part_is_refused_with_the_option_of_the_command(tmp_path, stand_in):
    stand_in.write_text(
        "def main(figures):\n    print('error: Another --output_folder.')\n    return 2\n"
    )
    with pytest.raises(SERError, match=r"Another --out\."):
        run(tmp_path, folds=2)


def test_a_refused_command_leaves_finished_folds_as_they_were(tmp_path, monkeypatch):
    run(tmp_path, folds=2)
    records = [tmp_path / "out" / name for name in ("folds.json", "SHA256SUMS")]
    before = [path.read_text() for path in records]
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(SERError):
        run(tmp_path, folds=2, overrides=[("batch_size", "3")])
    assert [path.read_text() for path in records] == before
    (tmp_path / "out" / "fold-2" / "run.json").write_text('{"finished": false}')
    with pytest.raises(SERError):
        run(tmp_path, folds=2, overrides=[("batch_size", "3")])
    assert read_json(records[0], "folds")["parts"] == {}


def test_parts_of_different_versions_of_a_corpus_are_not_pooled(tmp_path):
    def had(part, **facts):
        write_json(out / part / "splits.json", {"corpora": {"tiny": facts, "same": {}}})

    out = tmp_path / "out"
    run(tmp_path, folds=3)
    for part in ("fold-1", "fold-2", "fold-3"):
        had(part, fingerprint="b" if part == "fold-3" else "a")
    said = f"{out}: fold-1, fold-2 had another version of tiny than fold-3, so their results"
    with pytest.raises(SERError, match=f"{said}.* Remove the folders of the older parts"):
        run(tmp_path, folds=3)
    with pytest.raises(SERError, match="is not finished"):
        read_run(out)
    had("fold-1", fingerprint="b", manifest_sha256="c")  # of a later version of the software
    had("fold-2", fingerprint="b", manifest_sha256="c")
    run(tmp_path, folds=3)
    had("fold-3", fingerprint="b", manifest_sha256="d")
    with pytest.raises(SERError, match="fold-1, fold-2 had another version of tiny than"):
        run(tmp_path, folds=3)
    assert set(runs(tmp_path).values()) == {1}


def test_a_new_part_with_another_version_of_a_corpus_is_told_at_once(tmp_path, stand_in):
    corpora = "os.environ.get('VERSION', 'a')"
    stand_in.write_text(
        STAND_IN.replace(
            """'{"folds": 4}'""",
            f"json.dumps({{'folds': 4, 'corpora': {{'tiny': {{'fingerprint': {corpora}}}}}}})",
        )
    )
    run(tmp_path, folds=3)
    for part in ("fold-2", "fold-3"):
        shutil.rmtree(tmp_path / "out" / part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERSION", "b")
        with pytest.raises(SERError, match="fold-1 had another version of tiny than fold-2"):
            run(tmp_path, folds=3)
        assert runs(tmp_path) == {"fold-1": 1, "fold-2": 1}
        shutil.rmtree(tmp_path / "out" / "fold-1")
        run(tmp_path, folds=3)
    assert runs(tmp_path) == {"fold-1": 1, "fold-2": 1, "fold-3": 1}


def test_finished_parts_of_an_older_version_of_a_corpus_are_not_kept_silently(tmp_path):
    seen = []

    class Data:
        def as_dict(self):
            return {"corpora": {"tiny": {"manifest_sha256": "b"}, "new": {}}}

    def load_data(hparams):
        seen.append(hparams["seed"])
        return Data()

    chosen = plan(tmp_path, folds=2, seeds=(3, 4))
    require_current(chosen, load_data)
    assert not seen  # nothing is finished
    run(tmp_path, folds=2, seeds=(3, 4))
    splits = tmp_path / "out" / "seed-3-fold-1" / "splits.json"
    write_json(splits, {"corpora": {"tiny": {"manifest_sha256": "b"}}})
    require_current(chosen, load_data)
    assert seen == [3]
    write_json(splits, {"corpora": {"tiny": {"manifest_sha256": "a"}}})
    with pytest.raises(SERError, match=r"tiny changed after seed 3 fold 1 in .* was trained"):
        require_current(chosen, load_data)


@pytest.mark.parametrize("missing", ["report/SHA256SUMS", "SHA256SUMS"])
def test_a_part_that_was_killed_near_its_end_continues(tmp_path, missing):
    run(tmp_path, folds=2)
    (tmp_path / "out" / "fold-2" / missing).unlink()
    run(tmp_path, folds=2)
    assert runs(tmp_path) == {"fold-1": 1, "fold-2": 2}


def test_more_epochs_are_another_run_but_other_places_are_not(tmp_path):
    same = [("batch_size", "2"), ("data_folder", "elsewhere")]
    for overrides, count in (
        ([("batch_size", "2")], 1),
        (same, 1),
        ([*same, ("number_of_epochs", "3")], 2),
    ):
        run(tmp_path, folds=2, overrides=overrides)
        assert set(runs(tmp_path).values()) == {count}


def test_what_a_part_says_of_its_progress_is_passed_on(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(fold_processes, "POLL_S", 0.05)
    said = [
        "audit: train and valid share 2 texts",
        "epoch 1/2: train loss 1.0; 3 s, 0.1 min left",
        "front end: 300 of 1,200 clips",
        "epoch 2, training: 16 of 1,200 utterances",
        "Utterances   144   288",
        "warning: 3 of 9 files are odd",
    ]
    loop = f"for line in {said!r}:\n    print(line, flush=True)\n    time.sleep(0.1)\n"
    stand_in.write_text(STAND_IN + loop)
    _, told = run(tmp_path, folds=2)
    ours = [f"fold-1: {line}" for line in (*said[1:4], said[5])]
    assert told[1:5] == ours and told[-2] == "fold-2: warning: 3 of 9 files are odd"


def test_folds_that_never_began_leave_no_folder(tmp_path, stand_in):
    refused = "import sys\nsys.stderr.write('error: No data folder x.\\n')\nsys.exit(2)\n"
    stand_in.write_text(refused)
    with pytest.raises(SERError, match=r"^fold-1: No data folder x\.$"):
        run(tmp_path, folds=2)
    assert not (tmp_path / "out").exists()
    begun = tmp_path / "out/fold-1/save"
    begun.mkdir(parents=True)
    with pytest.raises(SERError, match=r"^fold-1: No data folder x\.$"):
        run(tmp_path, folds=2)
    assert begun.is_dir()


def test_a_part_that_fails_is_named_and_the_others_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("FAILS", "2")
    with pytest.raises(SERError, match=r"fold-2 stopped with exit code 1: it went wrong"):
        run(tmp_path, folds=3)
    assert runs(tmp_path) == {"fold-1": 1, "fold-2": 1}
    monkeypatch.delenv("FAILS")
    run(tmp_path, folds=3)
    assert runs(tmp_path) == {"fold-1": 1, "fold-2": 2, "fold-3": 1}


def test_side_by_side_on_several_devices(tmp_path, monkeypatch):
    monkeypatch.setenv("SLEEP", "0.3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run(tmp_path, folds=4, slots=["a:0", "a:1"])
    said = [path.read_text().split() for path in (tmp_path / "out").glob("*/runs")]
    assert sorted(device for device, _ in said) == ["a:0", "a:0", "a:1", "a:1"]
    threads = str(max(1, available_cpus() // 2))
    assert {count for _, count in said} == {threads}


PARENT = """
import signal, sys
from pathlib import Path
from ser_brain.training import fold_processes
from ser_brain.core.process import sigterm_raises
# A process that a shell starts in the background ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
fold_processes.TRAIN = Path(sys.argv[1])
out = Path(sys.argv[2])
commands = {out / n: ["x", f"--output_folder={out / n}", "--fold=1"] for n in ("one", "two")}
with sigterm_raises():
    fold_processes.run_parts(commands, [None], print, print)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_the_one_that_started_them(tmp_path, stand_in, number):
    environment = {**os.environ, "SLEEP": "60"}
    command = [sys.executable, "-c", PARENT, str(stand_in), str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    pid = tmp_path / "out" / "one" / "pid"
    wait_for(pid.is_file)
    process.send_signal(number)
    process.wait(timeout=60)  # The process that sleeps for a minute was stopped.
    wait_for(lambda: has_ended(int(pid.read_text())))
    assert not (tmp_path / "out" / "two").exists()


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_process_that_parts_are_copies_of_keeps_its_memory(monkeypatch):
    forkserver = pytest.importorskip("multiprocessing.forkserver", reason="not on Windows")
    seen = {}
    monkeypatch.setattr(forkserver, "ensure_running", lambda: seen.update(os.environ))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")  # what the user has set stays
    before, handler = dict(os.environ), signal.getsignal(signal.SIGINT)
    fold_processes.start_server()
    own = {name: seen.get(name) for name in fold_processes.ALLOCATOR}
    assert own == fold_processes.ALLOCATOR | {"MALLOC_TRIM_THRESHOLD_": "1"}
    assert dict(os.environ) == before
    assert signal.getsignal(signal.SIGINT) == handler


def test_a_process_that_does_not_end_is_killed(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(fold_processes, "GRACE_S", 0.1)
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    stand_in.write_text(ignore + STAND_IN)
    monkeypatch.setenv("SLEEP", "60")
    out = tmp_path / "out"
    commands = {out / n: ["x", f"--output_folder={out / n}", "--fold=1"] for n in ("a", "b")}

    def fail_beside():
        wait_for((out / "a" / "pid").is_file)
        wait_for((out / "b" / "pid").is_file)
        os.kill(int((out / "a" / "pid").read_text()), signal.SIGKILL)

    threading.Thread(target=fail_beside).start()
    with pytest.raises(SERError, match="a stopped with exit code -9"):
        fold_processes.run_parts(commands, [None, None], print, print)
    assert has_ended(int((out / "b" / "pid").read_text()))


def test_two_at_once(tmp_path):
    with held(tmp_path / "out" / ".lock", "it"):
        message = f"out is in use by process {os.getpid()} on"
        with pytest.raises(SERError, match=message):
            run(tmp_path)
    assert runs(tmp_path) == {}


@pytest.mark.parametrize(
    "more, message",
    [
        ({"folds": 1}, "Bad --folds 1 for speaker; expected 2 or more"),
        ({"protocol": "group", "folds": 5}, "Bad --folds 5 for group; the corpus decides"),
        ({"overrides": [("seed", "3")]}, "ser folds sets --seed itself; give --seeds instead"),
        ({"overrides": [("emotions", "[joy, joy]")]}, "emotions names joy more than once"),
        ({"overrides": [("vad_source", "prototype")]}, "Bad vad_source 'prototype'"),
        ({"overrides": [("btch_size", "3")]}, "Unknown setting 'btch_size'"),
    ],
)
def test_a_wrong_command(tmp_path, more, message):
    with pytest.raises(SERError, match=message):
        plan(tmp_path, **more)


def test_where_the_folds_go():
    found = make_plan("hparams/classification.yaml", [("corpus", "emodb")], [], "speaker")
    assert found.folder == Path("results/classification/emodb/speaker-5fold")
    lines = ("corpora", "[{corpus: emodb}, {corpus: urdu}]")
    across = make_plan("hparams/classification.yaml", [lines], [], "corpus")
    assert across.folder == Path("results/classification/emodb+urdu/corpus")
    assert make_plan(found.config, [], [], "random").seeds == (1, 2, 3, 4, 5)


def test_the_record_is_what_a_run_is_read_by(tmp_path):
    record, _ = run(tmp_path, folds=2)
    for part in record["parts"].values():
        fake_run.write(tmp_path / "out" / part)
    assert list(read_run(tmp_path / "out").parts) == ["fold 1", "fold 2"]
    json.dumps(record)
