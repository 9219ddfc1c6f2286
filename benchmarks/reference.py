"""The reference: a Brain on SpeechBrain's wav2vec2 lobe, set up as in its IEMOCAP recipe.

Recipe: speechbrain/speechbrain, recipes/IEMOCAP/emotion_recognition, train_with_wav2vec2.yaml.
Random batches of 4, padded; float32; dropouts of the checkpoint; frozen convolutions that run
in every step; Adam for the encoder and for the linear layer; SpeechBrain's gradient clipping.
"""

from __future__ import annotations

from pathlib import Path

import speechbrain as sb
import torch
from material import EMOTIONS
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.losses import nll_loss
from speechbrain.nnet.pooling import StatisticsPooling

BATCH_SIZE = 4


class ReferenceBrain(sb.Brain):
    """Lobe, mean over time, linear layer, negative log-likelihood."""

    def compute_forward(self, batch, stage):
        """Log-probabilities, (B, 1, C)."""
        waveforms, shares = batch.to(self.device).signal
        frames = self.modules.wav2vec2(waveforms, shares)
        pooled = self.hparams.avg_pool(frames, shares).view(len(waveforms), -1)
        return torch.log_softmax(self.modules.output_mlp(pooled), dim=-1)

    def compute_objectives(self, predictions, batch, stage):
        """Mean over the batch."""
        return nll_loss(predictions, batch.to(self.device).emotion_index)

    def init_optimizers(self):
        """Adam twice, with the recipe's learning rates."""
        self.optimizers_dict = {
            "wav2vec2": torch.optim.Adam(self.modules.wav2vec2.parameters(), lr=1e-5),
            "output": torch.optim.Adam(self.modules.output_mlp.parameters(), lr=1e-4),
        }


def brain(checkpoint: Path, run_opts: dict) -> ReferenceBrain:
    """The Brain, with its lobe loaded from a folder."""
    lobe = Wav2Vec2(
        str(checkpoint), str(checkpoint), output_norm=True, freeze_feature_extractor=True
    )
    pool = StatisticsPooling(return_std=False)
    head = Linear(input_size=768, n_neurons=len(EMOTIONS), bias=False)
    modules = {"wav2vec2": lobe, "output_mlp": head}
    return ReferenceBrain(modules, hparams={"avg_pool": pool}, run_opts=run_opts)


def dataset(rows: dict[str, dict]) -> DynamicItemDataset:
    """Waveforms as the recipe reads them, with the class."""

    @sb.utils.data_pipeline.takes("wav")
    @sb.utils.data_pipeline.provides("signal")
    def signal(wav: str) -> torch.Tensor:
        return sb.dataio.dataio.read_audio(wav)

    @sb.utils.data_pipeline.takes("emotion")
    @sb.utils.data_pipeline.provides("emotion_index")
    def target(emotion: str) -> int:
        return EMOTIONS.index(emotion)

    facts = {i: {"wav": row["wav"], "emotion": row["emotion"]} for i, row in rows.items()}
    return DynamicItemDataset(facts, [signal, target], ["id", "signal", "emotion_index"])
