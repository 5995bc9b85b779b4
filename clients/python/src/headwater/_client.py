"""The client that waits for each answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from . import _calls as calls
from ._backoff import Backoff, Waits
from ._conditions import Part
from ._live import Live
from ._problem import HeadwaterError, TransportError, refusal
from ._server import Server

T = TypeVar("T")


class Headwater:
    """A Headwater server.

    Every call fails with a `HeadwaterError`: a `RefusedError` with the reason of the server, or a
    `TransportError`. A call that may succeed later is tried again first; writes carry a key by which
    the server does each only once.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        retries: int = 3,
        waits: tuple[float, float] = (0.25, 30.0),
        timeout: float = 30.0,
    ) -> None:
        """`waits` are the first and the longest wait before a request is tried again, in seconds;
        `timeout` is how many seconds the server may be silent while it answers."""
        self._server = Server(address, token, retries, Waits(*waits), timeout)
        self._http = self._server.http()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def live(
        self,
        sheet: str,
        *,
        patience: float = 45.0,
        timeout: float | None = None,
        **part: Unpack[Part],
    ) -> Live:
        """Keeps a copy of a part of a sheet in memory, as the server changes it; use it with `with`.

        The connection counts as broken when the server is silent for `patience` seconds. The copy
        must be there within `timeout` seconds."""
        return Live(self._server, sheet, part, patience, timeout)

    def get(self, sheet: str, key: str, *, at: str | None = None) -> calls.Versioned:
        """Reads a record. There is an error with the code `not_found` if there is none."""
        return self._do(calls.get(sheet, key, at))

    def list(self, sheet: str, **options: Unpack[calls.ListOptions]) -> Iterator[calls.Item]:
        """Yields all records of a list, read in parts, from the same commit."""
        cursor = None
        while True:
            part = self._do(calls.part(sheet, options, cursor))
            yield from part.items
            cursor = part.next
            if cursor is None:
                return

    def page(self, sheet: str, **options: Unpack[calls.PageOptions]) -> calls.Page:
        """Reads a page of a list."""
        return self._do(calls.page(sheet, options))

    def search(self, q: str, **options: Unpack[calls.SearchOptions]) -> calls.Hits:
        """Searches all sheets, or some of them."""
        return self._do(calls.search(q, options))

    def create(
        self, sheet: str, value: Any, **options: Unpack[calls.CreateOptions]
    ) -> calls.Written:
        """Creates a record; its fields decide its key."""
        return self._do(calls.create(sheet, value, options))

    def put(
        self, sheet: str, key: str, value: Any, **options: Unpack[calls.WriteOptions]
    ) -> calls.Written:
        """Sets a record."""
        return self._do(calls.put(sheet, key, value, options))

    def patch(
        self, sheet: str, key: str, value: Any, **options: Unpack[calls.WriteOptions]
    ) -> calls.Written:
        """Changes fields of a record (RFC 7396); None removes one."""
        return self._do(calls.patch(sheet, key, value, options))

    def delete(
        self, sheet: str, key: str, **options: Unpack[calls.WriteOptions]
    ) -> calls.Deleted:
        """Deletes a record."""
        return self._do(calls.delete(sheet, key, options))

    def _do(self, call: calls.Call[T]) -> T:
        backoff = Backoff(self._server.waits)
        left = self._server.retries
        while True:
            try:
                return self._try(call)
            except HeadwaterError as error:
                if left <= 0 or not error.passes:
                    raise
                time.sleep(max(backoff.take(), error.retry_after))
            left -= 1

    def _try(self, call: calls.Call[T]) -> T:
        try:
            response = self._http.request(
                call.method,
                self._server.url(call.path),
                params=call.query,
                headers=[(name.encode(), value) for name, value in call.headers.items()],
                content=call.content,
            )
        except httpx.RequestError as error:
            raise TransportError(f"no whole answer: {error}") from error
        if not response.is_success:
            raise refusal(response)
        return call.read(response)
