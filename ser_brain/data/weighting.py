"""How much each utterance counts in the losses of the emotion, and how often it is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from ser_brain.core.errors import SERError

BALANCED = "balanced"
OF_VOTES = ("soft_ce", "kl")  # losses that compare with the shares of all votes


def emotion_weights(
    train: Mapping[str, dict],
    class_weights: str | Mapping[str, float] | None,
    agreement_weights: bool,
    alike: bool = True,
) -> Callable[[Mapping], float]:
    """Weigh utterances by class and by how far their raters agree.

    The weights are scaled so that their mean over the labelled training utterances is 1. So a
    learning rate, or a loss beside this one, means the same with and without them. Where the
    rows name their ``source`` (:func:`ser_brain.data.transfer.split_across`), every source
    counts alike, however many utterances it has, and classes are balanced within each.

    Parameters
    ----------
    train : mapping
        id -> row of :class:`ser_brain.data.labelling.CorpusData`.
    class_weights : ``balanced``, mapping or None
        ``balanced``: N / (K * n_k), for N utterances, of which n_k are of one of the K classes;
        every class then counts the same. A mapping gives the weights; a class that it does not
        name has 1.
    agreement_weights : bool
        Multiply by the share of the raters who chose the label. An utterance whose raters are
        unknown counts as one on which all agree.
    alike : bool
        Whether sources count alike; False where they are drawn alike already.

    Returns
    -------
    callable
        row -> weight, also for rows that are not trained on.

    Raises
    ------
    SERError
        If raters are asked for and no training utterance has any.

    Examples
    --------
    >>> rows = {str(n): {"emotion": "fear" if n else "calm", "votes": None} for n in range(4)}
    >>> weight_of = emotion_weights(rows, "balanced", False)
    >>> [round(weight_of(row), 3) for row in rows.values()]
    [2.0, 0.667, 0.667, 0.667]
    """
    if agreement_weights and all(row.get("agreement") is None for row in train.values()):
        raise SERError(
            "agreement_weights: True, but no utterance to train on has raters' votes. Choose a "
            "label_source that has them, or set agreement_weights: False."
        )

    def source_of(row: Mapping) -> str | None:
        return row.get("source") if alike else None

    labelled: dict[str | None, list[Mapping]] = {}
    for row in train.values():
        if row["emotion"] or row.get("votes"):
            labelled.setdefault(source_of(row), []).append(row)
    weights = {
        source: _balanced(rows) if class_weights == BALANCED else dict(class_weights or {})
        for source, rows in labelled.items()
    }

    def unscaled(row: Mapping) -> float:
        weight = weights.get(source_of(row), {}).get(row["emotion"], 1.0)
        agreement = row.get("agreement") if agreement_weights else None
        return weight if agreement is None else weight * agreement

    scales, count = {}, sum(map(len, labelled.values()))
    for source, rows in labelled.items():
        scales[source] = fmean(map(unscaled, rows))
        if len(labelled) > 1:  # every source gets the same share of the whole weight
            scales[source] *= len(rows) * len(labelled) / count
    if 0 in scales.values():
        raise SERError("Bad class_weights: no utterance to train on has a weight above 0.")
    return lambda row: unscaled(row) / scales.get(source_of(row), 1.0)


def source_weights(train: Mapping[str, dict]) -> Callable[[Mapping], float]:
    """Weigh utterances so that every ``source`` of the rows counts alike; the mean is 1.

    Rows without a source, and those of others, have the weight 1.
    """
    counts = Counter(row["source"] for row in train.values() if "source" in row)
    equal = sum(counts.values()) / max(len(counts), 1)

    def weight(row: Mapping) -> float:
        count = counts.get(row.get("source"))
        return equal / count if count else 1.0

    return weight


def _balanced(rows: Sequence[Mapping]) -> dict[str, float]:
    """Class -> weight, so that all classes of these rows count the same."""
    counts = Counter(row["emotion"] for row in rows if row["emotion"] is not None)
    equal = sum(counts.values()) / max(len(counts), 1)
    return {emotion: equal / count for emotion, count in counts.items()}


def require_votes(train: Mapping[str, dict], losses: Sequence[str]) -> None:
    """Stop if a loss on the raters' votes has none to train on."""
    needing = [name for name in OF_VOTES if name in losses]
    if needing and not any(row.get("votes") for row in train.values()):
        raise SERError(
            f"The loss {needing[0]} needs raters' votes, and no utterance to train on has any. "
            "Choose a label_source that has them, or the loss nll."
        )


def balanced_shares(rows: Sequence[Mapping]) -> list[float]:
    """The probability of drawing each row, so that every class of every corpus is as likely.

    Rows without a class are a class of their own.

    Examples
    --------
    >>> made = [("demo", "fear"), ("demo", "fear"), ("demo", "calm"), ("mine", "calm")]
    >>> balanced_shares([{"corpus": corpus, "emotion": emotion} for corpus, emotion in made])
    [0.16666666666666666, 0.16666666666666666, 0.3333333333333333, 0.3333333333333333]
    """
    cells = [(row["corpus"], row["emotion"]) for row in rows]
    counts = Counter(cells)
    return [1 / len(counts) / counts[cell] for cell in cells]
