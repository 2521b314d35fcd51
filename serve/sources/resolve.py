"""Which bytes a spec means: every source resolved to a folder and to a commit or a digest, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.sources.fit import check_adapter, check_parser, read_json
from serve.sources.hub import ADAPTER_FILES, COMMIT, HubSource, download, resolve_commit
from serve.spec import ServeSpec, is_folder

BLOCK = 2**20
"""Bytes of a file that are in memory at once while its digest is made."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One source of a spec, found."""

    source: str
    path: str
    """Folder on this machine; for a Hub base, whose files vLLM downloads itself, the repository."""
    identity: str
    """`commit:<sha>` on the Hub, `digest:<blake2b of the files>` of a local folder."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A spec with every source resolved."""

    spec: ServeSpec
    """The spec with its base pinned to the commit."""
    base: Resolved
    adapters: Mapping[str, Resolved]

    @property
    def paths(self) -> dict[str, str]:
        """The folder of each source."""
        return {found.source: found.path for found in (self.base, *self.adapters.values())}

    @property
    def pinned(self) -> ServeSpec:
        """The spec with every Hub source pinned to its commit, for a machine that downloads by itself."""
        adapters = {
            name: f"{found.source.partition('@')[0]}@{found.identity.removeprefix('commit:')}"
            if found.identity.startswith("commit:")
            else found.source
            for name, found in self.adapters.items()
        }
        return self.spec.model_copy(update={"adapters": adapters})

    def record(self) -> dict[str, str]:
        """Served model id -> identity, for the manifest of a run."""
        adapters = {name: found.identity for name, found in self.adapters.items()}
        return {self.spec.served_base: self.base.identity, **adapters}


def resolve(spec: ServeSpec) -> Resolution:
    """Resolve and check all that a spec names; downloads adapters that are not cached.

    :raises ServeError: something is not there, or an adapter does not fit the base or the spec.
    """
    base, config = _resolve_base(spec)
    if base.identity.startswith("commit:"):
        spec = spec.model_copy(update={"revision": base.identity.removeprefix("commit:")})
    adapters = {name: resolve_adapter(source) for name, source in spec.adapters.items()}
    for name, found in adapters.items():
        check_adapter(name, Path(found.path), spec, config)
    return Resolution(spec, base, adapters)


def _resolve_base(spec: ServeSpec) -> tuple[Resolved, dict[str, Any]]:
    """The base and its `config.json`."""
    if is_folder(spec.base):
        folder = Path(spec.base)
        config = read_json(folder / "config.json", f"base {spec.base!r}")
        check_parser(spec, folder)
        return Resolved(spec.base, spec.base, f"digest:{digest(folder)}"), config
    source = HubSource.parse(spec.base)
    source = HubSource(source.repo, source.revision or spec.revision)
    commit = resolve_commit(source)
    folder = download(HubSource(source.repo, commit), ("config.json", "tokenizer_config.json", "*.jinja"))
    check_parser(spec, folder)
    config = read_json(folder / "config.json", f"base {spec.base!r}")
    return Resolved(spec.base, source.repo, f"commit:{commit}"), config


def check_folders(spec: ServeSpec) -> None:
    """Check that a spec's local folders are there and are what they should be; asks no Hub.

    :raises ServeError: one is not.
    """
    if is_folder(spec.base):
        read_json(Path(spec.base) / "config.json", f"base {spec.base!r}")
    for source in filter(is_folder, spec.adapters.values()):
        read_json(Path(source).expanduser() / "adapter_config.json", f"adapter {source!r}")


def resolve_adapter(source: str) -> Resolved:
    """Find one adapter, on the Hub or in a folder.

    :raises ServeError: it is not there.
    """
    if is_folder(source):
        folder = Path(source).expanduser()
        read_json(folder / "adapter_config.json", f"adapter {source!r}")
        return Resolved(source, str(folder.resolve()), f"digest:{digest(folder)}")
    hub_source = HubSource.parse(source)
    commit = hub_source.revision or ""
    if not COMMIT.fullmatch(commit):
        commit = resolve_commit(hub_source)
    # The cache gives each commit a folder of its own, which vLLM needs: an adapter loaded again from the same
    # path would meet prefix-cache blocks computed with its old weights. The download is by the branch's name,
    # because only then does the cache note the branch's commit, which offline mode needs.
    folder = download(hub_source, ADAPTER_FILES)
    if folder.name != commit:
        # The branch moved between the two requests.
        folder = download(HubSource(hub_source.repo, commit), ADAPTER_FILES)
    return Resolved(source, str(folder), f"commit:{commit}")


def digest(folder: Path) -> str:
    """One digest for the names and bytes of a folder's files; texts about the model do not count."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            with path.open("rb") as file:
                total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
                while block := file.read(BLOCK):
                    total.update(block)
    return total.hexdigest()
