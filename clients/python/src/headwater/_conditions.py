"""Which records of a sheet are meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

Scalar = str | int | float | bool
"""A value that a field is compared with."""

Query = list[tuple[str, str | int | float | bool | None]]
"""The parameters of a request, as httpx takes them; here all are texts."""


SizeCondition = TypedDict(
    "SizeCondition",
    {
        "eq": int,
        "ne": int,
        "gt": int,
        "gte": int,
        "lt": int,
        "lte": int,
        "in": Sequence[int],
        "nin": Sequence[int],
    },
    total=False,
)
"""Conditions on a number; all must be met."""

Condition = TypedDict(
    "Condition",
    {
        "eq": Scalar,
        "ne": Scalar,
        "gt": Scalar,
        "gte": Scalar,
        "lt": Scalar,
        "lte": Scalar,
        "in": Sequence[Scalar],
        "nin": Sequence[Scalar],
        "prefix": str,
        "contains": str,
        "exists": bool,
        "size": int | SizeCondition,
    },
    total=False,
)
"""Conditions on a field; all must be met. `size` is about the number of elements of a list."""

Where = Mapping[str, Scalar | Condition]
"""Conditions by field; a plain value stands for `{"eq": value}`. Dots lead into nested fields."""


class Part(TypedDict, total=False):
    """Which records of a sheet are meant."""

    where: Where
    filter: str
    """A condition in CEL, such as `stage == "live" && size(tags) > 1`."""
    now: str
    """What `now` stands for in conditions: `2026-01-31T12:00:00Z`."""


def selecting(part: Part) -> Query:
    """Returns the parameters that select a part."""
    query: Query = []
    for field, condition in part.get("where", {}).items():
        conditions: Mapping[str, Any] = (
            condition if isinstance(condition, dict) else {"eq": condition}
        )
        query += [(f"{field}{name}", text) for name, text in _operators(conditions)]
    if "filter" in part:
        query.append(("filter", part["filter"]))
    if "now" in part:
        query.append(("now", part["now"]))
    return query


def _operators(conditions: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in conditions.items():
        if isinstance(value, Mapping):
            yield from ((f"[{name}]{inner}", text) for inner, text in _operators(value))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"[{name}]", ",".join(_listed(_text(each)) for each in value)
        else:
            yield f"[{name}]", _text(value)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(text: str) -> str:
    """Returns a value as a list of values has it."""
    return text.replace("\\", "\\\\").replace(",", "\\,")
