"""ser verify: a run that is what it was, and every way in which it can differ."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import train
from ser_brain.__main__ import main
from ser_brain.core.files import write_checksums, write_text
from ser_brain.publishing.verify import Check, verify
from ser_brain.reporting.html import rewritten
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import settings, write_corpus

MANIFESTS = "folds/manifests"
LOST = "{}/none has no manifest of tiny; name its folder: --manifest_folder"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus, its manifest, and a run in a folder as of folds."""
    home = tmp_path_factory.mktemp("made")
    chosen = settings(write_corpus(home / "tiny"), home / "folds" / "one", number_of_epochs=1)
    recipe = str(ROOT / "hparams" / "classification.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", recipe, *chosen])
        assert train.main() == 0
    return home


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def checks(home: Path, folder: str = "folds/one") -> dict[str, Check]:
    return {found.item: found for found in verify(home / folder, home / MANIFESTS)}


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_all_is_as_it_was(home, capsys):
    found = checks(home)
    assert {check.state for check in found.values()} == {"OK"}
    (checkpoint,) = (home / "folds/one/save").iterdir()
    assert list(found) == [
        "run.json",
        "settings, split and log",
        f"save/{checkpoint.name}",
        "splits.json",
        "predictions/tiny.jsonl",
        "predictions/valid.jsonl",
        "manifests",
        "audits",
        "report, files",
        "report, numbers",
    ]
    arguments = ["verify", str(home / "folds/one"), "--manifest_folder"]
    arguments.append(str(home / MANIFESTS))
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "OK  audits\n" in printed and printed.endswith("10 items; 0 differ, 0 not checked\n")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_score(path: Path) -> None:
    """Change a prediction and hide the trace."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["emotion"] = "anger" if rows[0]["emotion"] != "anger" else "sadness"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    edit(path.with_name("tiny.card.json"), lambda card: card.pop("sha256"))


def move_to_test(path: Path) -> None:
    edit(path, lambda splits: splits["tests"]["tiny"].append(splits["train"].pop()))


def other_count(path: Path) -> None:
    edit(path, lambda r: r["test_sets"]["tiny"]["counts"].update(speakers=99))


def harm(path: Path, how) -> None:
    """Replace words (old, new), change keys of a JSON object, or call a function."""
    if isinstance(how, dict):
        edit(path, lambda content: content.update(how))
    elif isinstance(how, tuple):
        text = path.read_text()
        assert how[0] in text
        path.write_text(text.replace(*how, 1))
    else:
        how(path)


def take_out(folder: Path, name: str) -> None:
    """Take the line of a file out of the list of checksums."""
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.endswith(f"  {name}\n")]
    assert len(kept) == len(lines) - 1
    sums.write_text("".join(kept))


FILES = "settings, split and log"
TINY = "predictions/tiny.jsonl"


def on_splits(message: str) -> dict[str, str]:
    items = ("splits.json", "predictions/tiny", "predictions/valid", "manifests", "audits")
    return {FILES: "changed: splits.json", **dict.fromkeys(items, message)}


HARM = [
    (
        "run.json",
        {"finished": False},
        {"run.json": "is not finished", FILES: "run.json (repeat the command of the run)"},
    ),
    (
        "hyperparams.yaml",
        ("seed: 1", "seed: 2"),
        {FILES: "run; or, to accept an edit, remove hyperparams.yaml from SHA256SUMS)"},
    ),
    (
        "hyperparams.yaml",
        ("split:", "other:"),
        {FILES: "changed", "audits": "yaml is damaged: it has no split"},
    ),
    ("train_log.jsonl", ('"epoch"', '"Epoch"'), {FILES: "train_log.jsonl"}),
    (
        "save/*/modules.ckpt",
        flip,
        {
            "save/CKPT": "changed: modules.ckpt (restore a copy, or remove it: training "
            "continues from the one before)"
        },
    ),
    (TINY, ("-0.", "-1."), {TINY: "tiny.jsonl", "report, numbers": "tiny.jsonl"}),
    ("predictions/tiny.npz", flip, {TINY: "tiny.npz"}),
    ("predictions/tiny.npz", Path.unlink, {TINY: "tiny.npz, which is missing"}),
    ("predictions/valid.jsonl", Path.unlink, {"splits.json": "no predictions on valid"}),
    (TINY, other_score, {"report, numbers": "they differ from the predictions: /tiny/"}),
    (
        "predictions/tiny.card.json",
        ("/speaker/", "/random/"),
        {"report, numbers": "/tiny/protocol is 'tiny/speaker/"},
    ),
    (
        "splits.json",
        move_to_test,
        {
            FILES: "changed: splits.json",
            TINY: "1 ids are in only one",
            "audits": "The speaker split shares 1 speakers between train and tiny",
        },
    ),
    (
        "splits.json",
        lambda path: path.write_text("{}"),
        on_splits("it lacks train, valid, tests, audit"),
    ),
    ("splits.json", {"valid": [["b"]]}, on_splits("Bad valid in split")),
    ("splits.json", {"tests": {"tiny": "c"}}, on_splits("Bad tests in split")),
    ("splits.json", {"corpora": {"tiny": {}}}, on_splits("Bad corpora in split")),
    ("../manifests/tiny.json", flip, {"manifests": "tiny.json is not as it was written"}),
    (
        "report/results.json",
        other_count,
        {
            "report, files": "changed: results.json",
            "report, numbers": "/tiny/counts/speakers is 99, not 2",
        },
    ),
    (
        "report/results.json",
        {"test_sets": {"tiny": 3}},
        {"report, files": "results.json", "report, numbers": "damaged: it contains no results"},
    ),
    ("report/summary.csv", ("0", "1"), {"report, files": "summary.csv"}),
    (
        "report/index.html",
        ("tiny", "tidy"),
        {"report, files": "index.html (write it again; or"},
    ),
    ("report/tiny-confusion.png", Path.unlink, {"report, files": "tiny-confusion.png"}),
]


@pytest.mark.parametrize(
    "file, how, expected", HARM, ids=[f"{n} {file}" for n, (file, *_) in enumerate(HARM)]
)
def test_what_differs_is_named(home, file, how, expected):
    (path,) = (home / "folds/one").glob(file)
    harm(path, how)
    bad = {item: found for item, found in checks(home).items() if found.state == "DIFFERS"}
    assert len(bad) == len(expected)
    for item, message in expected.items():
        (found,) = [found for name, found in bad.items() if name.startswith(item)]
        assert message in found.reason


def test_what_was_taken_out_of_a_list_is_not_checked(home):
    run = home / "folds/one"
    (checkpoint,) = (run / "save").iterdir()
    takes = [(run, "run.json"), (run / "report", "summary.csv"), (checkpoint, "modules.ckpt")]
    for folder, name in takes:
        take_out(folder, name)
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    found = {i: c.reason for i, c in checks(home).items() if c.state == "not checked"}
    assert found == {
        "settings, split and log (run.json)": "not in SHA256SUMS",
        "report, files (summary.csv)": "not in SHA256SUMS",
        f"save/{checkpoint.name} (modules.ckpt)": "not in SHA256SUMS",
    }
    assert not any(check.state == "DIFFERS" for check in checks(home).values())


def test_damaged_lists(home):
    run = home / "folds/one"
    (checkpoint,) = (run / "save").iterdir()
    for folder in (run, run / "report", checkpoint):
        (folder / "SHA256SUMS").write_text("damaged")
    found = {i: c.reason for i, c in checks(home).items() if c.state != "OK"}
    again = "restore a copy, or remove it: training continues from the one before"
    assert found == {
        FILES: "SHA256SUMS is damaged (repeat the command of the run)",
        f"save/{checkpoint.name}": f"SHA256SUMS is damaged ({again})",
        "report, files": "SHA256SUMS is damaged (write it again)",
    }
    assert main(["report", str(run)]) == 0
    assert checks(home)["report, files"].state == "OK"


def test_folds_are_checked_part_by_part(home, capsys):
    (home / "folds/folds.json").write_text('{"parts": {"fold 1": "one", "fold 2": "two"}}')
    assert main(["verify", str(home / "folds")]) == 1
    said = capsys.readouterr().out
    assert "one/predictions/tiny.jsonl\n" in said
    assert f"DIFFERS      two/: No folder {home}/folds/two." in said


def test_what_cannot_be_checked_says_so(home):
    for path in home.glob("**/SHA256SUMS"):
        path.unlink()
    edit(
        home / "folds/one/predictions/tiny.card.json",
        lambda card: card.pop("sha256"),
    )
    shutil.rmtree(home / "folds/one/report")
    found = {c.item.partition("+")[0]: c for c in verify(home / "folds/one", home / "none")}
    assert {item: c.reason for item, c in found.items() if c.state == "not checked"} == {
        "settings, split and log": "written without SHA256SUMS",
        "save/CKPT": "written without SHA256SUMS",
        "predictions/tiny.jsonl": "sound, but written without checksums",
        "manifests": LOST.format(home),
        "audits": LOST.format(home),
        "report": "there is none",
    }


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    write_model(folder)
    for name in ("README.md", ".eval_results/tiny.yaml", "figures/confusion.png"):
        write_text(folder / name, "a voice")
    write_checksums(folder)
    return folder


def states(folder: Path) -> dict[str, tuple[str, str]]:
    return {found.item: (found.state, found.reason) for found in verify(folder)}


def test_a_model_with_and_without_checksums(model, capsys):
    assert states(model) == {"loading": ("OK", ""), "files": ("OK", "")}
    (model / "README.md").write_text("another voice")
    take_out(model, "README.md")  # the edit is accepted
    assert states(model) == {
        "loading": ("OK", ""),
        "files": ("OK", ""),
        "files (README.md)": ("not checked", "not in SHA256SUMS"),
    }
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
    edit = f"; or, to accept an edit, remove {name} from SHA256SUMS"
    accept = edit if name in CARD_FILES else ""
    assert states(model) == {
        "loading": ("OK", ""),
        "files": ("DIFFERS", f"changed: {name} (export the model again{accept})"),
    }
    (model / name).unlink()
    assert states(model)["files"][0] == "DIFFERS"


@pytest.mark.parametrize("content", ["", "words", f"{'0' * 64}  ../../x", "-" * (2**20 + 1)])
def test_a_list_that_is_damaged(model, content):
    (model / "SHA256SUMS").write_text(content)
    found = states(model)
    assert found["loading"][0] == "DIFFERS" and len(found) == 2
    assert found["files"] == ("DIFFERS", "SHA256SUMS is damaged (export the model again)")


def test_any_folder_with_a_list(tmp_path):
    with rewritten(tmp_path / "report") as new:
        (new / "index.html").write_text("page")
    assert states(tmp_path / "report") == {"files": ("OK", "")}
    (tmp_path / "report/index.html").write_text("another")
    assert "accept an edit, remove index.html from" in states(tmp_path / "report")["files"][1]
    # A list that no report wrote promises nothing of edits.
    (tmp_path / "model.ckpt").write_text("weights")
    write_checksums(tmp_path, "model.ckpt")
    (tmp_path / "model.ckpt").write_text("other")
    assert states(tmp_path)["files"] == ("DIFFERS", "changed: model.ckpt (write it again)")


def test_what_is_no_run(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert (
        "contains no run, no folds, no exported model and no SHA256SUMS"
        in capsys.readouterr().err
    )
