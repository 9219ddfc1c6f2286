"""Class weights are scikit-learn's, agreement multiplies, and the mean over training is 1."""

from collections import Counter

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from ser_brain.core.errors import SERError
from ser_brain.data.weighting import balanced_shares, emotion_weights, require_votes


def rows(*emotions, **facts):
    return {
        f"u{n}": {"emotion": emotion, **{key: value[n] for key, value in facts.items()}}
        for n, emotion in enumerate(emotions)
    }


def weights(train, class_weights=None, agreement_weights=False):
    weight_of = emotion_weights(train, class_weights, agreement_weights)
    return [weight_of(row) for row in train.values()]


def test_without_a_setting_all_count_the_same():
    assert weights(rows("anger", "fear", None)) == [1, 1, 1]


def test_balanced_weights_are_scikit_learns():
    emotions = ["anger"] * 5 + ["fear"] * 2 + ["calm"]
    names = ["anger", "fear", "calm"]
    expected = compute_class_weight("balanced", classes=np.array(names), y=emotions)
    of = dict(zip(emotions, weights(rows(*emotions, None), "balanced"), strict=False))
    assert of == pytest.approx(dict(zip(names, expected, strict=True)))


def test_given_weights_keep_their_ratio_and_have_a_mean_of_one():
    found = weights(rows("anger", "anger", "fear", "calm"), {"anger": 3.0, "fear": 0.0})
    assert found == pytest.approx([12 / 7, 12 / 7, 0, 4 / 7])


def test_agreement_multiplies_and_whose_raters_are_unknown_counts_whole():
    train = rows("anger", "anger", "fear", "fear", agreement=[0.5, 1.0, None, 0.25])
    found = weights(train, agreement_weights=True)
    assert found == pytest.approx(np.array([0.5, 1, 1, 0.25]) / 0.6875)
    both = weights(train, {"fear": 2.0}, agreement_weights=True)
    assert both == pytest.approx(np.array([0.5, 1, 2, 0.5]))


def test_rows_that_are_not_trained_on_are_weighed_by_the_training_part():
    weight_of = emotion_weights(rows("anger", "anger", "anger", "fear"), "balanced", False)
    assert [weight_of({"emotion": e}) for e in ("fear", "anger")] == pytest.approx([2, 2 / 3])


def test_what_is_weighed_by_raters_needs_some():
    with pytest.raises(SERError, match=r"^agreement_weights: True, but no .* label_source"):
        weights(rows("anger", agreement=[None]), agreement_weights=True)
    with pytest.raises(SERError, match="^The loss kl needs raters' votes"):
        require_votes(rows("anger", votes=[None]), {"nll": 1.0, "kl": 1.0})
    require_votes(rows("anger", votes=[{"anger": 2}]), {"soft_ce": 1.0})
    require_votes(rows("anger", votes=[None]), {"nll": 1.0})


def test_every_class_of_every_corpus_is_as_likely():
    made = [("a", "fear")] * 6 + [("a", "calm")] * 3 + [("b", "calm")] + [("b", None)] * 2
    shares = balanced_shares([{"corpus": corpus, "emotion": e} for corpus, e in made])
    found = Counter()
    for cell, share in zip(made, shares, strict=True):
        found[cell] += share
    assert dict(found) == pytest.approx(dict.fromkeys(made, 1 / 4))
