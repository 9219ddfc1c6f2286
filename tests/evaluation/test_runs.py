"""Runs and folds: what is read together, and what is not."""

import numpy as np
import pytest
from scipy.special import log_softmax

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_json
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.runs import label_runs, merge_protocols, read_run
from ser_brain.reporting.report_tables import file_tables
from ser_brain.reporting.summary import summary_text
from tests import fake_run


@pytest.mark.parametrize(
    "experiment, folders, protocols, expected",
    [
        ("one two", "a b", "x x", ["one", "two"]),
        ("m m", "a b", "x/random/s x/speaker/s", ["m (random)", "m (speaker)"]),
        ("m m one", "a/emodb/1 b/emodb/1 c", "x x x", ["m (a)", "m (b)", "one"]),
        ("m m", "x/1 x/1/2", "x x", ["m (1)", "m (1/2)"]),
        # The protocol tells only two of the three apart, the folder all.
        ("m m m", "a b c", "x/1 x/1 x/2", ["m (a)", "m (b)", "m (c)"]),
        ("m m", "a b/../a", "x x", None),
    ],
)
def test_runs_are_told_apart(tmp_path, experiment, folders, protocols, expected):
    (tmp_path / "b").mkdir()
    runs = []
    facts = (text.split() for text in (experiment, folders, protocols))
    for experiment, folder, protocol in zip(*facts, strict=True):
        fake_run.write(tmp_path / folder, experiment=experiment, protocol=protocol)
        runs.append(read_run(tmp_path / folder))
    if expected:
        assert label_runs(runs) == expected
    else:
        with pytest.raises(SERError, match="a is given twice"):
            label_runs(runs)


PROTOCOL = "fake/speaker-2fold-fold{}/intended/4-class/seed 1"


def folds(tmp_path, second=None, **changes):
    """Two folds of one corpus, and a set that both predict."""
    rows = fake_run.rows(60)
    for number, part in ((1, rows[:25]), (2, rows[25:] if second is None else second)):
        facts = {"protocol": PROTOCOL.format(number)} | (changes if number == 2 else {})
        fake_run.write(tmp_path / f"fold-{number}", "fake", part, **facts)
        fake_run.write(tmp_path / f"fold-{number}", "other", rows[:10], **facts)
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}})
    return rows


def test_a_single_run_runs(tmp_path):
    write_json(tmp_path / "run.json", {"command": "python train.py"})
    fake_run.write(tmp_path)
    fake_run.write(tmp_path, "a", role="train")
    fake_run.write(tmp_path, "valid", role="valid")
    run = read_run(tmp_path)
    assert list(run.parts) == ["run"] and list(run.test_sets) == ["fake", "a"]
    assert evaluate_run(run, 5)["run"] == run.record == {"command": "python train.py"}
    assert run.pooled("fake") is run.test_sets["fake"]["run"]
    assert run.pooled("fake").embeddings_ND is None
    assert read_run(tmp_path, embeddings=True).pooled("fake").embeddings_ND.shape == (60, 3)


def test_folds_are_judged_together(tmp_path):
    rows = folds(tmp_path)
    run = read_run(tmp_path)
    pooled = run.pooled("fake")
    assert pooled.ids == [row["id"] for row in rows]
    protocol = "fake/speaker-2fold/intended/4-class/seed 1"
    assert run.protocol == pooled.card["protocol"] == protocol
    assert pooled.log_probs_NC.shape == (60, 4) and pooled.true_values_NV.shape == (60, 2)
    results = evaluate_run(run, resamples=20)["test_sets"]["fake"]
    assert np.sum(results["classification"]["confusion"]) == 60
    uars = [found["uar"] for found in results["parts"].values()]
    assert results["spread"]["uar"] == {
        "mean": pytest.approx(np.mean(uars)),
        "std": pytest.approx(np.std(uars, ddof=1)),
        "parts": 2,
    }


def test_seeds_that_repeat_each_other_count_once(tmp_path):
    def write(part, rows):
        protocol = PROTOCOL.format(part[-1])
        fake_run.write(tmp_path / part.replace(" ", "-"), "fake", rows, protocol=protocol)

    rows = fake_run.rows(60)
    parts = [f"seed {seed} fold {fold}" for seed in (1, 2, 3) for fold in (1, 2)]
    for part in parts:
        write(part, rows[:25] if part.endswith("1") else rows[25:])
    parted = {part: part.replace(" ", "-") for part in parts}
    write_json(tmp_path / "folds.json", {"parts": parted})
    found = evaluate_run(read_run(tmp_path), 5)
    results = found["test_sets"]["fake"]
    assert results["repeats"] == parts[2:] and list(results["parts"]) == parts
    uars = [results["parts"][part]["uar"] for part in parts[:2]]
    assert results["spread"]["uar"]["parts"] == 2
    assert results["spread"]["uar"]["std"] == pytest.approx(np.std(uars, ddof=1))
    words = "4 of 6 parts repeat the predictions of others"
    assert f"fake: {words}" in summary_text(found)
    assert words in file_tables(found["test_sets"], parts)["parts"].caption
    # A single answer that differs is another model's.
    answer = {key: rows[4][key] for key in ("log_probabilities", "predicted_emotion")}
    assert answer["log_probabilities"] != rows[3]["log_probabilities"]
    write("seed 3 fold 1", [*rows[:3], rows[3] | answer, *rows[4:25]])
    results = evaluate_run(read_run(tmp_path), 5)["test_sets"]["fake"]
    assert results["repeats"] == [part for part in parts[2:] if part != "seed 3 fold 1"]


