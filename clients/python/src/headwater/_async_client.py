"""The client for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from . import _calls as calls
from ._async_live import AsyncLive
from ._backoff import Backoff, Waits
from ._conditions import Part
from ._problem import HeadwaterError, TransportError, refusal
from ._server import Server

T = TypeVar("T")


class AsyncHeadwater:
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
        self._http = self._server.async_http()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def live(
        self,
        sheet: str,
        *,
        patience: float = 45.0,
        **part: Unpack[Part],
    ) -> AsyncLive:
        """Keeps a copy of a part of a sheet in memory, as the server changes it; use it with `async with`.

        The connection counts as broken when the server is silent for `patience` seconds."""
        return AsyncLive(self._server, self._http, sheet, part, patience)

    async def get(self, sheet: str, key: str, *, at: str | None = None) -> calls.Versioned:
        """Reads a record. There is an error with the code `not_found` if there is none."""
        return await self._do(calls.get(sheet, key, at))

    async def list(self, sheet: str, **options: Unpack[calls.ListOptions]) -> AsyncIterator[calls.Item]:
        """Yields all records of a list, read in parts, from the same commit."""
        cursor = None
        while True:
            part = await self._do(calls.part(sheet, options, cursor))
            for item in part.items:
                yield item
            cursor = part.next
            if cursor is None:
                return

    async def page(self, sheet: str, **options: Unpack[calls.PageOptions]) -> calls.Page:
        """Reads a page of a list."""
        return await self._do(calls.page(sheet, options))

    async def search(self, q: str, **options: Unpack[calls.SearchOptions]) -> calls.Hits:
        """Searches all sheets, or some of them."""
        return await self._do(calls.search(q, options))

    async def create(
        self, sheet: str, value: Any, **options: Unpack[calls.CreateOptions]
    ) -> calls.Written:
        """Creates a record; its fields decide its key."""
        return await self._do(calls.create(sheet, value, options))

    async def put(
        self, sheet: str, key: str, value: Any, **options: Unpack[calls.WriteOptions]
    ) -> calls.Written:
        """Sets a record."""
        return await self._do(calls.put(sheet, key, value, options))

    async def patch(
        self, sheet: str, key: str, value: Any, **options: Unpack[calls.WriteOptions]
    ) -> calls.Written:
        """Changes fields of a record (RFC 7396); None removes one."""
        return await self._do(calls.patch(sheet, key, value, options))

    async def delete(
        self, sheet: str, key: str, **options: Unpack[calls.WriteOptions]
    ) -> calls.Deleted:
        """Deletes a record."""
        return await self._do(calls.delete(sheet, key, options))

    async def _do(self, call: calls.Call[T]) -> T:
        backoff = Backoff(self._server.waits)
        left = self._server.retries
        while True:
            try:
                return await self._try(call)
            except HeadwaterError as error:
                if left <= 0 or not error.passes:
                    raise
                await asyncio.sleep(max(backoff.take(), error.retry_after))
            left -= 1

    async def _try(self, call: calls.Call[T]) -> T:
        try:
            response = await self._http.request(
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
