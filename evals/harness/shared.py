"""What one process of a session works out for all of them: made by the controller, left to the workers in a
file.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A value that is made when it is first needed, or taken from the controller's file."""

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self._name, self._make = name, make
        self._made: tuple[T] | None = None
        self._file: Path | None = None

    @property
    def value(self) -> T:
        """The value; raises what making it raises."""
        if self._made is None:
            self._made = (pickle.loads(self._file.read_bytes()) if self._file else self._make(),)
        return self._made[0]

    def leave_in(self, folder: Path) -> Path:
        """Leave the value in `folder` for the workers; returns the file."""
        path = folder / f"{self._name}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(self.value))
        return path

    def take_from(self, path: Path) -> None:
        """Take the value from the controller's file once it is needed."""
        self._file = path
