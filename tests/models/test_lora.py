"""LoRA: what is trained, what is stored, and that merging changes no score."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_brain.core.errors import SERError
from ser_brain.models.encoders import load_encoder
from ser_brain.models.encoders.lora import load_lora, merge_lora, save_lora
from tests.models.test_encoders_loading import saved

FAMILIES = {"wav2vec2-base": "attention", "wavlm-large": "attention", "whisper": "self_attn"}
LORA = {"rank": 2, "alpha": 8, "targets": ["q_proj", "v_proj"]}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def base(family, tmp_path):
    saved(tmp_path / "base", family)
    return tmp_path / "base"


def learned(base, **changes):
    """An encoder with updates that are not zero."""
    encoder = load_encoder(base, lora=LORA, **changes).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "adapter" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return encoder


def frames(encoder):
    waveforms = torch.randn(2, 8000, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return encoder.eval()(waveforms, torch.tensor([8000, 5000]))[0]


def test_only_the_updates_are_trained_and_they_start_at_nothing(base, family):
    plain, encoder = load_encoder(base), load_encoder(base, lora=LORA)
    assert torch.equal(frames(encoder), frames(plain))
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    expected = {
        f"encoder.layers.{n}.{FAMILIES[family]}.{target}.adapter_{way}_proj.weight"
        for n in range(len(encoder.layers()))
        for target in LORA["targets"]
        for way in ("down", "up")
    }
    assert trained == expected
    encoder.train()
    encoder(torch.randn(1, 8000), torch.tensor([8000]))[0].square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)


def test_a_mix_is_trained_as_well(base):
    encoder = load_encoder(base, layer="mix", lora=LORA)
    assert encoder.layer_logits.requires_grad


def test_a_product_that_splices_its_input_is_no_target():
    with pytest.raises(SERError, match="'conv'; expected one of: pointwise"):
        load_encoder("compact", lora={**LORA, "targets": ["conv"]})
    load_encoder("compact", lora={**LORA, "targets": ["pointwise"]})


def test_merging_gives_an_ordinary_encoder_with_the_same_frames(base):
    plain, encoder = load_encoder(base), learned(base)
    before = frames(encoder)
    assert (before - frames(plain)).abs().max() > 1e-3
    merge_lora(encoder)
    assert encoder.state_dict().keys() == plain.state_dict().keys()
    assert torch.allclose(frames(encoder), before, atol=1e-5, rtol=0)


def test_the_stored_updates_load_on_the_base(base, tmp_path):
    encoder = learned(base)
    save_lora(encoder, tmp_path / "adapter")
    again = load_encoder(base)
    load_lora(again, tmp_path / "adapter")
    assert torch.equal(frames(again), frames(encoder))
    assert {p.name for p in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    merge_lora(again)
    with pytest.raises(SERError, match="was not trained with lora, so it has no adapter"):
        save_lora(again, tmp_path / "none")


def test_peft_reads_them(base, family, tmp_path):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    import transformers

    encoder = learned(base)
    save_lora(encoder, tmp_path / "adapter")
    model = transformers.AutoModel.from_pretrained(base)
    adapted = peft.PeftModel.from_pretrained(model, tmp_path / "adapter").merge_and_unload()
    merge_lora(encoder)
    theirs = dict(adapted.named_parameters())
    for name, weight in encoder.named_parameters():
        if "_proj.weight" in name and ".layers." in name:
            assert torch.allclose(weight, theirs[name], atol=1e-6), name


def test_updates_of_another_encoder_are_refused_and_leave_it_as_it_was(tmp_path):
    saved(tmp_path / "small", "wav2vec2-base")
    saved(tmp_path / "deep", "wav2vec2-base", num_hidden_layers=4)
    save_lora(learned(tmp_path / "small"), tmp_path / "adapter")
    deep = load_encoder(tmp_path / "deep")
    before = {name: tensor.clone() for name, tensor in deep.state_dict().items()}
    with pytest.raises(SERError, match="on other weights than those of deep. Load it on those"):
        load_lora(deep, tmp_path / "adapter")
    without_digest(tmp_path / "adapter")
    with pytest.raises(SERError, match="another encoder than deep: it has 12 weights, 12 of"):
        load_lora(deep, tmp_path / "adapter")
    assert deep.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in deep.state_dict().items())
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (2, 8)


def without_digest(adapter):
    """As adapters of earlier versions, and peft's, are."""
    file = adapter / "adapter_model.safetensors"
    save_file(load_file(file), file, {"format": "pt"})


@pytest.mark.parametrize("key", ["r", "target_modules"])
def test_bad_adapters(key, tmp_path):
    saved(tmp_path / "base", "whisper")
    save_lora(learned(tmp_path / "base"), tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    good = file.read_text()
    file.write_text(json.dumps({**json.loads(good), key: None}))
    with pytest.raises(SERError, match=f"Bad {key} in adapter"):
        load_lora(load_encoder(tmp_path / "base"), tmp_path / "adapter")
    file.write_text(good)
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(SERError, match="Cannot read the weights"):
        load_lora(load_encoder(tmp_path / "base"), tmp_path / "adapter")


def test_updates_of_other_weights_are_refused(base, family, tmp_path):
    save_lora(learned(base), tmp_path / "adapter")
    changed = load_encoder(base)
    with torch.no_grad():
        next(iter(changed.layers()[0].parameters())).add_(1e-3)
    with pytest.raises(
        SERError, match=r"trained on other weights than those of base\. Load it"
    ):
        load_lora(changed, tmp_path / "adapter")
    trained = learned(base, layer="mix")  # the weights of its layers are not the encoder's own
    with torch.no_grad():
        trained.layer_logits.add_(1.0)
    save_lora(trained, tmp_path / "mixed")
    load_lora(load_encoder(base, layer="mix"), tmp_path / "mixed")


def test_updates_of_other_weights_of_the_same_shapes_are_refused(tmp_path):
    saved(tmp_path / "base", "hubert-base")
    saved(tmp_path / "other", "wav2vec2-base")
    save_lora(learned(tmp_path / "base"), tmp_path / "adapter")
    with pytest.raises(
        SERError, match="on other weights than those of other. Load it on those"
    ):
        load_lora(load_encoder(tmp_path / "other"), tmp_path / "adapter")
    load_lora(load_encoder(tmp_path / "base", layer="all"), tmp_path / "adapter")


def test_an_adapter_without_a_digest_loads(base, tmp_path):
    encoder = learned(base)
    save_lora(encoder, tmp_path / "adapter")
    without_digest(tmp_path / "adapter")
    again = load_encoder(base)
    load_lora(again, tmp_path / "adapter")
    assert torch.equal(frames(again), frames(encoder))


def test_updates_of_the_lower_layers_load_on_these(tmp_path):
    saved(tmp_path / "base", "whisper")
    encoder = learned(tmp_path / "base", layer=1)
    save_lora(encoder, tmp_path / "adapter")
    with pytest.raises(SERError, match="with the layer that it was trained with"):
        load_lora(load_encoder(tmp_path / "base"), tmp_path / "adapter")
    again = load_encoder(tmp_path / "base", layer=1)
    load_lora(again, tmp_path / "adapter")
    assert torch.equal(frames(again), frames(encoder))
