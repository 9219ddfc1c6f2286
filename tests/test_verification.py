"""ser verify: a run that is what it was, and every way in which it can be otherwise."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import train
from ser_brain.__main__ import main
from ser_brain.verification import Check, verify_run
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import settings, write_corpus

MANIFESTS = "folds/manifests"
LOST = "the manifest of tiny is not in {}/none; say where: --manifest_folder"
ROOT = Path(__file__).parent.parent


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
    return {found.item: found for found in verify_run(home / folder, home / MANIFESTS)}


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
        f"save/{checkpoint.name}",
        "splits.json",
        "predictions/tiny.jsonl",
        "predictions/valid.jsonl",
        "manifests",
        "audits",
        "report",
    ]
    arguments = ["verify", str(home / "folds/one"), "--manifest_folder"]
    arguments.append(str(home / MANIFESTS))
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "OK  audits\n" in said and said.endswith("8 items; 0 differ, 0 not checked\n")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_score(home: Path) -> None:
    """Change a prediction and hide the trace."""
    path = home / "folds/one/predictions/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["emotion"] = "anger" if rows[0]["emotion"] != "anger" else "sadness"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    edit(path.with_name("tiny.card.json"), lambda card: card.pop("sha256"))


def move_to_test(splits: dict) -> None:
    splits["tests"]["tiny"].append(splits["train"].pop())


HARM = {
    "run not finished": (
        lambda home: edit(home / "folds/one/run.json", lambda run: run.update(finished=False)),
        {"run.json": "did not come to its end"},
    ),
    "checkpoint": (
        lambda home: flip(next(home.glob("**/modules.ckpt"))),
        {"save/CKPT": "not as written: modules.ckpt"},
    ),
    "predictions": (
        lambda home: flip(home / "folds/one/predictions/tiny.npz"),
        {"predictions/tiny.jsonl": "tiny.npz"},
    ),
    "a score": (other_score, {"report": "the predictions say otherwise: /tiny/"}),
    "split": (
        lambda home: edit(home / "folds/one/splits.json", move_to_test),
        {
            "predictions/tiny.jsonl": "1 ids stand in only one",
            "audits": "The speaker split shares 1 speakers between train and tiny",
        },
    ),
    "manifest": (
        lambda home: flip(home / MANIFESTS / "tiny.json"),
        {"manifests": "tiny.json is not as it was written"},
    ),
    "report": (
        lambda home: edit(
            home / "folds/one/report/results.json",
            lambda results: results["test_sets"]["tiny"]["counts"].update(speakers=99),
        ),
        {"report": "/tiny/counts/speakers is 99, not 2"},
    ),
}


@pytest.mark.parametrize("harm, expected", HARM.values(), ids=HARM)
def test_what_differs_is_named(home, harm, expected):
    harm(home)
    bad = {item: found for item, found in checks(home).items() if found.state == "DIFFERS"}
    assert len(bad) == len(expected)
    for item, message in expected.items():
        (found,) = [found for name, found in bad.items() if name.startswith(item)]
        assert message in found.reason


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
    found = {c.item.partition("+")[0]: c for c in verify_run(home / "folds/one", home / "none")}
    assert {item: c.reason for item, c in found.items() if c.state == "not checked"} == {
        "save/CKPT": "written without SHA256SUMS",
        "predictions/tiny.jsonl": "sound, but written without checksums",
        "manifests": LOST.format(home),
        "audits": LOST.format(home),
        "report": "no report",
    }


def test_a_model_without_checksums_says_so(tmp_path, capsys):
    write_model(tmp_path / "model")
    assert main(["verify", str(tmp_path / "model")]) == 0
    said = capsys.readouterr().out
    assert "sound, but without SHA256SUMS\n1 items; 0 differ, 1 not checked" in said


def test_what_is_no_run(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "holds no run, no folds and no exported model" in capsys.readouterr().err


def test_predictions_that_are_gone(home):
    (home / "folds/one/predictions/valid.jsonl").unlink()
    found = checks(home)["splits.json"]
    assert (found.state, found.reason) == ("DIFFERS", "no predictions on valid")


def test_embeddings_that_are_gone(home):
    (home / "folds/one/predictions/tiny.npz").unlink()
    found = checks(home)["predictions/tiny.jsonl"]
    assert found.state == "DIFFERS" and "tiny.npz, which is gone" in found.reason


@pytest.mark.parametrize(
    ("file", "item", "reason"),
    [
        ("splits.json", "splits.json", "splits.json"),
        ("report/results.json", "report", "damaged: it holds no results of test sets"),
    ],
)
def test_damaged_files_are_no_tracebacks(home, file, item, reason):
    (home / "folds/one" / file).write_text('{"test_sets": {"tiny": 3}}')
    found = checks(home)[item]
    assert found.state == "DIFFERS" and reason in found.reason
