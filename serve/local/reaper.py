"""Kills a server whose owner is gone. Runs as a process of its own, on nothing but the standard library.

The owner holds the other end of this process's stdin. It writes the number of the server's process group, and
`done` after it has stopped the server itself. End of file without `done` means that the owner died, even if
by SIGKILL, because the kernel closes a dead process's pipes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""


def alive(group: int) -> bool:
    """True while a process group has a member, if only one that has ended and was not waited for yet."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's processes
        return True
    return True


def main() -> None:
    """Wait until the owner is gone, then end the group unless the owner has done so."""
    # Ctrl-C reaches every process of the terminal; this one must outlive the owner's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    words = sys.stdin.read().split()
    if not words or "done" in words:
        return
    group = int(words[0])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while alive(group) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
