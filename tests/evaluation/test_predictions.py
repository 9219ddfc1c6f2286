"""Prediction files: what is written is read, and a bad line is named."""

import json

import numpy as np
import pytest

from ser_brain.core.errors import SERError
from ser_brain.evaluation.predictions import card_path, read_predictions, write_predictions
from tests import fake_run


def test_what_is_written_is_read(tmp_path):
    rows = fake_run.rows(5)
    rows[1]["emotion"], rows[2]["emotion"], rows[3]["valence"] = None, "fear", None
    embeddings_ND = np.arange(10).reshape(5, 2)
    path = write_predictions(tmp_path, "a b", rows, embeddings_ND, fake_run.card())
    found = read_predictions(path)
    assert found.card["test_set"] == "a b"
    assert found.ids == [row["id"] for row in rows]
    assert found.rows == rows
    assert found.true_N[0] == fake_run.EMOTIONS.index(rows[0]["emotion"])
    assert found.true_N[1:3].tolist() == [-1, -1]
    assert np.isnan(found.true_values_NV[3, 0]) and np.isfinite(found.true_values_NV[3, 1])
    assert found.predicted_values_NV[4].tolist() == [
        rows[4]["predicted_valence"],
        rows[4]["predicted_arousal"],
    ]
    assert found.embeddings_ND.dtype == np.float32
    np.testing.assert_array_equal(found.embeddings_ND, embeddings_ND)
    assert read_predictions(path, embeddings=False).embeddings_ND is None
    scores = found.log_probs_NC[np.arange(5), found.predicted_N]
    np.testing.assert_array_equal(scores, found.log_probs_NC.max(1))

    # Written again, without embeddings, ratings and labels; NumPy's numbers are numbers.
    rows = fake_run.rows(3, rated=False, labelled=False)
    rows[0]["predicted_valence"] = np.float32(2.5)
    write_predictions(tmp_path, "a b", rows, None, fake_run.card())
    found = read_predictions(path)
    assert found.embeddings_ND is None and found.true_values_NV is None
    assert (found.true_N == -1).all() and found.predicted_values_NV[0, 0] == 2.5


@pytest.mark.parametrize("said, place", [("sadness", 2), (None, 0)])
def test_a_tie_follows_the_row(tmp_path, said, place):
    rows = [fake_run.answered(fake_run.rows(1)[0], said)]
    rows[0]["log_probabilities"] = dict.fromkeys(fake_run.EMOTIONS, float(np.log(0.25)))
    assert fake_run.read(tmp_path, rows).predicted_N.tolist() == [place]


BAD_ROWS = [
    ("{", "line 3: not JSON"),
    ("[1]", "line 3: expected a JSON object"),
    ({"id": "fake_0000"}, "line 3: id 'fake_0000' was already on line 1"),
    ({"id": 7}, "line 3: id 7 is not a string"),
    ({"id": ...}, "line 3: lacks 'id'"),
    ({"emotion": ...}, "line 3: lacks 'emotion'"),
    ({"emotion": 2}, "line 3: has emotion 2, neither text nor null"),
    ({"log_probabilities": ...}, "line 3: has no log_probabilities, but other lines do"),
    (
        {"log_probabilities": dict.fromkeys(reversed(fake_run.EMOTIONS), -1.386294)},
        r"line 3: has scores for \['neutral', .*but the card's class order is \['anger'",
    ),
    (
        {"log_probabilities": dict.fromkeys(fake_run.EMOTIONS, float("nan"))},
        "line 3: has a log-probability that is NaN or infinite",
    ),
    (
        {"log_probabilities": dict.fromkeys(fake_run.EMOTIONS, "-1.4")},
        "line 3: has log_probabilities '-1.4', which is not a number",
    ),
    (
        {"log_probabilities": dict.fromkeys(fake_run.EMOTIONS, 0.25)},
        "line 3: has probabilities that sum to 5.136, not 1",
    ),
    (
        {"predicted_emotion": "joy"},
        "line 3: has predicted_emotion 'joy', but its highest",
    ),
    ({"valence": float("inf")}, "line 3: has valence or arousal that is NaN or infinite"),
    ({"arousal": "high"}, "line 3: has valence or arousal 'high', which is not a number"),
    ({"predicted_valence": ...}, "line 3: lacks predicted_valence or predicted_arousal"),
    ({"predicted_arousal": float("nan")}, "line 3: has predicted_valence or predicted_ar"),
]


