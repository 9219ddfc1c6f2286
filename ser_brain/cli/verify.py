"""Check that a run, its folds, a report or an exported model is complete and unchanged.

For a run, it checks that the run is finished, the checksums of its files, checkpoints,
predictions, manifests and report, and that the predictions match the split. It computes the
leakage audits and the numbers of the report again. For a model folder, it checks that the
model loads, and the checksums of its files. Each line is OK, DIFFERS or not checked. The exit
code is 1 if anything differs. docs/reliability.md describes what it cannot detect.

    ser verify results/classification/emodb/speaker-5fold
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.errors import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="a run, folds, model or report folder"
    )
    parser.add_argument(
        "--manifest_folder",
        type=Path,
        metavar="DIR",
        help="where the manifests of a run are (default: where its settings say)",
    )


def run(arguments: argparse.Namespace) -> Outcome:
    from ser_brain.publishing.verify import DIFFERS, OK, verify

    checks = verify(arguments.folder, arguments.manifest_folder)
    width = max(len(check.state) for check in checks)
    lines = []
    for check in checks:
        what = f"{check.item}: {check.reason}" if check.reason else check.item
        lines.append(f"{check.state:<{width}}  {one_line(what)}")
    bad = sum(check.state == DIFFERS for check in checks)
    unchecked = sum(check.state not in (DIFFERS, OK) for check in checks)
    lines.append(f"{len(checks)} items; {bad} differ, {unchecked} not checked")
    facts = {"checks": [asdict(check) for check in checks], "differ": bad}
    return Outcome("\n".join(lines), facts, int(bad > 0))
