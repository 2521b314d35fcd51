"""The Hugging Face Hub: a repository and a revision become a commit and a folder, or a clear error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub as hub
from huggingface_hub import constants

from serve.errors import ServeError

COMMIT = re.compile(r"[0-9a-f]{40}")
ADAPTER_FILES = (
    *("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "README.md"),
    "eighth-rank.toml",
)
"""What is downloaded of an adapter; checkpoints and optimizer states beside it are not."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """`repo@revision`; without a revision the default branch is meant."""

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubSource:
        """:raises ServeError: not of the form `owner/name` or `owner/name@revision`."""
        repo, _, revision = text.partition("@")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or text.endswith("@"):
            raise ServeError(
                f"{text!r} is neither a Hub repository (owner/name, owner/name@revision) nor a local folder "
                "(./folder, /folder, ~/folder)"
            )
        return cls(repo, revision or None)

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def resolve_commit(source: HubSource) -> str:
    """The commit that a revision stands for now; in offline mode the one that is cached.

    :raises ServeError: no such repository or revision, no access, or the Hub does not answer.
    """
    if constants.HF_HUB_OFFLINE:
        # The cache knows what the revision was when it was last downloaded.
        return download(source, ADAPTER_FILES).name
    try:
        commit = hub.HfApi().model_info(source.repo, revision=source.revision, timeout=20).sha
    except Exception as error:
        raise _explain(source, error) from error
    if not commit:
        raise ServeError(f"the Hub names no commit for {source}")
    return commit


def download(source: HubSource, files: Sequence[str] | None = None) -> Path:
    """The folder with a snapshot of the source; downloads what the cache lacks.

    :param files: the only files wanted; None for all.
    :raises ServeError: see `resolve_commit`.
    """
    try:
        patterns = list(files) if files is not None else None
        return Path(hub.snapshot_download(source.repo, revision=source.revision, allow_patterns=patterns))
    except Exception as error:
        raise _explain(source, error) from error


def read_file(source: HubSource, name: str) -> tuple[str, str] | None:
    """The text of one file of a repository, and the commit that it is of; None where there is no such file.

    :raises ServeError: see `resolve_commit`; the file is not UTF-8.
    """
    # Imported here for the same reason as in `_explain`.
    from huggingface_hub import errors

    try:
        path = Path(hub.hf_hub_download(source.repo, name, revision=source.revision))
        # <cache>/snapshots/<commit>/<name>
        return path.read_text(encoding="utf-8"), path.parent.name
    except errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            return None
        raise _explain(source, error) from error
    except errors.EntryNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ServeError(f"{name} of {source} is not UTF-8: {error.reason}") from error
    except Exception as error:
        raise _explain(source, error) from error


def _explain(source: HubSource, error: Exception) -> ServeError:
    """What a person can do about an error of huggingface_hub, whose HTTP library differs between versions."""
    # Imported here because it brings an HTTP library: 0.15 s of every start (the package's own 0.01 s).
    from huggingface_hub import errors

    where = f"the Hub ({constants.ENDPOINT})"
    token = "the token in HF_TOKEN may not see it" if hub.get_token() else "if it is private, set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return ServeError(f"{source.repo!r} is gated: accept its terms on the Hub and set HF_TOKEN")
    if isinstance(error, errors.RevisionNotFoundError):
        return ServeError(f"{source.repo!r} has no revision {source.revision!r} on {where}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ServeError(f"{source.repo!r} is not on {where}, or is private: {token}")
    if status in (401, 403):
        return ServeError(f"{where} says {status} to {source}: {token}")
    if (
        isinstance(error, errors.OfflineModeIsEnabled | errors.LocalEntryNotFoundError)
        and constants.HF_HUB_OFFLINE
    ):
        return ServeError(f"{source} is not in the cache, and HF_HUB_OFFLINE is set")
    if status is not None:
        return ServeError(f"{where} says {status} to {source}; try again later")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ServeError(f"{where} does not answer: {reason}; with HF_HUB_OFFLINE=1 a cached copy is used")
