"""Adapters of several parts as one, and the heads of many clips, on planted data."""

import pytest
import torch
from safetensors.torch import load_file, save_file

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
    return Adapter(linear, True)


def test_the_mean_of_adapters_scores_like_the_mean_of_their_scores():
    parts = [part(number) for number in (0, 1, 2)]
    x_ND, _, speakers, _ = corpus(8, offset=0.7)

    def scores(adapter, adapted_to):
        adapted = adapter.adapt(x_ND[adapted_to], [speakers[n] for n in adapted_to])
        return adapter.scores(adapted, x_ND, speakers), adapted.evidence[0].factor

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
        torch.testing.assert_close(found_E, scores_NE[row])
    own, of_corpus = adapter.head(adapted, 1), adapter.head(adapted)
    assert adapter.head(adapted, 0)[0].equal(of_corpus[0]) and not own[0].equal(of_corpus[0])


def test_a_file_whose_scores_have_a_temperature_is_read_as_calibrated(tmp_path):
    adapter, path = part(0), tmp_path / "adapter"
    adapter.save(path)
    save_file({**load_file(path), "temperature": torch.tensor(2.0)}, path)
    found = Adapter.load(path)
    for half, whole in zip(found.linear.plain_head(), adapter.linear.plain_head(), strict=True):
        torch.testing.assert_close(2 * half, whole)


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)], ids=["one corpus", "three corpora"])
def test_adapting_leaves_the_scores_of_the_training_clips_as_wide_as_the_models_own(seeds):
    parts = [corpus(seed, offset=0.5) for seed in seeds]
    x_ND, class_N = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    names = [seed for seed, part in zip(seeds, parts, strict=True) for _ in part[1]]
    speakers = [speaker for part in parts for speaker in part[2]]
    own_NE = torch.eye(4)[class_N]

    def spread(scores_NE):
        return (scores_NE - scores_NE.mean(1, keepdim=True)).var(0).mean().sqrt().item()

    given = fit_head, x_ND, class_N, names, speakers
    linear = LinearAdapter.fit(*given, scores_NE=own_NE)
    free = LinearAdapter.fit(*given)
    wide, expected = (each.adapt(x_ND, names, speakers) for each in (free, linear))
    scores_NE = expected.scores(x_ND, names, speakers)
    assert spread(scores_NE) == pytest.approx(spread(own_NE), rel=0.1)
    assert spread(wide.scores(x_ND, names, speakers)) > 2 * spread(own_NE)
    assert scores_NE.argmax(1).equal(wide.scores(x_ND, names, speakers).argmax(1))
