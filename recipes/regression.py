"""Regression: mean squared error over valence and arousal."""

from __future__ import annotations

from torch import Tensor

from ser_brain.models.heads import MaskedLoss, mse
from ser_brain.training.brain import SERBrain


class RegressionBrain(SERBrain):
    """Predicts valence and arousal."""

    tasks = ("valence_arousal",)
    loss_names = ("mse",)

    def predict(self, embedding_BD: Tensor) -> dict[str, Tensor]:
        """Valence and arousal on the experiment's scale."""
        return {"valence_arousal": self.modules.va_head(embedding_BD)}

    def losses(self, predictions: dict[str, Tensor], batch) -> dict[str, MaskedLoss]:
        """MSE of the labelled points."""
        return {"mse": mse(predictions["valence_arousal"], batch.valence_arousal)}
