"""How well a search finds, beside what else is there: SQLite's FTS5 and bm25s, in one run.

    finding.py HEADWATER

HEADWATER is the binary. HEADWATER_SEARCH_DATA names a folder with `cranfield/docs.ndjson`,
`cranfield/queries.ndjson` and `pypa-advisories.bundle`; without it, nothing is measured. Needs git
and Python 3.9 with venv; installs the peers in a folder of its own on first use, which
HEADWATER_SEARCH_PEERS may name.

Two tables are printed:

- Ranking: mean average precision and nDCG at 10 over the Cranfield collection, whose questions are
  asked as they stand.
- Known items: the share of 500 advisories that are among the first ten where words of their first
  sentence are asked for, whole or changed.
"""

import json
import math
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

PEERS = ["bm25s==0.3.16", "PyStemmer==3.1.0", "numpy==2.4.6"]
DEPTH = 1000
ITEMS = 500


def installed():
    """Starts this program again with the peers, unless they are there."""
    try:
        import bm25s  # noqa: F401
        import Stemmer  # noqa: F401
    except ImportError:
        folder = Path(
            os.environ.get("HEADWATER_SEARCH_PEERS", Path(tempfile.gettempdir()) / "headwater-peers")
        )
        python = folder / "bin" / "python"
        if os.environ.get("HEADWATER_SEARCH_STARTED"):
            sys.exit("the peers cannot be installed")
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        os.environ["HEADWATER_SEARCH_STARTED"] = "yes"
        os.execv(python, [python, *sys.argv])


def git(*words):
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


class Headwater:
    """A server over a repository, asked for one sheet."""

    def __init__(self, binary, repository, sheet, log):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base, self.sheet = f"http://127.0.0.1:{port}", sheet
        words = [binary, "serve", "--repo", str(repository), "--listen", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(words, stdout=log, stderr=log)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.base}/health/ready").read()
                return
            except (urllib.error.URLError, ConnectionError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"the server of {repository} does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def search(self, text, wanted):
        keys, page = [], 1
        while len(keys) < wanted:
            size = min(100, wanted)
            asked = {"q": text, "sheet": self.sheet, "page": page, "perPage": size}
            address = f"{self.base}/api/_search?{urllib.parse.urlencode(asked)}"
            try:
                items = json.load(urllib.request.urlopen(address))["items"]
            except urllib.error.HTTPError as error:
                print(f"refused: {text!r}: {error.read().decode()}", file=sys.stderr)
                return keys
            keys += [item["key"] for item in items]
            if len(items) < size:
                break
            page += 1
        return keys


class Fts5:
    """SQLite's full text, with its stemmer."""

    def __init__(self, texts, joint):
        self.joint = joint
        self.database = sqlite3.connect(":memory:")
        self.database.execute(
            "CREATE VIRTUAL TABLE texts USING fts5(key UNINDEXED, text, tokenize='porter unicode61')"
        )
        self.database.executemany("INSERT INTO texts VALUES (?, ?)", texts.items())

    def search(self, text, wanted):
        words = re.findall(r"\w+", text)
        query = self.joint.join(f'"{word}"' for word in words)
        if not query:
            return []
        rows = self.database.execute(
            "SELECT key FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?", (query, wanted)
        )
        return [key for (key,) in rows]


class Bm25s:
    """The library, with stop words and a stemmer."""

    def __init__(self, texts):
        import bm25s
        import Stemmer

        self.stemmer, self.module = Stemmer.Stemmer("english"), bm25s
        self.keys = list(texts)
        self.index = bm25s.BM25()
        self.index.index(self.tokens(list(texts.values())), show_progress=False)

    def tokens(self, texts):
        return self.module.tokenize(
            texts, stopwords="en", stemmer=self.stemmer, show_progress=False
        )

    def search(self, text, wanted):
        places, scores = self.index.retrieve(
            self.tokens([text]), k=min(wanted, len(self.keys)), show_progress=False
        )
        return [self.keys[at] for at, score in zip(places[0], scores[0]) if score > 0]


def quality(search, queries):
    """Returns the mean average precision and the mean nDCG at 10."""
    precisions, gains = [], []
    for query in queries:
        relevant = set(query["relevant"])
        hits, precision, gain = 0, 0.0, 0.0
        for rank, key in enumerate(search(query["query"], DEPTH)):
            if key in relevant:
                hits += 1
                precision += hits / (rank + 1)
                gain += 1 / math.log2(rank + 2) if rank < 10 else 0
        best = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))
        precisions.append(precision / len(relevant))
        gains.append(gain / best)
    return sum(precisions) / len(queries), sum(gains) / len(queries)


