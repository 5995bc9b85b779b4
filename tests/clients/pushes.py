#!/usr/bin/env python3
"""Many pushes, followed by live copies through proxies that break most connections.

`pushes.py BINARY PUSHES FOLLOWER…`: each follower is a command that gets the addresses of a proxy and
keeps copies of the parts below. It prints a line of JSON for each state that a copy ever shows, and for
each state that follows from what the copy told of its changes: `{"copy", "part", "commit", "digest"}`.
The digest is SHA-256 over the records as canonical JSON. Each must be that of the server at that commit."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from cutting_proxy import CuttingProxy
from data_server import DataServer

SEED = int(os.environ.get("HEADWATER_PUSHES_SEED", "20261129"))

SHEETS = '[sheets.items]\nformat = "json"\nindex = ["stage"]\nhidden = "deletedAt"\n[sheets.others]\nformat = "json"\n'

PRIVATE = '[sheets.items]\nformat = "json"\npublic = false\n[sheets.others]\nformat = "json"\n'

PARTS = {
    "whole": {},
    "where": {"stage[eq]": "live", "rank[gte]": "10"},
    "filter": {"filter": 'stage == "live" && size(tags) > 1'},
}

# Longer than any back-off and any silence of the test.
PATIENCE = 120


def canonical(records: dict[str, object]) -> str:
    text = json.dumps(records, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Follower:
    """A program that keeps copies."""

    process: subprocess.Popen[str]
    heard: threading.Condition = field(default_factory=threading.Condition)
    lines: list[dict[str, str]] = field(default_factory=list)
    newest: dict[str, str] = field(default_factory=dict)
    copies: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        self.copies = json.loads(next(self.process.stdout, '{"copies": 0}'))["copies"]
        for line in self.process.stdout:
            told = json.loads(line)
            with self.heard:
                self.lines.append(told)
                self.newest[told["copy"]] = told["commit"]
                self.heard.notify_all()
        with self.heard:
            self.is_over = True
            self.heard.notify_all()

    def end(self) -> None:
        """Has it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.reader.join(PATIENCE)
        if self.process.wait(PATIENCE) != 0:
            raise SystemExit(f"a follower ended with {self.process.returncode}")

    def wait_for(self, commit: str) -> None:
        """Waits until each copy shows the state of this commit."""

        def is_there() -> bool:
            states = [at for copy, at in self.newest.items() if not copy.endswith("changes")]
            is_whole = self.copies == len(states) > 0
            return self.is_over or is_whole and all(at == commit for at in states)

        with self.heard:
            there = self.heard.wait_for(is_there, PATIENCE)
        if self.is_over:
            raise SystemExit(f"a follower ended with {self.process.wait()}")
        if not there:
            raise SystemExit(f"{self.newest} instead of {commit} after {PATIENCE} s")


