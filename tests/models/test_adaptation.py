"""Adaptation without labels, on planted data of which the answer is known.

Shapes: N clips, D embedding size, E classes.
"""

import pytest
import torch

from ser_brain.models.adaptation import LinearAdapter

CLASSES, SIZE = 4, 12


def fit_head(x_ND, class_N, weights_N):
    """Nearest mean, by the mean variance within classes."""
    share_NE = torch.nn.functional.one_hot(class_N, CLASSES).double() * weights_N[:, None]
    mean_ED = (share_NE.T @ x_ND) / share_NE.sum(0)[:, None]
    within = (share_NE.sum(1) @ (x_ND - mean_ED[class_N]).square()).mean() / weights_N.sum()
    return mean_ED / within, -0.5 * mean_ED.square().sum(1) / within


def corpus(seed, offset=0.0, speakers=8, clips=24, speaker_offset=0.6):
    """Embeddings, classes and speakers; the class means are the same in every corpus."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).double()

    class_N = torch.arange(speakers * clips) % CLASSES
    speaker_N = [i // clips for i in range(speakers * clips)]
    center_D = offset * normal(SIZE) + speaker_offset * normal(speakers, SIZE)[speaker_N]
    means_ED = 2 * torch.eye(SIZE).double()[:CLASSES]
    return means_ED[class_N] + center_D + 0.5 * normal(len(class_N), SIZE), class_N, speaker_N


@pytest.fixture(scope="module")
def adapter():
    parts = [corpus(seed, offset=0.5) for seed in (1, 2, 3)]
    x_ND, class_N = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    names = [name for name, part in zip("abc", parts, strict=True) for _ in part[1]]
    return LinearAdapter.fit(fit_head, x_ND, class_N, names, sum((p[2] for p in parts), []))


def recall(class_N, scores_NE):
    """Mean recall of the classes that occur."""
    right_N = (scores_NE.argmax(1) == class_N).double()
    return torch.stack([right_N[class_N == c].mean() for c in class_N.unique()]).mean().item()


def plain(adapter, x_ND):
    weight_ED, bias_E = adapter.adapt(x_ND[:1], ["x"]).plain
    return (x_ND @ weight_ED.T + bias_E).log_softmax(1)


def adapted(adapter, x_ND, speaker_N=None):
    names = ["new"] * len(x_ND)
    return adapter.adapt(x_ND, names, speaker_N).scores(x_ND, names, speaker_N)


def test_one_clip_has_the_plain_scores(adapter):
    x_ND, _, speaker_N = corpus(7, offset=2.0)
    assert torch.equal(adapted(adapter, x_ND[:1], speaker_N[:1]), plain(adapter, x_ND[:1]))


def test_offsets_of_a_new_corpus_and_its_speakers_are_undone(adapter):
    x_ND, class_N, speaker_N = corpus(8, offset=1.5)
    scores = [
        plain(adapter, x_ND),
        adapted(adapter, x_ND),
        adapted(adapter, x_ND, speaker_N),
    ]
    before, by_corpus, by_speaker = (recall(class_N, s) for s in scores)
    assert before < 0.7 < by_corpus < by_speaker
    assert by_speaker > 0.95


def test_the_order_of_clips_does_not_matter(adapter):
    x_ND, _, speaker_N = corpus(9, offset=1.0)
    order = torch.randperm(len(x_ND), generator=torch.Generator().manual_seed(0))
    moved = adapted(adapter, x_ND[order], [speaker_N[i] for i in order])
    torch.testing.assert_close(moved, adapted(adapter, x_ND, speaker_N)[order])


def test_a_head_is_an_ordinary_linear_head(adapter):
    x_ND, _, speaker_N = corpus(9, offset=1.0)
    result = adapter.adapt(x_ND, ["new"] * len(x_ND), speaker_N)
    weight_ED, bias_E = result.head("new", speaker_N[0])
    expected = (x_ND[:5] @ weight_ED.T + bias_E).log_softmax(1)
    torch.testing.assert_close(result.scores(x_ND[:5], ["new"] * 5, speaker_N[:5]), expected)
    assert result.head("new", "a stranger") is result.head("new")
    assert result.head("another corpus") is result.plain


def test_running_scores_never_look_ahead(adapter):
    x_ND, _, speaker_N = corpus(9, offset=1.0)
    names = ["new"] * len(x_ND)
    whole = adapter.running_scores(x_ND, names, speaker_N)
    begun = adapter.running_scores(x_ND[:60], names[:60], speaker_N[:60])
    torch.testing.assert_close(whole[:60], begun)
    assert torch.equal(whole[:1], plain(adapter, x_ND[:1]))


def test_a_saved_adapter_is_the_same(adapter):
    x_ND, _, speaker_N = corpus(9, offset=1.0)
    loaded = LinearAdapter.from_state_dict(adapter.state_dict())
    expected = adapted(adapter, x_ND, speaker_N)
    assert torch.equal(adapted(loaded, x_ND, speaker_N), expected)
