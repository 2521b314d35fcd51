"""What is left of processes that a test has started."""

from __future__ import annotations

from pathlib import Path


def group_alive(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(process_group) == group and state != "Z":
            return True
    return False
