"""Predictions: what a model predicted for each utterance of a test set, and what is true.

``predictions/<test set>.jsonl`` has a row per utterance, ``<test set>.npz`` the ids and
embeddings in the same order, ``<test set>.card.json`` the facts about model and test set. The
card is written last: without it, a test set counts as unfinished.

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
SHA256 = "sha256"  # key of a card: file -> checksum of its bytes as written
MOST_BYTES = 2**18  # of one utterance in an archive; more is a decompression bomb
VALENCE_AROUSAL = ("valence", "arousal")

# Arrays with a row per utterance, except the embeddings.
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
        The rows of the file.
    true_N : ndarray of int
        Class index, -1 where there is no emotion or one outside the classes.
    predicted_N : ndarray of int or None
        Predicted class index; None for a regression model. Where two classes tie, the row's
        ``predicted_emotion`` decides, or else the class order.
    log_probs_NC : ndarray or None
        Natural logarithms; None for a regression model.
    true_va_N2 : ndarray or None
        In the units of ``va_range``, NaN where missing; None where all are.
    predicted_va_N2 : ndarray or None
        None for a classification model.
    embeddings_ND : ndarray of float32 or None
    temperature_N : ndarray or None
        Divides the log-probabilities to calibrate them; None where none was fitted.
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
        """The utterance of each row; pooled models predict an utterance several times."""
        return [row.get("utterance", row["id"]) for row in self.rows]

    @property
    def calibrated_NC(self) -> np.ndarray | None:
        """Log-probabilities after temperature scaling; None without a temperature."""
        if self.log_probs_NC is None or self.temperature_N is None:
            return None
        return log_softmax(self.log_probs_NC / self.temperature_N[:, None], axis=1)

    def by_id(self) -> Predictions:
        """Sort by id, so that no result depends on the order of rows.

        Without embeddings where the order changes.
        """
        places = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return self if places == list(range(len(places))) else self.chosen(places)

    def chosen(self, places: Sequence[int]) -> Predictions:
        """Select utterances by their places; without embeddings."""
        columns = {name: getattr(self, name) for name in ROW_FIELDS}
        return replace(
            self,
            ids=[self.ids[n] for n in places],
            rows=[self.rows[n] for n in places],
            embeddings_ND=None,
            **{name: None if c is None else c[places] for name, c in columns.items()},
        )


def read_predictions(
    path: str | Path, embeddings: bool = True, scores: bool = True
) -> Predictions:
    """Read and check the predictions on one test set.

    Parameters
    ----------
    path : str or Path
        The ``.jsonl`` file.
    embeddings : bool
        Also read the ``.npz``, where there is one.
    scores : bool
        Whether a file without predictions is an error.

    Raises
    ------
    SERError
        If a file is missing or was changed after it was written, a line (which is named) is
        not a JSON object or lacks a key, ids repeat, classes differ from those of the card, a
        score is not finite, or probabilities do not sum to one.
    """
    path = Path(path)
    card = read_json(card_path(path), "prediction card")
    _check_card(card, path)
    rows = _read_rows(path)
    columns = columns_of(rows, card["emotions"], path, scores)
    _require_as_written(path, card)  # after the rows, whose errors are more specific
    embeddings_path = path.with_name(f"{path.name.removesuffix('.jsonl')}.npz")
    embeddings_ND = None
    if embeddings and embeddings_path.exists():
        embeddings_ND = _read_embeddings(embeddings_path, columns.ids)
        _require_as_written(embeddings_path, card)
    temperature = card.get("temperature")
    return Predictions(
        card=card,
        rows=rows,
        **vars(columns),
        embeddings_ND=embeddings_ND,
        temperature_N=None if temperature is None else np.full(len(rows), float(temperature)),
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
        One per utterance: facts, true labels and predictions.
    embeddings_ND : ndarray, optional
        In the order of ``rows``; stored as float32.
    card : mapping
        See :class:`Predictions`; ``test_set`` is filled in.
    scores : bool
        False where an encoder without heads made the embeddings, so that nothing is predicted.

    Returns
    -------
    Path
        The ``.jsonl`` file.

    Raises
    ------
    SERError
        If :func:`read_predictions` would reject the result; nothing is written then.
    """
    if not test_set or Path(test_set).name != test_set or test_set.startswith("."):
        raise SERError(f"Bad test set name {test_set!r}; expected a plain file name.")
    path = Path(folder) / f"{test_set}.jsonl"
    card = {**card, "test_set": test_set}
    _check_card(card, path)
    columns = columns_of(rows, card["emotions"], path, scores)
    if embeddings_ND is not None:
        embeddings_ND = np.asarray(embeddings_ND, dtype=np.float32)
        _check_embeddings(embeddings_ND, len(rows), path)
    remove(card_path(path))
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain_number)
            file.write(line + "\n")
    written, embeddings_path = [path], path.with_name(f"{test_set}.npz")
    if embeddings_ND is None:
        remove(embeddings_path)
    else:
        with atomic_path(embeddings_path) as temporary:
            np.savez(temporary, ids=np.array(columns.ids, dtype=str), embeddings=embeddings_ND)
        written.append(embeddings_path)
    sums = {each.name: sha256_of(each) for each in written}
    write_json(card_path(path), {**card, SHA256: sums})
    return path


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to a prediction")


def card_path(path: Path) -> Path:
    """The card of a ``.jsonl`` predictions file, or of its ``.npz``."""
    name = path.name.removesuffix(".jsonl").removesuffix(".npz")
    return path.with_name(f"{name}.card.json")


def _check_card(card: Mapping, path: Path) -> None:
    bad = f"Bad prediction card of {path}"
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise SERError(f"{bad}: it lacks {', '.join(missing)}.")
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


def _require_as_written(path: Path, card: Mapping) -> None:
    """Stop if rows or embeddings were damaged or edited; cards of old versions have no sums."""
    expected = card.get(SHA256, {}).get(path.name)
    if expected is not None and expected != sha256_of(path):
        raise SERError(
            f"{path} was changed after it was written. If it is damaged, remove it and run the "
            f"evaluation again. If you edited it, remove {SHA256!r} from {card_path(path)}."
        )


def _read_rows(path: Path) -> list[dict]:
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8") as file:
            return [parse_json_line(line, path, n) for n, line in enumerate(file, start=1)]
    except FileNotFoundError:
        raise SERError(f"No predictions at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SERError(f"Cannot read the predictions {path}: {reason}.") from error


def _read_embeddings(path: Path, ids: list[str]) -> np.ndarray:
    """Read a ``.npz``, (N, D) float32, and check that it has these ids in this order."""
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
    _check_embeddings(embeddings_ND, len(ids), path)
    return embeddings_ND


def _check_embeddings(embeddings_ND: np.ndarray, count: int, path: Path) -> None:
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
