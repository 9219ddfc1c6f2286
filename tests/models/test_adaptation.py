"""Adaptation without labels, on planted data of which the answer is known.

Shapes: N clips, D embedding size, E classes.
"""

import pytest
import torch

from ser_brain.models.adaptation import LinearAdapter, _f_ratio

CLASSES, SIZE = 4, 12


def fit_head(x_ND, class_N, weights_N):
    """Nearest mean, by the mean variance within classes."""
    share_NE = torch.nn.functional.one_hot(class_N, CLASSES).double() * weights_N[:, None]
    mean_ED = (share_NE.T @ x_ND) / share_NE.sum(0)[:, None]
    within = (share_NE.sum(1) @ (x_ND - mean_ED[class_N]).square()).mean() / weights_N.sum()
    return mean_ED / within, -0.5 * mean_ED.square().sum(1) / within


MEANS_ED = 2 * torch.eye(SIZE).double()[:CLASSES]


def corpus(seed, offset=0.0, speakers=8, clips=24):
    """Embeddings, classes, speakers and offset of each clip; all share the class means."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).double()

    class_N = torch.arange(speakers * clips) % CLASSES
    speaker_N = [i // clips for i in range(speakers * clips)]
    offset_ND = offset * normal(SIZE) + 0.6 * normal(speakers, SIZE)[speaker_N]
    x_ND = MEANS_ED[class_N] + offset_ND + 0.5 * normal(len(class_N), SIZE)
    return x_ND, class_N, speaker_N, offset_ND


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
    x_ND, _, speaker_N, _ = corpus(7, offset=2.0)
    assert torch.equal(adapted(adapter, x_ND[:1], speaker_N[:1]), plain(adapter, x_ND[:1]))


def test_offsets_of_a_new_corpus_and_its_speakers_are_found(adapter):
    x_ND, class_N, speaker_N, offset_ND = corpus(8, offset=0.7)
    names = ["new"] * len(x_ND)
    result = adapter.adapt(x_ND, names, speaker_N)
    by_corpus = recall(class_N, adapted(adapter, x_ND))
    assert recall(class_N, plain(adapter, x_ND)) < by_corpus - 0.03
    assert by_corpus < recall(class_N, result.scores(x_ND, names, speaker_N)) - 0.03
    # A class mean at a speaker's true offset scores like one at the training corpora's.
    found = result.scores(MEANS_ED[class_N] + offset_ND, names, speaker_N)
    assert recall(class_N, found) > 0.98
    corpus_evidence, *of_speakers = result.evidence
    assert corpus_evidence.clips == len(x_ND) and corpus_evidence.factor > 0.9
    assert [e.clips for e in of_speakers] == [24] * 8


def one_class_each(class_N, speaker_N):
    return [n for n, s in enumerate(speaker_N) if class_N[n] == s % CLASSES], speaker_N


def mostly(wanted):
    """Nine of ten clips of one class."""

    def take(class_N, speaker_N):
        others = [n for n in range(len(class_N)) if class_N[n] != wanted][:6]
        return [n for n in range(len(class_N)) if class_N[n] == wanted] + others, speaker_N

    return take


def alone(wanted):
    """One speaker, who shows one class."""

    def take(class_N, speaker_N):
        speakers = torch.tensor(speaker_N)
        return ((class_N == wanted) & (speakers == 2)).nonzero().flatten().tolist(), speaker_N

    return take


def shuffled(share):
    def take(class_N, speaker_N):
        generator = torch.Generator().manual_seed(3)
        other = torch.randperm(len(speaker_N), generator=generator).tolist()
        wrong = (torch.rand(len(speaker_N), generator=generator) < share).tolist()
        names = [
            speaker_N[o] if w else s for o, w, s in zip(other, wrong, speaker_N, strict=True)
        ]
        return range(len(speaker_N)), names

    return take


def named(name):
    return lambda class_N, speaker_N: (range(len(speaker_N)), name(speaker_N))


def first(count):
    def take(class_N, speaker_N):
        order = torch.randperm(len(speaker_N), generator=torch.Generator().manual_seed(5))
        return order[:count].tolist(), speaker_N

    return take


CASES = {
    "speakers with one class each": one_class_each,
    **{f"nine of ten clips of class {c}": mostly(c) for c in range(CLASSES)},
    **{f"one speaker with class {c} alone": alone(c) for c in range(CLASSES)},
    "a fifth of the speakers wrong": shuffled(0.2),
    "all speakers shuffled": shuffled(1.0),
    "one speaker for all": named(lambda speaker_N: [0] * len(speaker_N)),
    "every clip a speaker": named(lambda speaker_N: [*range(len(speaker_N))]),
    "no speakers": named(lambda speaker_N: None),
    **{f"{count} clips": first(count) for count in (2, 5, 10, 20, 50, 100)},
}


@pytest.mark.parametrize("case", CASES)
def test_adaptation_does_no_harm(adapter, case):
    before, after = [], []
    for seed in (21, 22, 23, 24):
        x_ND, class_N, speaker_N, _ = corpus(seed, offset=0.7)
        rows, speaker_N = CASES[case](class_N, speaker_N)
        rows = list(rows)
        speakers = None if speaker_N is None else [speaker_N[n] for n in rows]
        before.append(recall(class_N[rows], plain(adapter, x_ND[rows])))
        after.append(recall(class_N[rows], adapted(adapter, x_ND[rows], speakers)))
    assert sum(after) / len(after) >= sum(before) / len(before) - 0.03


def test_names_that_mean_nothing_are_seen_as_such(adapter):
    x_ND, class_N, speaker_N, _ = corpus(21, offset=0.7)
    _, names = shuffled(1.0)(class_N, speaker_N)
    for speakers, used in ((speaker_N, True), (names, False)):
        evidence = adapter.adapt(x_ND, ["new"] * len(x_ND), speakers).evidence[1:]
        assert [e.factor > 0.5 for e in evidence] == [used] * 8


def test_one_training_corpus_normalises_speakers_only():
    x_ND, class_N, speaker_N, _ = corpus(1)
    adapter = LinearAdapter.fit(fit_head, x_ND, class_N, ["a"] * len(x_ND), speaker_N)
    x_ND, class_N, speaker_N, _ = corpus(2)
    assert torch.equal(adapted(adapter, x_ND), plain(adapter, x_ND))
    by_speaker = adapted(adapter, x_ND, speaker_N)
    assert recall(class_N, by_speaker) > recall(class_N, plain(adapter, x_ND)) + 0.02


def test_two_corpora_taken_for_one(adapter):
    (x_ND, class_N, speaker_N, _), (other_ND, _, others, _) = corpus(31, 0.7), corpus(32, 0.7)
    both_ND = torch.cat([x_ND, other_ND])
    scores = adapted(adapter, both_ND, [*speaker_N, *(f"other {s}" for s in others)])
    assert recall(class_N, scores[: len(x_ND)]) > recall(class_N, plain(adapter, x_ND))


def test_the_order_of_clips_does_not_matter(adapter):
    x_ND, _, speaker_N, _ = corpus(9, offset=1.0)
    order = torch.randperm(len(x_ND), generator=torch.Generator().manual_seed(0))
    moved = adapted(adapter, x_ND[order], [speaker_N[i] for i in order])
    torch.testing.assert_close(moved, adapted(adapter, x_ND, speaker_N)[order])


def test_a_head_is_an_ordinary_linear_head(adapter):
    x_ND, _, speaker_N, _ = corpus(9, offset=1.0)
    result = adapter.adapt(x_ND, ["new"] * len(x_ND), speaker_N)
    weight_ED, bias_E = result.head("new", speaker_N[0])
    expected = (x_ND[:5] @ weight_ED.T + bias_E).log_softmax(1)
    torch.testing.assert_close(result.scores(x_ND[:5], ["new"] * 5, speaker_N[:5]), expected)
    assert result.head("new", "a stranger") is result.head("new")
    assert result.head("another corpus") is result.plain
    unknown = adapter.adapt(x_ND, ["new"] * len(x_ND), [None] * len(x_ND))
    assert [e.speaker for e in unknown.evidence] == [None]
    torch.testing.assert_close(unknown.head("new"), result.head("new"))


def test_a_saved_adapter_is_the_same(adapter):
    x_ND, _, speaker_N, _ = corpus(9, offset=1.0)
    loaded = LinearAdapter.from_state_dict(adapter.state_dict())
    expected = adapted(adapter, x_ND, speaker_N)
    assert torch.equal(adapted(loaded, x_ND, speaker_N), expected)


def test_clips_of_unknown_speakers_say_nothing_about_speakers():
    generator = torch.Generator().manual_seed(1)
    scores_NE = torch.randn(120, 4, generator=generator).double()
    scores_NE -= scores_NE.mean(1, keepdim=True)
    speakers = {name: [*range(6 * name, 6 * name + 6)] for name in range(5)}
    known = _f_ratio(scores_NE[:30], speakers)
    assert _f_ratio(scores_NE, speakers) == pytest.approx(known)
    assert known < 2


def test_blocks_of_embeddings_give_the_same_scores(adapter, monkeypatch):
    x_ND, _, speaker_N, _ = corpus(9, offset=1.0)
    whole = adapted(adapter, x_ND.float(), speaker_N)
    monkeypatch.setattr("ser_brain.models.adaptation.CONVERTED", 50)
    torch.testing.assert_close(adapted(adapter, x_ND.float(), speaker_N), whole)
