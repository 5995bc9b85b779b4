"""How far a copy is behind."""

from __future__ import annotations

from dataclasses import dataclass

from ._problem import HeadwaterError


@dataclass(frozen=True)
class LiveStatus:
    """How far a copy is behind."""

    commit: str
    """The commit of the copy."""
    connected: bool
    """Whether the server tells the copy what changes."""
    silence: float
    """The seconds since the server last gave a sign of life."""
    error: HeadwaterError | None
    """Why the copy is not connected; None while it is, and before it tries again."""
