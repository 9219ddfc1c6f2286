"""Gaussian classifiers: scikit-learn's solution, and candidates trusted as inner folds say."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ser_brain.evaluation.calibration import fit_temperature
from ser_brain.training.discriminant import ADDED, averaged_discriminant

CLASSES = 4


def drawn(count, dim, seed=0):
    """Overlapping classes of unequal sizes."""
    random = np.random.default_rng(seed)
    class_N = random.choice(CLASSES, count, p=[0.4, 0.3, 0.2, 0.1])
    x_ND = random.normal(size=(count, dim)) + random.normal(size=(CLASSES, dim))[class_N]
    return torch.from_numpy(x_ND).float(), torch.from_numpy(class_N)


def balanced(class_N):
    return 1.0 / torch.bincount(class_N)[class_N]


def scores(found, x_ND):
    logits_NE = x_ND.double() @ found.weight_ED.T + found.bias_E
    return torch.log_softmax(logits_NE, dim=1).numpy()


@pytest.mark.parametrize(
    "count, dim", [(60, 200), (2100, 8)], ids=["fewer clips than coordinates", "many clips"]
)
def test_one_candidate_is_linear_discriminant_analysis(count, dim):
    x_ND, class_N = drawn(count, dim)
    shrinkage = 0.4
    ridge = shrinkage / (1 - shrinkage) / dim
    labels_N = class_N.clone()
    labels_N[::7] = -1  # clips without a label
    known_N = labels_N >= 0
    parts = [slice(0, 25), slice(25, None)]
    weight_N = torch.ones(count)
    weight_N[known_N] = balanced(class_N[known_N])
    for priors, weights in (
        (np.full(CLASSES, 1 / CLASSES), weight_N),
        (np.bincount(class_N[known_N]) / known_N.sum().item(), torch.ones(count)),
    ):
        found = averaged_discriminant(
            lambda weights=weights: [(x_ND[p], labels_N[p], weights[p]) for p in parts],
            CLASSES,
            [None] * count,
            torch.ones(1, dim),
            [ridge],
        )
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=priors)
        lda.fit(x_ND[known_N].double().numpy(), class_N[known_N].numpy())
        prior_E = np.log(priors)
        logits_NE = (1 - shrinkage) * (
            lda.decision_function(x_ND.double().numpy()) - prior_E
        ) + prior_E
        np.testing.assert_allclose(
            scores(found, x_ND), log_softmax(logits_NE, axis=1), atol=1e-5
        )


def test_a_view_that_fails_on_new_speakers_gets_no_share():
    """Speakers have marks that tell each one's classes by heart, and others' not at all."""
    random = np.random.default_rng(0)
    speaker_N, class_N = np.repeat(np.arange(8), 12), np.tile(np.arange(CLASSES), 24)
    sound_ND = random.normal(size=(96, 10)) + 2 * random.normal(size=(CLASSES, 10))[class_N]
    marks = 5 * random.normal(size=(8, CLASSES, 40))
    marked_ND = marks[speaker_N, class_N] + random.normal(size=(96, 40))
    x_ND = torch.from_numpy(np.hstack([sound_ND, marked_ND])).float()
    class_N = torch.from_numpy(class_N)
    scale_VD = torch.zeros(2, 50)
    scale_VD[0, 10:], scale_VD[1, :10] = 1.0, 0.5
    given = (lambda: [(x_ND, class_N, balanced(class_N))], CLASSES)
    ridges = [0.001, 0.01]
    found = averaged_discriminant(
        *given, [f"s{n}" for n in speaker_N.tolist()], scale_VD, ridges
    )
    assert found.kept_together == "speaker"
    assert found.share_VR[1].sum() > 0.999
    np.testing.assert_allclose(found.share_VR.sum(), 1.0)
    assert (scores(found, x_ND).argmax(1) == class_N.numpy()).mean() > 0.9
    # Folds of clips, the best there is without speakers, are deceived by the marks.
    without = averaged_discriminant(*given, [None] * 96, scale_VD, ridges)
    assert without.kept_together == "clip"
    assert without.share_VR[0].sum() > 0.1


def test_corpora_too_small_to_compare_anything():
    """A class without clips is never predicted, and single clips give a classifier."""
    x_ND, class_N = torch.eye(3), torch.arange(3)
    given = lambda: [(x_ND, class_N, torch.ones(3))]  # noqa: E731
    found = averaged_discriminant(given, CLASSES, ["a"] * 3, torch.ones(1, 3), [0.01, 0.1])
    assert found.kept_together is None
    assert scores(found, x_ND).argmax(1).tolist() == [0, 1, 2]


def test_probabilities_are_honest_about_new_speakers():
    """No factor on the logits makes those of unheard speakers much more likely."""
    random = np.random.default_rng(1)
    means_ED, offsets_SD = random.normal(size=(CLASSES, 60)), random.normal(size=(80, 60))
    speaker_N, class_N = np.repeat(np.arange(80), 8), np.tile(np.arange(CLASSES), 160)
    x_ND = 0.5 * means_ED[class_N] + offsets_SD[speaker_N] + random.normal(size=(640, 60))
    x_ND, class_N = torch.from_numpy(x_ND).float(), torch.from_numpy(class_N)
    heard = torch.from_numpy(speaker_N < 10)
    chunk = x_ND[heard], class_N[heard], balanced(class_N[heard])
    speakers = [f"s{n}" for n in speaker_N[speaker_N < 10].tolist()]
    found = averaged_discriminant(
        lambda: [chunk], CLASSES, speakers, torch.ones(1, 60), [0.0001, 0.01]
    )
    temperature = fit_temperature(scores(found, x_ND[~heard]), class_N[~heard].numpy())
    assert 0.7 < temperature < 1.4


def test_clips_that_are_all_right_do_not_make_a_classifier_certain():
    """As those that an encoder has learned by heart."""
    random = np.random.default_rng(2)
    class_N = np.tile(np.arange(CLASSES), 60 // CLASSES)
    x_ND = 30 * np.eye(CLASSES, 20)[class_N] + 0.01 * random.normal(size=(len(class_N), 20))
    x_ND, class_N = torch.from_numpy(x_ND).float(), torch.from_numpy(class_N)
    speakers = [f"s{n % 6}" for n in range(len(class_N))]
    given = lambda: [(x_ND, class_N, balanced(class_N))]  # noqa: E731
    found = averaged_discriminant(given, CLASSES, speakers, torch.ones(1, 20), [0.0001, 0.01])
    right_N = np.exp(scores(found, x_ND))[np.arange(len(class_N)), class_N.numpy()]
    wrong = ADDED * (CLASSES - 1) / (len(class_N) + ADDED * CLASSES)
    assert wrong / 3 < (1 - right_N).min() and (1 - right_N).max() < 5 * wrong
