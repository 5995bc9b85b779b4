#!/usr/bin/env python3
"""Random records and random lists, answered by a server and by SQLite (json_each), and compared.

HEADWATER names the binary; HEADWATER_PAIRS how many lists are compared (2,000), and
HEADWATER_PAIRS_SEED where the random numbers begin. It needs git, and no module beside Python's own.
"""

import http.client
import json
import math
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse

BINARY = os.environ.get("HEADWATER", "target/release/headwater")
PAIRS = int(os.environ.get("HEADWATER_PAIRS", "2000"))
SEED = int(os.environ.get("HEADWATER_PAIRS_SEED", "1"))
RECORDS, OF_EACH = 80, 200

STAGES, TAGS = ["testing", "live", "gone"], ["a", "b", "c d", "e,f"]
DAYS = [f"202{y}-{m:02}-{d:02}" for y in range(3) for m in (1, 2, 11) for d in (1, 28)]
SQL = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def record(rng):
    release = lambda: {
        k: v
        for k, v in [("v", rng.randrange(4)), ("lts", rng.random() < 0.5), ("eol", rng.choice(DAYS))]
        if rng.random() < 0.8
    }
    all_fields = {
        "stage": rng.choice(STAGES),
        "n": rng.randrange(-3, 6),
        "cvss": rng.randrange(0, 101) / 10,
        "day": rng.choice(DAYS),
        "tags": [rng.choice(TAGS) for _ in range(rng.randrange(4))],
        "releases": [release() for _ in range(rng.randrange(4))],
    }
    return {k: v for k, v in all_fields.items() if rng.random() < 0.85}


def quoted(value):
    return str(value) if isinstance(value, (int, float)) else "'" + value.replace("'", "''") + "'"


def listed(values):
    return ",".join(str(v).replace("\\", "\\\\").replace(",", "\\,") for v in values)


