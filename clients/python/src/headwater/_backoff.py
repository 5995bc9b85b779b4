"""The waits before something that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Waits:
    """The first wait and the longest one, in seconds."""

    first: float = 0.25
    longest: float = 30.0


class Backoff:
    """Waits that double, each shortened by chance so that many clients do not come back together."""

    def __init__(self, waits: Waits, chance: Callable[[], float] = random.random) -> None:
        self._waits = waits
        self._chance = chance
        self._next = waits.first

    def take(self) -> float:
        """Returns the next wait, between half of its length and all of it."""
        wait = self._next
        self._next = min(wait * 2, self._waits.longest)
        return wait * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """Begins again with the first wait, after a success."""
        self._next = self._waits.first
