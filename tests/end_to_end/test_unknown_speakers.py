"""A corpus without speakers, cards that lack facts, and folds that were tested further."""

from __future__ import annotations

import shutil

import pytest

from data_prep.common.prepare import prepare
from ser_brain.core.files import write_json
from tests.tiny_corpus import TINY, loaded, run_train, settings, write_corpus


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