@pytest.mark.parametrize("changes, message", BAD_ROWS)
def test_a_bad_row_is_named(tmp_path, changes, message):
    path = fake_run.write(tmp_path)
    lines = path.read_text().splitlines()
    if isinstance(changes, dict):  # of keys; a value of ... removes the key
        row = (json.loads(lines[2]) | changes).items()
        changes = json.dumps({key: value for key, value in row if value is not ...})
    lines[2] = changes
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(SERError, match=message):
        read_predictions(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"emotions": ["anger", "anger"]},
            "Bad emotions in .*found .*, expected a list of names without repeats",
        ),
        ({"va_range": [5, 1]}, r"found \[5, 1\], expected \[low, high\]"),
        ({"va_range": ["a", "b"]}, "expected .low, high."),
        ({"temperature": 0}, "Bad temperature .*found 0, expected null or a number above 0"),
        ({"seed": None}, "Bad seed .*found None, expected a whole number"),
        ({"test_set": "other"}, "it is of test set 'other'. Rename the file back"),
    ],
)
def test_a_bad_card_is_named(tmp_path, changes, message):
    path = fake_run.write(tmp_path)
    card = card_path(path)
    card.write_text(json.dumps(json.loads(card.read_text()) | changes))
    with pytest.raises(SERError, match=message):
        read_predictions(path)


@pytest.mark.parametrize(
    "name, count, message",
    [("fake", 2, "it lacks va_range"), ("fake", 0, "the file has no line")]
    + [(name, 2, "expected a plain file name") for name in ("", "a/b", "../a", ".a", "..")],
)
def test_what_cannot_be_read_is_not_written(tmp_path, name, count, message):
    card = fake_run.card()
    if "lacks" in message:
        del card["va_range"]
    with pytest.raises(SERError, match=message):
        write_predictions(tmp_path, name, fake_run.rows(count), None, card)
    assert not list(tmp_path.iterdir())


def test_missing_files(tmp_path):
    with pytest.raises(SERError, match="No prediction card at"):
        read_predictions(tmp_path / "fake.jsonl")
    path = fake_run.write(tmp_path)
    path.unlink()
    with pytest.raises(SERError, match="No predictions at"):
        read_predictions(path)


def test_bad_embeddings(tmp_path):
    rows = fake_run.rows(3)
    for array, message in [
        (np.zeros((2, 4)), r"found shape \(2, 4\), expected 3 rows"),
        (np.full((3, 4), np.nan), "NaN or infinite"),
    ]:
        with pytest.raises(SERError, match=message):
            write_predictions(tmp_path, "fake", rows, array, fake_run.card())
    path = write_predictions(tmp_path, "fake", rows, np.zeros((3, 4)), fake_run.card())
    for ids, message in [
        (np.array(["x", "y", "z"]), "its ids are not those of the .jsonl in order"),
        (np.array([{}], dtype=object), "Cannot read the embeddings"),
    ]:
        np.savez(tmp_path / "fake.npz", ids=ids, embeddings=np.zeros((3, 4)))
        with pytest.raises(SERError, match=message):
            read_predictions(path)
    (tmp_path / "fake.npz").write_bytes(b"PK broken")
    with pytest.raises(SERError, match="Cannot read the embeddings"):
        read_predictions(path)


def test_a_failed_write_leaves_no_card(tmp_path):
    path = fake_run.write(tmp_path)
    rows = fake_run.rows(2)
    rows[1]["text"] = object()
    with pytest.raises(TypeError, match="object"):
        fake_run.write(tmp_path, some_rows=rows)
    with pytest.raises(SERError, match="No prediction card"):
        read_predictions(path)
