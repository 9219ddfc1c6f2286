"""ser verify: a run that is what it was, and every way in which it can differ."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ser_brain.__main__ import main
from ser_brain.core.files import write_checksums, write_text
from ser_brain.publishing.verify import verify
from ser_brain.reporting.html import rewritten
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import run_train, settings, write_corpus

FILES = "settings, split and log"
TINY, VALID = "predictions/tiny.jsonl", "predictions/valid.jsonl"
REPORT, NUMBERS = "report, files", "report, numbers"
AGAIN = "restore a copy, or remove it: training continues from the one before"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus, its manifest, and a run in a folder as of folds."""
    home = tmp_path_factory.mktemp("made")
    chosen = settings(write_corpus(home / "tiny"), home / "folds" / "one", number_of_epochs=1)
    assert run_train("classification.yaml", *chosen) == 0
    return home


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "folds/one"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    write_model(folder)
    for name in ("README.md", ".eval_results/tiny.yaml", "figures/confusion.png"):
        write_text(folder / name, "a voice")
    write_checksums(folder)
    return folder


def found(folder, state=None, manifests="../manifests"):
    """Item -> reason of all checks that end as ``state``; item -> state and reason of all."""
    checks = {
        re.sub(r"CKPT\+\S+", "CKPT", check.item): check
        for check in verify(folder, folder / manifests)
    }
    if state is None:
        return {item: (check.state, check.reason) for item, check in checks.items()}
    return {item: check.reason for item, check in checks.items() if check.state == state}


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def take_out(folder, name):
    """Take the line of a file out of the list of checksums."""
    sums = folder / "SHA256SUMS"
    kept, count = re.subn(rf".*  {re.escape(name)}\n", "", sums.read_text())
    assert count == 1
    sums.write_text(kept)


