"""Publish a model on a model hub: one commit, one pull request, or nothing at all.

Any step may fail, and the same command then continues: content that the hub has already is not
sent again. No error and no log line contains the token.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    Discussion,
    HfApi,
    ModelInfo,
    RepoFile,
    get_token,
)
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils.sha import git_hash

from ser_brain.core.errors import SERError
from ser_brain.core.hub import endpoint, reason_of, status_of
from ser_brain.core.log import get_logger
from ser_brain.publishing.contents import PublishedFile, UploadPlan, is_of_model

logger = get_logger(__name__)
LARGE = (".onnx", ".safetensors")  # what a hub stores apart from a repository's history


@dataclass(frozen=True)
class Published:
    """Where a model is now."""

    url: str  # of the repository
    private: bool
    commit: str  # that contains the model
    sent: list[str]  # files that the commit changed; none if the hub had the model already
    removed: list[str]
    pull_request: str | None  # its address
    done: list[str]  # the steps taken, in order


@dataclass(frozen=True)
class Changes:
    """How a folder differs from a commit."""

    sent: list[PublishedFile] = field(default_factory=list)  # new, or with other content
    removed: list[str] = field(default_factory=list)  # what an older model left there

    def __bool__(self) -> bool:
        return bool(self.sent or self.removed)


def publish(plan: UploadPlan) -> Published:
    """Create the repository if it is missing, commit or propose the files, and tag.

    The error of a failure says which steps were done.
    """
    api = _connect()
    done: list[str] = []
    with _explained(plan.repo_id, api.endpoint, done):
        repository = _open_repository(api, plan, done)
        head = repository.sha
        changes = _changes(api, plan, head)
        tagged = _is_tagged(api, plan, head, changes)
        pull_request = None
        same = _same_pull_request(api, plan) if changes and plan.pull_request else None
        if same is not None:
            changes, pull_request = Changes(), same.url
            head = api.model_info(plan.repo_id, revision=same.git_reference).sha
        if changes:
            head, pull_request = _commit(api, plan, head, changes, done)
            _require_arrived(api, plan, head)
        if plan.tag and not tagged:
            api.create_tag(plan.repo_id, tag=plan.tag, revision=head)
            done.append(f"tagged {head[:12]} {plan.tag}")
    return Published(
        f"{api.endpoint}/{plan.repo_id}",
        bool(repository.private),
        head,
        [file.name for file in changes.sent],
        changes.removed,
        pull_request,
        done,
    )


def _connect() -> HfApi:
    """The client of the hub that ``HF_ENDPOINT`` names, with the token of this machine."""
    endpoint()
    try:
        token = get_token()
    except Exception as error:  # Of whatever service signs this machine in.
        raise SERError(f"Cannot get the token of the hub: {error}") from error
    if token is None:
        raise SERError(
            "This machine has no token of the hub: log in with `hf auth login`, or set "
            "HF_TOKEN."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        # The HTTP library would refuse it with an error that quotes it.
        raise SERError(
            "The token of the hub contains characters that no token has. Copy it again and log "
            "in with `hf auth login`, or set HF_TOKEN."
        )
    return HfApi(token=token)


@contextmanager
def _explained(repo_id: str, address: str, done: list[str]) -> Iterator[None]:
    """Turn any failure into a SERError that reports the steps done so far."""
    try:
        yield
    except SERError:
        raise
    except Exception as error:  # Of the library, of its transport, and wrappers of both.
        reasons = {
            401: f"{address} does not accept the token (401): log in again with "
            "`hf auth login`, and check HF_TOKEN, which takes precedence.",
            403: f"The token may not do this in {repo_id} (403: {reason_of(error)}). You need "
            "a token with write permission and the right to write in "
            f"{repo_id.partition('/')[0]!r}; --pr needs only the right to read.",
            412: f"Somebody else changed {repo_id} meanwhile (412); nothing was overwritten.",
        }
        stopped = f"Publishing to {repo_id} at {address} stopped: "
        stopped += f"{reason_of(error).rstrip('.')}."
        reason = reasons.get(status_of(error), stopped)
        so_far = "; ".join(done) or "nothing"
        # Without the chain of errors, since the library's might quote the token.
        raise SERError(
            f"{reason} Done so far: {so_far}. The same command continues from there."
        ) from None


def _open_repository(api: HfApi, plan: UploadPlan, done: list[str]) -> ModelInfo:
    """Find or create the repository; refuse a public one that the plan does not allow."""
    try:
        found = api.model_info(plan.repo_id)
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:  # 401 looks like a missing repository, too
            raise
        api.create_repo(plan.repo_id, private=not plan.public)
        done.append(f"created {plan.repo_id}, {'public' if plan.public else 'private'}")
        found = api.model_info(plan.repo_id)
    if not found.private and not plan.public:
        raise SERError(
            f"{plan.repo_id} exists and is public. Give --public to publish in it, or make it "
            f"private first: hf repos settings {plan.repo_id} --private. Nothing was sent."
        )
    if found.private and plan.public:
        logger.warning(
            f"{plan.repo_id} exists and stays private. To make it public: "
            f"hf repos settings {plan.repo_id} --public"
        )
    return found


def _changes(api: HfApi, plan: UploadPlan, revision: str) -> Changes:
    """Compare the files of a plan with those of a revision."""
    found = api.list_repo_tree(plan.repo_id, recursive=True, revision=revision)
    there = {file.path: file for file in found if isinstance(file, RepoFile)}
    sent = [file for file in plan.files if not _is_same(file, there.pop(file.name, None))]
    return Changes(sent, sorted(name for name in there if is_of_model(name)))


def _is_same(file: PublishedFile, there: RepoFile | None) -> bool:
    if there is None or there.size != file.size:
        return False
    if there.lfs is not None:
        return there.lfs.sha256 == file.sha256
    return there.blob_id == git_hash(file.path.read_bytes())


def _is_tagged(api: HfApi, plan: UploadPlan, head: str, changes: Changes) -> bool:
    """Whether the tag is at the right commit; refuse a tag that is at another."""
    tags = api.list_repo_refs(plan.repo_id).tags if plan.tag else []
    (commit,) = [tag.target_commit for tag in tags if tag.name == plan.tag] or [None]
    if commit is not None and (changes or commit != head):
        raise SERError(
            f"Tag {plan.tag} of {plan.repo_id} is at commit {commit[:12]}, and this "
            f"model {'would be another' if changes else f'is at {head[:12]}'}. A tag is not "
            "moved, since others rely on it: choose another --tag. Nothing was sent."
        )
    return commit is not None


def _same_pull_request(api: HfApi, plan: UploadPlan) -> Discussion | None:
    """An open pull request that proposes exactly these files."""
    for proposal in api.get_repo_discussions(
        plan.repo_id, discussion_type="pull_request", discussion_status="open"
    ):
        if not _changes(api, plan, proposal.git_reference):
            return proposal
    return None


def _commit(
    api: HfApi, plan: UploadPlan, parent: str, changes: Changes, done: list[str]
) -> tuple[str, str | None]:
    """Commit all changes at once; return the commit and the address of its pull request."""
    additions = [CommitOperationAdd(file.name, file.path) for file in changes.sent]
    api.preupload_lfs_files(
        plan.repo_id, additions, create_pr=plan.pull_request, free_memory=False
    )
    large = [file.name for file in changes.sent if file.path.suffix in LARGE]
    if large:
        done.append(f"uploaded {', '.join(large)}")
    made = api.create_commit(
        plan.repo_id,
        [*additions, *map(CommitOperationDelete, changes.removed)],
        commit_message=plan.message,
        create_pr=plan.pull_request,
        parent_commit=parent,  # the hub refuses it if somebody else has committed meanwhile
    )
    done.append(
        f"opened pull request {made.pr_url}" if made.pr_url else f"committed {made.oid[:12]}"
    )
    return made.oid, made.pr_url


def _require_arrived(api: HfApi, plan: UploadPlan, commit: str) -> None:
    """Stop if a file changed during the upload, or a ``.gitignore`` excluded it."""
    missing = _changes(api, plan, commit)
    if missing:
        names = [file.name for file in missing.sent] + missing.removed
        raise SERError(
            f"Commit {commit[:12]} of {plan.repo_id} does not match {plan.folder}: "
            f"{', '.join(names)}. A file changed during the upload, or a .gitignore of the "
            "repository excludes it. Correct that and run the command again."
        )
