"""The one exception of this package."""

from __future__ import annotations


class ServeError(Exception):
    """What kept an endpoint from being served or found: one or two sentences for the person who asked."""