def test_all_is_as_it_was(run, capsys):
    items = ["run.json", FILES, "save/CKPT", "splits.json", TINY, VALID]
    items += ["manifests", "audits", REPORT, NUMBERS]
    assert list(found(run, "OK")) == list(found(run)) == items
    assert main(["verify", str(run), "--manifest_folder", str(run / "../manifests")]) == 0
    printed = capsys.readouterr().out
    assert "OK  audits\n" in printed and printed.endswith("10 items; 0 differ, 0 not checked\n")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_score(path):
    """Change a prediction and hide the trace."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["emotion"] = "anger" if rows[0]["emotion"] != "anger" else "sadness"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    edit(path.with_name("tiny.card.json"), lambda card: card.pop("sha256"))


def move_to_test(path):
    edit(path, lambda splits: splits["tests"]["tiny"].append(splits["train"].pop()))


def other_audit(path):
    edit(path, lambda splits: splits["audit"]["train-valid"]["texts"].update(count=9))


def other_count(path):
    edit(path, lambda r: r["test_sets"]["tiny"]["counts"].update(speakers=99))


def empty(path):
    path.write_text("{}")


def on_splits(message):
    items = ("splits.json", TINY, VALID, "manifests", "audits")
    return {FILES: "changed: splits.json", **dict.fromkeys(items, message)}


MOVED = {
    FILES: "changed: splits.json",
    TINY: "1 ids are in only one",
    "audits": "The speaker split shares 1 speakers between train and tiny",
}
COUNTED = {REPORT: "changed: results.json", NUMBERS: "/tiny/counts/speakers is 99, not 2"}
EDITED = "run; or, to accept an edit, remove hyperparams.yaml from SHA256SUMS)"
UNFINISHED = {"run.json": "is not finished", FILES: "run.json (repeat the command of the run)"}
NO_SPLIT = {FILES: "changed", "audits": "yaml is damaged: it has no split"}

# A file; words (old, new), keys of a JSON object, or a function; what then differs.
HARM = [
    ("run.json", {"finished": False}, UNFINISHED),
    ("hyperparams.yaml", ("seed: 1", "seed: 2"), {FILES: EDITED}),
    ("hyperparams.yaml", ("split:", "other:"), NO_SPLIT),
    ("train_log.jsonl", ('"epoch"', '"Epoch"'), {FILES: "train_log.jsonl"}),
    ("save/*/modules.ckpt", flip, {"save/CKPT": f"changed: modules.ckpt ({AGAIN})"}),
    (TINY, ("-0.", "-1."), {TINY: "tiny.jsonl", NUMBERS: "tiny.jsonl"}),
    (TINY, other_score, {NUMBERS: "they differ from the predictions: /tiny/"}),
    (VALID, Path.unlink, {"splits.json": "no predictions on valid"}),
    ("predictions/tiny.npz", flip, {TINY: "tiny.npz"}),
    ("predictions/tiny.npz", Path.unlink, {TINY: "tiny.npz, which is missing"}),
    (
        "predictions/tiny.card.json",
        ("/speaker/", "/random/"),
        {NUMBERS: "/tiny/protocol is 't"},
    ),
    ("splits.json", move_to_test, MOVED),
    ("splits.json", other_audit, {FILES: "changed", "audits": "train-valid: found {'utter"}),
    ("splits.json", empty, on_splits("it lacks train, valid, tests, audit")),
    ("splits.json", {"valid": [["b"]]}, on_splits("Bad valid in split")),
    ("splits.json", {"tests": {"tiny": "c"}}, on_splits("Bad tests in split")),
    ("splits.json", {"corpora": {"tiny": {}}}, on_splits("Bad corpora in split")),
    ("../manifests/tiny.json", flip, {"manifests": "tiny.json is not as it was written"}),
    ("report/results.json", other_count, COUNTED),
    ("report/results.json", empty, {REPORT: "", NUMBERS: "damaged: it contains no results"}),
    ("report/summary.csv", ("0", "1"), {REPORT: "summary.csv"}),
    ("report/index.html", ("tiny", "tidy"), {REPORT: "index.html (write it again; or"}),
    ("report/tiny-confusion.png", Path.unlink, {REPORT: "missing: tiny-confusion.png"}),
]


@pytest.mark.parametrize(
    "file, how, expected", HARM, ids=[f"{n} {file}" for n, (file, *_) in enumerate(HARM)]
)
def test_what_differs_is_named(run, file, how, expected):
    (path,) = run.glob(file)
    if isinstance(how, dict):
        edit(path, lambda content: content.update(how))
    elif isinstance(how, tuple):
        assert how[0] in path.read_text()
        path.write_text(path.read_text().replace(*how, 1))
    else:
        how(path)
    bad = found(run, "DIFFERS")
    assert bad.keys() == expected.keys()
    assert all(message in bad[item] for item, message in expected.items())


def test_what_was_taken_out_of_a_list_is_not_checked(run):
    (checkpoint,) = (run / "save").iterdir()
    takes = [(run, "run.json"), (run / "report", "summary.csv"), (checkpoint, "modules.ckpt")]
    for folder, name in takes:
        take_out(folder, name)
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    items = [f"{FILES} (run.json)", "save/CKPT (modules.ckpt)", f"{REPORT} (summary.csv)"]
    assert found(run, "not checked") == dict.fromkeys(items, "not in SHA256SUMS")
    assert not found(run, "DIFFERS")


def test_damaged_lists(run):
    (checkpoint,) = (run / "save").iterdir()
    for folder in (run, run / "report", checkpoint):
        (folder / "SHA256SUMS").write_text("damaged")
    assert found(run, "DIFFERS") == {
        FILES: "SHA256SUMS is damaged (repeat the command of the run)",
        "save/CKPT": f"SHA256SUMS is damaged ({AGAIN})",
        REPORT: "SHA256SUMS is damaged (write it again)",
    }
    assert main(["report", str(run)]) == 0
    assert REPORT in found(run, "OK")


def test_folds_are_checked_part_by_part(run, capsys):
    folds = run.parent
    (folds / "folds.json").write_text('{"parts": {"fold 1": "one", "fold 2": "two"}}')
    assert main(["verify", str(folds)]) == 1
    said = capsys.readouterr().out
    assert f"one/{TINY}\n" in said
    assert f"DIFFERS      two/: No folder {folds}/two." in said


def test_what_cannot_be_checked_says_so(run):
    for path in run.glob("**/SHA256SUMS"):
        path.unlink()
    edit(run / "predictions/tiny.card.json", lambda card: card.pop("sha256"))
    shutil.rmtree(run / "report")
    lost = f"{run}/none has no manifest of tiny; name its folder: --manifest_folder"
    assert found(run, "not checked", manifests="none") == {
        FILES: "written without SHA256SUMS",
        "save/CKPT": "written without SHA256SUMS",
        TINY: "sound, but written without checksums",
        "manifests": lost,
        "audits": lost,
        "report": "there is none",
    }


def test_a_model_with_and_without_checksums(model, capsys):
    assert found(model) == {"loading": ("OK", ""), "files": ("OK", "")}
    (model / "README.md").write_text("another voice")
    take_out(model, "README.md")  # the edit is accepted
    assert found(model, "not checked") == {"files (README.md)": "not in SHA256SUMS"}
    assert not found(model, "DIFFERS")
    (model / "SHA256SUMS").unlink()
    assert main(["verify", str(model)]) == 0
    assert capsys.readouterr().out == (
        "OK           loading\n"
        "not checked  files: written without SHA256SUMS\n"
        "2 items; 0 differ, 1 not checked\n"
    )


CARD_FILES = ["README.md", ".eval_results/tiny.yaml", "figures/confusion.png"]


@pytest.mark.parametrize("name", [*CARD_FILES, "hyperparams.yaml"])
def test_any_file_of_a_model(model, name):
    (model / name).write_text("another voice")
    accept = f"; or, to accept an edit, remove {name} from SHA256SUMS"
    accept = accept if name in CARD_FILES else ""
    expected = f"changed: {name} (export the model again{accept})"
    assert found(model, "DIFFERS") == {"files": expected}
    (model / name).unlink()
    assert found(model, "DIFFERS") == {"files": f"missing: {name} (export the model again)"}


def test_what_is_missing_and_what_is_changed(model):
    (model / "figures/confusion.png").unlink()
    (model / "README.md").write_text("another voice")
    assert found(model, "DIFFERS") == {
        "files": "missing: figures/confusion.png (export the model again); changed: README.md "
        "(export the model again; or, to accept an edit, remove README.md from SHA256SUMS)"
    }


@pytest.mark.parametrize("content", ["", "words", f"{'0' * 64}  ../../x", "-" * (2**20 + 1)])
def test_a_list_that_is_damaged(model, content):
    (model / "SHA256SUMS").write_text(content)
    bad = found(model, "DIFFERS")
    assert bad.pop("loading")
    assert bad == {"files": "SHA256SUMS is damaged (export the model again)"}


def test_any_folder_with_a_list(tmp_path, capsys):
    with rewritten(tmp_path / "report") as new:
        (new / "index.html").write_text("page")
    assert found(tmp_path / "report") == {"files": ("OK", "")}
    (tmp_path / "report/index.html").write_text("another")
    (reason,) = found(tmp_path / "report", "DIFFERS").values()
    assert "to accept an edit, remove index.html from" in reason
    assert main(["verify", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "contains no run, no folds, no exported model and no SHA256SUMS" in said
    # A list that no report wrote promises nothing of edits.
    (tmp_path / "model.ckpt").write_text("weights")
    write_checksums(tmp_path, "model.ckpt")
    (tmp_path / "model.ckpt").write_text("other")
    assert found(tmp_path, "DIFFERS") == {"files": "changed: model.ckpt (write it again)"}
