"""LoRA on labelled clips: what changes, and what stays."""

import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.training.few_shot_lora import fit_lora
from tests.inference.tiny_models import model_and_config


def clips(count=12):
    generator = torch.Generator().manual_seed(0)
    levels = torch.linspace(0.05, 0.8, 3)
    noise = [torch.randn(4000 + 200 * n, generator=generator) for n in range(count)]
    return [levels[n % 3] * each for n, each in enumerate(noise)], [n % 3 for n in range(count)]


def loss(model, waveforms, class_N):
    with torch.inference_mode():
        scores = [
            model(w[None], torch.tensor([len(w)]))["log_probabilities"] for w in waveforms
        ]
    return float(torch.nn.functional.nll_loss(torch.cat(scores), torch.tensor(class_N)))


def test_the_encoder_learns_the_clips_and_the_model_given_stays():
    model, _ = model_and_config(va_range=None)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    waveforms, class_N = clips()
    torch.manual_seed(1)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    tuned = fit_lora(model, waveforms, class_N)
    assert torch.equal(torch.rand(1), drawn)  # nobody else's random numbers change
    assert loss(tuned, waveforms, class_N) < loss(model, waveforms, class_N) - 0.01
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    after = tuned.state_dict()
    assert after.keys() == before.keys()  # merged: an ordinary model
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed and all(n.endswith(("q_proj.weight", "v_proj.weight")) for n in changed)
    again = fit_lora(model, waveforms, class_N).state_dict()
    assert all(torch.equal(again[name], after[name]) for name in after)


def test_an_encoder_without_layers_is_refused():
    model, _ = model_and_config("compact", va_range=None)
    with pytest.raises(SERError, match="has no q_proj and v_proj, whose updates"):
        fit_lora(model, *clips(3))
