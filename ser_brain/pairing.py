"""Pairs: the utterances of a test set that two models predicted, and that they may be compared.

No torch. Axes: N utterances, 2 = valence and arousal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser_brain.errors import SERError
from ser_brain.predictions import Predictions

# Ratings are written with a few decimals; what is nearer than this is the same.
SAME_RATING = 1e-6


@dataclass(frozen=True)
class Pair:
    """Two models on the same utterances, both sorted by id.

    Attributes
    ----------
    one, other : Predictions
        Of the utterances that both have.
    only_one, only_other : int
        How many utterances the other model lacks.
    """

    one: Predictions
    other: Predictions
    only_one: int
    only_other: int

    @property
    def classes(self) -> bool:
        """Whether both predict emotion classes."""
        return self.one.predicted_N is not None and self.other.predicted_N is not None

    @property
    def values(self) -> bool:
        """Whether both predict valence and arousal."""
        return self.one.predicted_va_N2 is not None and self.other.predicted_va_N2 is not None


def pair(one: Predictions, other: Predictions, names: tuple[str, str] = ("A", "B")) -> Pair:
    """Match the predictions of two models by id, sorted by it.

    Parameters
    ----------
    one, other : Predictions
        On test sets of one name; of folds or seeds, pooled.
    names : (str, str)
        Of the models, for the errors.

    Raises
    ------
    SERError
        If they share no id, or judge by different classes, scales or true labels.
    """
    one = one.by_id()
    place = {utterance_id: n for n, utterance_id in enumerate(other.ids)}
    of_one = [n for n, utterance_id in enumerate(one.ids) if utterance_id in place]
    name = one.card["test_set"]
    if not of_one:
        raise SERError(
            f"{names[0]} and {names[1]} share no utterance of {name} (the first ids are "
            f"{one.ids[0]} and {other.ids[0]}). Compare runs tested on the same utterances."
        )
    of_other = [place[one.ids[n]] for n in of_one]
    both = Pair(
        one.chosen(of_one),
        other.chosen(of_other),
        len(one.ids) - len(of_one),
        len(other.ids) - len(of_other),
    )
    if both.classes:
        _check_card(both, "emotions", names)
        one, other = ([row["emotion"] for row in side.rows] for side in (both.one, both.other))
        differ = [n for n, emotion in enumerate(one) if emotion != other[n]]
        _check_labels(both, "emotion", one, other, differ, names)
    if both.values:
        _check_card(both, "va_range", names)
        one_N2, other_N2 = _ratings(both.one), _ratings(both.other)
        same_N2 = np.isclose(one_N2, other_N2, rtol=0, atol=SAME_RATING, equal_nan=True)
        differ = np.flatnonzero(~same_N2.all(1))
        _check_labels(both, "valence and arousal", one_N2, other_N2, differ, names)
    return both


def _check_card(both: Pair, key: str, names: tuple[str, str]) -> None:
    one, other = (list(side.card[key]) for side in (both.one, both.other))
    if one != other:
        raise SERError(
            f"{names[0]} and {names[1]} cannot be compared on {both.one.card['test_set']}: "
            f"{key} is {one} for the one and {other} for the other."
        )


def _ratings(predictions: Predictions) -> np.ndarray:
    if predictions.true_va_N2 is None:
        return np.full((len(predictions.ids), 2), np.nan)
    return predictions.true_va_N2


def _check_labels(
    both: Pair,
    what: str,
    one: Sequence,
    other: Sequence,
    differ: Sequence[int],
    names: tuple[str, str],
) -> None:
    if len(differ):
        n = differ[0]
        sources = [side.rows[n].get("label_source") for side in (both.one, both.other)]
        raise SERError(
            f"The true {what} of {len(differ):,} of {len(one):,} utterances of "
            f"{both.one.card['test_set']} differs between {names[0]} and {names[1]} "
            f"({both.one.ids[n]}: {one[n]} from {sources[0]}, {other[n]} from {sources[1]}). "
            "Evaluate both on the same labels."
        )
