"""Compares filters of a server with what cel-python says of the same records.

cel-python takes no values of different types in one comparison, so the records have types and the
expressions keep to them. Its macros pass over elements for which an expression has no value, which the
specification does not; so every expression has one. Where there is none, a model in the tests of the
engine decides."""

import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import celpy

COUNT = int(os.environ.get("HEADWATER_CEL_EXPRESSIONS", "1000"))
SEED = int(os.environ.get("HEADWATER_CEL_SEED", "1"))
RECORDS = 60
WORDS = ["", "a", "b", "ab", "ba", "aab", "é", "2024-01-01"]
SHEET = '[sheets.things]\nformat = "json"\nindex = ["n", "s", "tags", "parts.n"]\n'


class Types:
    """Expressions of each type, by a generator that ends after some levels."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def text(self):
        return json.dumps(self.random.choice(WORDS), ensure_ascii=False)

    def int(self, depth, names):
        if depth == 0 or self.random.random() < 0.3:
            return self.pick(str(self.random.randint(-3, 6)), "n", "t.n", *names["int"])
        one, other = self.int(depth - 1, names), self.int(depth - 1, names)
        return self.pick(
            f"({one} + {other})", f"({one} - {other})", f"({one} * {other})",
            f"({one} / 2)", f"size({self.string(depth - 1, names)})", "size(tags)",
            f"size(parts.filter(q{depth}, {self.bool(depth - 1, self.inside(names, depth))}))",
            f"({self.bool(depth - 1, names)} ? {one} : {other})",
        )

    def string(self, depth, names):
        if depth == 0 or self.random.random() < 0.4:
            return self.pick(self.text(), "s", "t.s", *names["string"])
        one, other = self.string(depth - 1, names), self.string(depth - 1, names)
        return self.pick(f"({one} + {other})", "(size(tags) > 1 ? tags[1] : s)", one)

    def inside(self, names, depth):
        part = f"q{depth}"
        return {"int": names["int"] + [f"{part}.n"], "string": names["string"] + [f"{part}.s"]}

    def bool(self, depth, names):
        if depth == 0:
            return self.pick("flag", "true", "false", "has(t.x)", "has(t.s)")
        ints = [self.int(depth - 1, names) for _ in range(2)]
        texts = [self.string(depth - 1, names) for _ in range(2)]
        bools = [self.bool(depth - 1, names) for _ in range(2)]
        # What cel-python joins has no methods.
        plain = self.string(0, names)
        sign = self.pick("==", "!=", "<", "<=", ">", ">=")
        within = self.bool(depth - 1, self.inside(names, depth))
        fold = self.pick("all", "exists", "exists_one")
        tag = {"int": names["int"], "string": names["string"] + [f"w{depth}"]}
        return self.pick(
            f"({ints[0]} {sign} {ints[1]})", f"({texts[0]} {sign} {texts[1]})",
            f"({bools[0]} && {bools[1]})", f"({bools[0]} || {bools[1]})", f"!{bools[0]}",
            f"parts.{fold}(q{depth}, {within})",
            f"tags.{fold}(w{depth}, {self.bool(depth - 1, tag)})",
            f"({texts[0]} in tags)", f"({ints[0]} in [1, 2, {ints[1]}])",
            f"{plain}.startsWith({texts[1]})", f"{plain}.contains({texts[1]})",
            f"{plain}.matches({json.dumps(self.pick('a+', '^b', 'a.?b', 'é|$^'))})",
        )


def record(rng):
    def part():
        return {"n": rng.randint(-3, 6), "s": rng.choice(WORDS)}

    whole = {
        "n": rng.randint(-3, 6), "s": rng.choice(WORDS), "flag": rng.random() < 0.5,
        "tags": [rng.choice(WORDS) for _ in range(rng.randint(0, 3))],
        "parts": [part() for _ in range(rng.randint(0, 3))],
        "t": {**part(), **({"x": 1} if rng.random() < 0.5 else {})},
    }
    return whole


def repository(folder):
    rng = random.Random(SEED)
    run = lambda *command: subprocess.run(command, cwd=folder, check=True, capture_output=True)
    run("git", "init", "-q", "-b", "main")
    os.mkdir(f"{folder}/things")
    with open(f"{folder}/headwater.toml", "w") as file:
        file.write(SHEET)
    whole = {"n": 1, "s": "", "flag": True, "tags": ["a"], "parts": [{"n": 1, "s": ""}], "t": {"n": 1, "s": "", "x": 1}}
    for number in range(RECORDS):
        with open(f"{folder}/things/{number:03}.json", "w") as file:
            json.dump(record(rng) if number else whole, file)
    run("git", "add", "-A")
    run("git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "things")


def lines(address, **parameters):
    url = f"{address}/api/things?{urllib.parse.urlencode(parameters)}"
    request = urllib.request.Request(url, headers={"accept": "application/x-ndjson"})
    with urllib.request.urlopen(request) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]


def holds(program, values):
    try:
        return program.evaluate(values) == celpy.celtypes.BoolType(True)
    except celpy.CELEvalError:
        return False


def main():
    with tempfile.TemporaryDirectory() as folder:
        repository(folder)
        command = [sys.argv[1], "serve", "--repo", folder, "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            address = next(w for line in server.stdout for w in line.split() if w.startswith("http://127"))
            compare(address.rstrip("/"))
        finally:
            server.terminate()
            server.wait()


def compare(address):
    environment = celpy.Environment()
    records = [
        (line["key"], {name: celpy.json_to_cel(value) for name, value in line["value"].items()})
        for line in lines(address)
    ]
    assert len(records) == RECORDS
    found = 0
    for number in range(COUNT):
        expression = Types(SEED * 1_000_003 + number).bool(4, {"int": [], "string": []})
        # What an expression may have at most is tested elsewhere.
        if len(expression) > 4096 or expression.count(".matches(") > 8:
            continue
        program = environment.program(environment.compile(expression))
        theirs = [key for key, values in records if holds(program, values)]
        ours = [line["key"] for line in lines(address, filter=expression)]
        if ours != theirs:
            differing = sorted(set(ours) ^ set(theirs))
            sys.exit(f"seed {SEED}, expression {number}: {expression}\nours and theirs differ in {differing}")
        found += len(ours)
    print(f"cel: {COUNT} expressions over {RECORDS} records agree with cel-python, {found} records found")


main()
