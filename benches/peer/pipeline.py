"""What a site does today on every push: fetch, parse every sheet, build maps, refill FTS5.

Called with a bare clone, the URL of its remote and the branch. For every line on standard input it
reloads once and prints the milliseconds of each stage as a line of JSON.
"""

import json
import sqlite3
import subprocess
import sys
import time

import gitsheets


def git(repo, *words):
    return subprocess.run(["git", "-C", repo, *words], check=True, capture_output=True).stdout


def definitions(repo, tree):
    """Returns the name and the definition of every sheet."""
    for name in gitsheets.core_discover_sheets(repo, tree, "."):
        text = git(repo, "cat-file", "blob", f"{tree}:.gitsheets/{name}.toml").decode()
        yield name, gitsheets.parse_records([text])[0]


def load(repo, tree, sheets):
    """Reads and parses every record with the library."""
    loaded = {}
    for name, definition in sheets:
        sheet = definition["gitsheet"]
        form = sheet.get("format", {})
        if form.get("type") == "markdown":
            listed = gitsheets.record_query(
                repo, tree, sheet["root"], sheet["path"], {}, "md", form.get("body", "body")
            )
        else:
            listed = gitsheets.record_list(repo, tree, sheet["root"])
        loaded[name] = [(entry["path"], entry["record"]) for entry in listed]
    return loaded


def index(loaded, sheets):
    """Builds the maps by key, and by each value of each indexed and unique field."""
    maps = {}
    for name, definition in sheets:
        settings = definition.get("headwater", {})
        fields = [*settings.get("index", []), *settings.get("unique", [])]
        by_field = {field: {} for field in fields}
        for path, record in loaded[name]:
            for field, values in by_field.items():
                if field in record:
                    values.setdefault(record[field], []).append(path)
        maps[name] = dict(loaded[name]), by_field
    return maps


def refill(loaded, sheets):
    """Fills a full-text table of each sheet that has searched fields."""
    database = sqlite3.connect(":memory:")
    for name, definition in sheets:
        fields = list(definition.get("headwater", {}).get("search", {}))
        if not fields:
            continue
        table = name.replace("-", "_")
        columns = ", ".join(f'"{field}"' for field in fields)
        database.execute(f'CREATE VIRTUAL TABLE "{table}" USING fts5(key UNINDEXED, {columns})')
        places = ", ".join("?" * (len(fields) + 1))
        rows = (
            (path, *(record.get(field) for field in fields)) for path, record in loaded[name]
        )
        database.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)
    database.commit()
    return database


def main():
    repo, url, branch = sys.argv[1:]
    held = None
    for _ in sys.stdin:
        stages, last = {}, time.perf_counter()

        def lap(stage):
            nonlocal last
            now = time.perf_counter()
            stages[stage], last = (now - last) * 1e3, now

        git(repo, "fetch", "--quiet", url, f"+refs/heads/{branch}:refs/heads/{branch}")
        tree = git(repo, "rev-parse", branch).decode().strip()
        lap("fetch")
        sheets = list(definitions(repo, tree))
        loaded = load(repo, tree, sheets)
        lap("load")
        maps = index(loaded, sheets)
        lap("index")
        database = refill(loaded, sheets)
        lap("fts")
        # What was served until now goes when the new state is there.
        held = loaded, maps, database
        stages["records"] = sum(len(records) for records in loaded.values())
        print(json.dumps(stages), flush=True)
    del held


if __name__ == "__main__":
    main()
