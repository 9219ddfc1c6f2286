import fake_run
import numpy as np

from ser_brain.changed_answers import KINDS, changed_answers
from ser_brain.pairing import pair
from ser_brain.predictions import read_predictions

EMOTIONS = fake_run.EMOTIONS


def test_which_answers_changed(tmp_path):
    rows = fake_run.rows(5, "classification")
    truth = ["anger", "anger", "anger", "sadness", None]
    first = ["anger", "sadness", "sadness", "sadness", "anger"]
    second = ["sadness", "anger", "neutral", "sadness", "sadness"]

    def answer(said):
        return [
            {
                **row,
                "emotion": true,
                "predicted_emotion": emotion,
                "log_probabilities": {
                    e: float(np.log(0.7 if e == emotion else 0.1)) for e in EMOTIONS
                },
            }
            for row, true, emotion in zip(rows, truth, said, strict=True)
        ]

    one, other = (
        read_predictions(fake_run.write(tmp_path / name, "fake", answer(said)))
        for name, said in (("one", first), ("other", second))
    )
    found = changed_answers(pair(one, other))
    assert found["same"] == 1
    assert found["counts"] == dict.fromkeys(KINDS, 1)
    assert [line["change"] for line in found["changed"]] == list(KINDS)
    assert found["changed"][0] == {
        "id": "fake_0000",
        "speaker": rows[0]["speaker"],
        "emotion": "anger",
        "a": "anger",
        "b": "sadness",
        "change": "right to wrong",
    }
