"""Whether the results that a card shows are those of its metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from huggingface_hub import EvalResult

from ser_brain.model_card.tables import FIRST_COLUMN, NOT_A_TEST
from ser_brain.tables import cell_text

VALUE = r"(-?[\d.]+(?: \[[^\]]*\])?)"  # with its interval


def other_values(
    results: Sequence[EvalResult], tables: Sequence[Sequence[Sequence[str]]]
) -> list[str]:
    """What a card's tables say otherwise than ``model-index``, in words.

    Parameters
    ----------
    results : sequence of EvalResult
        Each with a number for a value.
    tables : sequence of sequence of sequence of str
        Cells of the rows of the card's tables, their heads first. Looked at are the table of
        results and the lines that sum it up.
    """
    found = []
    for result in results:
        where = f"{result.dataset_type}, {result.metric_name}"
        try:
            expected = cell_text(_estimate(result))
        except (AttributeError, TypeError, ValueError):  # whatever YAML has in their place
            found.append(f"{where}: {result.metric_args!r} is no interval")
            continue
        shown = [cell for table in tables for cell in _shown(table, result)]
        found += [
            f"{where} is {expected} in model-index, and the text says {cell}"
            for cell in dict.fromkeys(shown)
            if cell != expected
        ]
    return found


def _estimate(result: EvalResult) -> dict:
    args = result.metric_args or {}
    ends = {end: args.get(end) for end in ("low", "high")}
    return {"value": float(result.metric_value), **ends}


def _shown(table: Sequence[Sequence[str]], result: EvalResult) -> Iterator[str]:
    """A result wherever a table shows it."""
    name, metric = result.dataset_type, str(result.metric_name)
    head, *rows = table
    if head[0] == FIRST_COLUMN and metric in head:
        place = head.index(metric)
        yield from (row[place] for row in rows if row[0].removesuffix(NOT_A_TEST) == name)
    lines = [line for row in rows for cell in row for line in cell.splitlines()]
    for line in lines:
        if line.startswith(f"{name}: "):
            yield from re.findall(f"{re.escape(metric)} {VALUE}", line)
