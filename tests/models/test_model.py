"""The model that is used: a clip's scores are its own alone."""

import pytest
import torch

from ser_brain.models.heads import EmotionHead
from ser_brain.models.model import EmotionModel, score_exactly
from tests.inference.tiny_models import model_and_config
from tests.models.test_encoders import FAMILIES, clips, padded, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_batch_scores_as_single_clips(family):
    model, _ = model_and_config(family)
    waves = clips([4800, 16_161, 7777])
    together = score_exactly(model, *padded(waves, fill=1e3))
    for place, wave in enumerate(waves):
        alone = score_exactly(model, *padded([wave]))
        for name, scores in alone.items():
            assert (scores[0] - together[name][place]).abs().max() < 1e-5, name


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
