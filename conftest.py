"""Options and session fixtures for `pytest evals`; `evals/harness/plugin.py` has them all."""

pytest_plugins = ["evals.harness.plugin"]
