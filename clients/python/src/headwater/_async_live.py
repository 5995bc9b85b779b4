"""A live copy of a part of a sheet."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from ._backoff import Backoff
from ._calls import commit_of
from ._conditions import Part, Query, selecting
from ._events import EventParser, ServerEvent, lines
from ._problem import HeadwaterError, RefusedError, TransportError, refusal
from ._server import Server
from ._state import EMPTY, Change, State, applied, difference, loaded
from ._status import LiveStatus


class AsyncLive:
    """The records of a part of a sheet, in memory, as of one commit of the server, and kept up to date.

    A state is swapped for the next as a whole: whoever holds one holds the records of one commit. A
    copy that loses its server keeps its state and comes back by itself.
    """

    def __init__(
        self, server: Server, http: httpx.AsyncClient, sheet: str, part: Part, patience: float
    ) -> None:
        self._server = server
        self._http = http
        self._sheet = sheet
        self._selected = selecting(part)
        self._timeout = httpx.Timeout(patience)
        self._backoff = Backoff(server.waits)
        self._state = EMPTY
        # The id of the last event, if it tells more than its commit.
        self._last_id: str | None = None
        self._connected = False
        self._heard_at = time.monotonic()
        self._error: HeadwaterError | None = None
        self._listeners: set[Callable[[], None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        """Returns once the copy has all records and hears of changes."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(opened))
        try:
            await opened
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the copy. Its last state stays readable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def state(self) -> State:
        """The records of one commit."""
        return self._state

    @property
    def records(self) -> Mapping[str, Any]:
        """The records of the present state, in the order of their keys."""
        return self._state.records

    @property
    def commit(self) -> str:
        """The commit of the present state."""
        return self._state.commit

    def get(self, key: str) -> Any:
        """Returns the record with this key, or None. Do not change it: others hold the same object."""
        return self._state.records.get(key)

    def __getitem__(self, key: str) -> Any:
        return self._state.records[key]

    def __contains__(self, key: str) -> bool:
        return key in self._state.records

    def __len__(self) -> int:
        return len(self._state.records)

    @property
    def status(self) -> LiveStatus:
        """How far the copy is behind."""
        silence = time.monotonic() - self._heard_at
        return LiveStatus(self._state.commit, self._connected, silence, self._error)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after each swap, and at the end. Returns a function that ends this."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def changes(self) -> AsyncIterator[Change]:
        """Yields what changes from now on, until the copy is closed. Whoever is slow gets several
        changes as one."""
        # A generator begins with the first change that is asked for, which may be later.
        return self._changes_since(self._state)

    async def _changes_since(self, seen: State) -> AsyncIterator[Change]:
        while True:
            await self._swap_from(seen)
            if self._state is seen:
                return
            change, seen = difference(seen, self._state), self._state
            if change.items:
                yield change

    async def _swap_from(self, seen: State) -> None:
        """Waits until another state is there, or the copy is closed."""
        told = asyncio.Event()
        end = self.subscribe(told.set)
        try:
            while self._state is seen and not self._is_over:
                told.clear()
                await told.wait()
        finally:
            end()

    async def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            await self._keep(opened)
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)
        finally:
            self._connected, self._is_over = False, True
            self._tell()

    async def _keep(self, opened: asyncio.Future[None]) -> None:
        """Keeps the copy until it is cancelled, or until it cannot begin."""
        is_anew = True
        while True:
            wait = 0.0
            try:
                if is_anew:
                    await self._load()
                is_anew = await self._follow(opened)
            except HeadwaterError as error:
                if not opened.done() and not error.passes:
                    raise
                self._failed(error)
                # What is refused now has perhaps become another sheet: the list tells.
                is_anew = is_anew or (isinstance(error, RefusedError) and not error.passes)
                wait = error.retry_after
            self._connected = False
            await asyncio.sleep(max(self._backoff.take(), wait))

    def _failed(self, error: HeadwaterError) -> None:
        self._error = error
        # At that commit there is no such sheet, or none that may be read.
        if isinstance(error, RefusedError) and error.code == "not_found" and error.commit:
            self._swap(loaded(self._state, error.commit, {}))

    async def _load(self) -> None:
        """Reads all records."""
        found = {}
        asked = self._answer([self._sheet], self._selected, "application/x-ndjson")
        async with asked as response:
            commit = commit_of(response)
            async for line in self._lines(response):
                record = json.loads(line)
                found[record["key"]] = record["value"]
        # A list that breaks off behind a line looks whole where a proxy hides the end of its
        # connection.
        total = await self._total(commit)
        if total != len(found):
            raise TransportError(f"{len(found)} of {total} records arrived")
        self._last_id = None
        self._swap(loaded(self._state, commit, found))

    async def _total(self, commit: str) -> int:
        """Returns how many records the part has at a commit."""
        query: Query = [*self._selected, ("perPage", "0"), ("at", commit)]
        async with self._answer([self._sheet], query, "application/json") as response:
            return int(json.loads(await response.aread())["total"])

    async def _follow(self, opened: asyncio.Future[None]) -> bool:
        """Follows what changes. Returns whether everything must be read anew once the stream is
        over."""
        query: Query = [*self._selected, ("sheet", self._sheet), ("since", self._state.commit)]
        # It tells what the token gave, too: the server makes the copy start over if that is something
        # else now.
        async with self._answer(["_changes"], query, "text/event-stream", self._last_id) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise TransportError("the answer is no stream", response.status_code)
            parser = EventParser()
            async for line in self._lines(response):
                # A remark is a sign of life.
                if line.startswith(":"):
                    self._backoff.reset()
                event = parser.take(line)
                if event is None:
                    continue
                if not self._take(event):
                    return True
                if not self._connected:
                    self._connected, self._error = True, None
                    if not opened.done():
                        opened.set_result(None)
        return False

    def _take(self, event: ServerEvent) -> bool:
        """Takes an event. Returns whether the copy can go on from there."""
        if event.name == "resync":
            return False
        self._last_id = event.id if event.id is not None and "-" in event.id else None
        if event.data is None:
            # Nothing differs at this commit.
            commit = None if event.id is None else event.id.partition("-")[0]
            if commit is not None and commit != self._state.commit:
                self._swap(applied(self._state, commit, ()))
                self._backoff.reset()
            return True
        if event.name != "changes":
            return True
        told = json.loads(event.data)
        # Between the two something was lost.
        if told["resync"] or told["from"] != self._state.commit:
            return False
        self._swap(applied(self._state, told["to"], told["items"]))
        self._backoff.reset()
        return True

    def _swap(self, state: State) -> None:
        self._state = state
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as error:
                # The fault of a listener is its own, and no reason to read anything anew.
                context = {"message": "a listener of a live copy failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    @asynccontextmanager
    async def _answer(
        self, path: list[str], query: Query, kind: str, last_id: str | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Sends a request and yields its answer, which is still arriving."""
        url, headers = self._server.url(path), {"Accept": kind}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        try:
            asked = self._http.stream("GET", url, params=query, headers=headers, timeout=self._timeout)
            async with asked as response:
                self._heard_at = time.monotonic()
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                yield response
        except (httpx.RequestError, ValueError, LookupError, TypeError) as error:
            # The connection broke, or the answer is not as Headwater writes it.
            what = str(error) or type(error).__name__
            raise TransportError(f"no whole answer: {what}") from error

    async def _lines(self, response: httpx.Response) -> AsyncIterator[str]:
        async for line in lines(self._pieces(response)):
            yield line

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        async for piece in response.aiter_bytes():
            self._heard_at = time.monotonic()
            yield piece