def condition(rng, name, place, values, spelt=str):
    """A condition on a single value at a place, as a parameter and as SQL."""
    kind = rng.choice(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists"])
    one, some = rng.choice(values), rng.sample(values, min(2, len(values)))
    texts = ",".join(quoted(v) for v in some)
    if kind == "exists":
        is_there = rng.random() < 0.5
        return (f"{name}[exists]", str(is_there).lower()), f"{place} IS {'NOT ' if is_there else ''}NULL"
    if kind == "ne":
        return (f"{name}[ne]", spelt(one)), f"{place} IS NOT {quoted(one)}"
    if kind in ("in", "nin"):
        negated = "NOT " if kind == "nin" else ""
        return (f"{name}[{kind}]", listed(map(spelt, some))), f"{negated}coalesce({place} IN ({texts}), 0)"
    return (f"{name}[{kind}]", spelt(one)), f"coalesce({place} {SQL[kind]} {quoted(one)}, 0)"


def of_record(rng):
    at = lambda path: f"json_extract(r.value, '$.{path}')"
    tag, count = rng.choice(TAGS), rng.randrange(4)
    size = rng.choice(["eq", "gt", "lte"])
    holds = f"EXISTS (SELECT 1 FROM json_each(r.value, '$.tags') WHERE value = {quoted(tag)})"
    length = f"json_array_length(r.value, '$.tags') {SQL[size]} {count}"
    key = f"r0{rng.randrange(8)}"
    return rng.choice([
        lambda: condition(rng, "n", at("n"), list(range(-3, 6))),
        lambda: condition(rng, "stage", at("stage"), STAGES),
        lambda: condition(rng, "day", at("day"), DAYS),
        lambda: condition(rng, "releases.0.v", at("releases[0].v"), [0, 1, 2, 3]),
        lambda: condition(rng, "releases.-1.eol", at("releases[#-1].eol"), DAYS),
        lambda: (("tags", tag), holds),
        lambda: (("tags[ne]", tag), f"NOT {holds}"),
        lambda: ((f"tags[size][{size}]", str(count)), f"coalesce({length}, 0)"),
        lambda: (("_key[prefix]", key), f"r.key LIKE '{key}%'"),
    ])()


def of_release(rng):
    at = lambda name: f"json_extract(e.value, '$.{name}')"
    return rng.choice([
        lambda: condition(rng, "releases.v", at("v"), [0, 1, 2, 3]),
        lambda: condition(rng, "releases.eol", at("eol"), DAYS),
        lambda: condition(rng, "releases.lts", at("lts"), [0, 1], lambda v: ["false", "true"][v]),
    ])()


def is_negated(pair):
    return any(pair[0].endswith(end) for end in ("[ne]", "[nin]")) or pair[0].endswith("[exists]") and pair[1] == "false"



def joint(found):
    """Several conditions hold for one release; one by itself is of the whole record."""
    some = lambda tests: f"EXISTS (SELECT 1 FROM json_each(r.value, '$.releases') e WHERE {' AND '.join(tests)})"
    nothing = "coalesce(json_array_length(r.value, '$.releases'), 0) = 0"
    if not found:
        return "1"
    if len(found) == 1:
        pair, sql = found[0]
        return f"NOT {some([f'NOT ({sql})'])}" if is_negated(pair) else some([sql])
    empty = f" OR {nothing}" if all(is_negated(pair) for pair, _ in found) else ""
    return f"({some([sql for _, sql in found])}{empty})"


class Server:
    def __init__(self, folder, rng):
        sheet = pathlib.Path(folder, "things")
        sheet.mkdir()
        self.sql = sqlite3.connect(":memory:")
        self.sql.execute("CREATE TABLE r (key TEXT PRIMARY KEY, value TEXT)")
        for number in range(RECORDS):
            text = json.dumps(record(rng))
            (sheet / f"r{number:03}.json").write_text(text)
            self.sql.execute("INSERT INTO r VALUES (?, ?)", (f"r{number:03}", text))
        index = rng.choice(["[]", "['n', 'stage']", "['day', 'tags', 'releases.v', 'releases.lts']"])
        pathlib.Path(folder, "headwater.toml").write_text(f"[sheets.things]\nroot = 'things'\nformat = 'json'\nindex = {index}\n")
        git = lambda *args: subprocess.run(["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org", *args], check=True)
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "-m", "all")
        serve = [BINARY, "serve", "--repo", folder, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = next(line for line in self.process.stdout if "127.0.0.1:" in line)
        port = address.split("127.0.0.1:")[1]
        self.http = http.client.HTTPConnection("127.0.0.1", int("".join(c for c in port.split()[0] if c.isdigit())))

    def get(self, pairs):
        self.http.request("GET", "/api/things?" + urllib.parse.urlencode(pairs))
        answer = self.http.getresponse()
        body = json.loads(answer.read())
        return body if answer.status == 200 else sys.exit(f"{pairs}: {body}")


def compare(server, rng):
    outer = [of_record(rng) for _ in range(rng.randrange(3))]
    inner = [of_release(rng) for _ in range(rng.randrange(3))]
    # What is asked for twice in one way would be one list, or one condition.
    if len({pair[0] for pair, _ in outer + inner}) < len(outer + inner):
        return
    unnests = rng.random() < 0.4
    pairs = [pair for pair, _ in outer + inner]
    where = " AND ".join(["1"] + [sql for _, sql in outer])
    if unnests:
        pairs.append(("unnest", "releases"))
        where = " AND ".join([where] + [sql for _, sql in inner])
        items = f"SELECT r.key AS key, r.value AS value, e.key AS at, e.value AS element FROM r, json_each(r.value, '$.releases') e WHERE {where}"
    else:
        items = f"SELECT r.key AS key, r.value AS value, 0 AS at, NULL AS element FROM r WHERE {where} AND {joint(inner)}"
    rows = lambda sql: [list(row) for row in server.sql.execute(f"WITH i AS ({items}) {sql}")]
    release = lambda name: f"json_extract(x.value, '$.{name}')"

    page = server.get(pairs + [("perPage", "100"), ("sort", "-n,_key")])
    found = [(item["key"], int(item.get("at", "/0").rsplit("/", 1)[1])) for item in page["items"]]
    expected = rows("SELECT key, at FROM i ORDER BY json_extract(value, '$.n') IS NULL, json_extract(value, '$.n') DESC, key, at")
    assert page["total"] == len(expected), (pairs, page["total"], len(expected))
    assert found == [tuple(row) for row in expected][:100], (pairs, found, expected)

    counted = server.get(pairs + [("perPage", "0"), ("facets", "releases.eol:year,cvss:3,6.5"), ("facets", "tags"), ("stats", "cvss")])
    facet = lambda name: {json.dumps(one["value"], sort_keys=True): one["count"] for one in counted["facets"][name]}
    if unnests:
        years = rows("SELECT substr(json_extract(element, '$.eol'), 1, 4) AS y, count(*) FROM i GROUP BY y HAVING y IS NOT NULL")
    else:
        years = rows(f"SELECT substr({release('eol')}, 1, 4) AS y, count(DISTINCT i.key) FROM i, json_each(i.value, '$.releases') x GROUP BY y HAVING y IS NOT NULL")
    assert facet("releases.eol:year") == {json.dumps(y): n for y, n in years}, (pairs, counted, years)
    tags = rows("SELECT x.value, count(DISTINCT i.key || '/' || i.at) FROM i, json_each(i.value, '$.tags') x GROUP BY x.value")
    assert facet("tags") == {json.dumps(t): n for t, n in tags}, (pairs, counted, tags)
    cvss = [row[0] for row in rows("SELECT json_extract(value, '$.cvss') AS c FROM i WHERE c IS NOT NULL")]
    ranges = [({"lt": 3}, lambda c: c < 3), ({"gte": 3, "lt": 6.5}, lambda c: 3 <= c < 6.5), ({"gte": 6.5}, lambda c: c >= 6.5)]
    counts = {json.dumps(told): sum(map(test, cvss)) for told, test in ranges}
    assert facet("cvss:3,6.5") == {told: n for told, n in counts.items() if n}, (pairs, counted, counts)
    figures, total = counted["stats"]["cvss"], math.fsum(cvss) if cvss else None
    truth = [len(cvss), len(set(cvss)), min(cvss, default=None), max(cvss, default=None), total, total / len(cvss) if cvss else None]
    assert list(figures[name] for name in ("count", "distinct", "min", "max", "sum", "mean")) == truth, (pairs, figures, truth)

    groups = server.get(pairs + [("groupBy", "stage,releases.lts"), ("stats", "n"), ("perPage", "100")])
    lts = "json_extract(i.element, '$.lts')" if unnests else "l.lts"
    lists = "" if unnests else "LEFT JOIN (SELECT DISTINCT q.key AS key, json_extract(y.value, '$.lts') AS lts FROM r q, json_each(q.value, '$.releases') y WHERE json_extract(y.value, '$.lts') IS NOT NULL) l ON l.key = i.key"
    truth = rows(f"SELECT json_extract(i.value, '$.stage') AS s, {lts} AS b, count(*), count(json_extract(i.value, '$.n')), sum(json_extract(i.value, '$.n')) FROM i {lists} GROUP BY s, b")
    told = [[g["by"]["stage"], g["by"]["releases.lts"], g["count"], g["stats"]["n"]["count"], g["stats"]["n"]["sum"]] for g in groups["groups"]]
    normal = lambda all_rows: sorted(json.dumps([row[0], None if row[1] is None else bool(row[1]), *row[2:]]) for row in all_rows)
    assert normal(told) == normal(truth) and groups["total"] == len(truth), (pairs, told, truth)


def main():
    rng, compared = random.Random(SEED), 0
    while compared < PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(folder, rng)
            try:
                for _ in range(min(OF_EACH, PAIRS - compared)):
                    compare(server, rng)
                    compared += 1
            finally:
                server.process.terminate()
                server.process.wait()
    print(f"{compared} lists, each with its counts, figures and groups, are those of SQLite")


main()
