import fake_run
import numpy as np
import pytest

from ser_brain.errors import SERError
from ser_brain.pairing import pair
from ser_brain.predictions import read_predictions


def written(folder, rows, **changes):
    return read_predictions(fake_run.write(folder, "fake", rows, **changes))


def pair_of(tmp_path, rows, other_rows, **changes):
    one = written(tmp_path / "one", rows)
    return pair(one, written(tmp_path / "other", other_rows, **changes), ("X", "Y"))


def test_utterances_are_matched_by_id(tmp_path):
    rows = fake_run.rows(30)
    both = pair_of(tmp_path, rows[:20], rows[:4:-1])
    assert both.one.ids == both.other.ids == [row["id"] for row in rows[5:20]]
    assert (both.only_one, both.only_other) == (5, 10)
    assert both.classes and both.values
    for name in ("true_N", "predicted_N", "log_probs_NC", "predicted_va_N2"):
        assert np.array_equal(getattr(both.one, name), getattr(both.other, name))
    assert both.other.rows == rows[5:20]


def test_only_what_both_predict_is_paired(tmp_path):
    both = pair_of(tmp_path, fake_run.rows(9), fake_run.rows(9, "regression"))
    assert not both.classes and both.values


def test_no_utterance_in_common(tmp_path):
    rows = fake_run.rows(10)
    with pytest.raises(
        SERError, match="X and Y share no utterance of fake .*fake_0000 and fake_0005"
    ):
        pair_of(tmp_path, rows[:5], rows[5:])


def test_other_labels(tmp_path):
    rows = fake_run.rows(10)
    other = {**rows[3], "emotion": None, "label_source": "rated_voice"}
    with pytest.raises(
        SERError,
        match="true emotion of 1 of 10 utterances of fake differs between X and Y "
        r"\(fake_0003: \w+ from intended, None from rated_voice\). Evaluate both",
    ):
        pair_of(tmp_path, rows, [*rows[:3], other, *rows[4:]])


@pytest.mark.parametrize("valence", [None, 1.5])
def test_other_ratings(tmp_path, valence):
    rows = fake_run.rows(4)
    rows[0]["valence"] = 2.5
    other = [{**rows[0], "valence": valence}, *rows[1:]]
    with pytest.raises(SERError, match="true valence and arousal of 1 of 4 .*2.5"):
        pair_of(tmp_path, rows, other)


def test_labels_that_only_one_model_is_judged_by_may_differ(tmp_path):
    rows = fake_run.rows(6, "classification")
    unrated = [{**row, "valence": None} for row in rows]
    assert len(pair_of(tmp_path, rows, unrated).one.ids) == 6


def test_rounding_is_no_difference(tmp_path):
    rows = fake_run.rows(4)
    other = [{**row, "valence": row["valence"] + 1e-9} for row in rows]
    assert pair_of(tmp_path, rows, other).values


def test_other_classes(tmp_path):
    rows = fake_run.rows(5, "classification")
    even = dict.fromkeys(["anger", "calm"], float(np.log(0.5)))
    fewer = [{**row, "log_probabilities": even, "predicted_emotion": "calm"} for row in rows]
    with pytest.raises(
        SERError, match=r"compared on fake: emotions is \['anger', .* \['anger', 'c"
    ):
        pair_of(tmp_path, rows, fewer, emotions=["anger", "calm"])


def test_other_scales(tmp_path):
    rows = fake_run.rows(5, "regression")
    with pytest.raises(
        SERError, match=r"va_range is \[1, 5\] for the one and \[0, 5\] for the"
    ):
        pair_of(tmp_path, rows, rows, va_range=[0, 5])
