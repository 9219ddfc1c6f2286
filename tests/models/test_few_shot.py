"""A head fitted to a few labelled clips, shrunk to the head it starts from."""

import numpy as np
import pytest
import torch

from ser_brain.models.few_shot import fit_few_shot, held_out_scores

CLASSES, SIZE = 3, 40


def planted(moved, clips_per_class, seed):
    """Clips whose true head is the source's, or is moved; the source head; and the classes."""
    rng = np.random.default_rng(seed)
    source_ED = np.random.default_rng(0).standard_normal((CLASSES, SIZE))
    true_ED = source_ED + moved * np.random.default_rng(1).standard_normal((CLASSES, SIZE))
    x_ND = rng.standard_normal((4000, SIZE)) + 5.0
    class_N = ((x_ND - 5.0) @ true_ED.T).argmax(1)
    rows = np.concatenate([np.flatnonzero(class_N == e)[:clips_per_class] for e in range(3)])
    head = torch.from_numpy(source_ED), torch.from_numpy(-5.0 * source_ED.sum(1))
    return head, torch.from_numpy(x_ND[rows]), class_N[rows]


def accuracy(head, moved):
    _, x_ND, class_N = planted(moved, 300, seed=9)
    return float(((x_ND @ head[0].T + head[1]).argmax(1).numpy() == class_N).mean())


def test_many_clips_move_a_head_that_is_wrong():
    head, x_ND, class_N = planted(2.0, 50, seed=2)
    found = fit_few_shot(head, torch.ones(SIZE), x_ND, class_N)
    assert found.cost is not None
    assert accuracy(found.head, 2.0) > accuracy(head, 2.0) + 0.2


@pytest.mark.parametrize("clips", [1, 2, 20])
def test_a_head_that_is_right_is_kept(clips):
    head, x_ND, class_N = planted(0.0, clips, seed=3)
    found = fit_few_shot(head, torch.ones(SIZE), x_ND, class_N)
    assert accuracy(found.head, 0.0) > 0.95


def test_clips_of_one_class_teach_nothing():
    head, x_ND, class_N = planted(2.0, 20, seed=3)
    one = class_N == 1
    found = fit_few_shot(head, torch.ones(SIZE), x_ND[one], class_N[one])
    assert found.cost is None and torch.allclose(found.head[0], head[0])


def test_one_clip_of_each_class_helps_as_unlabelled_ones_tell_what_to_ignore():
    """Other clips of the person vary in few directions, and not by the class."""
    rng = np.random.default_rng(0)
    size, count = 300, 400
    noise_KD = 4 * rng.standard_normal((5, size))
    mean_ED = 1.2 * rng.standard_normal((CLASSES, size))
    source_ED = mean_ED + 6 * rng.standard_normal((CLASSES, size))
    class_N = np.arange(count) % CLASSES
    x_ND = mean_ED[class_N] + rng.standard_normal((count, 5)) @ noise_KD
    x_ND = torch.from_numpy(x_ND + rng.standard_normal((count, size)))
    head = torch.from_numpy(source_ED) / 1000, torch.zeros(CLASSES).double()

    def right(head):
        return (((x_ND @ head[0].T + head[1]).argmax(1).numpy() == class_N)[100:]).mean()

    def fitted(draw, others):
        rows = slice(CLASSES * draw, CLASSES * (draw + 1))
        others_ND = x_ND[CLASSES * 10 :] if others else None
        found = fit_few_shot(head, x_ND.std(0), x_ND[rows], class_N[rows], others_ND)
        return right(found.head)

    alone, beside = (np.mean([fitted(n, others) for n in range(10)]) for others in (0, 1))
    assert alone > right(head) - 0.03 and beside > right(head) + 0.05


def test_held_out_scores_promise_what_new_clips_get():
    """They never see the clip: labels at random cannot be predicted."""
    head, x_ND, class_N = planted(2.0, 20, seed=4)
    scores_NE = held_out_scores(head, torch.ones(SIZE), x_ND, class_N)
    np.testing.assert_allclose(np.exp(scores_NE).sum(1), 1.0)
    promised = (scores_NE.argmax(1) == class_N).mean()
    fitted = fit_few_shot(head, torch.ones(SIZE), x_ND, class_N).head
    assert promised == pytest.approx(accuracy(fitted, 2.0), abs=0.15)
    drawn_N = np.random.default_rng(5).permutation(class_N)
    chance_NE = held_out_scores(head, torch.ones(SIZE), x_ND, drawn_N)
    assert (chance_NE.argmax(1) == drawn_N).mean() < 0.45


def test_the_scale_of_a_coordinate_means_nothing():
    head, x_ND, class_N = planted(2.0, 20, seed=6)
    factor_D = torch.linspace(0.1, 10.0, SIZE).double()
    one = fit_few_shot(head, torch.ones(SIZE), x_ND, class_N).head
    scaled = (head[0] / factor_D, head[1])
    other = fit_few_shot(scaled, factor_D, x_ND * factor_D, class_N).head
    torch.testing.assert_close(other[0] * factor_D, one[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(other[1], one[1], rtol=1e-4, atol=1e-4)
