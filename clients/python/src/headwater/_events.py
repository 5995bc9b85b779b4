"""The events of a stream (`text/event-stream`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """An event of a stream."""

    id: str | None
    """Where the client is once it has taken this event; None if nothing says."""
    name: str
    data: str | None
    """None if the event only tells where the client is."""


class EventParser:
    """Makes events of the lines of a stream."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._name = "message"
        self._data: str | None = None
        self._is_empty = True

    def take(self, line: str) -> ServerEvent | None:
        """Takes the next line. Returns an event if the line ends one."""
        line = line.removesuffix("\r")
        if not line:
            event = None if self._is_empty else ServerEvent(self._id, self._name, self._data)
            self._begin()
            return event
        # A line that begins with a colon is a remark, a sign of life.
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        self._is_empty = False
        if name == "id":
            self._id = value
        elif name == "event":
            self._name = value
        elif name == "data":
            self._data = value if self._data is None else f"{self._data}\n{value}"
        return None


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yields the lines of a body as they arrive, without their ends; the text after the last is no
    line. Only a line feed ends one: texts in JSON may have other separators."""
    rest = b""
    async for piece in pieces:
        *found, rest = (rest + piece).split(b"\n")
        for line in found:
            yield line.decode()
