"""Classification: negative log-likelihood over emotions."""

from __future__ import annotations

from torch import Tensor

from ser_brain.models.heads import MaskedLoss, nll
from ser_brain.training.brain import SERBrain


class ClassificationBrain(SERBrain):
    """Predicts the emotion."""

    tasks = ("emotion",)
    loss_names = ("nll",)

    def predict(self, embedding_BD: Tensor) -> dict[str, Tensor]:
        """Log-probabilities of the emotions."""
        return {"log_probabilities": self.modules.emotion_head(embedding_BD)}

    def losses(self, predictions: dict[str, Tensor], batch) -> dict[str, MaskedLoss]:
        """NLL of the labelled emotions."""
        return {"nll": nll(predictions["log_probabilities"], batch.emotion_index)}
