"""The model that is used: a clip's scores are its own alone."""

import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.models.heads import EmotionHead
from ser_brain.models.model import EmotionModel, exact_convolutions, score_exactly
from ser_brain.models.pooling import POOLINGS, Pooling
from ser_brain.models.spectrum import LogMelStatistics
from tests.inference.tiny_models import model_and_config
from tests.models.test_encoders import FAMILIES, clips, padded, tiny

SEVERAL = [(f, "all") for f in FAMILIES if f != "compact"] + [("whisper", [2, 0])]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family, layer", [*((f, "last") for f in FAMILIES), *SEVERAL])
def test_a_padded_batch_scores_as_single_clips(family, layer, pooling):
    model, _ = model_and_config(family, layer=layer, pooling=pooling)
    waves = clips([4800, 16_161, 7777])
    together = score_exactly(model, *padded(waves, fill=1e3))
    for place, wave in enumerate(waves):
        alone = score_exactly(model, *padded([wave]))
        for name, scores in alone.items():
            assert (scores[0] - together[name][place]).abs().max() < 1e-5, name


def test_convolutions_of_a_gpu_are_exact_where_it_matters():
    switch = torch.backends.cudnn
    assert switch.allow_tf32  # PyTorch's default
    with exact_convolutions("cuda:0"):
        assert not switch.allow_tf32
    with exact_convolutions("cpu"):
        assert switch.allow_tf32


def test_scores_are_what_the_heads_say():
    model, _ = model_and_config()
    scores = score_exactly(model, *padded(clips([8000])))
    torch.testing.assert_close(scores["log_probabilities"].exp().sum(), torch.tensor(1.0))
    head = model.va_head.linear
    expected_B2 = scores["embedding"] @ head.weight.T + head.bias
    torch.testing.assert_close(scores["valence_arousal"], expected_B2)
    assert scores["embedding"].is_inference()


def test_the_model_of_a_settings_file_has_the_names_that_run_folders_store():
    """The checkpoints of version 0.1.0 are of a ModuleDict of these parts."""
    encoder = tiny("compact")
    head = EmotionHead(encoder.dim, ["anger", "neutral"], bias=False)
    parts = torch.nn.ModuleDict({"encoder": encoder, "emotion_head": head})
    model = EmotionModel.from_modules(**parts).eval()
    assert list(model.state_dict()) == list(parts.state_dict())
    assert score_exactly(model, *padded(clips([8000]))).keys() == {
        "embedding",
        "log_probabilities",
    }


@pytest.mark.parametrize("family", ["whisper", "xls-r"])
def test_several_layers_are_single_ones_side_by_side(family):
    """The topmost of "all" is the output of the model, after its norm; by number, before it."""
    waves = padded(clips([8000, 16_161]))
    frames_BTD, _ = tiny(family, layer=[3, 0, 2]).eval()(*waves)
    singles = [tiny(family, layer=n).eval()(*waves)[0] for n in (3, 0, 2)]
    torch.testing.assert_close(frames_BTD, torch.cat(singles, dim=-1))
    last_BTD, _ = tiny(family, layer="last").eval()(*waves)
    all_BTD, _ = tiny(family, layer="all").eval()(*waves)
    torch.testing.assert_close(all_BTD[..., -32:], last_BTD)
    assert (all_BTD[..., -32:] - singles[0]).abs().max() > 0.1


@pytest.mark.parametrize("family", ["whisper", "xls-r"])
def test_an_encoder_ends_with_the_highest_layer_that_is_read(family):
    """Bit for bit the states of the whole one, without the weights of the layers above."""
    waves = padded(clips([8000, 16_161]))
    whole, cut = tiny(family, layer="all").eval(), tiny(family, layer=[0, 1]).eval()
    cut.load_state_dict({name: whole.state_dict()[name] for name in cut.state_dict()})
    frames_BTD = cut(*waves)[0]
    assert torch.equal(frames_BTD, whole(*waves)[0][..., : frames_BTD.shape[-1]])
    layers = [len(encoder.layers()) for encoder in (whole, cut)]
    assert layers == [3, 1]
    sizes = [sum(t.numel() for t in e.state_dict().values()) for e in (whole, cut)]
    of_a_layer = sum(t.numel() for t in whole.layers()[2].state_dict().values())
    assert sizes[0] - sizes[1] >= 2 * of_a_layer


def test_pooled_statistics_are_those_of_the_true_frames():
    frames_BTD = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    frames_BTD[0, 4:] = torch.nan
    pool = Pooling(5, "mean_std")
    assert pool.dim == 10
    expected_2D = frames_BTD[0, :4].std(0, correction=0)
    found_BD = pool(frames_BTD, torch.tensor([4, 9]))
    torch.testing.assert_close(found_BD[0, 5:], expected_2D)
    torch.testing.assert_close(found_BD[0, :5], frames_BTD[0, :4].mean(0))


def test_a_single_frame_has_a_gradient():
    """The deviation of one frame is zero, and the slope of a root at zero infinite."""
    frames_BTD = torch.randn(1, 1, 4, requires_grad=True)
    for kind in POOLINGS:
        Pooling(4, kind)(frames_BTD, torch.tensor([1])).sum().backward()
    assert frames_BTD.grad.isfinite().all()


@pytest.mark.parametrize("pooling", ["mean", "mean_std"])
@pytest.mark.parametrize("layer", [1, "all", "mix"])
def test_statistics_give_the_scores_of_the_waveform(layer, pooling):
    spectrum = "log_mel" if pooling == "mean_std" else None
    model, _ = model_and_config("whisper", layer=layer, pooling=pooling, spectrum=spectrum)
    if layer == "mix":
        model.encoder.layer_logits.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
    waves = padded(clips([8000, 16_161]), fill=5.0)
    scores = model(model.statistics(*waves), None)
    torch.testing.assert_close(scores, model(*waves), atol=1e-5, rtol=1e-5)


def test_the_spectrum_of_a_clip_is_its_own():
    """In a batch with loud padding as alone, and as its definition says."""
    statistics = LogMelStatistics()
    waves = clips([201, 8000, 16_161])
    together_BD = statistics(*padded(waves, fill=7.0))
    assert together_BD.shape == (3, statistics.dim)
    for wave_S, found_D in zip(waves, together_BD, strict=True):
        batch = wave_S[None], torch.tensor([len(wave_S)])
        torch.testing.assert_close(statistics(*batch)[0], found_D, atol=1e-6, rtol=1e-6)
    mels_MF = statistics.log_mel(*batch)[0]
    parts = mels_MF.mean(1), mels_MF.std(1, correction=0), mels_MF.diff().std(1, correction=0)
    torch.testing.assert_close(found_D, torch.cat(parts), atol=1e-5, rtol=1e-5)


def test_cached_features_have_no_spectrum():
    model, _ = model_and_config("whisper", spectrum="log_mel")
    features = model.encoder.front(*padded(clips([8000])))
    with pytest.raises(SERError, match="give --feature_cache_gb=0, or --spectrum=null"):
        model(*features)
