"""Fine-tune the encoder of an exported model on labelled clips, by low-rank updates (LoRA).

The head was fitted before and stays as it is. Only what the encoder makes of the clips changes,
by updates of the queries and values of every layer (Hu et al. 2022).

Shapes: N clips, S samples, B clips of a batch, E emotions.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import nll_loss
from torch.nn.utils.rnn import pad_sequence

from ser_brain.core.errors import SERError
from ser_brain.core.log import Progress
from ser_brain.models.encoders.lora import add_lora, merge_lora
from ser_brain.models.model import EmotionModel

RANK, ALPHA, TARGETS = 8, 16, ["q_proj", "v_proj"]
EPOCHS, RATE, BATCH = 2, 0.001, 8


def fit_lora(
    model: EmotionModel, waveforms: Sequence[Tensor], class_N: Sequence[int]
) -> EmotionModel:
    """A copy of a model, its encoder fine-tuned on labelled clips; classes weigh alike.

    Parameters
    ----------
    model : EmotionModel
        With an emotion head.
    waveforms : sequence of Tensor
        float32 (S,) at the encoder's rate, N of them.
    class_N : sequence of int
        Class indices from 0 to E - 1.

    Returns
    -------
    EmotionModel
        With the updates merged into its weights: as large as before.

    Raises
    ------
    SERError
        If the encoder has no projections of these names.
    """
    made = copy.deepcopy(model)
    made.encoder.freeze = "cnn"  # all but the updates is frozen, as in training with LoRA
    names = {name.rpartition(".")[2] for name, _ in made.encoder.named_modules()}
    if not names.issuperset(TARGETS):
        raise SERError(
            f"The encoder {made.encoder.name} has no {' and '.join(TARGETS)}, whose updates "
            "LoRA would learn. Adapt the model without it."
        )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        add_lora(made.encoder, RANK, ALPHA, TARGETS)
    updates = [p for p in made.encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(updates, lr=RATE)
    classes_N = torch.as_tensor(class_N)
    count_E = classes_N.bincount(minlength=made.emotion_head.linear.out_features)
    weight_E = len(classes_N) / (count_E.count_nonzero() * count_E)  # with the mean 1
    generator = torch.Generator().manual_seed(0)
    progress = Progress("fine-tuning", "clips", EPOCHS * len(waveforms))
    device = updates[0].device
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(waveforms), generator=generator).split(BATCH):
            clips = [waveforms[row] for row in rows.tolist()]
            lengths_B = torch.tensor([len(clip_S) for clip_S in clips])
            padded_BS = pad_sequence(clips, batch_first=True)
            scores_BE = made(padded_BS.to(device), lengths_B.to(device))["log_probabilities"]
            # Divided by the clips: by the sum of their weights, those of a batch would cancel.
            of_clips = nll_loss(scores_BE.cpu(), classes_N[rows], weight_E, reduction="sum")
            loss = of_clips / len(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.add(len(rows))
    merge_lora(made.encoder)
    return made.requires_grad_(False)
