"""What one process of a session works out for all of them: whoever needs it first makes it and leaves it in a
file; usually that is the controller.
"""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A value that is made when it is first needed, once for all processes that share it in a folder."""

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self._name, self._make = name, make
        self._made: tuple[T] | None = None
        self._file: Path | None = None

    @property
    def value(self) -> T:
        """The value; raises what making it raises."""
        if self._made is None:
            self._made = (self._make() if self._file is None else self._take_or_make(self._file),)
        return self._made[0]

    def share_in(self, folder: Path) -> None:
        """Share the value with every process that names the same folder."""
        self._file = folder / f"{self._name}.pickle"
        if self._made is not None:
            self._file.write_bytes(pickle.dumps(self._made[0]))

    def _take_or_make(self, file: Path) -> T:
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed
            if file.exists():
                return pickle.loads(file.read_bytes())
            value = self._make()
            file.write_bytes(pickle.dumps(value))
            return value
