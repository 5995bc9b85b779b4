"""A live copy for programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from ._async_live import AsyncLive
from ._conditions import Part
from ._server import Server
from ._state import EMPTY, Change, State, difference
from ._status import LiveStatus


class Live:
    """The records of a part of a sheet, in memory, as of one commit of the server, and kept up to date.

    A state is swapped for the next as a whole: whoever holds one holds the records of one commit. A
    copy that loses its server keeps its state and comes back by itself. A thread of its own follows
    the server; any thread may read.
    """

    def __init__(
        self, server: Server, sheet: str, part: Part, patience: float, timeout: float | None
    ) -> None:
        self._server = server
        self._sheet = sheet
        self._part = part
        self._patience = patience
        self._timeout = timeout
        self._told = threading.Condition()
        self._listeners: set[Callable[[], None]] = set()
        self._copy: AsyncLive | None = None
        self._failure: BaseException | None = None
        self._is_closing = False
        self._is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"live {sheet}", daemon=True)

    def __enter__(self) -> Self:
        """Returns once the copy has all records and hears of changes."""
        self._thread.start()
        with self._told:
            begun = self._told.wait_for(
                lambda: self._copy is not None or self._is_over, self._timeout
            )
        if begun and self._failure is None:
            return self
        self.close()
        raise self._failure or TimeoutError(f"no copy of {self._sheet} in {self._timeout} s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the copy. Its last state stays readable."""
        with self._told:
            self._is_closing = True
            # The loop is closed only once it is over.
            if self._loop is not None and self._main is not None and not self._is_over:
                self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def state(self) -> State:
        """The records of one commit."""
        return EMPTY if self._copy is None else self._copy.state

    @property
    def records(self) -> Mapping[str, Any]:
        """The records of the present state, in the order of their keys."""
        return self.state.records

    @property
    def commit(self) -> str:
        """The commit of the present state."""
        return self.state.commit

    def get(self, key: str) -> Any:
        """Returns the record with this key, or None. Do not change it: others hold the same object."""
        return self.state.records.get(key)

    def __getitem__(self, key: str) -> Any:
        return self.state.records[key]

    def __contains__(self, key: str) -> bool:
        return key in self.state.records

    def __len__(self) -> int:
        return len(self.state.records)

    @property
    def status(self) -> LiveStatus:
        """How far the copy is behind."""
        return LiveStatus("", False, 0.0, None) if self._copy is None else self._copy.status

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after each swap, and at the end, on the thread that follows the server.
        Returns a function that ends this."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def changes(self) -> Iterator[Change]:
        """Yields what changes from now on, until the copy is closed. Whoever is slow gets several
        changes as one."""
        # A generator begins with the first change that is asked for, which may be later.
        return self._changes_since(self.state)

    def _changes_since(self, seen: State) -> Iterator[Change]:
        while True:
            with self._told:
                self._told.wait_for(lambda: self.state is not seen or self._is_over)
            now = self.state
            if now is seen:
                return
            change, seen = difference(seen, now), now
            if change.items:
                yield change

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        with self._told:
            self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
            if self._is_closing:
                self._is_over = True
                return
        try:
            await self._follow()
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._failure = error
        with self._told:
            self._is_over = True
            self._told.notify_all()

    async def _follow(self) -> None:
        async with self._server.async_http() as http:
            copy = AsyncLive(self._server, http, self._sheet, self._part, self._patience)
            copy.subscribe(self._tell)
            async with copy:
                self._copy = copy
                self._tell()
                await asyncio.Event().wait()

    def _tell(self) -> None:
        with self._told:
            self._told.notify_all()
        for listener in tuple(self._listeners):
            listener()
