"""Whether the documentation of a corpus swaps class names."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import recall_score

from ser_brain.core.errors import SERError
from ser_brain.evaluation.label_errors import check_labels, labelled_scores, labels_text
from ser_brain.evaluation.predictions import read_predictions
from tests import fake_run
from tests.made_scores import made_scores, rows_of

EXCHANGED = (2, 1, 0, 3)  # anger <-> sadness
BIASED = (0, 0, 0, 4)


def scores_of(rows):
    return [list(row["log_probabilities"].values()) for row in rows]


@pytest.fixture
def part(tmp_path):
    """Predictions as read from a file of these rows."""

    def part(rows, name="run", test_set="far", **card):
        return read_predictions(fake_run.write(tmp_path / name, test_set, rows, **card))

    return part


def made(seed=0, documented=(0, 1, 2, 3), **facts):
    rng = np.random.default_rng(seed)
    rows = rows_of(*made_scores(rng, **facts), documented)
    return [{**row, "corpus": "far"} for row in rows]


def test_honest_labels_are_one_line(part):
    facts = check_labels({"model": part(made(knows=2, preference=BIASED))})
    assert (facts["verdict"], facts["p"], facts["exchanges"]) == ("silent", 1.0, [])
    assert (facts["utterances"], facts["speakers"], facts["left_out"]) == (120, 10, {})
    text = labels_text(facts)
    assert "\n" not in text
    assert text.startswith(
        "far: no naming of the classes agrees better than the documented one (p 1, 10 speakers"
    )


def test_the_order_of_rows_changes_no_number(part):
    """Issue 13, no. 33."""
    rows = made(knows=1, documented=EXCHANGED, clips=5)
    shuffled = [rows[n] for n in np.random.default_rng(1).permutation(len(rows))]
    assert check_labels({"m": part(shuffled, "b")}) == check_labels({"m": part(rows, "a")})


def test_exchanged_labels_are_named(part):
    rows = made(knows=3, preference=BIASED, documented=EXCHANGED)
    facts = check_labels({"model": part(rows)})
    assert (facts["verdict"], facts["unseen"]) == ("exchanged", [])
    (exchange,) = facts["exchanges"]
    assert exchange["classes"] == ["anger", "sadness"]
    assert exchange["p"] < 0.01
    assert exchange["speakers"] == 10 and exchange["speakers_for"] >= 9
    assert "anger <-> sadness: p " in labels_text(facts)


def test_the_uar_before_and_after(part):
    """A model that says neutral nearly always: only without its preference is it any good."""
    rows = made(knows=3, preference=BIASED, documented=EXCHANGED)
    predictions = part(rows)
    facts = check_labels({"model": predictions})
    says_N, labels_N = predictions.predicted_N, predictions.true_N
    back_N = np.array(EXCHANGED)[labels_N]
    for naming, truth_N in (("documented", labels_N), ("exchanged", back_N)):
        expected = recall_score(truth_N, says_N, average="macro")
        assert facts["uar"][naming] == pytest.approx(expected)
    assert facts["uar"]["exchanged"] < 0.7 < facts["freed_uar"]["exchanged"]
    assert facts["freed_uar"]["documented"] < 0.5


def test_the_clips_to_listen_to_first(part):
    rows = made(knows=3, documented=EXCHANGED, speaker_effect=0)
    log_probs_C = log_softmax([9.0, 0, 0, 0])
    clear = next(i for i, row in enumerate(rows) if row["emotion"] == "sadness")
    rows[clear]["log_probabilities"] = dict(zip(fake_run.EMOTIONS, log_probs_C, strict=True))
    rows[clear]["predicted_emotion"] = "anger"
    facts = check_labels({"model": part(rows)})
    (exchange,) = facts["exchanges"]
    assert [c["documented"] for c in exchange["clips"]] == ["anger"] * 3 + ["sadness"] * 3
    first = exchange["clips"][3]
    assert (first["id"], first["sounds_like"]) == (rows[clear]["id"], "anger")
    assert first["probabilities"]["anger"] == pytest.approx(np.exp(log_probs_C[0]))
    line = next(s for s in labels_text(facts).splitlines() if s.startswith(first["id"]))
    assert line.split()[1:] == ["sadness", "anger", "0.000", "1.000"]


def test_three_classes_that_go_round(part):
    rows = made(knows=4, documented=(1, 2, 0, 3))  # What is anger is called happiness ...
    facts = check_labels({"model": part(rows)})
    assert facts["exchanges"][0]["classes"] == ["anger", "sadness", "happiness"]
    assert "anger -> sadness -> happiness -> anger: p " in labels_text(facts)


def test_an_exchange_that_would_not_have_shown(part):
    facts = check_labels({"model": part(made(knows=4, confuses=(2, 3)))})
    assert facts["verdict"] == "silent"
    assert ["sadness", "neutral"] in facts["unseen"]
    assert ["anger", "happiness"] not in facts["unseen"]
    assert "would not reveal a swap of " in labels_text(facts)
    assert "sadness <-> neutral" in labels_text(facts)


def test_with_few_speakers_nothing_shows(part):
    facts = check_labels({"model": part(made(knows=4, speakers=2, documented=EXCHANGED))})
    assert facts["verdict"] == "silent" and len(facts["unseen"]) == 6
    assert "agrees better, as happens by chance (p 0." in labels_text(facts)
    assert labels_text(facts).endswith("These predictions would not reveal any swap.")


def test_a_slight_leaning_in_a_large_corpus_is_no_swap(part):
    """Significant, but the model tells the two classes no better when they are exchanged."""
    rng = np.random.default_rng(0)
    scores, true_N, speaker_N = made_scores(
        rng, speakers=400, clips=1, knows=3, confuses=(2, 3), speaker_effect=0
    )
    scores[true_N == 2, 3] += 0.3
    facts = check_labels({"model": part(rows_of(log_softmax(scores, 1), true_N, speaker_N))})
    assert facts["p"] < 0.05 and facts["verdict"] == "silent"
    assert "agrees better, but by too little for a swap (p 0.0" in labels_text(facts)


def test_predictions_of_one_utterance_are_one_observation(part):
    rows = made(knows=1)
    alone = check_labels({"model": part(rows)})
    twice = check_labels({f"fold {n}": part(rows, f"fold-{n}") for n in (1, 2)})
    assert twice == alone


def test_models_are_averaged_utterance_by_utterance(part):
    one, other = made(seed=1)[:60], made(seed=2)[20:]
    scores = labelled_scores({"a": part(one, "a"), "b": part(other, "b")})
    assert scores.ids == [f"made_{i:04d}" for i in range(120)]
    means_NC = np.array(
        [list(row["log_probabilities"].values()) for row in [*one, *other[40:]]]
    )
    both = [list(row["log_probabilities"].values()) for row in other[:40]]
    means_NC[20:60] = (means_NC[20:60] + both) / 2
    assert scores.log_probs_NC == pytest.approx(log_softmax(means_NC, axis=1))


def test_what_cannot_be_tested_is_counted(part):
    rows = made(speakers=3)
    for row in rows[:12]:
        row["emotion"] = "anger"  # The first speaker has one class only.
    for row in rows[12:15]:
        row["emotion"] = None
    rows[15]["speaker"] = None
    facts = check_labels({"model": part(rows)})
    assert facts["left_out"] == {
        "of a speaker with one class only": 12,
        "without a label of the classes": 3,
        "of an unknown speaker": 1,
    }
    assert (facts["utterances"], facts["speakers"]) == (20, 2)
    assert "Skipped utterances: 12 of a speaker with one class only, 3 without" in labels_text(
        facts
    )


def test_no_verdict_where_nothing_can_be_tested(part):
    rows = made()
    for row in rows:
        row["speaker"] = None
    facts = check_labels({"model": part(rows)})
    assert facts["verdict"] == "untested"
    assert labels_text(facts) == (
        "far: the labels cannot be checked (utterances: 120 of an unknown speaker)."
    )


def test_classes_that_nobody_has_are_no_candidates(part):
    rows = [row for row in made(knows=3) if row["emotion"] in ("anger", "neutral")]
    predictions = part(rows)
    facts = check_labels({"model": predictions})
    assert facts["emotions"] == ["anger", "neutral"]
    assert facts["unseen"] == []
    recalls = [np.mean(predictions.predicted_N[predictions.true_N == c] == c) for c in (0, 3)]
    assert facts["uar"]["documented"] == pytest.approx(np.mean(recalls))


@pytest.mark.parametrize(
    "card, learned",
    [
        ({}, False),
        ({"protocol": "near+far/speaker/intended/4-class/seed 1"}, True),
        ({"protocol": "near+far_deu/speaker/intended/4-class/seed 1"}, True),
        ({"protocol": "farther/speaker/intended/4-class/seed 1"}, False),
        ({"role": "train"}, True),
    ],
)
def test_labels_that_the_model_learned(part, card, learned):
    # A test set is named after its labels and its draw, too.
    facts = check_labels({"model": part(made(knows=2), test_set="far-rated_face", **card)})
    assert facts["learned"] is learned
    assert ("The model was trained on these labels" in labels_text(facts)) is learned


def test_a_model_of_valence_and_arousal(part):
    with pytest.raises(SERError, match="The model of regression gives no class probabilities"):
        check_labels({"model": part(fake_run.rows(60, "regression"), experiment="regression")})
