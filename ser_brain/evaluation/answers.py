"""Answers of anybody, as predictions: of an interface, a language model, a person.

A table has one row per utterance: which one, and what was answered, as a class, as
probabilities, or as valence and arousal. What is missing, refused or none of the classes is
``no_answer``, which counts as wrong; leaving it out would make a model better by its silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ser_brain.core.errors import SERError, first_few, nearest
from ser_brain.core.log import get_logger
from ser_brain.core.tables import FileTable, read_table
from ser_brain.data.labelling import CorpusData
from ser_brain.data.labels import NO_ANSWER, as_word, meant_by
from ser_brain.data.segment_tables import recognised_columns
from ser_brain.evaluation.predictions import SMALLEST

logger = get_logger(__name__)
NAMES = ("id", "utterance", "path")  # of columns, the most explicit first
ANSWERS = ("answer", "predicted_emotion", "prediction", "predicted", "emotion")
PROBABILITIES = ("probabilities", "scores")  # of JSON lines: class -> probability
PREDICTED = {"valence": "predicted_valence", "arousal": "predicted_arousal"}
SUM_TOLERANCE = 0.05  # answers of language models are rounded
SHOWN = 5


def outputs_of(
    path: Path, data: CorpusData, emotions: Sequence[str], labels: Mapping[str, str]
) -> tuple[list[dict], list[str], dict]:
    """Join a table of answers with the utterances of a corpus.

    Parameters
    ----------
    path : Path
        CSV or JSON lines, also compressed by gzip; columns may have other names in
        :data:`ser_brain.data.segment_tables.OTHER_NAMES`.
    data : CorpusData
    emotions : sequence of str
        The classes that could be answered.
    labels : mapping
        Words of the table -> classes; everyday words need no entry.

    Returns
    -------
    rows : list of dict
        Of :func:`ser_brain.evaluation.predictions.write_predictions`, an utterance each,
        without the facts of the corpus.
    classes : list of str
        ``emotions``, and ``no_answer`` where something is missing.
    counts : dict
        ``answers``, ``missing``, ``refused`` (empty or no class) and ``unused`` (rows of other
        utterances).

    Raises
    ------
    SERError
        If the table names no utterance of the corpus, names one twice, has no answers, has
        several columns that could be one of these, or has numbers that are none.
    """
    table = read_table(path)
    if not table.rows:
        raise SERError(f"{path} has no rows.")
    found = _by_utterance(table, path, data.rows)
    columns = {column.lower().strip(): column for column in table.columns}
    named = ((e, key.lower()) for e in emotions for key in (f"p_{e}", e))
    scores = {e: columns[key] for e, key in named if key in columns}
    packed = next((columns[name] for name in PROBABILITIES if name in columns), None)
    answer = _column(table, path, ANSWERS)
    values = {
        new: columns.get(new, columns.get(old))
        for old, new in PREDICTED.items()
        if new in columns or old in columns
    }
    given = (row.get(column) for row in table.rows.values() for column in values.values())
    if all(cell in (None, "") for cell in given):
        values = {}  # as in the predictions of a model of classes, which has no others
    if scores and len(scores) < len(emotions):
        lacking = ", ".join(f"p_{e}" for e in emotions if e not in scores)
        raise SERError(f"{path} has probabilities of some classes, and lacks {lacking}.")
    if not (scores or packed or answer or len(values) == len(PREDICTED)):
        raise SERError(
            f"{path} has no answers: expected a column answer, columns p_{emotions[0]} ..., or "
            f"predicted_valence and predicted_arousal; its columns are "
            f"{', '.join(nearest('answer', table.columns))}."
        )
    probable = bool(scores or packed)
    rows, refused = [], Counter()
    for utterance_id in data.rows:
        line, cells = found.get(utterance_id, (0, None))
        row: dict = {"id": utterance_id}
        if len(values) == len(PREDICTED):
            row |= _values(cells, values, path, line)
        if probable:
            silent = cells is not None and answer is not None and cells.get(answer) == NO_ANSWER
            given = None if silent else cells  # as of ser predict --min_confidence
            row["p"] = _probabilities(given, scores, packed, emotions, path, line)
        elif answer is not None:
            row["predicted_emotion"], word = _class_of(cells, answer, emotions, labels)
            refused[word] += row["predicted_emotion"] == NO_ANSWER and cells is not None
        rows.append(row)
    if len(values) == len(PREDICTED):
        lacking = [row["id"] for row in rows if row["predicted_valence"] is None]
        if lacking:
            raise SERError(
                f"{path} has no valence and arousal for {len(lacking)} of {len(rows)} "
                f"utterances, such as {lacking[0]}. A value cannot be wrong by its absence: "
                "complete the table, or select those answered with --where."
            )
    classes = list(emotions)
    if probable:
        missing = [row for row in rows if row["p"] is None]
        classes += [NO_ANSWER] if missing else []
        for row in rows:
            row |= _log_probabilities(row.pop("p"), classes)
        refused["no probabilities"] += sum(row["id"] in found for row in missing)
    elif any(row.get("predicted_emotion") == NO_ANSWER for row in rows):
        classes.append(NO_ANSWER)
    counts = {
        "answers": len(found),
        "missing": len(rows) - len(found),
        "refused": sum(refused.values()),
        "unused": len(table.rows) - len(found),
    }
    _tell(path, counts, refused)
    return rows, classes, counts


def _tell(path: Path, counts: Mapping[str, int], refused: Counter) -> None:
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    logger.info(f"{path}: {said}.")
    refused = +refused
    if refused:
        shown = first_few([f"{w!r} ({n})" for w, n in refused.most_common()], SHOWN)
        logger.warning(
            f"{path}: no class, and so counted as wrong: {shown}. --labels WORD=CLASS gives a "
            "word its meaning, and --classes names other classes."
        )


def _column(table: FileTable, path: Path, kinds: Sequence[str]) -> str | None:
    """The column of the first of these kinds that a table has, by whatever name."""
    for what in kinds:
        if found := recognised_columns(path, table.columns, [what]):
            return found[what]
    return None


def _by_utterance(
    table: FileTable, path: Path, rows: Mapping[str, dict]
) -> dict[str, tuple[int, dict]]:
    """Utterance -> line and row. It is named by its id, with or without corpus, or its file."""
    named = _column(table, path, NAMES)
    if named is None:
        raise SERError(
            f"{path} does not say which utterance a row is of: expected a column id or file; "
            f"its columns are {', '.join(table.columns)}."
        )
    keys: dict[str, set[str]] = {}
    for utterance_id, row in rows.items():
        file = PurePosixPath(str(row["wav"]).replace("\\", "/"))
        short = utterance_id.removeprefix(f"{row['corpus']}_" if row.get("corpus") else "")
        for key in {utterance_id, short, str(file), file.name, file.stem}:
            keys.setdefault(key, set()).add(utterance_id)
    found: dict[str, tuple[int, dict]] = {}
    for line, cells in table.rows.items():
        given = str(cells.get(named) or "").replace("\\", "/")
        ids = keys.get(given) or keys.get(given.rpartition("/")[2], set())
        ids = {given} if given in rows else ids  # an id may be another's, less the corpus
        if len(ids) > 1:
            raise SERError(
                f"{path}, line {line}: {given!r} names {len(ids)} utterances; give their ids."
            )
        for utterance_id in ids:
            if utterance_id in found:
                raise SERError(
                    f"{path}, line {line}: {given!r} was answered on line "
                    f"{found[utterance_id][0]} already."
                )
            found[utterance_id] = line, cells
    if not found:
        some = next(iter(rows))
        raise SERError(
            f"No row of {path} is of an utterance of the corpus; expected {named} like {some}."
        )
    return found


def _class_of(
    cells: Mapping | None, column: str, emotions: Sequence[str], labels: Mapping[str, str]
) -> tuple[str, str]:
    """The class that a cell names, and what it says."""
    said = "" if cells is None else str(cells.get(column) or "")
    meant = labels.get(said) or labels.get(as_word(said)) or meant_by(said, emotions)
    return (meant if meant in emotions else NO_ANSWER), said


def _probabilities(
    cells: Mapping | None,
    scores: Mapping[str, str],
    packed: str | None,
    emotions: Sequence[str],
    path: Path,
    line: int,
) -> list[float] | None:
    if cells is None:
        return None
    if scores:
        given = [cells.get(scores[e]) for e in emotions]
    else:
        inner = cells.get(packed)
        if not isinstance(inner, Mapping):
            return None
        named = {meant_by(str(k), emotions): v for k, v in inner.items()}
        given = [named.get(e, 0.0) for e in emotions]
    if all(value in (None, "") for value in given):
        return None
    numbers = [_number(value, path, line) for value in given]
    total = sum(numbers)
    if min(numbers) < 0 or abs(total - 1) > SUM_TOLERANCE:
        raise SERError(
            f"{path}, line {line}: the probabilities of {', '.join(emotions)} are "
            f"{', '.join(f'{n:g}' for n in numbers)}; expected numbers from 0 that sum to 1."
        )
    return [number / total for number in numbers]


def _log_probabilities(p: list[float] | None, classes: Sequence[str]) -> dict:
    if p is None:
        p = [0.0] * (len(classes) - 1) + [1.0]
    p = [*p, *[0.0] * (len(classes) - len(p))]
    floored = np.maximum(p, SMALLEST)
    logs = np.log(floored / floored.sum()).tolist()
    return {
        "log_probabilities": dict(zip(classes, logs, strict=True)),
        "predicted_emotion": classes[int(np.argmax(p))],
    }


def _values(
    cells: Mapping | None, columns: Mapping[str, str], path: Path, line: int
) -> dict[str, float | None]:
    given = {new: None if cells is None else cells.get(old) for new, old in columns.items()}
    if any(value in (None, "") for value in given.values()):
        return dict.fromkeys(given)
    return {new: _number(value, path, line) for new, value in given.items()}


def _number(value: object, path: Path, line: int) -> float:
    try:
        number = float(str(value).replace(",", ".") or "nan")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise SERError(f"{path}, line {line}: {value!r} is not a number.")
    return number
