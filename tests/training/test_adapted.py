"""Adapters of several parts as one, and the heads of many clips, on planted data."""

import torch

from ser_brain.models.adaptation import LinearAdapter
from ser_brain.training.adapted import Adapter, head_fitter
from tests.models.test_adaptation import corpus, fit_head


def part(number):
    """An adapter of two thirds of the speakers of three corpora."""
    kept, names, speakers = [], [], []
    for seed in (1, 2, 3):
        x_ND, class_N, speaker_N, _ = corpus(seed, offset=0.5, speakers=9)
        rows = [n for n, speaker in enumerate(speaker_N) if speaker % 3 != number]
        kept.append((x_ND[rows], class_N[rows]))
        names += [seed] * len(rows)
        speakers += [speaker_N[row] for row in rows]
    x_ND, class_N = (torch.cat(each) for each in zip(*kept, strict=True))
    linear = LinearAdapter.fit(fit_head, x_ND, class_N, names, speakers)
    return Adapter(linear, True, 1.0 + number / 2)


def test_the_mean_of_adapters_scores_like_the_mean_of_their_scores():
    parts = [part(number) for number in (0, 1, 2)]
    x_ND, _, speakers, _ = corpus(8, offset=0.7)

    def scores(adapter, adapted_to):
        adapted = adapter.adapt(x_ND[adapted_to], [speakers[n] for n in adapted_to])
        found_NE = adapter.scores(adapted, x_ND, speakers) / adapter.temperature
        return found_NE.log_softmax(1), adapted.evidence[0].factor

    mean = Adapter.mean(parts)
    for clips, tolerance in ((range(1), 1e-10), (range(len(x_ND)), 0.2)):
        expected_NE = torch.stack([scores(each, clips)[0] for each in parts]).mean(0)
        found_NE, believed = scores(mean, clips)
        assert (found_NE - expected_NE.log_softmax(1)).abs().max() < tolerance
    assert believed > 0.9 and (scores(mean, range(1))[0] - found_NE).abs().max() > 2


def test_chunks_of_clips_give_the_same_head(monkeypatch):
    x_ND, class_N, *_ = corpus(1, offset=0.5, speakers=9)
    weight_N = torch.linspace(0.5, 2.0, len(x_ND), dtype=torch.float64)
    given = x_ND.double(), class_N, weight_N
    whole = head_fitter(4)(*given)
    monkeypatch.setattr("ser_brain.training.adapted.CHUNK", 7)
    for found, expected in zip(head_fitter(4)(*given), whole, strict=True):
        torch.testing.assert_close(found, expected)


def test_an_unknown_speaker_gets_the_head_of_the_corpus_and_the_others_their_own():
    adapter = part(0)
    x_ND, _, speakers, _ = corpus(8, offset=0.7)
    some = [None if speaker == 0 else speaker for speaker in speakers]
    adapted = adapter.adapt(x_ND, some)
    assert {e.speaker for e in adapted.evidence} == {None, *range(1, 8)}
    scores_NE = adapter.scores(adapted, x_ND, some)
    for speaker in (None, 1):
        weight_ED, bias_E = adapter.head(adapted, speaker)
        row = some.index(speaker)
        found_E = (x_ND[row] @ weight_ED.T + bias_E).log_softmax(0)
        expected_E = (scores_NE[row] / adapter.temperature).log_softmax(0)
        torch.testing.assert_close(found_E, expected_E)
    own, of_corpus = adapter.head(adapted, 1), adapter.head(adapted)
    assert adapter.head(adapted, 0)[0].equal(of_corpus[0]) and not own[0].equal(of_corpus[0])
