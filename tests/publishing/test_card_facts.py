"""The facts of a card: estimates, recipes, languages; and the table of a recipe."""

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json
from ser_brain.evaluation.evaluate import evaluate, evaluate_run
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.evaluation.runs import read_run
from ser_brain.publishing import card_tables
from ser_brain.publishing.card_facts import reported
from tests.fake_run import rows, write
from tests.publishing.made_run import corpus_rows, facts_of, write_run


def test_what_is_not_defined_is_not_reported(tmp_path):
    path = write(tmp_path, some_rows=rows(30, rated=False))
    found = reported(evaluate(read_predictions(path), 1, 50))
    assert list(found) == ["uar", "wa", "macro_f1"]
    assert np.isfinite([value["value"] for value in found.values()]).all()


@pytest.fixture
def folds(tmp_path):
    for fold in (1, 2):
        sets = {"fake": corpus_rows(f"fold{fold}", 40, seed=fold)}
        settings = f"experiment: multiobjective\nseed: 1\nfold: {fold}\n"
        write_run(tmp_path / f"fold-{fold}", sets, settings=settings)
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    return tmp_path


def test_pooled_and_spread_are_those_of_the_folds_report(folds):
    (recipe,) = facts_of(folds / "fold-1", (folds,)).recipes
    expected = evaluate_run(read_run(folds))["test_sets"]["fake"]
    assert recipe.this_model == "fold 1" and recipe.noun == "folds"
    row = card_tables.recipe(recipe).rows[0]
    uar = expected["classification"]["metrics"]["uar"]
    assert row[:5] == ["fake", 80, 12, "no", "UAR"] and row[5] == uar
    assert row[6:] == [expected["spread"]["uar"]["mean"], expected["spread"]["uar"]["std"]]


def test_one_further_run_has_no_spread(folds):
    (recipe,) = facts_of(folds / "fold-1", (folds / "fold-2",)).recipes
    table = card_tables.recipe(recipe)
    assert table.head[-1] == "Value" and "Pooled" not in table.caption
    assert recipe.this_model is None


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
    with pytest.raises(SERError, match=f"other has another recipe \\({reason}"):
        facts_of(run, (other,))


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(SERError, match="has no hyperparams.yaml; --results takes run or"):
        facts_of(write_run(tmp_path / "run"), (tmp_path,))
