"""Faults that users met, each driven by the command they typed: judging and reporting."""

import json

import fake_run
import pytest

from ser_brain.__main__ import main
from ser_brain.files import write_json


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
