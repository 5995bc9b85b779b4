"""How a server is reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from ._backoff import Waits


@dataclass(frozen=True)
class Server:
    """How a server is reached."""

    address: str
    token: str | None = field(repr=False)
    """The secret of a token."""
    retries: int
    """How often a request is tried again if it gets no answer, or one that may pass."""
    waits: Waits
    timeout: float
    """How many seconds the server may be silent while it answers."""

    def url(self, path: Iterable[str]) -> str:
        """Returns the address of a path below `/api`, whose segments are not encoded."""
        segments = "/".join(quote(segment, safe="") for segment in path)
        return f"{self.address.rstrip('/')}/api/{segments}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def http(self) -> httpx.Client:
        """Returns what sends requests. It does not follow redirects, which could take a token along."""
        return httpx.Client(headers=self.headers, timeout=self.timeout)

    def async_http(self) -> httpx.AsyncClient:
        """Returns what sends requests in an event loop."""
        # Each live copy holds a connection.
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(headers=self.headers, timeout=self.timeout, limits=limits)
