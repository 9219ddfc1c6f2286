"""The real Whisper encoders: invariance and Hugging Face's own numbers.

Shapes: B clips, S samples, T frames, D frame size.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ser_brain.models.encoders import load_encoder, masked_mean
from tests.models.test_encoders import clips, largest_differences

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "encoders"


@pytest.fixture(scope="module", params=["whisper-tiny.en", "whisper-base"])
def folder(request) -> Path:
    path = FOLDER / request.param
    if not path.is_dir():
        pytest.skip(f"needs {request.param} in shared/encoders, next to the repository")
    return path


def test_real_whisper_does_not_depend_on_the_batch(folder):
    encoder = load_encoder(folder, freeze="all").eval()
    waves = clips([4800, 16_161, 48_000])
    differences = largest_differences(encoder, waves, 1e3)
    with torch.no_grad():
        frames_BTD, _ = encoder(waves[0][None], torch.tensor([4800]))
    # A trained Whisper has a few frame values near 20, so float32 itself, batch or no
    # batch, is good to some 1e-4 there. Scores keep to 1e-5.
    assert frames_BTD.abs().max() > 5
    assert differences["frames"] < 1e-3, differences
    assert differences["embedding"] < 1e-4, differences
    assert differences["scores"] < 1e-5, differences


def test_real_whisper_in_float64_is_the_same_alone_and_in_a_batch(folder):
    encoder = load_encoder(folder, freeze="all").eval().double()
    waves = [wave.double() for wave in clips([4800, 16_161])]
    batch_BS = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    batch_BTD, _ = encoder(batch_BS, torch.tensor([4800, 16_161]))
    single_BTD, _ = encoder(waves[0][None], torch.tensor([4800]))
    together = batch_BTD[:1, : single_BTD.shape[1]]
    torch.testing.assert_close(single_BTD, together, atol=1e-10, rtol=0)


def test_real_whisper_equals_hugging_face_at_30_s(folder):
    from transformers import WhisperFeatureExtractor, WhisperModel

    encoder = load_encoder(folder).eval()
    (wave,) = clips([480_000])
    extract = WhisperFeatureExtractor.from_pretrained(folder)
    mels = extract(wave.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    stock = WhisperModel.from_pretrained(folder, dtype=torch.float32).eval().encoder
    with torch.no_grad():
        expected = stock(mels).last_hidden_state
        frames_BTD, _ = encoder(wave[None], torch.tensor([480_000]))
    assert expected.abs().max() > 5
    torch.testing.assert_close(frames_BTD, expected, atol=1e-5, rtol=0)


def test_real_whisper_tells_clips_apart(folder):
    encoder = load_encoder(folder, freeze="all").eval()
    embeddings = [
        masked_mean(*encoder(wave[None], torch.tensor([16_000])))
        for wave in clips([16_000, 16_000])
    ]
    assert torch.nn.functional.cosine_similarity(*embeddings) < 0.999
