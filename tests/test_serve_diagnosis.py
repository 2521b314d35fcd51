"""Why a vLLM died, told from its log. The logs are excerpts of real ones (vLLM 0.32 and 0.11)."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.local.diagnosis import diagnose

API_SERVER = """\
(APIServer pid=10) INFO 11-24 14:07:50 [utils.py:628] [shutdown] Process manager: send sigterm to process EngineCore
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "site-packages/vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""  # noqa: E501
ENGINE = """\
(EngineCore pid=11) INFO 11-24 14:07:48 [utils.py:347] Using LBHNC KV cache layout.
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510] EngineCore failed to start.
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510] Traceback (most recent call last):
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510]   File "site-packages/vllm/v1/engine/core.py", line 1478
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510]     engine_core = EngineCoreProc(*args, **kwargs)
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510]                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
(EngineCore pid=11) ERROR 11-24 14:07:48 [core.py:1510] ValueError: Available memory on node 0 is less than requested
Process EngineCore:
"""  # noqa: E501
WORKER = """\
(Worker pid=12) ERROR 11-24 14:07:14 [multiproc_executor.py:1063] WorkerProc hit an exception.
(Worker pid=12) ERROR 11-24 14:07:14 [multiproc_executor.py:1063] Traceback (most recent call last):
(EngineCore pid=11) INFO 11-24 14:07:14 [core.py:1] another process writes a line in between
(Worker pid=12) ERROR 11-24 14:07:14 [multiproc_executor.py:1063]     raise ValueError(
(Worker pid=12) ERROR 11-24 14:07:14 [multiproc_executor.py:1063] torch.OutOfMemoryError: CUDA out of memory.
"""
OLD_ENGINE = """\
(EngineCore_DP0 pid=9) ERROR 09-10 10:00:00 [core.py:708] EngineCore failed to start.
(EngineCore_DP0 pid=9) ERROR 09-10 10:00:00 [core.py:708] Traceback (most recent call last):
(EngineCore_DP0 pid=9) ERROR 09-10 10:00:00 [core.py:708]     raise ValueError(
(EngineCore_DP0 pid=9) ERROR 09-10 10:00:00 [core.py:708] ValueError: 9 GiB KV cache is needed, which is larger
(EngineCore_DP0 pid=9) Process EngineCore_DP0:
(EngineCore_DP0 pid=9) Traceback (most recent call last):
(EngineCore_DP0 pid=9)     raise e
(EngineCore_DP0 pid=9) ValueError: 9 GiB KV cache is needed, which is larger
(APIServer pid=8) Traceback (most recent call last):
(APIServer pid=8)     raise RuntimeError(
(APIServer pid=8) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""  # noqa: E501
HARMLESS = """\
(EngineCore pid=11) WARNING 11-24 14:07:10 [platforms.py:9] Failed to import a plugin:
(EngineCore pid=11) WARNING 11-24 14:07:10 [platforms.py:9] Traceback (most recent call last):
(EngineCore pid=11) WARNING 11-24 14:07:10 [platforms.py:9] ImportError: not needed here
"""
VALIDATION = """\
Traceback (most recent call last):
  File "site-packages/pydantic/_internal/_dataclasses.py", line 121, in __init__
    s.__pydantic_validator__.validate_python(ArgsKwargs(args, kwargs), self_instance=s)
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, User-specified max_model_len (400000) is greater than the derived max_model_len [type=value_error]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""  # noqa: E501
USAGE = """\
usage: api_server.py [-h] [--headless]
                     [model_tag]
api_server.py: error: unrecognized arguments: --nonsense
"""


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (ENGINE + API_SERVER, "ValueError: Available memory on node 0 is less than requested."),
        (HARMLESS + ENGINE + API_SERVER, "ValueError: Available memory on node 0 is less than requested."),
        (WORKER + ENGINE + API_SERVER, "torch.OutOfMemoryError: CUDA out of memory."),
        (OLD_ENGINE, "ValueError: 9 GiB KV cache is needed, which is larger."),
        (VALIDATION, "User-specified max_model_len (400000) is greater than the derived max_model_len."),
        (USAGE, "error: unrecognized arguments: --nonsense."),
    ],
)
def test_the_first_error_of_the_engine_is_named_and_not_what_follows_from_it(
    tmp_path: Path, log: str, cause: str
) -> None:
    """Audit 18: the last lines of such a log say no more than "See root cause above"."""
    path = tmp_path / "vllm.log"
    path.write_text("INFO starting\n" + log)
    told = diagnose(path)
    assert cause in told
    assert str(path) in told
    assert "See root cause above" not in told
    assert "\n" not in told


def test_a_log_without_an_error_is_quoted_at_its_end(tmp_path: Path) -> None:
    """Audit 18: a server that was killed leaves no traceback of its own."""
    path = tmp_path / "vllm.log"
    path.write_text("".join(f"line {number}\n" for number in range(100)) + HARMLESS + API_SERVER)
    told = diagnose(path)
    assert f"The last lines of its log {path}" in told
    assert "line 0" not in told
    assert "See root cause above" in told


def test_a_log_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    assert str(tmp_path / "vllm.log") in diagnose(tmp_path / "vllm.log")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to",
            "lower gpu_memory_utilization, max_num_seqs",
        ),
        (
            "ValueError: Free memory (3/79 GiB) is less than desired GPU memory utilization",
            "lower gpu_memory",
        ),
        ("ValueError: To serve one request, 9 GiB KV cache is needed, which is larger", "max_model_len"),
        ("ValueError: Available memory on node 0 (7/11 GiB) is less than", "lower cpu.kv_cache_gib"),
        ("ValueError: max_model_len (9) is greater than the derived max_model_len", "lower max_model_len"),
        ("OSError: [Errno 98] Address already in use", "give another --port"),
        ("ValueError: LoRA rank 64 is greater than max_lora_rank 16.", "raise max_lora_rank"),
        ("KeyError: \"Reasoning parser 'nonsense' not found.", "another reasoning_parser"),
    ],
)
def test_known_deaths_have_advice(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "vllm.log"
    engine = "(EngineCore pid=1) "
    log.write_text(f"{engine}Traceback (most recent call last):\n{engine}{line}\n{API_SERVER}")
    assert advice in diagnose(log)
    log.write_text(f"INFO starting\n{line}\nRuntimeError: Engine core initialization failed.\n")
    assert advice in diagnose(log)
    assert line in diagnose(log)


def test_advice_is_for_the_error_and_not_for_what_else_the_log_mentions(tmp_path: Path) -> None:
    log = tmp_path / "vllm.log"
    log.write_text("INFO CUDA out of memory is avoided by ...\n" + OLD_ENGINE)
    assert "lower max_model_len or enlarge the cache" in diagnose(log)
