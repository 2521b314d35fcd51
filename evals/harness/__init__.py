"""The harness: all that knows pytest or syrupy, and the only room of a session that imports `serve`.

Nothing but the suites and `conftest.py` imports it.
"""
