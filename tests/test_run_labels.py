import fake_run
import pytest

from ser_brain.errors import SERError
from ser_brain.run_labels import label_runs
from ser_brain.runs import read_run


def labels(tmp_path, *runs):
    found = []
    for folder, changes in runs:
        fake_run.write(tmp_path / folder, **changes)
        found.append(read_run(tmp_path / folder))
    return label_runs(found)


@pytest.mark.parametrize(
    "runs, expected",
    [
        (
            [("a", {"experiment": "one"}), ("b", {"experiment": "two"})],
            ["one", "two"],
        ),
        (
            [("a", {"protocol": "x/random/s"}), ("b", {"protocol": "x/speaker/s"})],
            ["multiobjective (random)", "multiobjective (speaker)"],
        ),
        (
            [("a/emodb/1", {}), ("b/emodb/1", {}), ("c", {"experiment": "one"})],
            ["multiobjective (a)", "multiobjective (b)", "one"],
        ),
        (
            [("x/1", {}), ("x/1/2", {})],
            ["multiobjective (1)", "multiobjective (1/2)"],
        ),
        (  # The protocol tells only two of the three apart, the folder all.
            [
                ("a", {"protocol": "x/1"}),
                ("b", {"protocol": "x/1"}),
                ("c", {"protocol": "x/2"}),
            ],
            ["multiobjective (a)", "multiobjective (b)", "multiobjective (c)"],
        ),
    ],
)
def test_runs_are_told_apart(tmp_path, runs, expected):
    assert labels(tmp_path, *runs) == expected


def test_the_same_run_twice(tmp_path):
    with pytest.raises(SERError, match="a is given twice"):
        labels(tmp_path, ("a", {}), ("b/../a", {}))
