"""The multi-objective experiment: emotion, valence and arousal from one embedding.

    waveform -> encoder -> mean over the clip's frames -> emotion head -> log-probabilities
                                                       -> va head -> valence and arousal
    loss = weight * NLL(log-probabilities, emotion)
         + weight * MSE(valence and arousal, the ratings)
                      (or others, all that the setting ``loss_weights`` names)

``train.py`` fits and evaluates it as any SpeechBrain Brain::

    datasets = dataio_prep(data, hparams)
    brain = MultiObjectiveBrain(modules, hparams=hparams, checkpointer=checkpointer)
    brain.fit(hparams["epoch_counter"], datasets["train"], datasets["valid"])
    brain.evaluate(datasets["tests"][name], min_key="loss")
    brain.outputs  # the predictions for each utterance of the test set

An utterance may lack either label. It then counts in the other loss only.
"""

from __future__ import annotations

from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from ser_brain.models.losses import dimension_losses, emotion_losses
from ser_brain.training.brain import SERBrain
from ser_brain.training.loaders import inputs_and_lengths
from ser_brain.training.probe import Probe
from ser_brain.training.stage_stats import class_statistics


class MultiObjectiveBrain(SERBrain):
    """Predicts the emotion, and valence and arousal."""

    tasks = ("emotion", "valence_arousal")

    def compute_forward(self, batch: PaddedBatch, stage: Stage) -> dict[str, Tensor]:
        """Return ``embedding``, ``log_probabilities`` and ``valence_arousal`` of a batch."""
        batch = batch.to(self.device)
        # With whole lengths, not shares of the longest clip, the model masks exactly: no frame
        # of a clip's padding reaches its mean.
        inputs, lengths_B = inputs_and_lengths(batch)
        return self.model_for(stage)(inputs, lengths_B)

    def compute_objectives(
        self, predictions: dict[str, Tensor], batch: PaddedBatch, stage: Stage
    ) -> Tensor:
        """Return the weighted sum of the losses, each a mean over the labelled utterances."""
        log_probs_BE = predictions["log_probabilities"]
        predicted_BD, target_BD = predictions["valence_arousal"], batch.valence_arousal
        losses = emotion_losses(log_probs_BE, batch, self.hparams)
        losses |= dimension_losses(
            predicted_BD, target_BD, self.hparams, self.record.moments, batch.value_weight
        )
        self.record.add(batch, predictions, losses)
        return self.weighted_sum(losses, stage)

    def on_stage_end(self, stage: Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Compute the statistics of the set; after validation, end the epoch."""
        if stage != Stage.TRAIN:
            self.outputs = self.record.outputs()
        if stage == Stage.TEST:
            return
        # Not ``stage_loss``: a mean of batch means depends on how the set was batched.
        statistics = self.record.losses(self.hparams.loss_weights)
        if stage == Stage.TRAIN:
            self.train_statistics = statistics
        else:
            statistics |= class_statistics(self.outputs)
            self.end_epoch(epoch, self.train_statistics, statistics)


class MultiObjectiveProbe(Probe, MultiObjectiveBrain):
    """The same experiment on a frozen encoder (``hparams/probe``): seconds, not hours."""
