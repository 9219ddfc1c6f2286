"""Predictions: what a model said of each utterance of a test set, beside what is true.

No torch. ``predictions/<test set>.jsonl`` holds one row per utterance, ``<test set>.npz`` the
ids and embeddings in the same order, ``<test set>.card.json`` what was tested on what. The
card is written last: without it, nothing here is taken for finished.

Axes: N utterances, C classes, 2 = valence and arousal, D embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from ser_brain.errors import SERError
from ser_brain.files import read_json, remove, sha256_of, write_json
from ser_brain.prediction_card import SHA256, card_path, check_card, require_as_written
from ser_brain.prediction_columns import columns_of
from ser_brain.prediction_files import (
    check_embeddings,
    read_embeddings,
    read_rows,
    write_embeddings,
    write_rows,
)

VALENCE_AROUSAL = ("valence", "arousal")
# Arrays of a row each, but for the embeddings.
ROW_FIELDS = (
    "true_N",
    "predicted_N",
    "log_probs_NC",
    "true_va_N2",
    "predicted_va_N2",
    "temperature_N",
)


@dataclass(frozen=True)
class Predictions:
    """The predictions of one model on one test set, as arrays in the order of the file.

    Attributes
    ----------
    card : dict
        test_set, role, emotions (class order), va_range, protocol, experiment, seed, ...
    ids : list of str
    rows : list of dict
        The rows as they stand in the file.
    true_N : ndarray of int
        Class index, -1 where there is no emotion or one outside the classes.
    predicted_N : ndarray of int or None
        Class index the model chose; None for a regression model. Where two classes tie, the
        row's ``predicted_emotion`` decides, or else the first in class order.
    log_probs_NC : ndarray or None
        Natural logarithms; None for a regression model.
    true_va_N2 : ndarray or None
        In the units of ``va_range``, NaN where missing; None where every value is.
    predicted_va_N2 : ndarray or None
        None for a classification model.
    embeddings_ND : ndarray of float32 or None
    temperature_N : ndarray or None
        By which the model's scores are divided to calibrate them; None where it was never
        fitted.
    """

    card: dict
    ids: list[str]
    rows: list[dict]
    true_N: np.ndarray
    predicted_N: np.ndarray | None
    log_probs_NC: np.ndarray | None
    true_va_N2: np.ndarray | None
    predicted_va_N2: np.ndarray | None
    embeddings_ND: np.ndarray | None
    temperature_N: np.ndarray | None = None

    @property
    def emotions(self) -> list[str]:
        """Class order."""
        return self.card["emotions"]

    @property
    def utterances(self) -> list[str]:
        """Of each row the utterance's id; pooled models predict an utterance several times."""
        return [row.get("utterance", row["id"]) for row in self.rows]

    @property
    def calibrated_NC(self) -> np.ndarray | None:
        """Log-probabilities after temperature scaling, where a temperature is known."""
        if self.log_probs_NC is None or self.temperature_N is None:
            return None
        return log_softmax(self.log_probs_NC / self.temperature_N[:, None], axis=1)

    def by_id(self) -> Predictions:
        """The same predictions sorted by id, so that nothing depends on the order of rows.

        Without embeddings where the order changes.
        """
        places = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return self if places == list(range(len(places))) else self.chosen(places)

    def chosen(self, places: Sequence[int]) -> Predictions:
        """Some of the utterances, by their places; without embeddings."""
        columns = {name: getattr(self, name) for name in ROW_FIELDS}
        return replace(
            self,
            ids=[self.ids[n] for n in places],
            rows=[self.rows[n] for n in places],
            embeddings_ND=None,
            **{name: None if c is None else c[places] for name, c in columns.items()},
        )


def write_predictions(
    folder: str | Path,
    test_set: str,
    rows: Sequence[Mapping],
    embeddings_ND: np.ndarray | None,
    card: Mapping,
    scores: bool = True,
) -> Path:
    """Write a test set's rows, embeddings and card, each atomically, the card last.

    Parameters
    ----------
    folder : str or Path
        The ``predictions`` folder of a run.
    test_set : str
        Names the files; must be a plain file name.
    rows : sequence of mapping
        One per utterance: the facts, the truth and what the model said.
    embeddings_ND : ndarray, optional
        In the order of ``rows``; stored as float32.
    card : mapping
        See :class:`Predictions`; ``test_set`` is filled in.
    scores : bool
        False where an encoder without heads made the embeddings: no model says anything.

    Returns
    -------
    Path
        The ``.jsonl`` file.

    Raises
    ------
    SERError
        If :func:`read_predictions` would refuse the result; nothing is written then.
    """
    if not test_set or Path(test_set).name != test_set or test_set.startswith("."):
        raise SERError(f"Bad test set name {test_set!r}; expected a plain file name.")
    path = Path(folder) / f"{test_set}.jsonl"
    card = {**card, "test_set": test_set}
    check_card(card, path)
    columns = columns_of(rows, card["emotions"], path, scores)
    if embeddings_ND is not None:
        embeddings_ND = np.asarray(embeddings_ND, dtype=np.float32)
        check_embeddings(embeddings_ND, len(rows), path)
    remove(card_path(path))
    write_rows(path, rows)
    written, embeddings_path = [path], path.with_name(f"{test_set}.npz")
    if embeddings_ND is None:
        remove(embeddings_path)
    else:
        write_embeddings(embeddings_path, columns.ids, embeddings_ND)
        written.append(embeddings_path)
    sums = {each.name: sha256_of(each) for each in written}
    write_json(card_path(path), {**card, SHA256: sums})
    return path


def read_predictions(
    path: str | Path, embeddings: bool = True, scores: bool = True
) -> Predictions:
    """Read and check the predictions on one test set.

    Parameters
    ----------
    path : str or Path
        The ``.jsonl`` file.
    embeddings : bool
        Also read the ``.npz`` beside it, where there is one.
    scores : bool
        Refuse a file in which no model says anything.

    Raises
    ------
    SERError
        If a file is missing or not as it was written, a line is no JSON object or lacks a key
        (with its number), ids repeat, classes are not those of the card in its order, a score
        is not finite, or log-probabilities do not sum to one.
    """
    path = Path(path)
    card = read_json(card_path(path), "prediction card")
    check_card(card, path)
    rows = read_rows(path)
    columns = columns_of(rows, card["emotions"], path, scores)
    require_as_written(path, card)  # last: what is wrong with a row says more
    embeddings_path = path.with_name(f"{path.name.removesuffix('.jsonl')}.npz")
    embeddings_ND = None
    if embeddings and embeddings_path.exists():
        embeddings_ND = read_embeddings(embeddings_path, columns.ids)
        require_as_written(embeddings_path, card)
    temperature = card.get("temperature")
    return Predictions(
        card=card,
        rows=rows,
        **vars(columns),
        embeddings_ND=embeddings_ND,
        temperature_N=None if temperature is None else np.full(len(rows), float(temperature)),
    )
