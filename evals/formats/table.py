"""What every table of a format file is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a format file: no other keys, no other types."""

    model_config = ConfigDict(extra="forbid", frozen=True)
