"""Predictions: what a model predicted for each utterance of a test set, and what is true.

``predictions/<test set>.jsonl`` has a row per utterance, ``<test set>.npz`` the ids and
embeddings in the same order, ``<test set>.card.json`` the facts about model and test set. The
card is written last: without it, a test set counts as unfinished.

Axes: N utterances, C classes, V dimensions (valence, arousal, dominance), D of an embedding.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

from ser_brain.core import schema
from ser_brain.core.errors import SERError
from ser_brain.core.files import (
    atomic_path,
    open_regular,
    parse_json_line,
    read_json,
    remove,
    require_text,
    sha256_of,
    write_json,
)
from ser_brain.data.labels import SOME_DIMENSIONS, VALENCE_AROUSAL, are_dimensions

SHA256 = "sha256"  # key of a card: file -> checksum of its bytes as written
MOST_BYTES = 2**18  # of one utterance in an archive; more is a decompression bomb

SMALLEST = 1e-7  # a probability; of 0, the log-loss would be infinite
LOG_SMALLEST = float(np.log(SMALLEST))
# Arrays with a row per utterance, except the embeddings.
ROW_FIELDS = (
    "true_N",
    "predicted_N",
    "log_probs_NC",
    "true_values_NV",
    "predicted_values_NV",
    "temperature_N",
)


@dataclass(frozen=True)
class LabelledPredictions:
    """The predictions of one model on one test set, as arrays in the order of the file.

    Predicted classes are None for a regression model, predicted values for a classification
    model, scores also where only classes were answered. Where two classes tie, the row's
    ``predicted_emotion`` decides, or else the class order. Values are in the order of
    ``dimensions`` and the units of the card's ``va_range``.
    """

    card: dict  # test_set, role, emotions (class order), va_range, protocol, experiment, ...
    ids: list[str]
    rows: list[dict]
    true_N: np.ndarray  # class index, -1 where there is no emotion or one outside the classes
    predicted_N: np.ndarray | None
    log_probs_NC: np.ndarray | None  # natural logarithms
    true_values_NV: np.ndarray | None  # NaN where missing; None where all are
    predicted_values_NV: np.ndarray | None
    embeddings_ND: np.ndarray | None  # float32
    temperature_N: np.ndarray | None = None  # divides the log-probabilities; None: not fitted

    @property
    def emotions(self) -> list[str]:
        """Class order."""
        return self.card["emotions"]

    @property
    def is_scored(self) -> bool:
        """Whether there are probabilities, not only classes."""
        return self.log_probs_NC is not None

    @property
    def utterances(self) -> list[str]:
        """The utterance of each row; pooled models predict an utterance several times."""
        return [row.get("utterance", row["id"]) for row in self.rows]

    @property
    def speakers(self) -> set[str]:
        """The known speakers."""
        found = (row.get("speaker") for row in self.rows)
        return {speaker for speaker in found if speaker is not None}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the values are; valence and arousal where the card does not say."""
        return tuple(self.card.get("dimensions", VALENCE_AROUSAL))

    def rated(self, dimension: str) -> np.ndarray:
        """True values (N,) of a dimension, NaN where missing."""
        if self.true_values_NV is None or dimension not in self.dimensions:
            return np.full(len(self.ids), np.nan)
        return self.true_values_NV[:, self.dimensions.index(dimension)]

    def predicted(self, dimension: str) -> np.ndarray | None:
        """Predicted values (N,) of a dimension; None if the model does not predict it."""
        if self.predicted_values_NV is None or dimension not in self.dimensions:
            return None
        return self.predicted_values_NV[:, self.dimensions.index(dimension)]

    @property
    def calibrated_NC(self) -> np.ndarray | None:
        """Log-probabilities after temperature scaling; None without a temperature."""
        if self.log_probs_NC is None or self.temperature_N is None:
            return None
        return log_softmax(self.log_probs_NC / self.temperature_N[:, None], axis=1)

    def by_id(self) -> LabelledPredictions:
        """Sort by id, so that no result depends on the order of rows; see :meth:`chosen`."""
        places = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return self if places == list(range(len(places))) else self.chosen(places)

    def with_classes(self, emotions: Sequence[str]) -> LabelledPredictions:
        """The same predictions among other classes, in their order; all of its own included.

        A class that the model lacks has the smallest probability.
        """
        if list(emotions) == self.emotions or self.predicted_N is None:
            return self
        place = np.array([list(emotions).index(name) for name in self.emotions])
        log_probs_NC = None
        if self.log_probs_NC is not None:
            log_probs_NC = np.full((len(self.ids), len(emotions)), LOG_SMALLEST)
            log_probs_NC[:, place] = self.log_probs_NC
        return replace(
            self,
            card={**self.card, "emotions": list(emotions)},
            true_N=np.where(self.true_N < 0, -1, place[self.true_N]),
            predicted_N=place[self.predicted_N],
            log_probs_NC=log_probs_NC,
        )

    def chosen(self, places: Sequence[int]) -> LabelledPredictions:
        """Select utterances by their places; without embeddings."""
        columns = {name: getattr(self, name) for name in ROW_FIELDS}
        part: dict[str, Any] = {n: c if c is None else c[places] for n, c in columns.items()}
        return replace(
            self,
            ids=[self.ids[n] for n in places],
            rows=[self.rows[n] for n in places],
            embeddings_ND=None,
            **part,
        )


