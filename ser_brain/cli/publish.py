"""Publish a model folder on a model hub, or show what would be published.

Without --yes nothing is sent and the hub is not contacted. A new repository is private
unless --public is given. All files go into one commit, and the same command continues after
a failure. Log in first with hf auth login, or set HF_TOKEN; HF_ENDPOINT selects another
hub. See docs/publishing.md.

    ser publish emodb-whisper-base org/emodb-whisper-base
    ser publish emodb-whisper-base org/emodb-whisper-base --tag v1.0 --yes
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.cli import Outcome
from ser_brain.core.errors import one_line
from ser_brain.core.hub import choose_storage, endpoint
from ser_brain.core.log import get_logger, take_over
from ser_brain.core.tables import Table, to_text

if TYPE_CHECKING:
    from ser_brain.publishing.contents import UploadPlan


logger = get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a folder that ser export wrote")
    add("repository", metavar="ORG/NAME", help="on the hub")
    visibility = parser.add_mutually_exclusive_group()
    visibility.add_argument("--private", action="store_true", help="the default")
    visibility.add_argument(
        "--public", action="store_true", help="make a new repository public"
    )
    add("--pr", action="store_true", help="open a pull request instead of committing to main")
    add(
        "--tag",
        metavar="NAME",
        help="tag the commit, such as v1.0, so that exactly this model can be loaded",
    )
    add("--message", metavar="TEXT", help="of the commit (default: the model's name)")
    add("--yes", action="store_true", help="publish; without it, only show")


def run(arguments: argparse.Namespace) -> Outcome:
    choose_storage()
    # This imports torch and the hub's client, which the help does without.
    from ser_brain.publishing.contents import plan_upload

    how = {"public": arguments.public, "pull_request": arguments.pr}
    how |= {"tag": arguments.tag, "message": arguments.message}
    plan = plan_upload(arguments.folder, arguments.repository, **how)
    return _sent(plan) if arguments.yes else _shown(plan)


def _shown(plan: UploadPlan) -> Outcome:
    facts = _facts(plan)
    rows = [[file.name, file.size, file.sha256[:12]] for file in plan.files]
    total = ["total", plan.size, ""]
    lines = [
        "Nothing was sent. With --yes:",
        f"repository: {plan.repo_id} at {facts['endpoint']}",
        f"if new:     {'public' if plan.public else 'private'}",
        f"as:         {'a pull request' if plan.pull_request else 'one commit on main'}",
        f"message:    {plan.message}",
        f"tag:        {plan.tag or 'none'}",
        "",
        to_text(Table("files", "", ["file", "bytes", "sha256"], [*rows, total])),
        "Files that the repository already has are not sent again.",
        *(["not sent:", *(f"  {name}" for name in plan.skipped)] if plan.skipped else []),
        *([_about_one_person(plan)] if plan.speaker else []),
    ]
    return Outcome("\n".join(lines), {**facts, "is_sent": False})


def _sent(plan: UploadPlan) -> Outcome:
    from huggingface_hub.utils import disable_progress_bars

    from ser_brain.publishing.hub import publish

    if plan.speaker:
        logger.warning(_about_one_person(plan))
    if not sys.stderr.isatty():
        disable_progress_bars()
    take_over("huggingface_hub")
    made = publish(plan)
    sizes = {file.name: file.size for file in plan.files if file.name in made.sent}
    where = "pull request" if made.pull_request else "repository"
    lines = [
        *(f"{step[0].upper()}{step[1:]}" for step in made.done),
        f"sent: {len(sizes)} files, {sum(sizes.values()):,} bytes"
        if made.sent or made.removed
        else f"nothing to send: the {where} already has these files",
        *([f"removed: {', '.join(made.removed)}"] if made.removed else []),
        *([f"not sent: {', '.join(plan.skipped)}"] if plan.skipped else []),
        f"repository: {made.url} ({'private' if made.private else 'public'})",
        *([f"pull request: {made.pull_request}"] if made.pull_request else []),
        f"commit: {made.commit}",
        *([f"tag: {plan.tag}"] if plan.tag else []),
    ]
    names = ("url", "private", "commit", "pull_request", "removed", "done")
    facts = {name: getattr(made, name) for name in names}
    facts |= {"is_sent": True, "sent": sizes, "bytes": sum(sizes.values())}
    return Outcome("\n".join(lines), {**_facts(plan), **facts})


def _about_one_person(plan: UploadPlan) -> str:
    return (
        "This model was adapted to one person, and README.md and config.json contain the "
        f"name: {one_line(str(plan.speaker))}. Publish it only if they agree. To leave the "
        "name out, adapt again, and give --speaker a code."
    )


def _facts(plan: UploadPlan) -> dict:
    return {
        "endpoint": endpoint(),
        "repository": plan.repo_id,
        "public": plan.public,
        "tag": plan.tag,
        "message": plan.message,
        "files": {f.name: {"bytes": f.size, "sha256": f.sha256} for f in plan.files},
        "not_sent": plan.skipped,
        "adapted_to": plan.speaker,
    }
