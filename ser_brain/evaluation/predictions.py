"""Predictions: what a model said of each utterance of a test set, beside what is true.

No torch. ``predictions/<test set>.jsonl`` holds one row per utterance, ``<test set>.npz`` the
ids and embeddings in the same order, ``<test set>.card.json`` what was tested on what. The
card is written last: without it, nothing here is taken for finished.

Axes: N utterances, C classes, 2 = valence and arousal, D embedding dimensions.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    atomic_path,
    open_regular,
    parse_json_line,
    read_json,
    remove,
    sha256_of,
    write_json,
)
from ser_brain.evaluation.prediction_schema import columns_of

CARD_KEYS = ("test_set", "role", "emotions", "va_range", "protocol", "experiment", "seed")
SHA256 = "sha256"  # file -> of its bytes, as they were written


def card_path(path: Path) -> Path:
    """Where the card of a ``.jsonl`` predictions file, or of its ``.npz``, lies."""
    name = path.name.removesuffix(".jsonl").removesuffix(".npz")
    return path.with_name(f"{name}.card.json")


def check_card(card: Mapping, path: Path) -> None:
    """Stop at a card that cannot be trusted.

    Parameters
    ----------
    card : mapping
        ``temperature``, fitted on validation data, may be absent.
    path : Path
        The ``.jsonl`` file, for the errors.

    Raises
    ------
    SERError
        Naming the key and what was expected there.
    """
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise SERError(f"Bad prediction card of {path}: it lacks {', '.join(missing)}.")
    bad = f"Bad prediction card of {path}"
    emotions, va_range, seed = card["emotions"], card["va_range"], card["seed"]
    if card["test_set"] != path.name.removesuffix(".jsonl"):
        raise SERError(f"{bad}: it is of test set {card['test_set']!r}. Rename the file back.")
    for key in ("role", "protocol", "experiment"):
        if not isinstance(card[key], str):
            raise SERError(f"{bad}: {key} is {card[key]!r}, expected text.")
    if type(seed) is not int or seed < 0:
        raise SERError(f"{bad}: seed is {seed!r}, expected a whole number.")
    if not (isinstance(emotions, list) and all(isinstance(e, str) for e in emotions)):
        raise SERError(f"{bad}: emotions is {emotions!r}, expected a list of names.")
    if len(set(emotions)) != len(emotions):
        raise SERError(f"{bad}: emotions is {emotions!r}, expected a list without repeats.")
    if (
        not isinstance(va_range, list | tuple)
        or len(va_range) != 2
        or not all(map(_is_number, va_range))
        or not va_range[0] < va_range[1]
    ):
        raise SERError(f"{bad}: va_range is {va_range!r}, expected [low, high].")
    if not isinstance(card.get(SHA256, {}), dict):
        raise SERError(f"{bad}: {SHA256} is {card[SHA256]!r}, expected file names with hashes.")
    temperature = card.get("temperature")
    if temperature is not None and not (_is_number(temperature) and temperature > 0):
        raise SERError(f"{bad}: temperature is {temperature!r}, expected a number above 0.")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < sys.float_info.max


def require_as_written(path: Path, card: Mapping) -> None:
    """Stop if the rows or embeddings of a predictions file were damaged or edited.

    A card without ``sha256`` is of an earlier version or of somebody else's; its files are
    taken as they are.

    Parameters
    ----------
    path : Path
        The ``.jsonl`` or the ``.npz``.
    card : mapping

    Raises
    ------
    SERError
        Saying how a change that was meant is accepted.
    """
    expected = card.get(SHA256, {}).get(path.name)
    if expected is not None and expected != sha256_of(path):
        raise SERError(
            f"{path} is not as it was written. If it was damaged, remove it and run the "
            f"evaluation again. If you edited it, take {SHA256!r} out of {card_path(path)}."
        )


MOST_BYTES = 2**18  # that one utterance can need in an archive


def write_rows(path: Path, rows: Sequence[Mapping]) -> None:
    """Write rows to a ``.jsonl``, atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain_number)
            file.write(line + "\n")


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a prediction")


def read_rows(path: Path) -> list[dict]:
    """Read the rows of a ``.jsonl``; parameters and errors as ``read_predictions``."""
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8") as file:
            return [parse_json_line(line, path, n) for n, line in enumerate(file, start=1)]
    except FileNotFoundError:
        raise SERError(f"No predictions at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read the predictions {path}: {reason}.") from error


def write_embeddings(path: Path, ids: Sequence[str], embeddings_ND: np.ndarray) -> None:
    """Write embeddings and the ids they are of to a ``.npz``, atomically."""
    with atomic_path(path) as temporary:
        np.savez(temporary, ids=np.array(ids, dtype=str), embeddings=embeddings_ND)


def read_embeddings(path: Path, ids: list[str]) -> np.ndarray:
    """Read a ``.npz``, (N, D) float32, and check that it is of these ids in this order.

    Raises
    ------
    SERError
    """
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as content:
            unpacked = sum(part.file_size for part in content.zip.infolist())
            if unpacked > MOST_BYTES * (1 + len(ids)):
                raise ValueError(f"it unpacks to {unpacked} bytes")
            stored_ids = np.asarray(content["ids"]).tolist()
            embeddings_ND = np.asarray(content["embeddings"])
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for a damaged archive
        raise SERError(f"Cannot read the embeddings {path}: {error}.") from error
    if stored_ids != ids:
        raise SERError(f"Bad embeddings {path}: its ids are not those of the .jsonl in order.")
    check_embeddings(embeddings_ND, len(ids), path)
    return embeddings_ND


def check_embeddings(embeddings_ND: np.ndarray, count: int, path: Path) -> None:
    """Stop at embeddings that are no (N, D) array of finite numbers.

    Raises
    ------
    SERError
    """
    if embeddings_ND.dtype.kind != "f":
        found = embeddings_ND.dtype
        raise SERError(f"Bad embeddings of {path}: found {found}, expected float.")
    if embeddings_ND.ndim != 2 or len(embeddings_ND) != count:
        raise SERError(
            f"Bad embeddings of {path}: found shape {embeddings_ND.shape}, expected "
            f"{count} rows and one column per dimension."
        )
    if not np.isfinite(embeddings_ND).all():
        raise SERError(f"Bad embeddings of {path}: some are NaN or infinite.")


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
