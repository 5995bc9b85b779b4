"""How many requests a second Headwater and Datasette answer, over the same records in one run.

    serving.py HEADWATER REPOSITORY

HEADWATER is the binary, and REPOSITORY a bare clone of a repository with the sheet `people`, as
`headwater-bench` makes it. Needs Python 3.9 with venv. The first run installs Datasette into a
folder of its own, which HEADWATER_SERVING_PEER may name.

The client is written in Python. Its own work is part of every figure, and makes the faster server
look slower.

Datasette serves an immutable SQLite file of the same records, with an index on each column that
Headwater indexes, a full text index on the columns that Headwater searches, and no
suggestions of facets. Each server answers one client on one connection, in turns. Both answers to
each request are compared before anything is measured.
"""

import json
import os
import random
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from finding import Headwater

DATASETTE = "datasette==0.65.5"
ROUNDS = 7
SECONDS = 1.0
INDEXED = ["accountLevel", "createdAt"]
SEARCHED = ["fullName", "bio"]


def datasette_program():
    """Returns the program, which the first call installs."""
    folder = Path(
        os.environ.get("HEADWATER_SERVING_PEER", Path(tempfile.gettempdir()) / "headwater-datasette")
    )
    program = folder / "bin" / "datasette"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", "--quiet", DATASETTE, "setuptools"],
            check=True,
        )
    return program


class Client:
    """One connection that stays open. Knows just enough of HTTP not to be what is measured."""

    def __init__(self, base):
        self.host, port = urllib.parse.urlsplit(base).netloc.split(":")
        self.socket = socket.create_connection((self.host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, path, accept="application/json"):
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}", f"Accept: {accept}", "", ""]
        return "\r\n".join(lines).encode()

    def ask(self, request):
        """Sends a request and returns the body of its answer."""
        self.socket.sendall(request)
        answer = self.more()
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self.more()
        head, body = answer[:end].lower(), answer[end + 4 :]
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{request!r}: {answer[:500]!r}")
        if length := re.search(rb"\ncontent-length: (\d+)", head):
            while len(body) < int(length[1]):
                body += self.more()
            return body
        while not body.endswith(b"0\r\n\r\n"):
            body += self.more()
        return unchunked(body)

    def more(self):
        part = self.socket.recv(1 << 18)
        if not part:
            raise RuntimeError("the server closed the connection")
        return part

    def get(self, path, accept="application/json"):
        return self.ask(self.request(path, accept))

    def rate(self, paths):
        """Asks for `paths` over and over, and returns the number of answers per second."""
        requests = [self.request(path) for path in paths]
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            self.ask(requests[count % len(requests)])
            count += 1
        return count / (time.perf_counter() - began)


def unchunked(body):
    parts, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def tabulated(records, file):
    """Writes the records to an SQLite file, as somebody who serves them with Datasette would."""
    columns = sorted({name for value in records.values() for name in value})
    database = sqlite3.connect(file)
    names = ", ".join(f'"{name}"' for name in columns)
    database.execute(f"CREATE TABLE people (_key TEXT PRIMARY KEY, {names})")
    database.executemany(
        f"INSERT INTO people VALUES (?{', ?' * len(columns)})",
        ([key, *(value.get(name) for name in columns)] for key, value in records.items()),
    )
    for name in INDEXED:
        database.execute(f'CREATE INDEX "by_{name}" ON people ("{name}")')
    searched = ", ".join(f'"{name}"' for name in SEARCHED)
    database.execute(
        f'CREATE VIRTUAL TABLE people_fts USING fts5({searched}, content="people")'
    )
    database.execute("INSERT INTO people_fts (people_fts) VALUES ('rebuild')")
    database.commit()
    database.execute("VACUUM")
    database.execute("ANALYZE")
    database.close()


