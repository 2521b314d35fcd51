"""Options and session fixtures for `pytest evals`; `evals/plugin.py` has them all."""

pytest_plugins = ["evals.plugin"]