class Data:
    """The files of the data repository, and changes of them by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.keys = [f"r{n:03}" for n in range(300)] + ["a/b", "a-b", "ü", "\uffee", "\U0001f600"]

    def path(self, key: str) -> str:
        return f"items/{key}.json"

    def record(self) -> str:
        chance = self.chance
        value: dict[str, object] = {
            "stage": chance.choice(["live", "testing", "archived"]),
            "rank": chance.randrange(30),
            "tags": [chance.choice("abcd") for _ in range(chance.randrange(4))],
            "place": {"lat": chance.randrange(-90, 90) + 0.25, "names": ["Zürich", {"en": "\u2028"}]},
            "is": chance.choice([True, 1, None, "1", 1.5]),
            "text": "\u0085 é \U0001f600 " * chance.randrange(8),
        }
        if chance.random() < 0.1:
            value["deletedAt"] = "2026-01-01"
        return json.dumps(value, ensure_ascii=chance.random() < 0.5)

    def first(self) -> dict[str, str | None]:
        files: dict[str, str | None] = {self.path(key): self.record() for key in self.keys}
        return {**files, "headwater.toml": SHEETS, "others/one.json": '{"n": 0}'}

    def push(self) -> dict[str, str | None]:
        chance = self.chance
        if chance.random() < 0.15:
            return {"others/one.json": json.dumps({"n": chance.random()})}
        files: dict[str, str | None] = {}
        for _ in range(chance.choice([1, 1, 2, 5, 40])):
            key = chance.choice(self.keys)
            files[self.path(key)] = None if chance.random() < 0.2 else self.record()
        return files


class Run:
    """One run: the server, the followers, and what the server showed at each commit."""

    def __init__(self, server: DataServer, data: Data, followers: list[Follower]) -> None:
        self.server = server
        self.data = data
        self.followers = followers
        self.truth: dict[tuple[str, str], str] = {}
        self.did: Counter[str] = Counter()

    def publish(self) -> None:
        """Has the remote's head published, and remembers what the server shows."""
        self.server.reload()
        self.remember()

    def remember(self) -> None:
        for part, conditions in PARTS.items():
            query = "&".join(f"{name}={quote(value)}" for name, value in conditions.items())
            commit, items = self.server.lines(f"/api/items?{query}")
            digest = canonical({item["key"]: item["value"] for item in items})
            before = self.truth.setdefault((part, commit), digest)
            assert before == digest, f"the server shows {commit} in two ways"

    def meet(self) -> None:
        """Waits until all copies show what the server shows."""
        _, status, commit = self.server.ask("/api/_status")
        assert commit == status["commit"]
        for follower in self.followers:
            follower.wait_for(commit)
        self.did["meetings"] += 1

    def push(self, number: int) -> None:
        chance = self.data.chance
        what = chance.random()
        if what < 0.02 and number > 5:
            files = {**self.data.push(), "headwater.toml": SHEETS}
            self.server.push(files, back=chance.randrange(1, 4))
            self.did["rewrites"] += 1
        elif what < 0.05:
            # Some pushes arrive while nobody is there.
            self.server.stop(chance.choice([signal.SIGKILL, signal.SIGTERM]))
            for _ in range(chance.randrange(3)):
                self.server.push(self.data.push())
            self.server.start()
            self.did["restarts"] += 1
        elif what < 0.06:
            self.private()
        elif what < 0.07:
            self.back()
        else:
            self.server.push(self.data.push())
        self.publish()
        if chance.random() < 0.03:
            self.meet()

    def private(self) -> None:
        """The sheet is not public for the time of a push."""
        self.server.push({"headwater.toml": PRIVATE})
        self.server.reload()
        commit = self.server.head()
        self.truth.update({(part, commit): canonical({}) for part in PARTS})
        if self.data.chance.random() < 0.5:
            self.meet()
        self.server.push({"headwater.toml": SHEETS})
        self.did["times when it was private"] += 1

    def back(self) -> None:
        """The operator goes back to what was served before, and returns."""
        before = self.server.head()
        self.server.push(self.data.push())
        self.publish()
        self.server.pin(before)
        self.remember()
        if self.data.chance.random() < 0.5:
            self.meet()
        self.server.unpin()
        self.did["pins"] += 1

    def judge(self) -> None:
        """Compares everything that any copy ever showed with the server."""
        shown = [line for follower in self.followers for line in follower.lines]
        wrong = [line for line in shown if self.truth.get((line["part"], line["commit"])) != line["digest"]]
        if wrong:
            raise SystemExit(f"{len(wrong)} of {len(shown)} states are wrong: {wrong[:3]}")
        by_copy = Counter(line["copy"] for line in shown)
        print(f"pushes: {len(shown)} states of {len(by_copy)} copies are those of the server")
        # A copy that shows next to nothing proves next to nothing.
        for copy, states in by_copy.items():
            assert states > len(self.truth) / len(PARTS) / 20, f"{copy} shows only {states} states"


def quote(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def main() -> None:
    binary, pushes, *commands = sys.argv[1:]
    chance = random.Random(SEED)
    data = Data(chance)
    begun = time.monotonic()
    with DataServer(binary, data.first()) as server:
        proxies = [CuttingProxy(server.port, SEED + n) for n in range(len(commands))]
        followers = []
        run = Run(server, data, followers)
        run.remember()
        for command, proxy in zip(commands, proxies):
            arguments = [*shlex.split(command), proxy.address]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            followers.append(Follower(subprocess.Popen(arguments, text=True, **pipes)))
        try:
            run.meet()
            for number in range(int(pushes)):
                run.push(number)
            for proxy in proxies:
                proxy.calm = True
            run.meet()
            for follower in followers:
                follower.end()
        finally:
            for follower in followers:
                follower.process.kill()
        run.judge()
        met = sum((proxy.met for proxy in proxies), Counter())
        print(f"pushes: {pushes} in {time.monotonic() - begun:.0f} s; {dict(run.did)}; cuts: {dict(met)}")
        assert all(met[fault] > 0 for fault in ("close", "reset", "stall", "hidden end")), met
        if int(pushes) >= 200:
            assert all(run.did[what] > 0 for what in ("rewrites", "restarts", "meetings")), run.did


if __name__ == "__main__":
    main()
