"""Reports, comparisons and matrices agree: repeated seeds, few speakers, incomplete folds."""

from __future__ import annotations

import pytest

from ser_brain.__main__ import main
from ser_brain.core.files import write_json
from tests import fake_run
from tests.tiny_corpus import loaded


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


@pytest.mark.parametrize(
    "trained, learned", [("cremad", True), ("shemo+cremad_eng", True), ("shemo", False)]
)
def test_a_corpus_is_known_again_by_whatever_name_its_test_set_has(
    tmp_path, capsys, trained, learned
):
    """Cremad-rated_face, for a model that was trained on cremad."""
    rows = [{**row, "corpus": "cremad"} for row in fake_run.rows(80, "classification")]
    protocol = f"{trained}/speaker/intended/4-class/seed 1 on cremad/rated_face"
    path = fake_run.write(tmp_path, "cremad-rated_face", rows, protocol=protocol)
    main(["audit", "--labels", str(path)])
    assert ("The model was trained on these labels" in capsys.readouterr().out) == learned


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
