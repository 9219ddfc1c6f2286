"""A clip's frames never depend on what else is in the batch.

Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

import copy

import pytest
import torch
from test_encoders_tiny import FAMILIES, HUB, clips, padded, tiny

from ser_brain.encoders import masked_mean

# 0.3 s to 10 s, and 0.3 s again; odd ones, so that no stride divides them.
LENGTHS = [4800, 160_000, 4961]


def largest_differences(encoder, waves, fill: float) -> dict[str, float]:
    """Padded batch against single clips: frames, embedding, log-probabilities."""
    torch.manual_seed(0)
    head = torch.nn.Linear(encoder.dim, 4)
    largest = {"frames": 0.0, "embedding": 0.0, "scores": 0.0}
    with torch.no_grad():
        batch_BTD, frame_lengths_B = encoder(*padded(waves, fill))
        for i, wave in enumerate(waves):
            single_BTD, lengths_B = encoder(wave[None], torch.tensor([len(wave)]))
            assert int(lengths_B) == int(frame_lengths_B[i]) == single_BTD.shape[1]
            assert not batch_BTD[i, int(lengths_B) :].any()
            together = batch_BTD[i : i + 1, : int(lengths_B)]
            alone_BD = masked_mean(single_BTD, lengths_B)
            embedding_BD = masked_mean(batch_BTD[i : i + 1], lengths_B)
            pairs = {
                "frames": (single_BTD, together),
                "embedding": (alone_BD, embedding_BD),
                "scores": [head(x).log_softmax(-1) for x in (alone_BD, embedding_BD)],
            }
            for name, (one, other) in pairs.items():
                largest[name] = max(largest[name], float((one - other).abs().max()))
    return largest


@pytest.mark.parametrize(
    ("lengths", "fill"), [(LENGTHS, 1e3), ([4800, 16_161, 7777], float("nan"))]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_padded_batch_equals_single_clips(family, lengths, fill):
    encoder = tiny(family).eval()
    differences = largest_differences(encoder, clips(lengths), fill)
    assert max(differences.values()) < 1e-5, differences


@pytest.mark.parametrize("layer", [0, 1, "mix"])
@pytest.mark.parametrize("family", HUB)
def test_padded_batch_equals_single_clips_at_any_layer(family, layer):
    encoder = tiny(family, layer=layer).eval()
    differences = largest_differences(encoder, clips([4800, 9999]), 0.0)
    assert max(differences.values()) < 2e-5, differences


@pytest.mark.parametrize("family", FAMILIES)
def test_what_differs_is_rounding(family):
    """In float64 the differences vanish: nothing leaks, however little."""
    encoder = tiny(family).eval().double()
    waves = clips([4800, 16_161])
    with torch.no_grad():
        batch_BSamples, lengths_B = padded(waves)
        # What a front end keeps in float32 (log-mel) is the same number per clip.
        features_BTC, frame_lengths_B = encoder.front(batch_BSamples.double(), lengths_B)
        batch_BTD = encoder.encode(features_BTC.double(), frame_lengths_B)
        for i, wave in enumerate(waves):
            features_BTC, lengths_B = encoder.front(
                wave[None].double(), torch.tensor([len(wave)])
            )
            single_BTD = encoder.encode(features_BTC.double(), lengths_B)
            together = batch_BTD[i : i + 1, : single_BTD.shape[1]]
            limit = 1e-6 if family == "compact" else 1e-10
            torch.testing.assert_close(single_BTD, together, atol=limit, rtol=0)


@pytest.mark.parametrize("family", ["wav2vec2-base", "hubert-base"])
def test_an_attention_mask_alone_would_not_do(family):
    """The trap that the masked group norm closes is really there in the stock model."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    stock = AutoModel.from_config(AutoConfig.for_model(**HUB[family][0])).eval()
    wave, lengths_B = padded([x - x.mean() for x in clips([4800, 16_000])])
    mask_BS = (torch.arange(wave.shape[1]) < lengths_B[:, None]).long()
    with torch.no_grad():
        batch_BTD = stock(wave, attention_mask=mask_BS).last_hidden_state
        single_BTD = stock(wave[:1, :4800]).last_hidden_state
    assert (batch_BTD[:1, : single_BTD.shape[1]] - single_BTD).abs().max() > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_do_depend_on_the_clip(family):
    encoder = tiny(family).eval()
    wave, lengths_B = padded(clips([16_000, 16_000]))
    with torch.no_grad():
        embedding_BD = masked_mean(*encoder(wave, lengths_B))
    assert (embedding_BD[0] - embedding_BD[1]).abs().max() > 1e-3


def test_compact_hears_loudness_and_is_the_same_twice():
    encoder = tiny("compact").eval()
    wave, lengths_B = padded(clips([16_000]))
    with torch.no_grad():
        usual_BD, again_BD, loud_BD = (
            masked_mean(*encoder(x, lengths_B)) for x in (wave, wave.clone(), 4 * wave)
        )
    assert torch.equal(usual_BD, again_BD)
    assert (usual_BD - loud_BD).abs().max() > 1e-2


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast_runs_forward_and_backward(family):
    encoder = tiny(family, freeze="none").train()
    wave, lengths_B = padded(clips([3000, 1600]))
    with torch.autocast("cpu", torch.bfloat16):
        frames_BTD, _ = encoder(wave, lengths_B)
    assert frames_BTD.dtype == torch.float32 and frames_BTD.isfinite().all()
    frames_BTD.square().mean().backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)
    encoder.eval()
    with torch.no_grad():
        exact_BTD, _ = encoder(wave, lengths_B)
        with torch.autocast("cpu", torch.bfloat16):
            rough_BTD, _ = encoder(wave, lengths_B)
    error = (rough_BTD - exact_BTD).abs().mean() / exact_BTD.abs().mean()
    assert 0 < error < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_garbage_does_not_reach_gradients(family):
    encoder = tiny(family, freeze="none").train()
    reference = copy.deepcopy(encoder)
    waves = clips([8000, 4800])
    for module, fill in ((encoder, float("nan")), (reference, 0.0)):
        torch.manual_seed(3)  # the same dropout for both
        frames_BTD, frame_lengths_B = module(*padded(waves, fill))
        masked_mean(frames_BTD, frame_lengths_B).square().mean().backward()
    for one, other in zip(encoder.parameters(), reference.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            assert torch.equal(one.grad, other.grad)
