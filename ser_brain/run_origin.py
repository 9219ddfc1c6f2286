"""Where a run comes from: commands, versions, commits, and its own report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ser_brain.files import read_json
from ser_brain.runs import Run
from ser_brain.tables import Table


def origin_of(run: Run, page_folder: Path) -> dict:
    """How a run was made, and where it lies as seen from a page.

    Returns
    -------
    dict
        ``protocol``, ``encoder``, ``folder`` and ``report`` (relative to ``page_folder``; None
        where it was not written), ``commands`` and ``versions`` (part -> what its run.json
        says), ``commits`` (of all parts).
    """
    records = {
        name: read_json(part / "run.json", "run description")
        for name, part in run.parts.items()
        if (part / "run.json").is_file()
    }
    report = run.folder / "report" / "index.html"
    return {
        "protocol": run.protocol,
        "encoder": run.first.card.get("encoder"),
        "folder": os.path.relpath(run.folder, page_folder),
        "report": os.path.relpath(report, page_folder) if report.is_file() else None,
        "commands": {name: record.get("command") for name, record in records.items()},
        "commits": sorted({r["commit"] for r in records.values() if r.get("commit")}),
        "versions": {name: record.get("versions") or {} for name, record in records.items()},
    }


def versions(origins: Mapping[str, Mapping]) -> Table:
    """A row per package, a column per run; several versions where its parts differ."""
    by_run = {label: list(origin["versions"].values()) for label, origin in origins.items()}
    packages = dict.fromkeys(
        name for parts in by_run.values() for part in parts for name in part
    )
    table = Table("versions", "What each run was made with.", ["Package", *by_run])
    for package in packages:
        found = [
            dict.fromkeys(str(part[package]) for part in parts if package in part)
            for parts in by_run.values()
        ]
        table.rows.append([package, *[", ".join(each) or None for each in found]])
    return table
