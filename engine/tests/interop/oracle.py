"""gitsheets behind lines of JSON: every request is a line, and so is its answer.

The field `do` names one of the functions below, the other fields are its arguments. Objects come
with their members turned round, so that no answer can depend on the order in which they are given.
"""

import json
import subprocess
import sys

import gitsheets


def definition(repo, tree, sheet):
    """Returns what the sheet's definition says: root, template, extension, body and title."""
    text = gitsheets.tree_read_blob(repo, tree, f".gitsheets/{sheet}.toml")["content"].decode()
    said = gitsheets.parse_records([text])[0]["gitsheet"]
    form = said.get("format", {})
    extension = {"markdown": ".md", "mdx": ".mdx"}.get(form.get("type"), ".toml")
    return said.get("root", "."), said["path"], extension, form.get("body"), form.get("title")


def records(repo, tree, sheet):
    """Returns the path and the record of every record of a sheet."""
    root, template, extension, body, title = definition(repo, tree, sheet)
    found = gitsheets.record_query(repo, tree, root, template, {}, extension, body, title)
    return [(entry["path"], entry["record"]) for entry in found]


def restated(repo, tree, sheet, text):
    """Returns the canonical text of a file, by a merge of it with nothing.

    This is the only way through the library on which a date stays the kind of date that it is.
    """
    nothing = "" if definition(repo, tree, sheet)[2] == ".toml" else "+++\n+++\n\n\n"
    config = f".gitsheets/{sheet}.toml"
    merged = gitsheets.merge_record_texts(repo, tree, sheet, config, ".", nothing, text, nothing)
    return merged["text"]


def failure(error):
    """Returns what is compared of an error: its code, and the issues of a validation."""
    code = getattr(error, "code", None) or type(error).__name__
    issues = [[issue["code"], issue["path"]] for issue in getattr(error, "issues", None) or []]
    return {"error": code, "issues": issues, "message": str(error)}


def step(tx, repo, tree, does):
    """Takes one step of a transaction and returns the blob that it made, if it made one."""
    sheet = does["sheet"]
    if does["step"] == "upsert":
        return tx.upsert(sheet, does["record"], previous_path=does.get("key"))["blob_hash"]
    if does["step"] == "restate":
        return tx.write_file(does["path"], restated(repo, tree, sheet, does["text"]))
    if does["step"] == "attach":
        blob = gitsheets.write_blob(repo, does["content"].encode())
        return tx.set_attachment(sheet, does["key"], does["name"], blob)
    return tx.delete(sheet, does["key"])


def write(repo, branch, steps, meanwhile=None, author=("Ada", "ada@example.org"), **commit):
    """Takes all steps as one commit on the branch; `meanwhile` is where others move it before."""
    author, results, opened = tuple(author), [], set()
    trailers = [tuple(trailer) for trailer in commit.pop("trailers", [])]
    commit = {"message": "change", "time_seconds": 1700000000, "parent": branch, **commit}
    with gitsheets.transact(
        repo, branch=f"refs/heads/{branch}", author=author, trailers=trailers, **commit
    ) as tx:
        for does in steps:
            try:
                if does["sheet"] not in opened:
                    tx.open_sheet(does["sheet"], f".gitsheets/{does['sheet']}.toml")
                    opened.add(does["sheet"])
                results.append({"blob": step(tx, repo, branch, does)})
            except BaseException as error:
                # What panics in Rust is no `Exception`.
                results.append(failure(error))
        if meanwhile:
            move = ["git", "-C", repo, "update-ref", f"refs/heads/{branch}", meanwhile]
            subprocess.run(move, check=True)
    return {"commit": tx.result["commit_hash"], "results": results}


def query(repo, tree, sheet):
    """Returns the records of a sheet by their paths."""
    return {"records": dict(records(repo, tree, sheet))}


def rewrite(repo, branch):
    """Writes every record of every sheet as it is read; one with native dates as a text."""
    steps = []
    for sheet in gitsheets.core_discover_sheets(repo, branch, "."):
        root, _, extension, _, _ = definition(repo, branch, sheet)
        for path, record in records(repo, branch, sheet):
            does = {"step": "upsert", "sheet": sheet, "key": path, "record": record}
            if has_date(record):
                file = f"{root}/{path}{extension}"
                text = gitsheets.tree_read_blob(repo, branch, file)["content"].decode()
                does = {"step": "restate", "sheet": sheet, "path": file, "text": text}
            steps.append(does)
    return write(repo, branch, steps)


def has_date(value):
    """Says whether there is a date in a value, whose kind is lost on the way to Python."""
    if isinstance(value, (dict, list)):
        return any(map(has_date, value.values() if isinstance(value, dict) else value))
    return hasattr(value, "isoformat")


ANSWERS = {"write": write, "query": query, "rewrite": rewrite}


def main():
    for line in sys.stdin:
        request = json.loads(line, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
        try:
            answer = ANSWERS[request.pop("do")](**request)
        except Exception as error:
            answer = failure(error)
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main()