class Datasette:
    def __init__(self, file, base, log):
        port = str(urllib.parse.urlsplit(base).port)
        settings = ["sql_time_limit_ms", "facet_time_limit_ms"]
        words = [datasette_program(), "-i", file, "--port", port]
        for name in settings:
            words += ["--setting", name, "10000"]
        self.process = subprocess.Popen(words, stdout=log, stderr=log)
        for _ in range(600):
            try:
                Client(base).get("/-/versions.json")
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError("Datasette does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def questions(records, chance):
    """Returns the requests of each row, as pairs of paths: to Headwater and to Datasette."""
    keys = chance.sample(sorted(records), 300)
    words = sorted({word for value in records.values() for word in value["fullName"].split()})
    page = "/people/people.json?_nosuggest=1&_size=30"
    levels = sorted({value["accountLevel"] for value in records.values()})
    by_word = [(f"q={word}&prefix=off&perPage=30", f"_search={word}") for word in chance.sample(words, 50)]
    return {
        "a record": [(f"/api/people/{key}", f"/people/people/{key}.json?_shape=object") for key in keys],
        "a filtered page": [
            (f"/api/people?accountLevel={level}&perPage=30", f"{page}&accountLevel__exact={level}")
            for level in levels
        ],
        "a page sorted by a field with an index": [
            ("/api/people?sort=-createdAt&perPage=30", f"{page}&_sort_desc=createdAt")
        ],
        "a page sorted by a field without an index": [
            ("/api/people?sort=fullName&perPage=30", f"{page}&_sort=fullName")
        ],
        "a search": [(f"/api/people?{ours}", f"{page}&{theirs}") for ours, theirs in by_word],
        "a facet": [("/api/people?facets=accountLevel&perPage=0", f"{page}&_facet=accountLevel")],
    }


def compared(row, ours, theirs):
    """Fails where the two answers do not say the same."""
    if row == "a record":
        return
    if row == "a facet":
        values = ours["facets"]["accountLevel"]
        left = {item["value"]: item["count"] for item in values}
        results = theirs["facet_results"]["accountLevel"]["results"]
        right = {item["value"]: item["count"] for item in results}
    elif row.startswith("a page sorted"):
        field = "createdAt" if " with an" in row else "fullName"
        name = theirs["columns"].index(field)
        left = [item["value"][field] for item in ours["items"]]
        right = [item[name] for item in theirs["rows"]]
    else:
        left, right = ours["total"], theirs["filtered_table_rows_count"]
    if left != right:
        raise RuntimeError(f"{row}: {left} and {right}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binary, repository = sys.argv[1:]
    chance = random.Random(22)
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w") as log:
        server = Headwater(binary, repository, "people", log)
        lines = Client(server.base).get("/api/people", "application/x-ndjson").decode().splitlines()
        records = {item["key"]: item["value"] for item in map(json.loads, lines) if "key" in item}
        file = Path(scratch) / "people.db"
        tabulated(records, file)
        base = f"http://127.0.0.1:{urllib.parse.urlsplit(server.base).port + 1}"
        peer = Datasette(file, base, log)
        try:
            # Opened anew, for a server closes a connection on which nothing is asked for long.
            ours, theirs = Client(server.base), Client(base)
            print(f"\n## {len(records):,} people, requests a second on one connection\n")
            print("| | Headwater | Datasette | times |\n|---|--:|--:|--:|")
            for row, pairs in questions(records, chance).items():
                for one, other in pairs[:20]:
                    compared(row, json.loads(ours.get(one)), json.loads(theirs.get(other)))
                rates = [
                    (ours.rate([one for one, _ in pairs]), theirs.rate([other for _, other in pairs]))
                    for _ in range(ROUNDS)
                ]
                left, right = (statistics.median(side) for side in zip(*rates))
                times = statistics.median(one / other for one, other in rates)
                print(f"| {row} | {left:,.0f} | {right:,.1f} | {times:,.0f} |", flush=True)
        finally:
            peer.stop()
            server.stop()


if __name__ == "__main__":
    main()
