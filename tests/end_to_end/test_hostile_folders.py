"""Folders of somebody else: no code in them runs, and nothing is written through a link."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

from ser_brain import EmotionRecognizer
from ser_brain.inference.app.page import about_html
from tests.test_supply_chain import Harm
from tests.tiny_corpus import loaded, run_train, settings, write_corpus


def content(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_the_page_names_the_languages_that_were_trained_on(run, ser):
    """It named those of the whole corpus, of which one language was taken."""
    ser("export", run, run.parent / "model")
    page = about_html(EmotionRecognizer.from_pretrained(run.parent / "model"))
    assert "(languages: eng)" in page


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
