import pytest

from ser_brain.errors import SERError
from ser_brain.training_curves import curves_of, read_train_log, together


def test_curves():
    log = [
        {"epoch": e, "train": {"loss": 2.0, "nll": 1.0, "mse": 1.0}, "valid": {"uar": v}}
        for e, v in [(1, 0.5), (2, float("nan")), (3, None)]
    ]
    found = curves_of(log)
    assert list(found) == ["Loss", "NLL (nats)", "MSE", "UAR"]
    assert found["UAR"] == {"validation": [(1, 0.5)]}


def test_a_single_loss_is_shown_once():
    found = curves_of([{"epoch": 1, "train": {"loss": 1.0, "nll": 1.0}}])
    assert list(found) == ["NLL (nats)"]


def test_a_quantity_that_one_part_lacks():
    one = {"UAR": {"validation": [(1, 0.5)]}}
    other = {"UAR": {"validation": [(1, 0.6)], "training": [(1, 0.7)]}, "MSE": {}}
    assert together([one, other]) == {
        "UAR": {"validation": [[(1, 0.5)], [(1, 0.6)]], "training": [[(1, 0.7)]]}
    }


def test_no_log(tmp_path):
    assert read_train_log(tmp_path / "train_log.jsonl") == []
    assert curves_of([]) == {}


@pytest.mark.parametrize("line, message", [("{", "no JSON"), ("{}", "a whole 'epoch'")])
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "train_log.jsonl"
    path.write_text(f'{{"epoch": 1}}\n{line}\n')
    with pytest.raises(SERError, match=f"line 2: .*{message}"):
        read_train_log(path)
