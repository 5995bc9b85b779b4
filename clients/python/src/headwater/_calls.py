"""The requests that are answered at once: what is sent, and how the answer is read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar

import httpx

from ._conditions import Part, Query, selecting
from ._problem import COMMIT, TransportError

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request that may be repeated, and what its answer means."""

    method: str
    path: tuple[str, ...]
    read: Callable[[httpx.Response], T]
    query: Query = field(default_factory=list)
    headers: Mapping[str, bytes] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True)
class Versioned:
    """A record as it was read."""

    value: Any
    etag: str
    """The version, for `if_match`."""
    commit: str
    """The commit that it was read from."""


@dataclass(frozen=True)
class Item:
    """One record of a list."""

    key: str
    value: Any


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    items: tuple[Item, ...]
    total: int
    commit: str
    included: Mapping[str, Mapping[str, Any]]
    """The records that the requested references point to, by sheet and key."""
    facets: Mapping[str, Sequence[Mapping[str, Any]]]
    """How many records have each value of the requested fields."""


@dataclass(frozen=True)
class CursorPart:
    """A part of a list that is read with a cursor."""

    items: tuple[Item, ...]
    next: str | None


@dataclass(frozen=True)
class Hit:
    """A match of a search."""

    sheet: str
    key: str
    score: float
    value: Any
    highlights: Mapping[str, Sequence[str]]
    """Texts by field, HTML-escaped, with `<mark>` around what matches."""


@dataclass(frozen=True)
class Hits:
    """A page of matches."""

    items: tuple[Hit, ...]
    total: int
    relaxed: bool
    """Whether records with only some of the words follow."""
    corrected: Mapping[str, Sequence[str]]
    """The words that replaced others, which occur nowhere."""


@dataclass(frozen=True)
class Written:
    """What became of a write."""

    commit: str | None
    """The commit with the change; None if the caller reads nothing and there was nothing to change."""
    changed: bool
    """Whether there was anything to change."""
    pushed: bool | None
    """Whether the remote has it; None without a remote."""
    etag: str | None
    """The new version, for `if_match`; None if the write was done by an earlier request."""
    repeated: bool
    """Whether an earlier request with the same key did it; the answer then has no record."""
    key: str | None
    value: Any
    """The current record."""
    moved_from: str | None
    """The key before a change of the fields that make it."""


@dataclass(frozen=True)
class Deleted:
    """What became of a deletion."""

    commit: str
    """The commit without the record."""


Names = str | Sequence[str]
"""One name or several."""


class ListOptions(Part, total=False):
    """Which records a list has, and in which order."""

    q: str
    """Words that the records have."""
    match: str
    """`all`, `any` or `auto`: how many of the words."""
    sort: Names
    """Fields to sort by, `-` for descending."""
    fields: Names
    """Only these fields of each value, or all but those with a `-`."""
    at: str
    """The commit, tag, branch or moment to read from."""


class PageOptions(ListOptions, total=False):
    """One page of a list."""

    page: int
    """The page, from 1."""
    per_page: int
    """The size of a page, at most 100; 30 by default."""
    include: Names
    """References whose records `included` shows."""
    facets: Names
    """Fields whose values are counted."""


class SearchOptions(TypedDict, total=False):
    """How to search."""

    sheets: Sequence[str]
    """Only in these sheets."""
    match: str
    filter: str
    fields: Names
    page: int
    per_page: int


class CreateOptions(TypedDict, total=False):
    """How to write."""

    summary: str
    """A text for the message of the commit."""
    author: str
    """The author, for tokens that may name one: `Name <address>`."""
    idempotency_key: str
    """Identifies the write, so that it is done once however often it is sent; by default a new one."""


class WriteOptions(CreateOptions, total=False):
    """On what condition to write, and how."""

    if_match: str
    """Only if the record is still this version: the `etag` of its read, or `*` for any."""
    if_absent: bool
    """Only if there is no such record."""


def get(sheet: str, key: str, at: str | None) -> Call[Versioned]:
    """Reads a record."""

    def read(response: httpx.Response) -> Versioned:
        return Versioned(_json(response), response.headers.get("etag", ""), commit_of(response))

    return Call("GET", (sheet, *key.split("/")), read, [] if at is None else [("at", at)])


def part(sheet: str, options: ListOptions, cursor: str | None) -> Call[CursorPart]:
    """Reads the part of a list behind a cursor."""

    def read(response: httpx.Response) -> CursorPart:
        answer = _json(response)
        return CursorPart(_items(answer), answer["next"])

    query: Query = [*_listing(options), ("limit", "100")]
    if cursor is not None:
        query.append(("cursor", cursor))
    return Call("GET", (sheet,), read, query)


