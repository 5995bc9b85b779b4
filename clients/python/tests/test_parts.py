"""The parts that need no server."""

from __future__ import annotations

import unittest
from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import Any

from headwater._backoff import Backoff, Waits
from headwater._conditions import selecting
from headwater._events import EventParser, ServerEvent, lines
from headwater._state import State, applied, difference, loaded

TEXT = (
    'retry: 2000\nid: 1\n\n: still here\nid: 2\nevent: changes\ndata: {"ü":"\u2028\u0085"}\r\n\r\n'
    "id: 3\n\nid: 4\nevent: changes\ndata: {"
)


def at(commit: str, **records: int) -> State:
    return State(commit, MappingProxyType({key: {"n": n} for key, n in records.items()}))


def listed(state: State) -> list[tuple[str, int]]:
    return [(key, value["n"]) for key, value in state.records.items()]


class States(unittest.TestCase):
    def test_a_change_makes_another_state_and_leaves_the_one_before_as_it_was(self) -> None:
        before = at("1", a=1, c=3, e=5)
        told: list[dict[str, Any]] = [
            {"key": "b", "change": "enter", "value": {"n": 2}},
            {"key": "c", "change": "change", "value": {"n": 4}},
            {"key": "e", "change": "leave", "value": None},
        ]
        after = applied(before, "2", told)
        self.assertEqual((after.commit, listed(after)), ("2", [("a", 1), ("b", 2), ("c", 4)]))
        self.assertEqual(listed(before), [("a", 1), ("c", 3), ("e", 5)])
        items = difference(before, after).items
        self.assertEqual(
            [(item.key, item.change, item.before, item.value) for item in items],
            [
                ("b", "enter", None, {"n": 2}),
                ("c", "change", {"n": 3}, {"n": 4}),
                ("e", "leave", {"n": 5}, None),
            ],
        )

    def test_a_record_that_leaves_without_having_been_there_does_no_harm(self) -> None:
        before = at("1", a=1)
        told: list[dict[str, Any]] = [
            {"key": "a", "change": "enter", "value": {"n": 2}},
            {"key": "b", "change": "leave", "value": None},
        ]
        items = difference(before, applied(before, "2", told)).items
        self.assertEqual([(item.key, item.change) for item in items], [("a", "change")])

    def test_what_is_read_anew_differs_only_where_its_values_do(self) -> None:
        before = State("1", {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 3}})
        after = loaded(before, "9", {"d": {"n": 4}, "b": {"n": True}, "a": {"n": 1}})
        self.assertEqual(list(after.records), ["a", "b", "d"])
        items = difference(before, after).items
        changes = [(item.key, item.change) for item in items]
        self.assertEqual(changes, [("b", "change"), ("c", "leave"), ("d", "enter")])


class Events(unittest.IsolatedAsyncioTestCase):
    async def test_events_are_the_same_in_whichever_pieces_they_arrive_and_half_of_one_is_none(self) -> None:
        text = TEXT.encode()

        async def pieces(size: int) -> AsyncIterator[bytes]:
            for begin in range(0, len(text), size):
                yield text[begin : begin + size]

        for size in (1, 2, 3, 7, 1_000):
            parser = EventParser()
            events = [parser.take(line) async for line in lines(pieces(size))]
            self.assertEqual(
                [event for event in events if event is not None],
                [
                    ServerEvent("1", "message", None),
                    ServerEvent("2", "changes", '{"ü":"\u2028\u0085"}'),
                    ServerEvent("3", "message", None),
                ],
            )


class Requests(unittest.TestCase):
    def test_conditions_are_written_as_the_server_reads_them(self) -> None:
        query = selecting(
            {
                "where": {
                    "stage": "live",
                    "sort": True,
                    "rank": {"gte": 3, "lt": 9},
                    "city": {"in": ["Berlin, Mitte", "a\\b", 7]},
                    "tags": {"size": {"gt": 1, "in": [2, 3]}},
                    "name": {"size": 4, "exists": True},
                },
                "filter": "size(tags) > 1",
                "now": "2026-01-31T12:00:00Z",
            }
        )
        self.assertEqual(
            query,
            [
                ("stage[eq]", "live"),
                ("sort[eq]", "true"),
                ("rank[gte]", "3"),
                ("rank[lt]", "9"),
                ("city[in]", "Berlin\\, Mitte,a\\\\b,7"),
                ("tags[size][gt]", "1"),
                ("tags[size][in]", "2,3"),
                ("name[size]", "4"),
                ("name[exists]", "true"),
                ("filter", "size(tags) > 1"),
                ("now", "2026-01-31T12:00:00Z"),
            ],
        )

    def test_waits_double_are_shortened_by_chance_and_begin_again_after_a_success(self) -> None:
        chance = 1.0
        backoff = Backoff(Waits(1, 5), lambda: chance)
        self.assertEqual([backoff.take() for _ in range(4)], [1, 2, 4, 5])
        chance = 0.0
        self.assertEqual(backoff.take(), 2.5)
        backoff.reset()
        self.assertEqual(backoff.take(), 0.5)


if __name__ == "__main__":
    unittest.main()
