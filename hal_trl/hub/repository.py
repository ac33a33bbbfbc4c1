"""A model repository on the Hub: one commit down, one commit up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

EVALUATION_FILE = "evaluation.json"  # beside a scorer: what it gets right
COMPARISON_FILE = "comparison.json"  # beside an adapter: what it changed

# What a scorer consists of. A pickle in the repository is not even fetched.
_FILES = ("*.json", "*.safetensors")


def download(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """The JSON and safetensors files of a Hub repository, all of one commit, as a folder in the cache.

    Args:
        repo_id (`str`): Hub repository, `namespace/name`.
        revision (`str`, *optional*, defaults to `"main"`): Branch, tag or commit.
        token (`str` or `bool`, *optional*, defaults to the one of `hf auth login`): For private repositories.
        cache_dir (`str` or `Path`, *optional*): Other cache than the Hub's.
        local_files_only (`bool`, *optional*, defaults to `False`): Use what is in the cache, ask nobody.
        force_download (`bool`, *optional*, defaults to `False`): Fetch even what is in the cache.

    Raises:
        `FileNotFoundError`: if this is no repository id, or if the Hub is out of reach and the cache incomplete.
        `OSError`: if the Hub says no, with its reason: no such repository or revision, or no access.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            allow_patterns=list(_FILES),
        )
    except HFValidationError as error:
        raise FileNotFoundError(f"{repo_id} is neither a folder nor the id of a Hub repository.") from error
    except LocalEntryNotFoundError as error:
        raise FileNotFoundError(
            f"There is no folder {repo_id}, and it is not to be had from the Hub: {error}"
        ) from error
    return Path(folder)


def full_repo_id(repo_id: str, token: str | bool | None = None) -> str:
    """`namespace/name`; a name alone belongs to the user of the token."""
    from huggingface_hub import HfApi

    return repo_id if "/" in repo_id else f"{HfApi().whoami(token)['name']}/{repo_id}"


def upload(
    folder: str | Path,
    repo_id: str,
    *,
    commit_message: str,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> CommitInfo:
    """Create the repository if need be and put a folder there, in one commit: all of it arrives, or nothing.

    Args:
        folder (`str` or `Path`): What to upload.
        repo_id (`str`): Hub repository, `namespace/name`.
        commit_message (`str`): First line of the commit.
        private (`bool`, *optional*): Visibility of a new repository. `True` also refuses an existing public one.
        token (`str` or `bool`, *optional*, defaults to the one of `hf auth login`): Needs the right to write.
        revision (`str`, *optional*, defaults to `"main"`): Branch to commit to; created if it does not exist.
        create_pr (`bool`, *optional*, defaults to `False`): Open a pull request instead of committing.

    Returns:
        `huggingface_hub.CommitInfo`: a string, the URL of the commit, with `oid`, `pr_url`...

    Raises:
        `ValueError`: if `private=True` and the repository is public.
        `OSError`: if the Hub says no, with its reason.
        `RuntimeError`: if a file did not arrive whole; nothing was committed then, push again.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    # The Hub ignores `private` for a repository that exists: nobody's secret should be published by that.
    if private and not api.model_info(repo_id).private:
        raise ValueError(
            f"{repo_id} exists and is public, nothing was uploaded. Make it private first, with "
            f"huggingface_hub.update_repo_settings({repo_id!r}, private=True), or push without private=True."
        )
    if revision is not None and not revision.startswith("refs/"):
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    # `upload_folder` may split a folder into several commits.
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return api.create_commit(
        repo_id,
        [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files],
        commit_message=commit_message,
        revision=revision,
        create_pr=create_pr,
    )


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file.

    Raises:
        `ValueError`: if it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}). Download it again, or write it anew.") from error
    return content