def page(sheet: str, options: PageOptions) -> Call[Page]:
    """Reads a page of a list."""

    def read(response: httpx.Response) -> Page:
        answer = _json(response)
        included, facets = answer.get("included", {}), answer.get("facets", {})
        return Page(_items(answer), answer["total"], commit_of(response), included, facets)

    query = _listing(options)
    query += _given(options, {"page": "page", "per_page": "perPage"})
    query += _given(options, {"include": "include", "facets": "facets"})
    return Call("GET", (sheet,), read, query)


def search(q: str, options: SearchOptions) -> Call[Hits]:
    """Searches all sheets, or some of them."""

    def read(response: httpx.Response) -> Hits:
        answer = _json(response)
        hits = tuple(
            Hit(hit["sheet"], hit["key"], hit["score"], hit["value"], hit["highlights"])
            for hit in answer["items"]
        )
        relaxed, corrected = answer.get("relaxed", False), answer.get("corrected", {})
        return Hits(hits, answer["total"], relaxed, corrected)

    names = {"match": "match", "filter": "filter", "fields": "fields"}
    query: Query = [("q", q), *_given(options, names)]
    query += _given(options, {"page": "page", "per_page": "perPage"})
    query += [("sheet", sheet) for sheet in options.get("sheets", ())]
    return Call("GET", ("_search",), read, query)


def create(sheet: str, value: Any, options: CreateOptions) -> Call[Written]:
    """Creates a record."""
    return _write("POST", (sheet,), value, WriteOptions(**options))  # type: ignore[typeddict-item]


def put(sheet: str, key: str, value: Any, options: WriteOptions) -> Call[Written]:
    """Sets a record."""
    return _write("PUT", (sheet, *key.split("/")), value, options)


def patch(sheet: str, key: str, value: Any, options: WriteOptions) -> Call[Written]:
    """Changes fields of a record."""
    return _write("PATCH", (sheet, *key.split("/")), value, options)


def delete(sheet: str, key: str, options: WriteOptions) -> Call[Deleted]:
    """Deletes a record."""

    def read(response: httpx.Response) -> Deleted:
        return Deleted(commit_of(response))

    return Call("DELETE", (sheet, *key.split("/")), read, headers=_writing(options))


def commit_of(response: httpx.Response) -> str:
    """Returns the commit of an answer."""
    commit = response.headers.get(COMMIT)
    if commit is None:
        raise TransportError("the answer names no commit", response.status_code)
    return str(commit)


def _write(
    method: str, path: tuple[str, ...], value: Any, options: WriteOptions
) -> Call[Written]:
    def read(response: httpx.Response) -> Written:
        answer = _json(response)
        return Written(
            commit=answer["commit"],
            changed=answer["changed"],
            pushed=answer["pushed"],
            etag=response.headers.get("etag"),
            repeated=answer.get("repeated", False),
            key=answer.get("key"),
            value=answer.get("value"),
            moved_from=answer.get("movedFrom"),
        )

    headers = {**_writing(options), "Content-Type": b"application/json"}
    content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return Call(method, path, read, [], headers, content)


def _writing(options: WriteOptions) -> dict[str, bytes]:
    headers = {"Idempotency-Key": options.get("idempotency_key") or str(uuid.uuid4())}
    if "if_match" in options:
        headers["If-Match"] = options["if_match"]
    if options.get("if_absent", False):
        headers["If-None-Match"] = "*"
    if "summary" in options:
        headers["X-Headwater-Summary"] = options["summary"]
    if "author" in options:
        headers["X-Headwater-Author"] = options["author"]
    return {name: text.encode() for name, text in headers.items()}


def _listing(options: ListOptions) -> Query:
    names = {name: name for name in ("q", "match", "sort", "fields", "at")}
    return selecting(options) + _given(options, names)


def _given(options: Mapping[str, Any], names: Mapping[str, str]) -> Query:
    """Returns the parameters that are given; several names become a list with commas."""
    query: Query = []
    for name, parameter in names.items():
        if name in options:
            value = options[name]
            is_list = isinstance(value, Sequence) and not isinstance(value, str)
            query.append((parameter, ",".join(value) if is_list else str(value)))
    return query


def _items(answer: Any) -> tuple[Item, ...]:
    return tuple(Item(item["key"], item["value"]) for item in answer["items"])


def _json(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError as error:
        raise TransportError(f"no whole answer: {error}") from error
