"""A prepared folder onto the Hub: shards first, one at a time, then one commit that makes everything visible at once.

What the Hub has is not sent again: neither a file that is in the repository with the same content, nor a shard that an
interrupted push had sent. More than MOST_FILES files take several commits; the card is in the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any

from synth.errors import HubError
from synth.generators import Progress
from synth.hub.dataset import CARD, EVIDENCE
from synth.hub.talk import status_of
from synth.io.digest import file_sha256

MOST_FILES = 100
"""Files of a commit."""
_OURS = ("data/", "full/")
_MESSAGE = "A dataset made by flawsmith"


@dataclass(frozen=True)
class Target:
    """Where a dataset is pushed. revision: a branch, None for the main one; create_pr: as a pull request."""

    repo: str
    private: bool = False
    create_pr: bool = False
    revision: str | None = None


@dataclass(frozen=True)
class Sent:
    """What a push came to: the page to open, files that were sent and their bytes, files that the Hub had."""

    url: str
    files: int
    bytes: int
    known: int


@dataclass(frozen=True)
class Remote:
    """What the Hub has: the commit, and sha256 (or, of small files, git's sha1) by path."""

    commit: str
    files: dict[str, str]


class Hub:
    """One dataset repository on the Hub."""

    def __init__(self, target: Target) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        self.target, self._api = target, HfApi()

    def open(self) -> None:
        """Create repository and branch where they are missing. HubError where --private is asked of one that is
        public."""
        target, repo = self.target, self.target.repo
        if not target.create_pr:
            self._api.create_repo(repo, repo_type="dataset", private=target.private or None, exist_ok=True)
        info = self._api.dataset_info(repo)
        if target.private and info.private is False:
            raise HubError(f"{repo} exists and is public; make it private on the Hub first, or push to a new name")
        if target.revision and not target.create_pr:
            self._api.create_branch(repo, branch=target.revision, repo_type="dataset", exist_ok=True)

    def read(self) -> Remote:
        """What is there now. HubError where it has data that no push of ours made."""
        from huggingface_hub.hf_api import RepoFile

        repo = self.target.repo
        commit = self._api.dataset_info(repo, revision=self.target.revision).sha
        entries = self._api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
        files = [entry for entry in entries if isinstance(entry, RepoFile)]
        found = {one.path: one.blob_id if one.lfs is None else one.lfs.sha256 for one in files}
        foreign = [name for name in found if name.endswith(".parquet")]
        if foreign and EVIDENCE not in found:
            raise HubError(
                f"{repo} holds data that no push of flawsmith made, such as {foreign[0]}; push to a new name, or take "
                "that data out on the Hub first"
            )
        return Remote(str(commit), found)

    def card(self, remote: Remote) -> str | None:
        """The text of the card that is there, None where there is none."""
        from huggingface_hub import hf_hub_download

        if CARD not in remote.files:
            return None
        path = hf_hub_download(self.target.repo, CARD, revision=remote.commit, repo_type="dataset")
        return Path(path).read_text(encoding="utf-8")

    def send(self, folder: Path, names: Sequence[str], remote: Remote, progress: Progress) -> Sent:
        """Upload what the Hub does not have, and commit onto what it has: an error of status 412 where that has changed
        since it was read."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        changed = [name for name in names if remote.files.get(name) not in _hashes(folder / name)]
        gone = [name for name in remote.files if name.startswith(_OURS) and name not in names]
        known = len(names) - len(changed)
        sizes = [(folder / name).stat().st_size for name in changed]
        additions = {name: CommitOperationAdd(name, folder / name) for name in changed}
        for number, name in enumerate(changed):
            progress("uploading MB", _megabytes(sizes[:number]), _megabytes(sizes))
            self._preupload(additions[name])
        progress("uploading MB", _megabytes(sizes), _megabytes(sizes))
        ordered = sorted(changed, key=lambda name: (name in (CARD, EVIDENCE), name))
        operations: list[Any] = [additions[name] for name in ordered]
        # What the old card names goes when the new card comes.
        last = [CommitOperationDelete(name) for name in gone]
        head, tail = operations[:-MOST_FILES], [*last, *operations[-MOST_FILES:]]
        url, parent, revision = self._page(), remote.commit, self.target.revision
        chunks = [head[k : k + MOST_FILES] for k in range(0, len(head), MOST_FILES)] + ([tail] if tail else [])
        create_pr = self.target.create_pr
        for chunk in chunks:
            made = self._commit(chunk, parent, revision, create_pr)
            parent = made.oid
            if create_pr:
                url, revision, create_pr = str(made.pr_url), str(made.pr_revision), False
        return Sent(url, len(changed), sum(sizes), known)

    def _preupload(self, addition: Any) -> None:
        target = self.target
        self._api.preupload_lfs_files(
            target.repo,
            [addition],
            repo_type="dataset",
            revision=target.revision,
            create_pr=target.create_pr,
            free_memory=False,
        )

    def _commit(self, operations: Sequence[Any], parent: str, revision: str | None, create_pr: bool) -> Any:
        try:
            return self._api.create_commit(
                self.target.repo,
                operations,
                commit_message=_MESSAGE,
                repo_type="dataset",
                revision=revision,
                create_pr=create_pr,
                parent_commit=parent,
            )
        except Exception as problem:
            if create_pr and status_of(problem) is None:
                raise HubError(
                    f"the connection was cut while a pull request on {self.target.repo} was opened; look at "
                    f"{self._page()}/discussions whether it is there before you push again"
                ) from None
            raise

    def _page(self) -> str:
        return f"{self._api.endpoint}/datasets/{self.target.repo}"


def _megabytes(sizes: Sequence[int]) -> int:
    return -(-sum(sizes) // 10**6)


def _hashes(file: Path) -> tuple[str, str]:
    """The two hashes by which the Hub may know a file: sha256, and git's sha1 of one that it keeps in git."""

    if file.stat().st_size > 16 * 2**20:
        return file_sha256(file), ""
    content = file.read_bytes()
    return file_sha256(file), sha1(b"blob %d\0" % len(content) + content).hexdigest()
