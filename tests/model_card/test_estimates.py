"""Values with intervals where there can be one."""

import numpy as np
import pytest

from ser_brain.evaluation import evaluate
from ser_brain.model_card.estimates import estimates, reported
from ser_brain.predictions import read_predictions
from tests.fake_run import rows, write


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
