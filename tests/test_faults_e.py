"""Faults that users met, each driven by the command they typed: judging and reporting."""

import json
import shutil
import sys
from pathlib import Path

import fake_run
import pytest

import train
from data_prep._run import prepare
from ser_brain.__main__ import main
from ser_brain.files import read_json, write_json
from tests.tiny_corpus import settings, write_corpus

ROOT = Path(__file__).parent.parent


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
        protocol = f"fake/random/intended/4-class/{name}"
        fake_run.write(
            folder / part, "fake", rows, protocol=protocol, experiment="classification"
        )
    if seeds > 1:
        write_json(folder / "folds.json", {"parts": parts})
    return folder if seeds > 1 else folder / "seed-1"


@pytest.fixture
def two_models(tmp_path):
    """Two models on 40 utterances of unknown speakers, once and as five identical seeds."""
    rows = [{**row, "speaker": None} for row in fake_run.rows(40, "classification")]
    other = said_otherwise(rows, 7)
    return {
        seeds: [
            write_seeds(tmp_path / f"a{seeds}", rows, seeds),
            write_seeds(tmp_path / f"b{seeds}", other, seeds),
        ]
        for seeds in (1, 5)
    }


def facts_of(capsys, *command):
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_five_identical_seeds_are_no_more_evidence_than_one(two_models, tmp_path, capsys):
    """Issue 13, number 4: ser compare, ser crosscorpus and ser report of several runs."""
    compared = {}
    for seeds, runs in two_models.items():
        paths = [str(run) for run in runs]
        found = facts_of(capsys, "compare", *paths)["test_sets"]["fake"]
        matrix = facts_of(capsys, "crosscorpus", *paths)["test_sets"]["fake"]["cells"]
        out = ["--out", str(tmp_path / f"report{seeds}")]
        report = facts_of(capsys, "report", *paths, *out)
        (against_first,) = (cell["against_first"]["uar"] for cell in list(matrix.values())[1:])
        (pair,) = report["pairs"]
        uar = found["tasks"]["emotion"]["metrics"]["uar"]
        assert (found["both"], found["predictions"]) == (40, 40 * seeds)
        assert [cell["utterances"] for cell in matrix.values()] == [40, 40]
        for tested in (found["tasks"]["emotion"], against_first, pair["tasks"]["emotion"]):
            drawn = tested["drawn"]
            assert (drawn["unit"], drawn["count"], tested["n"]) == ("utterance", 40, 40)
        compared[seeds] = [
            (one["difference"], one["p"])
            for one in (uar, against_first, pair["tasks"]["emotion"]["metrics"]["uar"])
        ]
    for (once, p_once), (pooled, p_pooled) in zip(*compared.values(), strict=True):
        assert pooled == pytest.approx(once, abs=1e-9)
        assert p_pooled == pytest.approx(p_once, abs=1e-9)


@pytest.mark.parametrize("speakers", [2, 4, 5])
def test_fewer_than_five_speakers_have_no_interval_anywhere(speakers, tmp_path, capsys):
    """Issue 13, number 10: one rule for the report, the comparison and the matrix."""
    rows = fake_run.rows(100, speakers=speakers)
    for name in "ab":
        fake_run.write(tmp_path / name, "fake", rows, experiment=f"model {name}")
    runs = [str(tmp_path / name) for name in "ab"]
    report = facts_of(capsys, "report", runs[0])["test_sets"]["fake"]
    compared = facts_of(capsys, "compare", *runs)["test_sets"]["fake"]["tasks"]
    matrix = facts_of(capsys, "crosscorpus", *runs)["test_sets"]["fake"]["cells"]["model a"]
    estimates = [
        report["classification"]["metrics"]["uar"],
        report["regression"]["valence"]["metrics"]["ccc"],
        compared["emotion"]["metrics"]["uar"]["difference"],
        compared["valence"]["metrics"]["ccc"]["difference"],
        matrix["metrics"]["uar"],
    ]
    assert [found["low"] is not None for found in estimates] == [speakers >= 5] * 5
    assert main(["compare", *runs]) == 0
    said = capsys.readouterr().out
    assert ("too few to say how far" in said) == (speakers < 5)


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


HALF = {
    "predictions that were removed": ("*", "not predicted to the end by fold 2"),
    "predictions that were never finished": (
        "korean.card.json",
        "not predicted to the end by fold 2",
    ),
    "another manifest, as while ser evaluate runs": (
        None,
        "manifest_sha256 not the same for all parts",
    ),
}


