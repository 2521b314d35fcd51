"""A format file put into an adapter's Hub repository, as a pull request."""

from __future__ import annotations

import re

from evals.adopting.rows import AdoptError
from evals.formats.format import FILE_NAME
from evals.puzzles.files import first_line
from serve.printable import printable


def push(text: str, repo: str) -> str:
    """Open a pull request that adds the file; returns its address.

    :raises AdoptError: the Hub refuses it or does not answer.
    """
    # Imported here because it takes 0.1 s, and 0.5 s with its HTTP library.
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise AdoptError(f"--push {printable(repo)}: give the adapter's repository as owner/name")
    where = f"the Hub ({constants.ENDPOINT})"
    try:
        # What is refused here is refused at once, while uploads are tried again.
        HfApi().repo_info(repo, timeout=20)
        done = HfApi().upload_file(
            path_or_fileobj=text.encode(),
            path_in_repo=FILE_NAME,
            repo_id=repo,
            create_pr=True,
            commit_message=f"Add {FILE_NAME}: how this adapter was trained to be asked",
        )
    except OfflineModeIsEnabled as error:
        raise AdoptError("--push needs the Hub, and HF_HUB_OFFLINE is set") from error
    except Exception as error:  # its HTTP library differs between versions
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 401:
            why = "set HF_TOKEN to a token that may write"
        elif isinstance(error, GatedRepoError) or status == 403:
            why = "the token in HF_TOKEN may not open pull requests there"
        elif isinstance(error, RepositoryNotFoundError) or status == 404:
            why = "there is no such repository, or it is private and a token in HF_TOKEN may not see it"
        elif status is not None:
            why = f"it says {status}; try again later"
        else:
            why = f"it does not answer: {first_line(error)}"
        raise AdoptError(f"{where} does not take a pull request for {repo!r}: {printable(why)}") from error
    return done.pr_url or str(done)
