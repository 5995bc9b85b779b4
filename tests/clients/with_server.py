#!/usr/bin/env python3
"""Runs a command beside a server, for tests of plain calls: `with_server.py BINARY COMMAND…`.

The command finds the server at HEADWATER_ADDRESS. Callers without a token read the sheet `people`; the
token in HEADWATER_TOKEN reads `plans` too, and writes both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from data_server import DataServer

TOKEN = "the-token-of-the-client-tests"

SHEETS = """\
[sheets.people]
format = "json"
index = ["city"]
search = { name = 2.0, bio = 1.0 }
refs = { friend = "people.slug" }
path = "${{ slug }}"

[sheets.people.schema]
type = "object"
required = ["slug", "name"]

[sheets.people.schema.properties]
slug = { type = "string" }
name = { type = "string" }
city = { type = "string" }
bio = { type = "string" }
friend = { type = "string" }
age = { type = "integer", minimum = 0 }
tags = { type = "array", items = { type = "string" } }

[sheets.plans]
format = "json"
path = "${{ group }}/${{ slug }}"
public = false
"""

ACCESS = f"""\
[[token]]
name = "tests"
secret = "{TOKEN}"
read = ["*"]
write = ["*"]
author = "Tests <tests@example.org>"
"""


def person(n: int) -> dict[str, object]:
    city = ("Aue", "Berlin, Mitte", "Ems")[n % 3]
    bio = "collects ferns and maps" if n % 50 == 0 else "writes"
    tags = ["a", "b"][: n % 3]
    record = {"slug": f"p{n:03}", "name": f"Person {n}", "city": city, "bio": bio, "age": n, "tags": tags}
    return record if n == 0 else {**record, "friend": f"p{n - 1:03}"}


def main() -> int:
    binary, *command = sys.argv[1:]
    files = {f"people/p{n:03}.json": json.dumps(person(n)) for n in range(250)}
    files |= {"headwater.toml": SHEETS, "plans/a/one.json": '{"group": "a", "slug": "one"}'}
    with tempfile.TemporaryDirectory() as folder:
        access = Path(folder) / "access.toml"
        access.write_text(ACCESS)
        access.chmod(0o600)
        with DataServer(binary, files, ["--access-file", str(access)]) as server:
            found = {"HEADWATER_ADDRESS": server.address, "HEADWATER_TOKEN": TOKEN}
            return subprocess.run(command, env={**os.environ, **found}).returncode


if __name__ == "__main__":
    sys.exit(main())
