"""`--serve modal`: an app on Modal for one session, or a deployed one, with the methods of `LocalServer`."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Generator, Mapping
from typing import Any

from serve.endpoint.attach import Progress, attach, silent
from serve.endpoint.endpoint import Endpoint
from serve.errors import ServeError
from serve.spec import ServeSpec

PROXY_HEADERS = (("Modal-Key", "MODAL_PROXY_TOKEN_ID"), ("Modal-Secret", "MODAL_PROXY_TOKEN_SECRET"))
"""Headers of Modal's proxy authentication, and the variables with their values."""
SERVER = "Vllm"


class ModalServer:
    """A vLLM on Modal: `start` an ephemeral app or take a `deployed` one; then `wait` and `stop`."""

    def __init__(self, spec: ServeSpec | None, app_name: str, api_key_env: str | None) -> None:
        self._spec = spec
        self._api_key_env = api_key_env
        self._app_name = app_name
        self._running = contextlib.ExitStack()
        self.manifest: Mapping[str, Any] = {"engine": "vllm on modal", "app": app_name}
        """What was started, for the record of a run. No secret."""

    @classmethod
    def start(cls, spec: ServeSpec, *, api_key_env: str | None = None) -> ModalServer:
        """An app for this session only. Nothing runs before `wait`, because Modal builds the image first.

        :raises ServeError: the Modal client is not installed, or there is no token for it.
        """
        _modal()
        return cls(spec, f"eighth-rank-{spec.name}", api_key_env)

    @classmethod
    def deployed(cls, app_name: str, *, api_key_env: str | None = None) -> ModalServer:
        """An app that `modal deploy` has put there; `stop` leaves it alone.

        :param app_name: `eighth-rank-<spec>`, or the spec's name alone.
        :raises ServeError: see `start`.
        """
        _modal()
        name = app_name if app_name.startswith("eighth-rank-") else f"eighth-rank-{app_name}"
        return cls(None, name, api_key_env)

    def wait(self, timeout: float = 1800.0, progress: Progress = silent) -> Endpoint:
        """Start the app if it is this session's, find its URL, and wait while it scales from zero (503).

        :raises ServeError: Modal refuses, the app is not deployed, or is not ready after `timeout` seconds.
        """
        modal = _modal()
        with _explained(self._app_name):
            if self._spec is None:
                server = modal.Server.from_name(self._app_name, SERVER)
            else:
                progress(f"starting {self._app_name} on Modal (the first time it builds the image: minutes)")
                module = _app_module(self._spec)
                self._running.enter_context(module.app.run())
                server = module.Vllm
            url = server.get_url()
        if not url:
            raise ServeError(f"Modal gives no URL for {self._app_name!r}; is it running?")
        return attach(
            f"{url}/v1",
            api_key_env=self._api_key_env,
            header_env=PROXY_HEADERS,
            startup_timeout=timeout,
            progress=progress,
        )

    def stop(self) -> None:
        """Stop the app where it is this session's; safe to call again."""
        self._running.close()

    def __enter__(self) -> ModalServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def _modal() -> Any:
    # An optional package, and 0.9 s of importing where it is installed.
    try:
        import modal
    except ImportError as error:
        raise ServeError("the Modal client is not installed: pip install 'eighth-rank[modal]'") from error
    return modal


def _app_module(spec: ServeSpec) -> Any:
    """`serve.modal.app` for this spec, imported anew.

    Modal takes only apps that are made while their module is imported, so the spec is handed over in an
    environment variable, and the module is imported by name when the spec is known.
    """
    os.environ["EIGHTH_RANK_SPEC_JSON"] = spec.model_dump_json()
    try:
        if module := sys.modules.get("serve.modal.app"):
            return importlib.reload(module)
        return importlib.import_module("serve.modal.app")
    finally:
        del os.environ["EIGHTH_RANK_SPEC_JSON"]


@contextlib.contextmanager
def _explained(app_name: str) -> Generator[None]:
    """Turn what the Modal client raises into what a person can do."""
    from modal import exception

    try:
        yield
    except exception.AuthError as error:
        raise ServeError(
            "Modal knows no token here: run `modal token new`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        ) from error
    except exception.NotFoundError as error:
        raise ServeError(
            f"Modal: {error}. Deploy {app_name} with `modal deploy -m serve.modal.app`, and make the "
            "secret with `modal secret create huggingface-secret HF_TOKEN=...`"
        ) from error
    except (exception.Error, ConnectionError, OSError) as error:
        raise ServeError(f"Modal: {str(error) or type(error).__name__}") from error
