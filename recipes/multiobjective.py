"""The multi-objective model: emotion and valence/arousal from one embedding, NLL + MSE."""

from __future__ import annotations

from torch import Tensor

from recipes.classification import ClassificationBrain
from recipes.regression import RegressionBrain
from ser_brain.models.heads import MaskedLoss


class MultiObjectiveBrain(ClassificationBrain, RegressionBrain):
    """Predicts both; an utterance without one kind of label trains the other head."""

    tasks = ("emotion", "valence_arousal")
    loss_names = ("nll", "mse")

    def predict(self, embedding_BD: Tensor) -> dict[str, Tensor]:
        """What both experiments predict."""
        return {
            **ClassificationBrain.predict(self, embedding_BD),
            **RegressionBrain.predict(self, embedding_BD),
        }

    def losses(self, predictions: dict[str, Tensor], batch) -> dict[str, MaskedLoss]:
        """What both experiments minimise."""
        return {
            **ClassificationBrain.losses(self, predictions, batch),
            **RegressionBrain.losses(self, predictions, batch),
        }
