"""Folds: running the parts of a protocol.

A part that has finished is not run again; one that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ser_brain.checksums import SUMS
from ser_brain.errors import SERError
from ser_brain.files import read_json, remove, write_text
from ser_brain.fold_plan import Part, Plan, parts_of_protocol
from ser_brain.fold_processes import run_parts
from ser_brain.lock import NAME, held
from ser_brain.run_folder import RECORD
from ser_brain.run_record import RunRecord
from ser_brain.runs import FOLDS


def run_plan(plan: Plan, slots: Sequence[str | None], tell: Callable[[str], None]) -> Path:
    """Run what is not finished, and note the parts in ``folds.json``.

    Parameters
    ----------
    plan : Plan
    slots : sequence of str or None
        See :func:`ser_brain.fold_processes.run_parts`.
    tell : callable
        Given a line whenever a part begins, has ended an epoch, or has finished.

    Returns
    -------
    Path
        The folds folder.

    Raises
    ------
    SERError
        If a part fails, or another process runs the same folds.
    """
    with held(plan.folder / NAME, plan.folder), _kept_if_refused(plan.folder):
        return _run_all(plan, slots, tell)


@contextlib.contextmanager
def _kept_if_refused(folder: Path) -> Iterator[None]:
    """Put the record of finished folds back where the parts refuse what they are to do."""
    records = [path for path in (folder / FOLDS, folder / SUMS) if path.is_file()]
    before = {path: path.read_text(encoding="utf-8") for path in records}
    earlier = read_json(folder / FOLDS, "list of folds") if folder / FOLDS in before else {}
    try:
        yield
    except SERError:
        parts = earlier.get("parts", {}).values()
        if parts and all(_is_finished(folder / part) for part in parts):
            for path, text in before.items():
                write_text(path, text)
        elif not before and not any(path.is_dir() for path in folder.iterdir()):
            remove(folder / FOLDS)  # no part has begun
        raise


def _is_finished(part: Path) -> bool:
    """Whether a part says so; it does not from when it begins until its end."""
    record = part / RECORD
    return record.is_file() and bool(read_json(record, "run description").get("finished"))


def _run_all(plan: Plan, slots: Sequence[str | None], tell: Callable[[str], None]) -> Path:
    record = RunRecord(plan.folder, FOLDS, protocol=plan.protocol, parts={})
    count = plan.folds or 1
    if plan.protocol == "speaker+text":
        count **= 2
    elif plan.protocol == "group":  # How many groups there are, the first run tells.
        first = parts_of_protocol(plan.seeds[:1], 2)[0]
        _run(plan, [first], slots, tell)
        count = read_json(plan.folder / first.folder / "splits.json", "split")["folds"]
    parts = parts_of_protocol(plan.seeds, count)
    _run(plan, parts, slots, tell)
    record.facts["parts"] = {part.name: part.folder for part in parts}
    record.finish()
    return plan.folder


def _run(
    plan: Plan, parts: Sequence[Part], slots: Sequence[str | None], tell: Callable[[str], None]
) -> None:
    waiting = [part for part in parts if not plan.is_finished(part)]
    left = len(waiting)
    if left < len(parts):
        tell(f"{len(parts) - left} of {len(parts)} parts are finished already")
    commands = {plan.folder / part.folder: plan.arguments_of(part) for part in waiting}

    def finished(folder: Path) -> None:
        nonlocal left
        left -= 1
        tell(f"{folder.name} is finished; {left} to go")

    if commands:
        run_parts(commands, slots, finished, tell)
