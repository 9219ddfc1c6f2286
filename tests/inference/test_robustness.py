"""Robustness: fixed conditions that repeat, and numbers that agree with the predictions."""

import csv
import json

import numpy as np
import pytest

from data_prep.__main__ import main as prepare
from ser_brain.__main__ import main
from ser_brain.data.corpora import Target
from ser_brain.evaluation.predictions import read_predictions
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.inference.robustness import CONDITIONS, judge_conditions
from tests.inference.tiny_models import write_model
from tests.tiny_corpus import write_corpus


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    home = tmp_path_factory.mktemp("robustness")
    corpus = write_corpus(home / "corpus", speakers=6, clips=1)
    table = ["table", "--name", "tiny", "--csv", "labels.csv", "--vad_scale", "1", "5"]
    where = ["--data_folder", str(corpus), "--manifest_folder", str(home)]
    assert prepare([*table, *where]) == 0
    write_model(home / "model")
    on = ["--on", str(home / "tiny.json"), "--out", str(home / "out")]
    assert main(["robustness", str(home / "model"), *on]) == 0
    return home


def predictions(folder, condition):
    return read_predictions(folder / condition / "predictions" / "tiny.jsonl")


def test_the_page_has_every_condition_and_its_numbers(judged):
    out = judged / "out"
    found = json.loads((out / "results.json").read_text())["test_sets"]["tiny"]
    assert [each["name"] for each in found["conditions"]] == [c.name for c in CONDITIONS]
    clean, noisy = predictions(out, "clean"), predictions(out, "white_0db")
    assert clean.ids == noisy.ids
    row = next(each for each in found["conditions"] if each["name"] == "white_0db")
    same = np.mean(clean.predicted_N == noisy.predicted_N)
    known_N = clean.true_N >= 0
    places = np.flatnonzero(known_N), clean.true_N[known_N]
    drop = np.exp(clean.log_probs_NC[places]) - np.exp(noisy.log_probs_NC[places])
    moved = noisy.predicted("valence") - clean.predicted("valence")
    assert row["answers"]["same"]["value"] == pytest.approx(same)
    assert row["answers"]["drop"]["value"] == pytest.approx(drop.mean())
    assert row["answers"]["valence"]["value"] == pytest.approx(moved.mean())
    assert row["answers"]["valence"]["low"] < moved.mean() < row["answers"]["valence"]["high"]
    change = row["metrics"]["uar"]["value"] - found["clean"]["uar"]["value"]
    assert row["change"]["uar"]["value"] == pytest.approx(change)
    with (out / "tiny-robustness.csv").open() as file:
        rows = list(csv.reader(file))
    assert len(rows) == 2 + len(CONDITIONS) and rows[1][0] == "clean"
    # The thresholds of ser-tests, under the one condition that they have, too.
    published = {each["test"]: each for each in found["published"]}
    quiet = next(each for each in found["conditions"] if each["name"] == "white_20db")
    assert set(published) == {*(f"{m}, change" for m in quiet["change"]), "same answers"}
    same = quiet["answers"]["same"]["value"]
    assert published["same answers"]["passed"] == (same >= 0.9)
    assert published["uar, change"]["passed"] == (quiet["change"]["uar"]["value"] >= -0.05)
    page = (out / "robustness.html").read_text()
    assert found["notes"] == ["Only 6 speakers: take the intervals as a rough guide."]
    assert all(each.distortion in page for each in CONDITIONS)


def test_conditions_change_the_clips_and_repeat(judged):
    model = EmotionRecognizer.from_pretrained(judged / "model", device="cpu")
    target = Target(judged / "tiny.json")
    judge_conditions(model, [target], judged / "again")
    clean = predictions(judged / "out", "clean").predicted("arousal")
    for condition in CONDITIONS:
        first, again = (
            predictions(judged / place, condition.name).predicted("arousal")
            for place in ("out", "again")
        )
        np.testing.assert_array_equal(first, again)
        # The tiny encoder normalizes a clip, so a softer one is the same to it.
        if condition.name != "gain_minus_20db":
            assert np.abs(first - clean).max() > 1e-4, condition.name


def test_mistakes_are_told(judged, capsys):
    on = ["--on", str(judged / "tiny.json"), "--out", str(judged / "few")]
    arguments = ["robustness", str(judged / "model"), *on, "--per_class", "1"]
    assert main(arguments) == 2
    assert "babble needs more than 7" in capsys.readouterr().err
    on[-1] = str(judged / "out")
    assert main(["robustness", str(judged / "model"), *on]) == 2
    assert "out exists and is not empty" in capsys.readouterr().err
