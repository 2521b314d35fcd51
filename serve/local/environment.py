"""The environment of a server: what it needs of this process's, and not the tokens of other services.

A server loads models and code that others have made. What it does not get it cannot give away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from serve.endpoint.keys import read_key
from serve.local.machine import cores
from serve.spec import Device, ServeSpec, is_folder

NAMES = frozenset(
    [
        # the system, and Python in a virtual environment
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP"),
        *("HOSTNAME", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONWARNINGS"),
        # libraries and compilers: kernels are compiled where they are not cached
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
        *("CC", "CXX", "MAX_JOBS", "GLIBC_TUNABLES"),
        # the way to the Hub
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    ]
)
FAMILIES = (
    *("LC_", "XDG_", "CONDA_", "MALLOC_", "TCMALLOC_"),
    # devices and what connects them
    *(
        "CUDA_",
        "CUDNN_",
        "CUBLAS_",
        "NVIDIA_",
        "NCCL_",
        "NVCC_",
        "ROCM_",
        "ROCR_",
        "HIP_",
        "HSA_",
        "GLOO_",
        "UCX_",
    ),
    # vLLM and its libraries
    *("VLLM_", "HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_"),
    *("TORCH", "PYTORCH_", "TRITON_", "FLASHINFER_", "XGRAMMAR_", "OUTLINES_"),
    # threads
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "NUMBA_"),
)
SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
"""Names of secrets. One is not passed on only because it begins as a family of settings does."""
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def server_environment(
    spec: ServeSpec, device: Device, api_key_env: str | None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The server's environment; its key travels here and never in arguments.

    :param environment: this process's.
    :raises ServeError: `api_key_env` names a variable that holds no key.
    """
    offline = all(is_folder(source) for source in (spec.base, *spec.adapters.values()))
    named = {*NAMES, *spec.pass_environment, *(() if offline else HUB_TOKENS)}
    passed = {
        name: value
        for name, value in environment.items()
        if name in named or (name.startswith(FAMILIES) and not SECRET.search(name))
    }
    passed |= {"PYTHONUNBUFFERED": "1", **spec.environment(device=device, cores=cores())}
    if offline:
        passed["HF_HUB_OFFLINE"] = "1"
    if api_key_env:
        passed["VLLM_API_KEY"] = read_key(api_key_env, environment)
    return passed
