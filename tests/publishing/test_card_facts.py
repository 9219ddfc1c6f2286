"""Languages by code."""

import re

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json
from ser_brain.evaluation.evaluate import evaluate, evaluate_run
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.publishing import card_text
from ser_brain.publishing.card_facts import LANGUAGES, estimates, heard, heard_by, reported
from tests.fake_run import rows, write
from tests.fake_run import rows as fake_rows
from tests.publishing.made_run import audit, corpus_rows, facts_of, write_run


def test_codes_have_the_form_of_their_standard():
    for three, (hub, name) in LANGUAGES.items():
        assert re.fullmatch("[a-z]{3}", three) and re.fullmatch("[a-z]{2,3}", hub) and name
    assert (
        len({name for _, name in LANGUAGES.values()})
        == len({hub for hub, _ in LANGUAGES.values()}) + 1
    )  # Chinese and Mandarin Chinese share zh


@pytest.mark.parametrize("speakers, has_interval", [(2, False), (4, False), (5, True)])
def test_few_speakers_have_no_interval(tmp_path, speakers, has_interval):
    some_rows = rows(80, speakers=speakers)
    evaluation = evaluate(read_predictions(write(tmp_path, some_rows=some_rows)), 1, 200)
    found = estimates(evaluation)
    for metric in ("uar", "valence ccc"):
        assert (found[metric]["low"] is not None) == has_interval
    assert found["uar"]["value"] == evaluation["classification"]["metrics"]["uar"]["value"]


def test_four_speakers_have_fewer_samples_than_a_tail_needs():
    from itertools import combinations_with_replacement

    samples = [len(list(combinations_with_replacement(range(s), s))) for s in (4, 5)]
    assert samples[0] < 1 / 0.025 < samples[1]


def test_what_is_not_defined_is_not_reported(tmp_path):
    path = write(tmp_path, some_rows=rows(30, rated=False))
    found = reported(evaluate(read_predictions(path), 1, 50))
    assert list(found) == ["uar", "wa", "macro_f1"]
    assert np.isfinite([value["value"] for value in found.values()]).all()


CLEAN = {"train-x": audit(), "valid-x": audit(texts=4)}
UNKNOWN = audit() | {"speakers": {"count": 0, "examples": [], "unknown": [3, 0]}}


@pytest.mark.parametrize(
    "changes, corpora, expected",
    [
        ({}, {"fake"}, "no"),
        ({"audit": {**CLEAN, "train-x": audit(audio=1)}}, set(), "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(utterances=1)}}, set(), "CLIPS"),
        ({"audit": {**CLEAN, "valid-x": audit(speakers=1)}}, set(), "speakers"),
        ({"audit": {}, "valid": ["fake_0007"]}, set(), "CLIPS"),
        ({"audit": {}}, {"fake"}, "not checked"),
        ({"audit": {}}, {"other"}, "no"),
        ({"audit": {}}, {"fake_deu"}, "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"fake"}, "not checked"),
        ({"audit": {**CLEAN, "valid-x": UNKNOWN}}, {"other"}, "no"),
    ],
)
def test_heard(tmp_path, changes, corpora, expected):
    predictions = read_predictions(write(tmp_path, "x"))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN, **changes}
    assert heard(splits, predictions, corpora) == expected


def test_speakers_that_an_earlier_audit_did_not_know(tmp_path):
    rows = [{**row, "speaker": None} for row in fake_rows(9)]
    predictions = read_predictions(write(tmp_path, "x", rows))
    splits = {"train": ["t"], "valid": ["v"], "audit": CLEAN}
    assert heard(splits, predictions, {"fake"}) == "not checked"


def test_a_role_is_believed(tmp_path):
    predictions = read_predictions(write(tmp_path, "x", role="train"))
    assert heard({"train": [], "valid": [], "audit": CLEAN}, predictions, set()) == "CLIPS"


def test_a_later_test_on_the_training_corpus_was_not_checked(tmp_path):
    run = write_run(tmp_path)
    write(run, "fake-rated", corpus_rows("fake"))
    write(run, "other", corpus_rows("other"))
    found = heard_by(read_run(run))
    assert found == {"fake": "no", "fake-rated": "not checked", "other": "no"}


@pytest.fixture
def folds(tmp_path):
    for fold in (1, 2):
        sets = {"fake": corpus_rows(f"fold{fold}", 40, seed=fold)}
        settings = f"experiment: multiobjective\nseed: 1\nfold: {fold}\n"
        write_run(tmp_path / f"fold-{fold}", sets, settings=settings)
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    return tmp_path


def test_pooled_and_spread_are_those_of_the_folds_report(folds):
    facts = facts_of(folds / "fold-1", (folds,))
    (recipe,) = facts.recipes
    expected = evaluate_run(read_run(folds))["test_sets"]["fake"]
    assert recipe.this_model == "fold 1" and recipe.noun == "folds"
    row = card_text.recipe(recipe).rows[0]
    uar = expected["classification"]["metrics"]["uar"]
    assert row[:5] == ["fake", 80, 12, "no", "UAR"] and row[5] == uar
    assert row[6:] == [expected["spread"]["uar"]["mean"], expected["spread"]["uar"]["std"]]


def test_one_further_run_has_no_spread(folds):
    facts = facts_of(folds / "fold-1", (folds / "fold-2",))
    table = card_text.recipe(facts.recipes[0])
    assert table.head[-1] == "Value" and "Pooled" not in table.caption
    assert facts.recipes[0].this_model is None


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"settings": "experiment: multiobjective\nseed: 2\nlr: 1\n"}, "different: lr"),
        ({"corpora": {}}, "different: training corpora"),
        ({"encoder": "large"}, "encoder large, the model's tiny"),
    ],
)
def test_another_recipe_is_refused(tmp_path, changes, reason):
    run = write_run(tmp_path / "run")
    other = write_run(tmp_path / "other", **changes)
    with pytest.raises(SERError, match=f"other is of another recipe \\({reason}"):
        facts_of(run, (other,))


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(SERError, match="holds no hyperparams.yaml; --results takes run or"):
        facts_of(write_run(tmp_path / "run"), (tmp_path,))
