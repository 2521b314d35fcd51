"""Which of this process's environment variables a server gets."""

from __future__ import annotations

import pytest

from serve.errors import ServeError
from serve.local.environment import server_environment
from serve.spec import ServeSpec, load_spec

PAWN = load_spec("pawn")
HUB = ServeSpec(name="hub", base="owner/base")


def passed(spec: ServeSpec, environment: dict[str, str], api_key_env: str | None = None) -> dict[str, str]:
    """What of this environment a server of the spec gets; its own settings left out."""
    got = server_environment(spec, "cpu", api_key_env, environment)
    return {name: value for name, value in got.items() if environment.get(name) == value}


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_KEY", "GITHUB_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("MODAL_TOKEN_SECRET", "MODAL_PROXY_TOKEN_SECRET", "SSH_AUTH_SOCK", "SLURM_JWT", "DATABASE_URL"),
        # Secrets whose names begin as those of settings do.
        *("NVIDIA_API_KEY", "HUGGINGFACEHUB_API_TOKEN", "HF_ENDPOINT_SECRET", "TORCH_HUB_PASSWORD"),
        *("PIP_INDEX_URL", "UV_INDEX_PRIVATE_PASSWORD", "GOOGLE_APPLICATION_CREDENTIALS", "MY_KEY"),
    ],
)
def test_the_secrets_of_other_services_stay_here(name: str) -> None:
    """Audit 27: vLLM loads files from elsewhere, and inherited all of them."""
    assert passed(HUB, {name: "s3cret"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PATH",
            "HOME",
            "USER",
            "TMPDIR",
            "LANG",
            "LC_ALL",
            "TZ",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "PYTHONPATH",
        ),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES"),
        *("NCCL_P2P_DISABLE", "VLLM_CACHE_ROOT", "VLLM_CPU_OMP_THREADS_BIND", "HF_HOME", "HF_ENDPOINT"),
        *("TORCHINDUCTOR_CACHE_DIR", "PYTORCH_CUDA_ALLOC_CONF", "TRITON_CACHE_DIR", "TOKENIZERS_PARALLELISM"),
        *(
            "CONDA_PREFIX",
            "KMP_AFFINITY",
            "MKL_NUM_THREADS",
            "XDG_CACHE_HOME",
            "CC",
            "https_proxy",
            "NO_PROXY",
        ),
        *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HF_XET_HIGH_PERFORMANCE", "ROCR_VISIBLE_DEVICES"),
    ],
)
def test_what_a_gpu_a_venv_a_cluster_and_a_proxy_need_is_passed(name: str) -> None:
    assert passed(HUB, {name: "value"}) == {name: "value"}


def test_the_hubs_token_is_passed_only_to_a_server_that_downloads() -> None:
    """Audit 27."""
    environment = {"HF_TOKEN": "hf_x", "HUGGING_FACE_HUB_TOKEN": "hf_y"}
    assert passed(HUB, environment) == environment
    assert passed(PAWN, environment) == {}
    assert server_environment(PAWN, "cpu", None, environment)["HF_HUB_OFFLINE"] == "1"


def test_a_spec_may_name_more_variables() -> None:
    spec = HUB.model_copy(update={"pass_environment": ("AWS_PROFILE", "MY_KEY", "NOT_SET")})
    environment = {"AWS_PROFILE": "p", "MY_KEY": "k", "OTHER_KEY": "o"}
    assert passed(spec, environment) == {"AWS_PROFILE": "p", "MY_KEY": "k"}


def test_the_servers_key_is_the_one_that_was_named() -> None:
    environment = {"VLLM_API_KEY": "left over", "PAWN_KEY": "s3cret\n"}
    assert "VLLM_API_KEY" not in server_environment(HUB, "cpu", None, environment)
    assert server_environment(HUB, "cpu", "PAWN_KEY", environment)["VLLM_API_KEY"] == "s3cret"
    with pytest.raises(ServeError, match="'NO_KEY' should hold a key"):
        server_environment(HUB, "cpu", "NO_KEY", environment)


def test_a_setting_meant_for_pytest_does_not_slow_the_server_down() -> None:
    assert passed(HUB, {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-x", "COLUMNS": "80"}) == {}
