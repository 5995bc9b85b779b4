"""Keeps copies for tests/clients/pushes.py, and prints each state that one shows, and each that follows
from what it tells."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
from collections.abc import Mapping
from typing import Any

from headwater import AsyncHeadwater, AsyncLive, Change, Headwater, Live
from headwater._conditions import Part

PARTS: dict[str, Part] = {
    "whole": {},
    "where": {"where": {"stage": "live", "rank": {"gte": 10}}},
    "filter": {"filter": 'stage == "live" && size(tags) > 1'},
}


def show(copy: str, part: str, commit: str, records: Mapping[str, Any]) -> None:
    text = json.dumps(dict(records), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert list(records) == sorted(records), "in the order of keys"
    digest = hashlib.sha256(text.encode()).hexdigest()
    line = json.dumps({"copy": copy, "part": part, "commit": commit, "digest": digest})
    # One write, because two threads print.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def follow(name: str, part: str, records: dict[str, Any], change: Change) -> None:
    """Applies what a copy tells to records that follow it."""
    for item in change.items:
        if item.change == "leave":
            del records[item.key]
        else:
            assert (item.key in records) == (item.change == "change")
            records[item.key] = item.value
    show(f"{name} changes", part, change.after.commit, dict(sorted(records.items())))


async def keep(name: str, part: str, live: AsyncLive) -> None:
    records = dict(live.records)
    live.subscribe(lambda: show(name, part, live.commit, live.records))
    show(name, part, live.commit, live.records)
    async for change in live.changes():
        follow(name, part, records, change)


def keep_in_thread(name: str, part: str, live: Live) -> None:
    records: dict[str, Any] | None = None
    for change in live.changes():
        if records is None:
            records = dict(change.before.records)
        follow(name, part, records, change)


def show_state(name: str, part: str, live: Live) -> None:
    state = live.state
    show(name, part, state.commit, state.records)


async def main(address: str) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncHeadwater(address, waits=(0.01, 0.2)) as headwater, asyncio.TaskGroup() as tasks:
        copies = [(part, headwater.live("items", patience=2.0, **PARTS[part])) for part in PARTS]
        for part, live in copies:
            await live.__aenter__()
            tasks.create_task(keep(f"python {part}", part, live))
        # The test ends the input when it is over.
        await loop.run_in_executor(None, sys.stdin.read)
        for _, live in copies:
            await live.close()
            assert not live.status.connected


def main_of_threads(address: str) -> None:
    with Headwater(address, waits=(0.01, 0.2)) as headwater:
        with headwater.live("items", patience=2.0, timeout=100) as live:
            live.subscribe(lambda: show_state("python thread", "whole", live))
            show_state("python thread", "whole", live)
            thread = threading.Thread(target=keep_in_thread, args=("python thread", "whole", live))
            thread.start()
            sys.stdin.read()
        thread.join()
        assert not live.status.connected


if __name__ == "__main__":
    if sys.argv[1] == "--threads":
        print(json.dumps({"copies": 1}), flush=True)
        main_of_threads(sys.argv[2])
    else:
        print(json.dumps({"copies": len(PARTS)}), flush=True)
        asyncio.run(main(sys.argv[1]))
