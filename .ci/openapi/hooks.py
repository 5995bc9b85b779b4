"""What schemathesis does here beside what it does by itself: it begins with requests for what is
there, which a generator would hardly find, and checks that each operation was carried out."""

import itertools
import os
import urllib.parse

import requests
import schemathesis

TOKEN = {"Authorization": f"Bearer {os.environ['HEADWATER_WRITE_TOKEN']}"}
# Before and behind it, records differ.
FIRST = os.environ["HEADWATER_FIRST_COMMIT"]
# It has files beside it.
PERSON = "nnamdi-eze"

# The bytes of an expression, and what of it surely fits in the head of a request.
MAX_FILTER = 4_096
HEAD = 24 << 10

# Says in the headers of a request that something is done before it is sent.
MARK = "X-Prepare"

sources = itertools.count()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    # Requests without a token are counted by their source and answered 429 when there are many.
    source = next(sources)
    case.headers["X-Forwarded-For"] = f"10.{source >> 16 & 255}.{source >> 8 & 255}.{source & 255}"
    # Nothing comes that could be waited for.
    if "X-Headwater-Min-Commit" in case.headers:
        case.headers["Prefer"] = "wait=0"
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int) and 1 < wait <= 300:
        case.query["wait"] = 1
    # A longer head is answered 431 before it is known what is asked for.
    if len(urllib.parse.quote(str((case.query or {}).get("filter", "")), errors="replace")) > HEAD:
        case.query["filter"] = "x" * (MAX_FILTER + 1)
    if case.headers.pop(MARK, None):
        prepare(case)


@schemathesis.hook
def before_add_examples(context, examples):
    operation = context.operation
    base = operation.base_url.rstrip("/")
    for parts in asked(base, operation.path, operation.method.lower()):
        examples.append(operation.Case(**parts))


def records(base, sheet):
    page = requests.get(f"{base}/api/{sheet}?perPage=100", timeout=10).json()
    return [(item["key"], item["value"]) for item in page["items"]]


def prepare(case):
    """Has a record that no other one refers to be missing, for a request that creates it, or be
    there, for one that deletes it."""
    base, sheet = case.operation.base_url.rstrip("/"), case.operation.path.split("/")[2]
    for key, value in reversed(records(base, sheet)):
        place = f"{base}/api/{sheet}/{key}"
        if key == PERSON or requests.delete(place, headers=TOKEN, timeout=10).status_code != 204:
            continue
        if case.method == "POST":
            case.body = value
        else:
            requests.put(place, json=value, headers=TOKEN, timeout=10).raise_for_status()
            case.path_parameters["key"] = key
        return


def asked(base, path, method):
    """Returns the parts of requests that can be answered with what they ask for."""
    match path.split("/")[2:], method:
        case ["_search"], _:
            return [{"query": {"q": "street"}}]
        case ["_diff"], _:
            return [{"query": {"from": FIRST}}]
        case ["_changes"], _:
            return [{"query": {"since": FIRST}}, {}]
        case ["_history", *_], _:
            return [{"path_parameters": {"sheet": "people", "key": PERSON}}]
        case ["_attachments", *_], _:
            place = {"sheet": "people", "key": PERSON}
            if path.endswith("{name}"):
                place["name"] = "old.txt" if method == "delete" else "photo.txt"
            body = {"body": b"a photo", "media_type": "*/*"} if method == "put" else {}
            return [{"path_parameters": place, **body}]
        case ["_transact"], _:
            key, value = records(base, "people")[0]
            put = {"op": "put", "sheet": "people", "key": key, "value": value}
            return [{"body": {"operations": [put]}, "media_type": "application/json"}]
        case [sheet], "get" if not sheet.startswith("_"):
            return [{"query": {"perPage": 7}}, {"query": {"limit": 2}}, {"query": {"at": FIRST}}]
        case [_], "post":
            return [{"headers": {MARK: "yes"}, "body": {}, "media_type": "application/json"}]
        case [_, "{key}"], "delete":
            return [{"headers": {MARK: "yes"}, "path_parameters": {"key": "-"}}]
        case [sheet, "{key}"], _:
            key, value = records(base, sheet)[0]
            body = {
                "put": {"body": value, "media_type": "application/json"},
                "patch": {"body": {}, "media_type": "application/json"},
            }
            return [{"path_parameters": {"key": key}, **body.get(method, {})}]
    return [{}]


@schemathesis.check
def nothing_is_missing_but_what_is_waited_for(ctx, response, case):
    if response.status_code == 503:
        assert response.json()["code"] == "not_yet", response.text


@schemathesis.check
class EachOperationIsCarriedOut:
    """Fails where an operation was never answered with what it is for."""

    def __init__(self):
        self.tested, self.done = set(), set()

    def after_response(self, ctx, response, case):
        if case.method.upper() == case.operation.method.upper():
            self.tested.add(case.operation.label)
            if 200 <= response.status_code < 300:
                self.done.add(case.operation.label)

    def after_run(self, ctx):
        missing = sorted(self.tested - self.done)
        assert not missing, f"never carried out: {', '.join(missing)}"