def table(title, columns, rows):
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, figures in rows:
        print(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")


def peers(texts):
    return {
        "FTS5, any word": Fts5(texts, " OR "),
        "FTS5, all words": Fts5(texts, " AND "),
        "bm25s": Bm25s(texts),
    }


def cranfield(binary, data, scratch, log):
    docs = [json.loads(line) for line in open(data / "cranfield" / "docs.ndjson")]
    queries = [json.loads(line) for line in open(data / "cranfield" / "queries.ndjson")]
    repository = scratch / "cranfield"
    (repository / "docs").mkdir(parents=True)
    for doc in docs:
        (repository / "docs" / f"{doc['id']}.json").write_text(json.dumps(doc))
    git("init", "-q", "-b", "main", str(repository))
    git("-C", str(repository), "add", "-A")
    git("-C", str(repository), "commit", "-q", "-m", "docs")
    texts = {str(doc["id"]): f"{doc['title']} {doc['author']} {doc['text']}" for doc in docs}
    server = Headwater(binary, repository, "docs", log)
    searches = {"Headwater": server, **peers(texts)}
    rows = [(name, quality(one.search, queries)) for name, one in searches.items()]
    server.stop()
    table("Ranking: Cranfield, questions as they stand", ["MAP", "nDCG@10"], rows)


def strings(text):
    """Returns the texts of an advisory, as far as a reader of lines sees them."""
    return " ".join(re.sub(r"^\s*-?\s*[\w]+:", " ", line) for line in text.splitlines())


def titles(repository):
    """Returns the texts of all advisories, and the first sentence of each by its key."""
    names = subprocess.run(
        ["git", "-C", repository, "ls-tree", "-r", "-z", "--name-only", "HEAD", "vulns/"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    texts, titles = {}, {}
    for name in filter(lambda name: name.endswith(".yaml"), names):
        blob = subprocess.run(
            ["git", "-C", repository, "cat-file", "blob", f"HEAD:{name}"],
            check=True,
            capture_output=True,
        ).stdout.decode()
        key = name.removeprefix("vulns/").removesuffix(".yaml")
        texts[key] = strings(blob)
        details = re.search(r"^details: (.*(?:\n[ \t]+.*)*)", blob, re.M)
        words = details.group(1).strip("'\"|>-").split() if details else []
        sentence = re.split(r"(?<=[a-z]{3})[.;]", " ".join(words))[0].split()[:12]
        if len(sentence) >= 6:
            titles[key] = sentence
    return texts, titles


def mistyped(word, chance):
    at = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]


def exchanged(word):
    if not re.fullmatch(r"[a-z]{4,}", word):
        return word
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word + "s"


def changes(title, text, vocabulary, chance):
    """Returns the queries that are made of a title, by what they are."""
    plain = [word for word in title if re.fullmatch(r"[A-Za-z]{3,}", word)] or title
    longest = max(plain, key=len)
    held = set(re.findall(r"\w+", text.lower()))
    other = chance.choice(vocabulary)
    while other in held:
        other = chance.choice(vocabulary)
    return {
        "whole": title,
        "4 of the words": chance.sample(title, 4),
        "a typo in the longest": [
            mistyped(word, chance) if word == longest and len(word) > 3 else word for word in title
        ],
        "singular and plural exchanged": [exchanged(word) for word in title],
        "a word that the text has not": [*title, other],
    }


def known_items(binary, data, scratch, log):
    repository = scratch / "advisories.git"
    git("clone", "-q", "--bare", "-b", "main", str(data / "pypa-advisories.bundle"), str(repository))
    texts, by_key = titles(str(repository))
    chance = random.Random(22)
    keys = chance.sample(sorted(by_key), ITEMS)
    vocabulary = sorted(set(re.findall(r"\b[a-z]{5,}\b", " ".join(texts.values()))))
    asked = {key: changes(by_key[key], texts[key], vocabulary, chance) for key in keys}
    server = Headwater(binary, repository, "vulns", log)
    searches = {"Headwater": server, **peers(texts)}
    rows = []
    for kind in asked[keys[0]]:
        found = [
            sum(key in one.search(" ".join(asked[key][kind]), 10) for key in keys) / ITEMS
            for one in searches.values()
        ]
        rows.append((kind, found))
    server.stop()
    table(f"Known items: {ITEMS} advisories, success at 10", list(searches), rows)


def main():
    data = os.environ.get("HEADWATER_SEARCH_DATA")
    if not data or not (Path(data) / "cranfield").is_dir():
        print("skipped: HEADWATER_SEARCH_DATA names no folder with the collections")
        return
    if len(sys.argv) != 2:
        sys.exit("usage: finding.py HEADWATER")
    installed()
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w") as log:
        cranfield(sys.argv[1], Path(data), Path(scratch), log)
        known_items(sys.argv[1], Path(data), Path(scratch), log)


if __name__ == "__main__":
    main()
