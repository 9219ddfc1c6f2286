"""Freezing, layerdrop and distributed training.

Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

import pytest
import torch

from ser_brain.models.encoders import masked_mean
from tests.models.test_encoders import FAMILIES, HUB, clips, padded, tiny


def step(encoder) -> dict[str, torch.Tensor]:
    """One optimiser step; the parameters before it."""
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    head = torch.nn.Linear(encoder.dim, 2)
    trained = [p for p in encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD([*trained, *head.parameters()], lr=1.0)
    embedding_BD = masked_mean(*encoder(*padded(clips([8000, 4800]))))
    torch.nn.functional.cross_entropy(head(embedding_BD), torch.tensor([0, 1])).backward()
    optimizer.step()
    return before


def of(modules, encoder) -> set[str]:
    """Names of the encoder's parameters that lie in some modules."""
    ids = {id(p) for module in modules for p in module.parameters()}
    return {name for name, p in encoder.named_parameters() if id(p) in ids}


def modes(modules) -> set[bool]:
    return {m.training for module in modules for m in module.modules()}


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_front_end(family):
    encoder = tiny(family, freeze="cnn", **NO_LAYERDROP.get(family, {})).train()
    frozen = of(encoder.front_modules(), encoder)
    assert bool(frozen) == (family != "compact")
    before = step(encoder)
    for name, parameter in encoder.named_parameters():
        if name in frozen:
            assert parameter.grad is None and not parameter.requires_grad, name
            assert torch.equal(parameter, before[name]), name
        else:
            assert parameter.grad is not None, name
    moved = [n for n, p in encoder.named_parameters() if not torch.equal(p, before[n])]
    assert len(moved) > 0.5 * (len(before) - len(frozen))
    assert modes(encoder.front_modules()) == {False}
    assert encoder.training and modes([encoder]) == {True, False}
    assert not encoder.trains_front
    features_BTC, _ = encoder.front(*padded(clips([4800])))
    assert not features_BTC.requires_grad


# Layerdrop leaves layers without gradients on purpose.
NO_LAYERDROP = {family: {"config": {"layerdrop": 0.0}} for family in HUB if family != "whisper"}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_frozen(family):
    encoder = tiny(family, freeze="all").train()
    assert modes([encoder]) == {False}
    batch = padded(clips([8000, 4800]))
    frames_BTD, _ = encoder(*batch)
    assert not frames_BTD.requires_grad
    assert torch.equal(frames_BTD, encoder(*batch)[0])  # no dropout
    before = step(encoder)
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is None
        assert torch.equal(parameter, before[name])


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_frozen(family):
    encoder = tiny(family, freeze="none", **NO_LAYERDROP.get(family, {})).train()
    assert encoder.trains_front or family == "compact"
    step(encoder)
    fixed = {"encoder.embed_positions.weight"}  # Whisper's sinusoids are a constant
    for name, parameter in encoder.named_parameters():
        assert (parameter.grad is not None) != (name in fixed), name
    assert modes([encoder]) == {True}


@pytest.mark.parametrize("family", ["wavlm-large", "whisper"])
def test_layer_weights_learn_on_a_frozen_encoder(family):
    encoder = tiny(family, freeze="all", layer="mix").train()
    before = step(encoder)
    moved = [n for n, p in encoder.named_parameters() if not torch.equal(p, before[n])]
    assert moved == ["layer_logits"]


def test_layer_weights_start_equal():
    from ser_brain.models.encoders import build_encoder

    encoder = build_encoder(
        {
            "family": "wav2vec2",
            "name": "tiny",
            "config": HUB["wav2vec2-base"][0],
            "normalize": True,
            "layer": "mix",
        }
    )
    assert torch.softmax(encoder.layer_logits, 0).tolist() == [0.25] * 4


def test_no_spec_augment_and_no_parameter_for_it():
    config = {"layerdrop": 0.0, "mask_time_prob": 0.9, "mask_feature_prob": 0.9}
    config.update(dict.fromkeys(["hidden_dropout", "attention_dropout"], 0.0))
    config.update(dict.fromkeys(["activation_dropout", "feat_proj_dropout"], 0.0))
    encoder = tiny("wav2vec2-base", config=config)
    assert not [n for n, _ in encoder.named_parameters() if "masked_spec_embed" in n]
    batch = padded(clips([8000]))
    trained_BTD, _ = encoder.train()(*batch)
    assert torch.equal(trained_BTD, encoder.eval()(*batch)[0])


@pytest.mark.parametrize("family", ["wav2vec2-base", "wavlm-base", "whisper"])
def test_layerdrop_skips_layers_in_training_only(family):
    key = "encoder_layerdrop" if family == "whisper" else "layerdrop"
    encoder = tiny(family, config={key: 1.0}).train()
    masked_mean(*encoder(*padded(clips([8000])))).sum().backward()
    reached = [block.final_layer_norm.weight.grad is not None for block in encoder._blocks()]
    assert reached == [family == "wavlm-base", False, False]  # its first makes positions
    skipping_BTD, _ = encoder.eval()(*padded(clips([8000])))
    whole_BTD, _ = tiny(family).eval()(*padded(clips([8000])))
    assert torch.equal(skipping_BTD, whole_BTD)


@pytest.mark.parametrize("family", FAMILIES)
def test_distributed_training_misses_no_gradient(family):
    """Two steps: the second is where an unused parameter stops DDP."""
    from torch.nn.parallel import DistributedDataParallel

    key = "encoder_layerdrop" if family == "whisper" else "layerdrop"
    options = {} if family == "compact" else {"config": {key: 0.9}}
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        encoder = tiny(family, **options)
        wrapped = DistributedDataParallel(encoder).train()
        for _ in range(2):
            frames_BTD, frame_lengths_B = wrapped(*padded(clips([4800, 1600])))
            masked_mean(frames_BTD, frame_lengths_B).sum().backward()
        for name, parameter in encoder.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
    finally:
        torch.distributed.destroy_process_group()
