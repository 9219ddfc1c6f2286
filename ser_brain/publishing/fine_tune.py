"""``ser adapt --lora``: fine-tune the encoder on labelled clips, and judge that by others.

Whether it helps is decided by clips of the labelled ones that it was not tuned on: all clips of
some speakers at a time, where there are speakers enough.

Shapes: N clips, S samples, D embedding size, E emotions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.folding import cut
from ser_brain.inference.adapting import with_emotion_head
from ser_brain.inference.inputs import Input
from ser_brain.inference.labelled_clips import Clip
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.models.adaptation import Head
from ser_brain.models.model import EmotionModel, score_exactly
from ser_brain.training.few_shot_lora import fit_lora

logger = get_logger(__name__)
FEWEST = 100  # clips
FOLDS = 3


@dataclass(frozen=True)
class FineTuned:
    """A model whose encoder was fine-tuned, and what such models say of clips held out.

    Attributes
    ----------
    model : EmotionModel
        Tuned on all labelled clips.
    head_alone_NE, tuned_NE : numpy.ndarray
        Log-probabilities of each labelled clip by models that were fitted without it: by a
        head fitted to the others, and by the encoder tuned on the others below that head.
    """

    model: EmotionModel
    head_alone_NE: np.ndarray
    tuned_NE: np.ndarray

    def score(self, recognizer: EmotionRecognizer, sounds: Sequence[Input]) -> np.ndarray:
        """Log-probabilities (N, E) of clips by the model, read as ``recognizer`` reads."""
        return _scores(self.model, [_read(recognizer, sound) for sound in sounds])


def fine_tune(
    recognizer: EmotionRecognizer,
    clips: Sequence[Clip],
    class_N: np.ndarray,
    embeddings_ND: Tensor,
    fit_head: Callable[[np.ndarray], Head],
) -> FineTuned:
    """Fine-tune a model's encoder on labelled clips.

    Parameters
    ----------
    recognizer : EmotionRecognizer
    clips : sequence of Clip
    class_N : numpy.ndarray
        Class indices of the clips.
    embeddings_ND : Tensor
        Of the clips, by the model as it is.
    fit_head : callable
        Rows of the clips -> a head that is fitted to them.

    Raises
    ------
    SERError
        If the model or the clips are not fit for it.
    """
    if len(clips) < FEWEST:
        raise SERError(
            f"{len(clips)} labelled clips are too few to fine-tune an encoder; give {FEWEST} "
            "or more, or leave out --lora."
        )
    if recognizer.dimensions:
        raise SERError(
            f"{recognizer.name} predicts {', '.join(recognizer.dimensions)}, too, which an "
            "encoder that is fine-tuned for emotions would spoil; leave out --lora."
        )
    waveforms = [_read(recognizer, clip.sound) for clip in clips]

    def tuned(rows: np.ndarray) -> tuple[Head, EmotionModel]:
        head = fit_head(rows)
        model = with_emotion_head(recognizer.model, recognizer.emotions, head)
        model = model.to(recognizer.device)
        return head, fit_lora(model, [waveforms[row] for row in rows], class_N[rows])

    alone_NE = np.empty((len(clips), len(recognizer.emotions)))
    tuned_NE = alone_NE.copy()
    for number, (kept, held) in enumerate(_folds(clips, class_N), start=1):
        logger.info(f"LoRA: fold {number} of {FOLDS}, {len(kept)} clips")
        (weight_ED, bias_E), model = tuned(kept)
        scores_NE = embeddings_ND[held].double() @ weight_ED.T + bias_E
        alone_NE[held] = log_softmax(scores_NE.numpy(), axis=1)
        tuned_NE[held] = _scores(model, [waveforms[row] for row in held])
    logger.info(f"LoRA: all {len(clips)} clips")
    return FineTuned(tuned(np.arange(len(clips)))[1], alone_NE, tuned_NE)


def _read(recognizer: EmotionRecognizer, sound: Input) -> Tensor:
    return torch.from_numpy(recognizer.read_clip(sound)[0])


def _scores(model: EmotionModel, waveforms: Sequence[Tensor]) -> np.ndarray:
    device = model.emotion_head.linear.weight.device
    found = [
        score_exactly(model, clip_S[None].to(device), torch.tensor([len(clip_S)]).to(device))
        for clip_S in waveforms
    ]
    return torch.cat([scores["log_probabilities"] for scores in found]).cpu().numpy()


def _folds(clips: Sequence[Clip], class_N: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to tune on and rows held out: of other speakers, if there are enough of them."""
    speakers = [clip.speaker for clip in clips]
    known = None not in speakers and len(set(speakers)) >= FOLDS
    rows = {
        str(row): {"emotion": emotion, "speaker": speaker}
        for row, (emotion, speaker) in enumerate(zip(class_N, speakers, strict=True))
    }
    parts = cut(rows, [*rows], "speaker" if known else None, FOLDS, seed=0)
    folds = [np.array(part, dtype=int) for part in parts]
    return [(np.setdiff1d(np.arange(len(clips)), held), held) for held in folds]
