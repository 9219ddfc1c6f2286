"""Adapters: from which clips they learn, and those of several parts as one, on planted data."""

from collections import Counter

import pytest
import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from ser_brain.models.adaptation import LinearAdapter
from ser_brain.training.adapted import Adapter, head_fitter, some_speakers
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


def labelled_clips(corpora):
    """A data set: corpus -> (speakers, clips of each); each corpus has one unlabelled clip."""
    rows = {}
    for corpus_name, (speakers, clips) in corpora.items():
        for n in range(speakers * clips + 1):
            row = {"corpus": corpus_name, "speaker": f"s{n // clips}", "emotion": "anger"}
            rows[f"{corpus_name}_{n}"] = row
        row["emotion"] = None
    return DynamicItemDataset(rows)


@pytest.mark.parametrize(
    "most, expected",
    [
        (1000, {"large": 200, "small": 12}),
        (60, {"large": 48, "small": 12}),  # all of a small corpus, the rest of the large one
        (20, {"large": 10, "small": 10}),
    ],
)
def test_an_adapter_of_many_clips_learns_from_some_speakers(most, expected):
    dataset = labelled_clips({"large": (20, 10), "small": (2, 6)})
    chosen = some_speakers(dataset, most)
    assert chosen.data_ids == some_speakers(dataset, most).data_ids
    rows = [dataset.data[i] for i in chosen.data_ids]
    assert Counter(row["corpus"] for row in rows) == expected
    assert all(row["emotion"] for row in rows)
    places = [dataset.data_ids.index(i) for i in chosen.data_ids]
    assert places == sorted(places)
    # All clips of the speakers, but for one of each corpus.
    found = Counter((row["corpus"], row["speaker"]) for row in rows)
    sizes = {"large": 10, "small": 6}
    cut = Counter(corpus for (corpus, _), n in found.items() if n < sizes[corpus])
    assert max(cut.values(), default=0) <= 1


def test_a_clip_without_speaker_is_a_speaker():
    rows = {str(n): {"corpus": "c", "speaker": None, "emotion": "joy"} for n in range(9)}
    assert len(some_speakers(DynamicItemDataset(rows), 4).data_ids) == 4


def test_chunks_of_clips_give_the_same_head(monkeypatch):
    x_ND, class_N, *_ = corpus(1, offset=0.5, speakers=9)
    weight_N = torch.linspace(0.5, 2.0, len(x_ND), dtype=torch.float64)
    given = x_ND.double(), class_N, weight_N
    whole = head_fitter(4)(*given)
    monkeypatch.setattr("ser_brain.training.adapted.CHUNK", 7)
    for found, expected in zip(head_fitter(4)(*given), whole, strict=True):
        torch.testing.assert_close(found, expected)
