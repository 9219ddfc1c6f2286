"""Putting a planned model into a repository: in one commit, or not at all.

Large files are uploaded first and belong to nothing until the commit names them, so that a
repository holds the whole model or what it held before. Every step first looks whether it is
done, so that the same call goes on after a failure.
"""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    Discussion,
    HfApi,
    ModelInfo,
)
from huggingface_hub.errors import RepositoryNotFoundError

from ser_brain.errors import SERError
from ser_brain.log import get_logger
from ser_brain.publishing.changes import Changes, compare, require_arrived
from ser_brain.publishing.hub import connect, explained
from ser_brain.publishing.plan import Plan

logger = get_logger(__name__)

LARGE = (".onnx", ".safetensors")  # what a hub keeps apart from a repository's history


@dataclass(frozen=True)
class Published:
    """Where a model is now.

    Attributes
    ----------
    url : str
        Of the repository.
    private : bool
    commit : str
        That holds the model.
    sent, removed : list of str
        Names of files that the commit changed; both empty where it was there already.
    pull_request : str or None
        Its address.
    done : list of str
        What was changed, in order.
    """

    url: str
    private: bool
    commit: str
    sent: list[str]
    removed: list[str]
    pull_request: str | None
    done: list[str]


def publish(plan: Plan) -> Published:
    """Create the repository where it is missing, commit or propose the files, and tag.

    Raises
    ------
    SERError
        If it cannot be done, with what has been done so far.
    """
    api = connect()
    done: list[str] = []
    with explained(plan.repo_id, api.endpoint, done):
        repository = _open_repository(api, plan, done)
        head = repository.sha
        changes = compare(api, plan, head)
        tagged = _is_tagged(api, plan, head, changes)
        pull_request = None
        if changes and plan.pull_request:
            found = _same_pull_request(api, plan)
            if found is not None:
                changes, pull_request = Changes(), found.url
                head = api.model_info(plan.repo_id, revision=found.git_reference).sha
        if changes:
            head, pull_request = _commit(api, plan, head, changes, done)
            require_arrived(api, plan, head)
        if plan.tag and not tagged:
            api.create_tag(plan.repo_id, tag=plan.tag, revision=head)
            done.append(f"tagged {head[:12]} {plan.tag}")
    url = f"{api.endpoint}/{plan.repo_id}"
    sent = [file.name for file in changes.sent]
    private = bool(repository.private)
    return Published(url, private, head, sent, changes.removed, pull_request, done)


def _open_repository(api: HfApi, plan: Plan, done: list[str]) -> ModelInfo:
    """Find or create the repository.

    Raises
    ------
    SERError
        If it is public and the plan does not say so.
    """
    try:
        found = api.model_info(plan.repo_id)
    except RepositoryNotFoundError as error:
        if error.response.status_code != 404:
            raise
        api.create_repo(plan.repo_id, private=not plan.public)
        done.append(f"created {plan.repo_id}, {'public' if plan.public else 'private'}")
        found = api.model_info(plan.repo_id)
    if not found.private and not plan.public:
        raise SERError(
            f"{plan.repo_id} is there and public. Give --public to publish in it, or make it "
            f"private first: hf repos settings {plan.repo_id} --private. Nothing was sent."
        )
    if found.private and plan.public:
        logger.warning(
            f"{plan.repo_id} is there and private, and stays so; to change that: "
            f"hf repos settings {plan.repo_id} --public"
        )
    return found


def _is_tagged(api: HfApi, plan: Plan, head: str, changes: Changes) -> bool:
    """Whether the tag is there and right.

    Raises
    ------
    SERError
        If it names another commit than the one that holds, or will hold, the model.
    """
    if plan.tag is None:
        return False
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(plan.repo_id).tags}
    if plan.tag not in tags:
        return False
    if changes or tags[plan.tag] != head:
        raise SERError(
            f"Tag {plan.tag} of {plan.repo_id} is at commit {tags[plan.tag][:12]}, and this "
            f"model {'would be another' if changes else f'is at {head[:12]}'}. Who loads "
            f"{plan.tag} relies on it, so it is not moved: choose another --tag. "
            "Nothing was sent."
        )
    return True


def _same_pull_request(api: HfApi, plan: Plan) -> Discussion | None:
    """An open pull request that proposes exactly these files."""
    for proposal in api.get_repo_discussions(
        plan.repo_id, discussion_type="pull_request", discussion_status="open"
    ):
        if not compare(api, plan, proposal.git_reference):
            return proposal
    return None


def _commit(
    api: HfApi, plan: Plan, parent: str, changes: Changes, done: list[str]
) -> tuple[str, str | None]:
    """Make one commit of all changes; give it and its pull request's address."""
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
        parent_commit=parent,
    )
    done.append(
        f"opened pull request {made.pr_url}" if made.pr_url else f"committed {made.oid[:12]}"
    )
    return made.oid, made.pr_url