def test_each_prediction_of_the_same_utterance_counts(tmp_path):
    folds(tmp_path)
    pooled = read_run(tmp_path).pooled("other")
    assert len(pooled.ids) == 20 and pooled.ids[0] == "fake_0000 (fold 1)"
    assert [row["id"] for row in pooled.rows] == pooled.ids
    assert [row["utterance"] for row in pooled.rows[::10]] == ["fake_0000", "fake_0000"]


def test_each_fold_has_its_temperature(tmp_path):
    folds(tmp_path, temperature=2.0)
    with pytest.raises(SERError, match="Some parts have temperature_N, others do not"):
        read_run(tmp_path).pooled("fake")
    for number in (1, 2):
        path = tmp_path / f"fold-{number}" / "predictions" / "fake.card.json"
        write_json(path, fake_run.card(test_set="fake", temperature=float(number)))
    pooled = read_run(tmp_path).pooled("fake")
    expected = log_softmax(pooled.log_probs_NC[25:] / 2, axis=1)
    assert pooled.calibrated_NC[25:] == pytest.approx(expected)
    assert pooled.calibrated_NC[:25] == pytest.approx(pooled.log_probs_NC[:25])


@pytest.mark.parametrize("change", [{"va_range": [0, 5]}, {"experiment": "classification"}])
def test_what_differs_is_not_pooled_but_ratings_may_be_absent(tmp_path, change):
    folds(tmp_path, second=fake_run.rows(30, seed=1, rated=False))
    true_N2 = read_run(tmp_path).pooled("fake").true_values_NV
    assert np.isfinite(true_N2[:25]).all() and np.isnan(true_N2[25:]).all()
    folds(tmp_path, **change)
    with pytest.raises(SERError, match=f"cannot be pooled: {next(iter(change))} of fold 2"):
        read_run(tmp_path).pooled("fake")


ADAPTED_TO = [(1, "9"), (2, "8"), (3, "9"), (4, "10 to 12")]  # seed, clips


@pytest.mark.parametrize(
    "protocols, merged",
    [
        (["a/group-fold1/seed 1", "a/group-fold2/seed 1"], "a/group/seed 1"),
        (["a/random/seed 1", "a/random/seed 3"], "a/random/seed 1,3"),
        (["a/random/seed 2"], "a/random/seed 2"),
        (["a/x", "b/x"], "a/x + b/x"),
        (["a/seed 1 on b/x", "a/seed 2 on b/x"], "a/seed 1,2 on b/x"),
        (["a/seed 1 on b/x", "a/seed 2 on c/x"], "a/seed 1 on b/x + a/seed 2 on c/x"),
        (["a/speaker/seed 1", "b/speaker/seed 2"], "a/speaker/seed 1 + b/speaker/seed 2"),
        (
            [f"a/random/seed {n}, adapted to {clips} clips" for n, clips in ADAPTED_TO],
            "a/random/seed 1-4, adapted to 8 to 12 clips",
        ),
        (["a/x-fold1, adapted to 9 clips"] * 2, "a/x-fold1, adapted to 9 clips"),
        (
            [f"a/x-fold{n}/seed 1, adapted to 9 clips" for n in (1, 2)],
            "a/x/seed 1, adapted to 9 clips",
        ),
    ],
)
def test_protocols_of_several_parts(protocols, merged):
    assert merge_protocols(protocols) == merged


@pytest.mark.parametrize(
    "parts, said",
    [
        (["fold-1"], "it names no parts"),
        ({}, "is not finished. Repeat the ser folds that wrote it"),
        ({"fold 1": "gone"}, r"No predictions/\*.jsonl in"),
        ({"fold 1": "a" * 9000}, r"No predictions/\*.jsonl in"),
    ],
)
def test_a_list_of_folds_that_cannot_be_read(tmp_path, parts, said):
    write_json(tmp_path / "folds.json", {"parts": parts})
    with pytest.raises(SERError, match=said):
        read_run(tmp_path)