@pytest.mark.parametrize("removed, why", HALF.values(), ids=HALF)
def test_half_of_the_folds_is_never_reported_as_the_whole(tmp_path, capsys, removed, why):
    """Issue 13, number 6: in the report, the comparison and the matrix."""
    folds = two_folds(tmp_path / "folds", ("a", "a" if removed else "b"))
    for path in folds.glob(f"fold-2/predictions/{'korean*' if removed == '*' else removed}"):
        path.unlink()
    results = facts_of(capsys, "report", str(folds))
    assert list(results["test_sets"]) == ["fake"] and results["incomplete"] == {"korean": why}
    said = f"korean is left out: {why}."
    assert said in (folds / "report" / "index.html").read_text()
    assert main(["report", str(folds)]) == 0 and said in capsys.readouterr().out
    other = two_folds(tmp_path / "other", "aa")
    for command in ("compare", "crosscorpus"):
        assert main([command, str(folds), str(other)]) == 0
        printed = capsys.readouterr().out
        assert f"is left out: {why}." in printed and "0.400" not in printed
    assert main(["audit", "--labels", str(folds), "--test_set", "korean"]) == 2


def test_folds_of_which_nothing_is_whole(tmp_path, capsys):
    """Issue 13, number 6: also where the run's own test set is half there."""
    folds = two_folds(tmp_path, "ab")
    for path in folds.glob("fold-1/predictions/fake*"):
        path.unlink()
    assert main(["report", str(folds)]) == 2
    error = capsys.readouterr().err
    assert "No test set of" in error and "fake (not predicted to the end by fold 1)" in error
    assert "ser evaluate" in error and len(error.splitlines()) == 1


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
    recipe = str(ROOT / "hparams" / "classification.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", recipe, *chosen])
        assert train.main() == 0
    for part in ("fold-1", "fold-2"):
        shutil.copytree(home / "run", home / "folds" / part)
    write_json(home / "folds/folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    options = {"name": "other", "csv": "labels.csv", "vad_scale": [1, 5]}
    prepare("table", write_corpus(home / "other", seed=1), home / "manifests", **options)
    return home


@pytest.fixture
def home(unknown_speakers, tmp_path):
    return shutil.copytree(unknown_speakers, tmp_path / "home")


UNKNOWN = (
    "not compared: speakers of 48, groups of 48, texts of 48 utterances, which are not known"
)


def test_nothing_is_an_all_clear_about_unknown_speakers(home, capsys):
    """Issue 13, number 3: in the log, splits.json, ser audit, the report and the card."""
    log = (home / "run/train_log.txt").read_text()
    assert f"audit: {UNKNOWN}" in log and "audit: nothing known is shared" in log
    splits = read_json(home / "run/splits.json", "split")
    sizes = [len(splits[part]) for part in ("train", "valid")]
    assert splits["audit"]["train-valid"]["speakers"]["unknown"] == sizes
    lists = [f"{home}/run/splits.json:{part}" for part in ("train", "tiny")]
    assert main(["audit", *lists, "--manifest", str(home / "manifests/tiny.json")]) == 0
    said = capsys.readouterr().out
    count = len(splits["train"]) + len(splits["tests"]["tiny"])
    assert UNKNOWN.replace("48", str(count)) in said and "nothing known is shared" in said
    assert main(["report", str(home / "run")]) == 0
    page = (home / "run/report/index.html").read_text()
    assert "Nobody can tell whether the model was trained on speakers" in page
    assert UNKNOWN.capitalize() in page and "0 known" in page
    capsys.readouterr()
    assert main(["export", str(home / "run"), str(home / "model")]) == 0
    card = (home / "model/README.md").read_text()
    assert "WARNING: tiny" in card and "not checked" in card
    assert "tiny and training, not compared: texts of" in card


def test_folds_that_were_tested_further_are_still_verified(home, capsys):
    """Issue 13, number 7: after ser evaluate, and after ser crosscorpus of a single run."""
    folds, run, manifest = (str(home / p) for p in ("folds", "run", "manifests/other.json"))
    reports = [home / "folds" / part / "report" for part in ("fold-1", "fold-2")]
    for report in reports:
        shutil.copytree(report, report.with_name("before"))
    assert main(["evaluate", folds, "--on", manifest, "--balanced"]) == 0
    assert main(["report", run]) == 0
    assert main(["crosscorpus", run, "--on", manifest]) == 0
    for folder in (folds, run):
        found = facts_of(capsys, "verify", folder, "--manifest_folder", str(home / "manifests"))
        assert {check["state"] for check in found["checks"]} <= {"OK", "not checked"}
        (numbers,) = {c["state"] for c in found["checks"] if c["item"].endswith("numbers")}
        assert numbers == "OK"
    # As an evaluation leaves them that was stopped before it wrote the reports of the folds.
    for report in reports:
        shutil.rmtree(report)
        report.with_name("before").rename(report)
    found = facts_of(capsys, "verify", folds, "--manifest_folder", str(home / "manifests"))
    reasons = [c["reason"] for c in found["checks"] if c["item"].endswith("report, numbers")]
    assert (
        reasons
        == ["older than the predictions on other-balanced; ser report writes it anew"] * 2
    )


def test_a_card_may_lack_what_it_need_not_have(home, capsys):
    """Issue 13, number 16: ser balance, ser evaluate and ser embed."""
    path = home / "manifests/other.card.json"
    needed = ("name", "sources", "default_source", "vad_scale")
    whole = read_json(path, "card")
    write_json(path, {key: whole[key] for key in needed})
    manifest, where = str(home / "manifests/other.json"), ["--data_folder", str(home / "other")]
    assert main(["balance", manifest]) == 0
    evaluate = ["evaluate", str(home / "run"), "--on", manifest, *where]
    assert main(evaluate) == 0
    embed = ["embed", manifest, "--run", str(home / "run"), *where, "--out", str(home / "e")]
    assert main(embed) == 0
    # Without a hash in the card, a manifest that was edited is predicted on again.
    entries = read_json(home / "manifests/other.json", "manifest")
    write_json(home / "manifests/other.json", dict(list(entries.items())[4:]))
    assert main(evaluate) == 0
    predicted = (home / "run/predictions/other.jsonl").read_text().splitlines()
    assert len(predicted) == len(entries) - 4
    for key in needed:
        write_json(path, {k: whole[k] for k in needed if k != key})
        for command in (["balance", manifest], evaluate, [*embed[:-1], str(home / "f")]):
            capsys.readouterr()
            assert main(command) == 2
            error = capsys.readouterr().err
            assert f"it lacks {key}. Prepare the corpus again." in error


def test_a_damaged_card_of_another_corpus_harms_no_run(home, capsys):
    """Issue 13, number 19."""
    verify = ["verify", str(home / "run"), "--manifest_folder", str(home / "manifests")]
    (home / "manifests/other.card.json").write_text("{")
    assert main(verify) == 0
    (home / "manifests/tiny.card.json").write_text("{")
    assert main(verify) == 1
    said = capsys.readouterr().out
    assert "DIFFERS      manifests: Cannot read the corpus card" in said


def test_a_corpus_is_known_again_by_whatever_name_its_test_set_has(tmp_path, capsys):
    """Issue 13, number 10: cremad-rated_face, for a model that was trained on cremad."""
    rows = [{**row, "corpus": "cremad"} for row in fake_run.rows(80, "classification")]
    for trained, learned in (("cremad", True), ("shemo+cremad_eng", True), ("shemo", False)):
        protocol = f"{trained}/speaker/intended/4-class/seed 1 on cremad/rated_face"
        folder = tmp_path / trained
        path = fake_run.write(folder, "cremad-rated_face", rows, protocol=protocol)
        capsys.readouterr()
        main(["audit", "--labels", str(path)])
        said = capsys.readouterr().out
        assert ("The model learned these labels" in said) == learned


@pytest.mark.parametrize("languages, shared", [(("eng", "eng"), 1), (("eng", "deu"), 0)])
def test_texts_are_compared_within_a_language(tmp_path, capsys, languages, shared):
    """Issue 13, number 10: of two corpora, by ser audit."""
    manifests = []
    for name, language in zip("ab", languages, strict=True):
        corpus = write_corpus(tmp_path / name, speakers=1, clips=1, seed=ord(name))
        options = {"name": name, "csv": "labels.csv", "vad_scale": [1, 5]}
        manifests.append(
            str(prepare("table", corpus, tmp_path / "m", language=language, **options)[0])
        )
    code = main(["audit", *manifests, "--manifest", *manifests, "--json"])
    found = json.loads(capsys.readouterr().out)["shared"]["texts"]
    assert (found["count"], code) == (shared, shared)
