"""The hub: which one, with whose token, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    Discussion,
    HfApi,
    ModelInfo,
    RepoFile,
)
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils.sha import git_hash

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.publishing.contents import NAMES, RESULTS, Plan, SentFile

XET_HOST = "huggingface.co"


def choose_storage() -> None:
    """Send large files by Git LFS unless the endpoint is the Hugging Face hub itself.

    The client library sends by Xet wherever its package is installed, without asking whether
    the server knows it. To be called before ``huggingface_hub`` is imported, which reads the
    environment then; what the user has set there holds.

    Raises
    ------
    SERError
        If ``HF_ENDPOINT`` is no address.
    """
    host = _address(os.environ.get("HF_ENDPOINT") or f"https://{XET_HOST}").hostname or ""
    if host != XET_HOST and not host.endswith(f".{XET_HOST}"):
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")


def endpoint() -> str:
    """The address of the hub, which may be shown.

    Raises
    ------
    SERError
        If it is none, or has a password in it.
    """
    from huggingface_hub import HfApi

    found = HfApi().endpoint
    if "@" in _address(found).netloc:
        raise SERError(
            "HF_ENDPOINT holds a user name or password, which would be sent in place of the "
            "token, so that nobody could be logged in. Give the address of the hub alone."
        )
    return found


def _address(text: str) -> SplitResult:
    try:
        found = urlsplit(text)
    except ValueError:
        found = urlsplit("")
    if found.scheme not in ("http", "https") or not found.netloc:
        raise SERError("HF_ENDPOINT is no address of a hub; expected https://HOST.")
    return found


def connect():
    """The hub that ``HF_ENDPOINT`` names, with the token of this machine.

    Returns
    -------
    huggingface_hub.HfApi

    Raises
    ------
    SERError
        If there is no token, or it cannot be one; if the hub has no address to be shown.
    """
    from huggingface_hub import HfApi, get_token

    endpoint()
    try:
        token = get_token()
    except Exception as error:  # Of whatever service signs this machine in.
        raise SERError(f"Cannot get the token of the hub: {error}") from error
    if token is None:
        raise SERError(
            "No token of the hub on this machine: log in with `hf auth login`, or set HF_TOKEN."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        # The HTTP library would refuse it with an error that quotes it.
        raise SERError(
            "The token of the hub has characters that none has; copy it again and log in with "
            "`hf auth login`, or set HF_TOKEN."
        )
    return HfApi(token=token)


@contextmanager
def explained(repo_id: str, endpoint: str, done: list[str]) -> Iterator[None]:
    """Turn what goes wrong with a hub into one line that says how far things got.

    Parameters
    ----------
    repo_id : str
    endpoint : str
    done : list of str
        What has been done so far; read when something fails.

    Raises
    ------
    SERError
        Without a token in it, and without the chain of errors, which might quote it.
    """
    try:
        yield
    except SERError:
        raise
    except Exception as error:  # The library's own, its transport's, and others around both.
        reason = _reason(error, repo_id, endpoint)
        so_far = "; ".join(done) or "nothing"
        raise SERError(
            f"{reason} Done for certain: {so_far}. The same command goes on from there."
        ) from None


def _reason(error: Exception, repo_id: str, endpoint: str) -> str:
    from ser_brain.core.hub import first_line, status_of

    status = status_of(error)
    owner = repo_id.partition("/")[0]
    if status == 401:
        return (
            f"{endpoint} does not accept the token (401): log in again with `hf auth login`, "
            "and check HF_TOKEN, which comes first."
        )
    if status == 403:
        return (
            f"The token may not do this in {repo_id} (403: {first_line(error)}): you need a "
            f"token with write permission and the right to write in {owner!r}; --pr asks only "
            "for the right to read."
        )
    if status == 412:
        return f"Somebody else changed {repo_id} meanwhile (412); nothing was overwritten."
    return f"Publishing to {repo_id} at {endpoint} stopped: {first_line(error).rstrip('.')}."


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
