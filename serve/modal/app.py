"""A serve spec on Modal: `modal deploy -m serve.modal.app`, or `modal serve -m serve.modal.app`.

`EIGHTH_RANK_SPEC` names the spec (a shipped name or a .toml file; default chess-puzzle), and
`EIGHTH_RANK_FAST_BOOT=1` starts it eager: ready in a quarter of the time, several times slower to answer.

To keep cold starts short, weights and adapters are downloaded from the Hub once and kept on a volume, and
compiled kernels and graphs on another. Revisions are pinned to commits when a container starts, so the
cached files are the right ones. What remains is loading the weights and capturing graphs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import modal

from serve.local.process import LocalServer
from serve.modal.container import containerised, serve
from serve.spec import ServeSpec, load_spec

PORT = 8000
SECRET = "huggingface-secret"
"""Modal secret with HF_TOKEN, for private adapters and faster downloads; VLLM_API_KEY in it is optional."""
LOG = Path(tempfile.gettempdir()) / "vllm.log"
HUB_CACHE = "/root/.cache/huggingface"
VLLM_CACHE = "/root/.cache/vllm"
DEPLOYED = "EIGHTH_RANK_CONTAINER_SPEC"

# The versions that the local vLLM is tested with. CUDA 13.0 is what torch 2.13 is built for; the devel
# image has the compiler that FlashInfer calls for kernels that are not in its wheel.
CUDA = "nvidia/cuda:13.0.1-devel-ubuntu24.04"
PYTHON = "3.12"
PACKAGES = (
    "vllm==0.32.0",
    "huggingface-hub==2.4.0",
    "outlines==1.3.3",
    "pydantic==2.14.3",
)


def chosen_spec() -> tuple[ServeSpec, Mapping[str, str]]:
    """The spec as it reads in the container, and the folders to put there: here -> there.

    The container finds it in `EIGHTH_RANK_CONTAINER_SPEC`, which the deployment sets. On the machine that
    deploys, a session of pytest hands it over in `EIGHTH_RANK_SPEC_JSON`.

    :raises ServeError: there is no such spec.
    """
    if deployed := os.environ.get(DEPLOYED):
        return ServeSpec.model_validate_json(deployed), {}
    if of_session := os.environ.get("EIGHTH_RANK_SPEC_JSON"):
        return containerised(ServeSpec.model_validate_json(of_session))
    fast_boot = os.environ.get("EIGHTH_RANK_FAST_BOOT") == "1"
    return containerised(load_spec(os.environ.get("EIGHTH_RANK_SPEC", "chess-puzzle"), fast_boot=fast_boot))


SPEC, FOLDERS = chosen_spec()
SETTINGS = SPEC.modal

image = (
    modal.Image.from_registry(CUDA, add_python=PYTHON)
    .entrypoint([])  # the CUDA image's own entrypoint prints a banner
    .uv_pip_install(*PACKAGES)
    .env({"HF_XET_HIGH_PERFORMANCE": "1", "VLLM_CACHE_ROOT": VLLM_CACHE})
    .add_local_python_source("serve")
)
for here, there in FOLDERS.items():
    image = image.add_local_dir(here, there)

app = modal.App(f"eighth-rank-{SPEC.name}")


@app.server(
    image=image,
    env={DEPLOYED: SPEC.model_dump_json()},
    secrets=[modal.Secret.from_name(SECRET)],
    gpu=SETTINGS.gpu,
    volumes={
        HUB_CACHE: modal.Volume.from_name("eighth-rank-hub", create_if_missing=True),
        VLLM_CACHE: modal.Volume.from_name("eighth-rank-vllm", create_if_missing=True),
    },
    port=PORT,
    startup_timeout=SETTINGS.startup_timeout,
    scaledown_window=SETTINGS.idle_timeout,
    max_containers=SETTINGS.max_containers,
    # Not max_concurrency: above that Modal answers 429, and vLLM queues better than a client retries.
    target_concurrency=SETTINGS.max_inputs,
    routing_region=SETTINGS.region,
    exit_grace_period=30,
    # Authentication is Modal's default: clients send a proxy token in Modal-Key and Modal-Secret.
)
class Vllm:
    """One container: vLLM with the spec's adapters."""

    server: LocalServer

    @modal.enter()
    def start(self) -> None:
        """Return when vLLM answers; raise at once when it died, so that Modal need not time out."""
        self.server = serve(SPEC, port=PORT, log_path=LOG, timeout=SETTINGS.startup_timeout - 10)

    @modal.exit()
    def stop(self) -> None:
        """End vLLM and its children; Modal calls this after the requests in flight."""
        self.server.stop()
