"""States of a copy, and how they differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["enter", "change", "leave"]


@dataclass(frozen=True, eq=False)
class State:
    """The records of a part of a sheet at one commit, in the order of their keys. It never changes."""

    commit: str
    records: Mapping[str, Any]


EMPTY = State("", MappingProxyType({}))


@dataclass(frozen=True)
class RecordChange:
    """What happened to a record between two states."""

    key: str
    change: Kind
    before: Any
    """The record before; None if it entered."""
    value: Any
    """The record now; None if it left."""


@dataclass(frozen=True, eq=False)
class Change:
    """How two states differ, in the order of keys."""

    before: State
    after: State
    items: tuple[RecordChange, ...]


def applied(state: State, commit: str, told: Iterable[Mapping[str, Any]]) -> State:
    """Returns the state after a change that the server tells, as a whole."""
    records: dict[str, Any] | None = None
    is_sorted = True
    for item in told:
        if records is None:
            records = dict(state.records)
        key = item["key"]
        if item["change"] == "leave":
            records.pop(key, None)
        else:
            is_sorted = is_sorted and key in records
            records[key] = item["value"]
    if records is None:
        return State(commit, state.records)
    return State(commit, MappingProxyType(records if is_sorted else dict(sorted(records.items()))))


def loaded(before: State, commit: str, records: Mapping[str, Any]) -> State:
    """Returns the state of records that were read anew. Values that are as before stay the same."""
    kept = {}
    for key in sorted(records):
        value, old = records[key], before.records.get(key)
        kept[key] = old if old is not None and _text(old) == _text(value) else value
    return State(commit, MappingProxyType(kept))


def difference(before: State, after: State) -> Change:
    """Returns how two states differ. Their values are compared by identity."""
    items: list[RecordChange] = []
    if before.records is not after.records:
        for key, value in after.records.items():
            if key not in before.records:
                items.append(RecordChange(key, "enter", None, value))
            elif before.records[key] is not value:
                items.append(RecordChange(key, "change", before.records[key], value))
        gone = (key for key in before.records if key not in after.records)
        items += [RecordChange(key, "leave", before.records[key], None) for key in gone]
        items.sort(key=lambda item: item.key)
    return Change(before, after, tuple(items))


def _text(value: Any) -> str:
    # Equal texts, because `True == 1`.
    return json.dumps(value)
