"""Against a server of tests/clients/with_server.py."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import unittest
from collections.abc import Callable
from typing import Any

from headwater import AsyncHeadwater, Headwater, RefusedError, TransportError

ADDRESS, TOKEN = os.environ["HEADWATER_ADDRESS"], os.environ["HEADWATER_TOKEN"]
WAITS = (0.01, 0.1)

numbers = itertools.count()


def fresh() -> str:
    """Returns a name that no other test has."""
    return f"py-{os.getpid()}-{next(numbers)}"


class Calls(unittest.TestCase):
    def setUp(self) -> None:
        self.reader = self.enterContext(Headwater(ADDRESS, waits=WAITS))
        self.writer = self.enterContext(Headwater(f"{ADDRESS}/", token=TOKEN, waits=WAITS))

    def refused(self, call: Callable[[], Any]) -> RefusedError:
        with self.assertRaises(RefusedError) as caught:
            call()
        return caught.exception

    def test_a_record_is_read_with_its_version_and_a_missing_one_is_refused_with_a_code(self) -> None:
        read = self.reader.get("people", "p007")
        self.assertEqual(read.value["name"], "Person 7")
        self.assertEqual(self.reader.get("people", "p007", at=read.commit).value["age"], 7)
        error = self.refused(lambda: self.reader.get("people", "nobody"))
        self.assertEqual((error.status, error.code, len(error.trace_id)), (404, "not_found", 32))

    def test_a_list_has_every_record_once_by_conditions_an_expression_and_in_any_order(self) -> None:
        every = [item.key for item in self.reader.list("people", where={"slug": {"prefix": "p"}})]
        self.assertEqual(every, [f"p{n:03}" for n in range(250)])
        some = self.reader.list(
            "people",
            where={"city": {"in": ["Berlin, Mitte"]}, "tags": {"size": 1}, "age": {"lt": 30}},
            filter="age > 10",
            sort=["-age"],
        )
        self.assertEqual([item.value["age"] for item in some], [28, 25, 22, 19, 16, 13])
        error = self.refused(lambda: self.reader.page("people", where={"nothing": 1}))
        self.assertEqual((error.code, error.errors[0].parameter), ("invalid_query", "nothing[eq]"))

    def test_a_page_has_the_number_of_all_and_what_is_counted_beside_them(self) -> None:
        page = self.reader.page(
            "people", where={"slug": {"prefix": "p"}}, per_page=5, page=2, facets="city", fields=["slug"]
        )
        self.assertEqual([item.value for item in page.items], [{"slug": f"p00{n}"} for n in range(5, 10)])
        self.assertEqual((page.total, len(page.facets["city"])), (250, 3))

    def test_a_search_finds_the_best_matches(self) -> None:
        hits = self.reader.search("ferns", sheets=["people"], per_page=3, fields=["slug"])
        self.assertEqual((hits.total, len(hits.items), hits.relaxed), (5, 3, False))
        self.assertIn("<mark>ferns</mark>", hits.items[0].highlights["bio"][0])

    def test_a_write_succeeds_on_the_version_that_was_read_and_on_no_other(self) -> None:
        slug = fresh()
        created = self.writer.create("people", {"slug": slug, "name": "New"}, summary="Žofie kommt")
        self.assertEqual((created.key, created.changed), (slug, True))
        read = self.writer.get("people", slug)
        put = self.writer.put("people", slug, {**read.value, "age": 3}, if_match=read.etag)
        self.assertEqual(put.value["age"], 3)
        error = self.refused(lambda: self.writer.patch("people", slug, {"age": 4}, if_match=read.etag))
        self.assertEqual((error.status, error.code), (412, "precondition_failed"))
        error = self.refused(lambda: self.writer.put("people", slug, read.value, if_absent=True))
        self.assertEqual(error.status, 412)
        changes = {"age": None, "city": "Ems"}
        patched = self.writer.patch("people", slug, changes, if_match=put.etag or "")
        self.assertEqual(patched.value, {"slug": slug, "name": "New", "city": "Ems"})
        self.assertEqual(len(self.writer.delete("people", slug, if_match="*").commit), 40)
        self.assertEqual(self.refused(lambda: self.writer.get("people", slug)).code, "not_found")

    def test_a_write_that_is_sent_twice_is_done_once(self) -> None:
        slug, key = fresh(), fresh()
        record = {"slug": slug, "name": "Once"}
        first = self.writer.create("people", record, idempotency_key=key)
        again = self.writer.create("people", record, idempotency_key=key)
        self.assertEqual((first.repeated, again.repeated), (False, True))
        self.assertEqual(first.commit, again.commit)

    def test_a_refused_record_says_where_it_is_wrong(self) -> None:
        wrong = {"slug": "p001", "name": "One", "age": "old"}
        error = self.refused(lambda: self.writer.put("people", "p001", wrong))
        self.assertEqual((error.status, error.code), (422, "invalid_record"))
        self.assertEqual(error.errors[0].pointer, "/age")

    def test_what_only_a_token_may_read_is_not_there_for_others_and_a_wrong_one_is_refused(self) -> None:
        self.assertEqual(self.writer.get("plans", "a/one").value["slug"], "one")
        self.assertEqual(self.refused(lambda: self.reader.get("plans", "a/one")).code, "not_found")
        wrong = self.enterContext(Headwater(ADDRESS, token="not-the-token-at-all"))
        self.assertEqual(self.refused(lambda: wrong.get("people", "p001")).code, "unauthorized")
        self.assertEqual(self.refused(lambda: wrong.live("people").__enter__()).code, "unauthorized")
        self.assertEqual(self.refused(lambda: self.reader.live("plans").__enter__()).code, "not_found")

    def test_a_server_that_is_not_there_is_an_error_of_its_own(self) -> None:
        nowhere = self.enterContext(Headwater("http://127.0.0.1:9", waits=WAITS, retries=2))
        with self.assertRaises(TransportError):
            nowhere.get("people", "p001")
        with self.assertRaises(TimeoutError):
            nowhere.live("people", timeout=0.05).__enter__()

    def test_a_copy_on_a_thread_tells_what_changes_and_ends_when_it_is_closed(self) -> None:
        slug = fresh()
        with self.writer.live("people", where={"city": slug}) as live:
            self.assertEqual((len(live), live.status.connected, live.status.error), (0, True, None))
            before, changes = live.state, live.changes()
            self.writer.create("people", {"slug": slug, "name": "New", "city": slug})
            entered = next(changes)
            self.assertEqual([(item.key, item.change) for item in entered.items], [(slug, "enter")])
            self.assertEqual((live[slug]["name"], slug in live, len(before.records)), ("New", True, 0))
            self.writer.patch("people", slug, {"city": "elsewhere"})
            left = next(changes)
            self.assertEqual([(item.key, item.change) for item in left.items], [(slug, "leave")])
            # A commit that changes nothing in the part moves it, too.
            moved = threading.Event()
            live.subscribe(moved.set)
            deleted = self.writer.delete("people", slug)
            self.assertTrue(moved.wait(60))
            self.assertEqual(live.commit, deleted.commit)
        self.assertEqual((list(changes), live.status.connected), ([], False))


class AsyncCalls(unittest.IsolatedAsyncioTestCase):
    async def test_the_calls_are_those_of_the_other_client(self) -> None:
        slug = fresh()
        async with AsyncHeadwater(ADDRESS, token=TOKEN, waits=WAITS) as client:
            keys = [item.key async for item in client.list("people", where={"age": {"lt": 120}})]
            self.assertEqual(len(keys), 120)
            await client.create("people", {"slug": slug, "name": "New"})
            read = await client.get("people", slug)
            await client.put("people", slug, {**read.value, "age": 1}, if_match=read.etag)
            await client.patch("people", slug, {"age": 2})
            self.assertEqual((await client.page("people", where={"slug": slug})).items[0].value["age"], 2)
            await client.delete("people", slug)
            self.assertEqual((await client.search("ferns", sheets=["people"])).total, 5)
            with self.assertRaises(RefusedError):
                await client.get("people", slug)

    async def test_a_copy_tells_what_changes_and_ends_when_it_is_closed(self) -> None:
        slug = fresh()
        async with AsyncHeadwater(ADDRESS, token=TOKEN, waits=WAITS) as client:
            async with client.live("people", filter=f'slug == "{slug}"') as live:
                changes = live.changes()
                created = await client.create("people", {"slug": slug, "name": "New"})
                entered = await anext(changes)
                self.assertEqual([(item.key, item.change) for item in entered.items], [(slug, "enter")])
                self.assertEqual((live.commit, live[slug]["name"]), (created.commit, "New"))
                await client.delete("people", slug)
                self.assertEqual((await anext(changes)).items[0].change, "leave")
            self.assertEqual([change async for change in changes], [])
            self.assertFalse(live.status.connected)

    async def test_a_copy_that_cannot_be_is_refused(self) -> None:
        async with AsyncHeadwater(ADDRESS, waits=WAITS) as client:
            for sheet, filter, code in [
                ("plans", "true", "not_found"),
                ("people", "nothing ==", "invalid_query"),
                # What changes by itself cannot be followed.
                ("people", 'string(now) != ""', "invalid_query"),
            ]:
                with self.assertRaises(RefusedError) as caught:
                    await client.live(sheet, filter=filter).__aenter__()
                self.assertEqual(caught.exception.code, code)

    async def test_a_copy_that_is_given_up_before_it_has_begun_leaves_nothing_behind(self) -> None:
        async with AsyncHeadwater("http://127.0.0.1:9", waits=WAITS) as client:
            before = asyncio.all_tasks()
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.05), client.live("people"):
                    pass
            self.assertEqual(asyncio.all_tasks(), before)


if __name__ == "__main__":
    unittest.main()
