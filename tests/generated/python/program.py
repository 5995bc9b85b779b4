"""What openapi-python-client makes of the document. The lines to ignore must not pass mypy."""

import os

from headwater_generated.api.people import people_get, people_list, people_patch, people_put
from headwater_generated.api.search import search_all
from headwater_generated.client import AuthenticatedClient
from headwater_generated.models.people import People
from headwater_generated.models.people_list import PeopleList
from headwater_generated.models.people_list_include_item import PeopleListIncludeItem
from headwater_generated.models.people_patch import PeoplePatch
from headwater_generated.models.people_written import PeopleWritten
from headwater_generated.models.hits import Hits
from headwater_generated.models.problem import Problem
from headwater_generated.models.search_all_sheet_item import SearchAllSheetItem

client = AuthenticatedClient(base_url=os.environ["HEADWATER_ADDRESS"], token=os.environ["HEADWATER_TOKEN"])


def page(number: int) -> PeopleList:
    found = people_list.sync(
        client=client, city="Ems", filter_="age >= 100", sort=["-age"], per_page=5, page=number
    )
    assert isinstance(found, PeopleList), found
    return found


first = page(1)
assert [item.value.age for item in first.items] == [248, 245, 242, 239, 236], first
assert first.total == 50
assert page(2).items[0].value.age == 233
try:
    first.items[0].value.nmae  # type: ignore[attr-defined]
    raise SystemExit("there is no such field")
except AttributeError:
    pass

narrow = people_list.sync(
    client=client, field_key="p010", include=[PeopleListIncludeItem.FRIEND], fields=["slug", "friend"]
)
assert isinstance(narrow, PeopleList), narrow
assert narrow.items[0].value.to_dict() == {"slug": "p010", "friend": "p009"}
assert narrow.included and narrow.included.people and narrow.included.people["p009"].name == "Person 9"

found = search_all.sync(client=client, q="ferns", sheet=[SearchAllSheetItem.PEOPLE])
assert isinstance(found, Hits) and found.total == 5, found

read = people_get.sync_detailed(client=client, key="p010")
person = read.parsed
assert isinstance(person, People), person
person.bio = "by openapi-python-client"
etag = read.headers["etag"]
put = people_put.sync(client=client, key="p010", body=person, if_match=etag)
assert isinstance(put, PeopleWritten), put
assert isinstance(put.value, People) and put.value.bio == "by openapi-python-client"
stale = people_patch.sync(client=client, key="p010", body=PeoplePatch(bio=None), if_match=etag)
assert isinstance(stale, Problem) and stale.code == "precondition_failed", stale
patched = people_patch.sync(client=client, key="p010", body=PeoplePatch(bio=None))
assert isinstance(patched, PeopleWritten) and isinstance(patched.value, People), patched
assert "bio" not in patched.value.to_dict()
try:
    People(slug="p010", nmae="Person 10")  # type: ignore[call-arg]
    raise SystemExit("there is no such field")
except TypeError:
    pass
print("openapi-python-client: done")
