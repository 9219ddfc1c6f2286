"""Results of the same recipe, and of others."""

import pytest

from ser_brain.errors import SERError
from ser_brain.evaluation import evaluate_run
from ser_brain.files import write_json
from ser_brain.model_card import tables
from ser_brain.runs import read_run
from tests.model_card.made_run import corpus_rows, facts_of, write_run


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
    row = tables.recipe(recipe).rows[0]
    uar = expected["classification"]["metrics"]["uar"]
    assert row[:5] == ["fake", 80, 12, "no", "UAR"] and row[5] == uar
    assert row[6:] == [expected["spread"]["uar"]["mean"], expected["spread"]["uar"]["std"]]


def test_one_further_run_has_no_spread(folds):
    facts = facts_of(folds / "fold-1", (folds / "fold-2",))
    table = tables.recipe(facts.recipes[0])
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