def read_predictions(
    path: str | Path, embeddings: bool = True, scores: bool = True
) -> LabelledPredictions:
    """Read and check the predictions on one test set, in a ``.jsonl`` file.

    Parameters
    ----------
    embeddings : bool
        Also read the ``.npz``, where there is one.
    scores : bool
        Whether a file without predictions is an error.

    Raises
    ------
    SERError
        Naming the file or line that is missing, damaged, changed after it was written, or at
        odds with the card.
    """
    path = Path(path)
    card = read_json(card_path(path), "prediction card")
    _check_card(card, path)
    lines = io.StringIO(require_text(path, "predictions"))
    rows = [parse_json_line(line, path, number) for number, line in enumerate(lines, start=1)]
    columns = _columns_of(rows, card, path, scores)
    _require_as_written(path, card)  # after the rows, whose errors are more specific
    embeddings_path = path.with_name(f"{path.name.removesuffix('.jsonl')}.npz")
    embeddings_ND = None
    if embeddings and embeddings_path.exists():
        embeddings_ND = _read_embeddings(embeddings_path, columns["ids"])
        _require_as_written(embeddings_path, card)
    temperature = card.get("temperature")
    return LabelledPredictions(
        card=card,
        rows=rows,
        **columns,
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
    """Write a test set's rows, embeddings and card, each atomically; the ``.jsonl`` file.

    Parameters
    ----------
    folder : str or Path
        The ``predictions`` folder of a run.
    test_set : str
        Names the files, and is filled into the card; must be a plain file name.
    scores : bool
        False where an encoder without heads made the embeddings, so that nothing is predicted.

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
    ids = _columns_of(rows, card, path, scores)["ids"]
    if embeddings_ND is not None:
        embeddings_ND = np.asarray(embeddings_ND, dtype=np.float32)
        _check_embeddings(embeddings_ND, len(rows), path)
    remove(card_path(path))
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for row in rows:
            plain = np.generic.item  # of a NumPy number; a TypeError for anything else
            line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain)
            file.write(line + "\n")
    written, embeddings_path = [path], path.with_name(f"{test_set}.npz")
    if embeddings_ND is None:
        remove(embeddings_path)
    else:
        with atomic_path(embeddings_path) as temporary:
            np.savez(temporary, ids=np.array(ids, dtype=str), embeddings=embeddings_ND)
        written.append(embeddings_path)
    sums = {each.name: sha256_of(each) for each in written}
    write_json(card_path(path), {**card, SHA256: sums})
    return path


def card_path(path: Path) -> Path:
    """The card of a ``.jsonl`` predictions file, or of its ``.npz``."""
    name = path.name.removesuffix(".jsonl").removesuffix(".npz")
    return path.with_name(f"{name}.card.json")


def _is_scale(value: Any) -> bool:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    return is_pair and all(map(schema.FINITE.holds, value)) and value[0] < value[1]


CARD = {
    "test_set": schema.TEXT,
    "role": schema.TEXT,
    "emotions": schema.Bound(
        lambda value: schema.list_of(schema.TEXT).holds(value) and len({*value}) == len(value),
        "a list of names without repeats",
    ),
    "va_range": schema.Bound(_is_scale, "[low, high]"),
    "dimensions": schema.Bound(are_dimensions, SOME_DIMENSIONS),
    "protocol": schema.TEXT,
    "experiment": schema.TEXT,
    "seed": schema.Bound(lambda value: type(value) is int and value >= 0, "a whole number"),
    "temperature": schema.nullable(
        schema.Bound(lambda value: schema.FINITE.holds(value) and value > 0, "a number above 0")
    ),
    SHA256: schema.Bound(lambda value: isinstance(value, dict), "file names with hashes"),
}


def _check_card(card: Mapping, path: Path) -> None:
    where = f"prediction card of {path}"
    schema.check(card, CARD, where, optional=("dimensions", "temperature", SHA256), others=True)
    if card["test_set"] != path.name.removesuffix(".jsonl"):
        found = card["test_set"]
        raise SERError(f"Bad {where}: it is of test set {found!r}. Rename the file back.")


def _require_as_written(path: Path, card: Mapping) -> None:
    """Stop if rows or embeddings were damaged or edited; cards of old versions have no sums."""
    expected = card.get(SHA256, {}).get(path.name)
    if expected is not None and expected != sha256_of(path):
        raise SERError(
            f"{path} was changed after it was written. If it is damaged, remove it and run the "
            f"evaluation again. If you edited it, remove {SHA256!r} from {card_path(path)}."
        )


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
    bad, shape = f"Bad embeddings of {path}", embeddings_ND.shape
    if embeddings_ND.dtype.kind != "f":
        raise SERError(f"{bad}: found {embeddings_ND.dtype}, expected float.")
    if embeddings_ND.ndim != 2 or len(embeddings_ND) != count:
        expected = f"{count} rows and one column per dimension"
        raise SERError(f"{bad}: found shape {shape}, expected {expected}.")
    if not np.isfinite(embeddings_ND).all():
        raise SERError(f"{bad}: some are NaN or infinite.")


# exp(1e-3) - 1: float16 scores of a dozen classes still pass, a forgotten softmax does not.
LOG_SUM_TOLERANCE = 1e-3

# Closer log-probabilities are a tie that rounding may have decided.
TIE_TOLERANCE = 1e-5
NUMBERS = (int, float, np.integer, np.floating)

# Optional text of a row; null where it is unknown.
TEXTS = (
    "emotion",
    "corpus",
    "speaker",
    "gender",
    "language",
    "group",
    "label_source",
    "utterance",
    "predicted_emotion",
    "accent",
)


def _columns_of(
    rows: Sequence[Mapping], card: Mapping, path: Path, scores: bool
) -> dict[str, Any]:
    """Check rows and turn them into arrays, named as in :class:`LabelledPredictions`."""
    if not rows:
        raise SERError(f"No predictions in {path}: the file has no line.")
    _check_facts(rows, path)
    emotions, dimensions = card["emotions"], card.get("dimensions", VALENCE_AROUSAL)
    index = {emotion: i for i, emotion in enumerate(emotions)}
    log_probs_NC, predicted_N = _scores(rows, list(emotions), path)
    if log_probs_NC is None:
        predicted_N = _answers(rows, index, path)
    keys = [f"predicted_{name}" for name in dimensions]
    predicted_values_NV = _values(rows, keys, path)
    if predicted_values_NV is not None:
        known_N = ~np.isnan(predicted_values_NV).any(axis=1)
        _require(known_N, path, lambda _: f"lacks {' or '.join(keys)}")
    if scores and predicted_N is None and predicted_values_NV is None:
        raise _bad_line(path, 1, f"has neither log_probabilities nor {keys[0]}")
    return {
        "ids": [row["id"] for row in rows],
        "true_N": np.array([index.get(row["emotion"], -1) for row in rows], dtype=np.int64),
        "predicted_N": predicted_N,
        "log_probs_NC": log_probs_NC,
        "true_values_NV": _values(rows, dimensions, path),
        "predicted_values_NV": predicted_values_NV,
    }


def _bad_line(path: Path, line: int, what: str) -> SERError:
    return SERError(f"{path}, line {line}: {what}. Run the evaluation again.")


def _require(good_N: np.ndarray, path: Path, what: Callable[[int], str]) -> None:
    """Stop at the first row that is not good; ``what`` describes it, given its index."""
    if not good_N.all():
        first = int(np.flatnonzero(~good_N)[0])
        raise _bad_line(path, first + 1, what(first))


def _is_number(value: object) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def _check_facts(rows: Sequence[Mapping], path: Path) -> None:
    seen: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        for key in ("id", "emotion"):
            if key not in row:
                raise _bad_line(path, line, f"lacks {key!r}")
        name = row["id"]
        if not isinstance(name, str):
            raise _bad_line(path, line, f"id {name!r} is not a string")
        if name in seen:
            raise _bad_line(path, line, f"id {name!r} was already on line {seen[name]}")
        seen[name] = line
        for key in TEXTS:
            if not isinstance(row.get(key), str | None):
                raise _bad_line(path, line, f"has {key} {row[key]!r}, neither text nor null")
        length = 0.0 if row.get("duration") is None else row["duration"]
        if not (_is_number(length) and abs(length) <= sys.float_info.max):
            raise _bad_line(path, line, f"has duration {length!r}, which is not a number")


def _scores(
    rows: Sequence[Mapping], emotions: list[str], path: Path
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Log-probabilities and predicted class, which must be one of the best or tied with it."""
    if not any("log_probabilities" in row for row in rows):
        return None, None
    values = []
    for line, row in enumerate(rows, start=1):
        scores = row.get("log_probabilities")
        if not isinstance(scores, Mapping):
            raise _bad_line(path, line, "has no log_probabilities, but other lines do")
        if list(scores) != emotions:
            what = f"has scores for {list(scores)}, but the card's class order is {emotions}"
            raise _bad_line(path, line, what)
        values.append(list(scores.values()))
    log_probs_NC = _as_floats(values, "log_probabilities", path)
    finite_N = np.isfinite(log_probs_NC).all(axis=1)
    _require(finite_N, path, lambda _: "has a log-probability that is NaN or infinite")
    log_sum_N = logsumexp(log_probs_NC, axis=1)
    _require(
        np.abs(log_sum_N) <= LOG_SUM_TOLERANCE,
        path,
        lambda n: f"has probabilities that sum to {np.exp(log_sum_N[n]):.4g}, not 1",
    )
    best_N = log_probs_NC.argmax(axis=1)
    names = [row.get("predicted_emotion") for row in rows]
    index = {emotion: i for i, emotion in enumerate(emotions)}
    named = zip(names, best_N, strict=True)
    predicted_N = np.array([b if name is None else index.get(name, -1) for name, b in named])
    each_N = np.arange(len(rows))
    behind_N = log_probs_NC[each_N, best_N] - log_probs_NC[each_N, predicted_N]
    _require(
        (predicted_N >= 0) & (behind_N <= TIE_TOLERANCE),
        path,
        lambda n: (
            f"has predicted_emotion {names[n]!r}, but its highest score is for "
            f"{emotions[best_N[n]]!r}"
        ),
    )
    return log_probs_NC, predicted_N


def _answers(
    rows: Sequence[Mapping], index: Mapping[str, int], path: Path
) -> np.ndarray | None:
    """Predicted classes without scores, as a person or a language model answers them."""
    if not any("predicted_emotion" in row for row in rows):
        return None
    names = [row.get("predicted_emotion") for row in rows]
    known_N = np.array([name in index for name in names])
    _require(known_N, path, lambda n: f"has predicted_emotion {names[n]!r}, which is no class")
    return np.array([index[str(name)] for name in names])


def _values(rows: Sequence[Mapping], keys: Sequence[str], path: Path) -> np.ndarray | None:
    """A number of each row and key, NaN where it is missing; None where all are missing."""
    values = [[row.get(key) for key in keys] for row in rows]
    missing_NV = np.array([[value is None for value in each] for each in values])
    if missing_NV.all():
        return None
    filled = [[np.nan if value is None else value for value in each] for each in values]
    numbers_NV = _as_floats(filled, " or ".join(keys), path)
    good_N = (missing_NV | np.isfinite(numbers_NV)).all(axis=1)
    _require(good_N, path, lambda _: f"has {' or '.join(keys)} that is NaN or infinite")
    return numbers_NV


def _as_floats(values: list[list], what: str, path: Path) -> np.ndarray:
    try:
        numbers = np.array(values)
    except ValueError:
        numbers = np.array(None)
    if numbers.dtype.kind in "fiu":
        return numbers.astype(np.float64)
    # NumPy found something else among the numbers: name the line.
    for line, row in enumerate(values, start=1):
        for value in row:
            if not _is_number(value):
                raise _bad_line(path, line, f"has {what} {value!r}, which is not a number")
            if abs(value) > sys.float_info.max:  # an integer too large for a float
                raise _bad_line(path, line, f"has {what} that is NaN or infinite")
    return np.array(values, dtype=np.float64)
