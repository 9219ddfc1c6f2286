"""Whether the tables of a run are what its predictions say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ser_brain.errors import SERError
from ser_brain.evaluation import evaluate_run
from ser_brain.files import read_json
from ser_brain.runs import read_run
from ser_brain.verification.checks import SHOWN

# Relative, of a number in a table: libraries of other versions add up otherwise.
TOLERANCE = 1e-9
ENDS = {"low", "high"}  # of an interval
WORDS = {"note", "interval_notes"}  # which later versions may choose otherwise


def verify_tables(folder: Path) -> str | None:
    """Evaluate a run or folds folder again, and compare.

    Returns
    -------
    str or None
        Which test sets were not compared, because they were predicted after the report.

    Raises
    ------
    SERError
        If ``report/results.json`` is not there or says anything else.
    """
    path = folder / "report" / "results.json"
    kept = read_json(path, "results").get("test_sets")
    try:
        resamples = int(next(iter(kept.values()))["bootstrap"]["resamples"])
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        raise SERError(f"{path} is damaged: it holds no results of test sets") from None
    run = read_run(folder)
    again = evaluate_run(run, resamples)["test_sets"]
    lacking = [name for name in again if name not in kept]
    later = [name for name in lacking if run.is_further(name)]
    found = [f"it lacks {name}" for name in lacking if name not in later]
    found += _differences(kept, again, "")
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise SERError(f"the predictions say otherwise: {'; '.join(found[:SHOWN])}{more}")
    if later:
        return f"older than the predictions on {', '.join(later)}; ser report writes it anew"
    return None


def _differences(kept: object, again: object, where: str) -> Iterator[str]:
    """Where two results differ, in words."""
    if isinstance(kept, dict) and isinstance(again, dict):
        if kept.keys() >= ENDS and again.get("low") is None:
            # Earlier versions gave intervals of fewer than five speakers, too.
            kept = {key: value for key, value in kept.items() if key not in ENDS}
        for key in kept.keys() - WORDS:  # what a later version computes besides is no fault
            yield from _differences(kept.get(key), again.get(key), f"{where}/{key}")
    elif isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        for number, (one, other) in enumerate(zip(kept, again, strict=True)):
            yield from _differences(one, other, f"{where}/{number}")
    elif isinstance(kept, float) and isinstance(again, float):
        if not math.isclose(kept, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where} is {kept:.6g}, not {again:.6g}"
    elif kept != again:
        yield f"{where} is {_short(kept)}, not {_short(again)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
