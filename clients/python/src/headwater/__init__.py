"""Reads, writes and live copies of the records that a Headwater server has."""

from ._async_client import AsyncHeadwater
from ._async_live import AsyncLive
from ._calls import Deleted, Hit, Hits, Item, Page, Versioned, Written
from ._client import Headwater
from ._conditions import Condition, Scalar, SizeCondition, Where
from ._live import Live
from ._problem import HeadwaterError, ProblemDetail, RefusedError, TransportError
from ._state import Change, RecordChange, State
from ._status import LiveStatus

__all__ = [
    "AsyncHeadwater",
    "AsyncLive",
    "Change",
    "Condition",
    "Deleted",
    "Headwater",
    "HeadwaterError",
    "Hit",
    "Hits",
    "Item",
    "Live",
    "LiveStatus",
    "Page",
    "ProblemDetail",
    "RecordChange",
    "RefusedError",
    "Scalar",
    "SizeCondition",
    "State",
    "TransportError",
    "Versioned",
    "Where",
    "Written",
]
