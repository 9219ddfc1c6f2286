"""What parts a model folder from a commit of its repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from huggingface_hub import HfApi, RepoFile
from huggingface_hub.utils.sha import git_hash

from ser_brain.errors import SERError
from ser_brain.publishing.contents import NAMES, RESULTS, SentFile
from ser_brain.publishing.plan import Plan


@dataclass(frozen=True)
class Changes:
    """What parts a folder from a commit.

    Attributes
    ----------
    sent : list of SentFile
        New or of other content.
    removed : list of str
        Files of a model, results among them, that the commit has and the folder has not: of an
        older model.
    """

    sent: list[SentFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sent or self.removed)


def compare(api: HfApi, plan: Plan, revision: str) -> Changes:
    """Compare the files of a plan with those of a revision."""
    found = api.list_repo_tree(plan.repo_id, recursive=True, revision=revision)
    there = {file.path: file for file in found if isinstance(file, RepoFile)}
    sent = [file for file in plan.files if not _is_same(file, there.pop(file.name, None))]
    older = [name for name in there if name in NAMES or fnmatchcase(name, RESULTS)]
    return Changes(sent, sorted(older))


def _is_same(file: SentFile, there: RepoFile | None) -> bool:
    if there is None or there.size != file.size:
        return False
    if there.lfs is not None:
        return there.lfs.sha256 == file.sha256
    return there.blob_id == git_hash(file.path.read_bytes())


def require_arrived(api: HfApi, plan: Plan, commit: str) -> None:
    """Check that the commit holds the files of the plan.

    Raises
    ------
    SERError
        If it does not: a file changed while it was sent, or a ``.gitignore`` left it out.
    """
    missing = compare(api, plan, commit)
    if missing:
        names = [file.name for file in missing.sent] + missing.removed
        raise SERError(
            f"Commit {commit[:12]} of {plan.repo_id} does not hold {', '.join(names)} as "
            f"{plan.folder} does: a file changed while it was sent, or a .gitignore of the "
            "repository leaves it out. Mend that and run the command again."
        )
