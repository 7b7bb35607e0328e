"""The API tells what is on record, never a blank outcome, in pages that skip nothing, and answers wrong requests."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.tokens import SCOPES
from agent.web.api.application import make_api

Site = Any  # conftest.py
DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
VALUES = {
    "study_instance_uid": "1.2.3",
    "sop_instance_uid": "1.2.4",
    "destination": "NONE",
    "report_id": "1",
    "frame": "1",
    "name": "nobody",
    "view_id": "1",
}
"""Of what is not here."""


def operations() -> list[dict[str, Any]]:
    return [one for path in make_api().openapi()["paths"].values() for one in path.values()]


def leafed(api: httpx.Client, path: str) -> list[dict[str, Any]]:
    """Return all items of a list, page by page."""
    items: list[dict[str, Any]] = []
    while path:
        page = api.get(path).raise_for_status().json()
        items += page["items"]
        path = (page["next"] or "").removeprefix("/api/v1")
    return items


def test_the_document_in_the_documentation_is_that_of_the_program(api: httpx.Client) -> None:
    """Written by: python -m agent.web.api > docs/openapi.json."""
    assert json.loads(DOCUMENT.read_text()) == make_api().openapi() == api.get("/openapi.json").json()


def test_every_operation_says_what_it_needs_and_is_described() -> None:
    for operation in operations():
        if operation["tags"] == ["Own account"]:  # of who has signed in: a program has none
            assert operation["security"] == [{"session": []}]
        else:
            (scope,) = operation["security"][0]["token"]
            assert scope in SCOPES
            assert operation["security"] == [{"token": [scope]}, {"session": [scope]}]
        assert operation["summary"]
        assert operation["description"]
        assert operation["responses"].keys() >= {"400", "401", "403", "429", "500", "503"}
    assert "triage aid, not a diagnosis" in make_api().openapi()["info"]["description"]


def test_the_worklist_is_told_in_pages_in_the_order_of_the_due_times(
    api: httpx.Client, studies: tuple[str, ...]
) -> None:
    told = leafed(api, "/worklist?limit=2")
    assert [one["study_instance_uid"] for one in told] == list(studies)
    assert [one["outcome"]["kind"] for one in told] == [
        "flagged",
        "not_flagged",
        "not_analysed",
        "failed",
        "working",
    ]
    assert all(one["outcome"]["reason"] for one in told)
    assert [one["outcome"]["probability"] for one in told] == [0.93, None, None, None, None]
    assert told[0]["priority"] == {
        "effective": "medium",
        "reason": "AI flagged",
        "order": "routine",
        "ai": "medium",
        "person": None,
    }
    assert [one["study_instance_uid"] for one in leafed(api, "/worklist?outcome=failed")] == [studies[3]]
    assert leafed(api, "/worklist?mine=true") == []
    assert leafed(api, "/worklist?show=read&limit=1") == []
    counts = api.get("/worklist/counts").json()
    assert (counts["studies"], counts["flagged"]) == (5, 1)


def test_a_search_names_its_patient_in_the_body_and_leafs_backwards(
    api: httpx.Client, studies: tuple[str, ...]
) -> None:
    first = api.post("/worklist/search", json={"typed": "doe jane", "limit": 3}).json()
    second = api.post("/worklist/search", json={"typed": "doe jane", "limit": 3, "before": first["next"]}).json()
    found = [one["study_instance_uid"] for page in (first, second) for one in page["items"]]
    assert found == list(reversed(studies[:4]))
    assert second["next"] is None
    assert api.post("/worklist/search", json={"typed": "nobody"}).json() == {"items": [], "next": None}


def test_a_study_is_told_with_all_that_is_on_record(api: httpx.Client, studies: tuple[str, ...]) -> None:
    answer = api.get(f"/studies/{studies[0]}")
    told = answer.json()
    assert re.fullmatch(r'"1-0-[0-9]+"', answer.headers["etag"])
    assert answer.headers["cache-control"] == "no-store"
    assert [one["event"] for one in told["events"]][:2] == ["RECEIVED", "CANDIDATE_STORED"]
    assert told["instances"][0]["results"][0]["outcome"]["kind"] == "flagged"
    assert told["results"][0]["operating_point"] == "high sensitivity"
    assert {one["destination"]: one["state"] for one in told["deliveries"]} == {"PACS": "ACKNOWLEDGED", "RIS": "PARKED"}
    assert all(one["attempts"] for one in told["deliveries"])


def test_deliveries_are_listed_in_pages_and_parked_ones_are_put_back(
    api: httpx.Client, studies: tuple[str, ...]
) -> None:
    assert len(leafed(api, "/deliveries?limit=3")) == 8
    parked = leafed(api, "/deliveries?state=PARKED&destination=RIS&limit=1")
    assert {one["study_instance_uid"] for one in parked} == set(studies[:4])
    asked = {"delivery_id": parked[0]["id"]}
    assert api.post("/deliveries/requeue", json=asked).json() == {"deliveries": 1}
    assert api.post("/deliveries/requeue", json=asked).json() == {"deliveries": 0}
    assert api.post("/deliveries/requeue", json={}).json() == {"deliveries": 3}


def test_a_study_is_analysed_again_by_whoever_saw_how_it_stands(site: Site, api: httpx.Client) -> None:
    path = f"/studies/{site.studies[1]}"
    tag = api.get(path).headers["etag"]
    assert api.post(f"{path}/requeue").status_code == 428
    assert api.post(f"{path}/requeue", headers={"If-Match": '"1-0-1"'}).status_code == 412
    assert api.post(f"{path}/requeue", headers={"If-Match": "no tag"}).status_code == 412
    assert api.post(f"{path}/requeue", headers={"If-Match": tag}).json() == {"revision": 2}
    assert api.get(path).json()["study"]["outcome"]["updating"] is True
    assert api.post(f"{path}/requeue", headers={"If-Match": tag}).status_code == 412
    answer = api.post(f"{path}/requeue", headers={"If-Match": "*"})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("Expected a study that is CONCLUDED or DELIVERED.")


def test_jobs_are_counted_and_parked_ones_run_again(api: httpx.Client) -> None:
    depth = {one["kind"]: one for one in api.get("/jobs").json()["items"]}
    assert depth["deliver:PACS"]["waiting"]
    assert api.get("/jobs/parked").json() == {"items": [], "more": 0}
    assert api.post("/jobs/retry", json={"kind": "score", "key": "1"}).status_code == 404


def test_the_audit_trail_is_searched_by_times_with_their_offset(api: httpx.Client) -> None:
    wanted = {"since": "2020-01-01T01:00:00+01:00", "until": "2020-01-01T00:00:00Z"}
    assert api.post("/audit/search", json=wanted).json()["items"] == []


def test_destinations_are_told_with_what_is_under_way_and_tried(api: httpx.Client) -> None:
    told = {one["destination"]: one for one in api.get("/destinations").json()["items"]}
    assert told["RIS"]["rest"] is None
    assert told["RIS"]["under_way"]
    assert api.post("/destinations/NONE/try").json() == {"deliveries": 0}


def test_who_looked_stands_in_the_audit_trail(site: Site, api: httpx.Client) -> None:
    name = f"token:{site.names[0]}"
    api.get(f"/studies/{site.studies[2]}")
    wanted = {"person": name, "limit": 1}
    items = []
    while True:
        page = api.post("/audit/search", json=wanted).json()
        items += page["items"]
        if page["next"] is None:
            break
        wanted["after"] = page["next"]
    told = [(one["event"], one["study_instance_uid"]) for one in items]
    assert ("instances_accessed", site.studies[2]) in told
    assert ("audit_log_used", "") in told
    assert len(told) == len({one["id"] for one in items})


@pytest.mark.parametrize("path", ["/ticks", "/disks", "/jobs/running"])
def test_the_state_of_the_system_is_told(api: httpx.Client, path: str) -> None:
    assert api.get(path).json() == {"items": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/two%0Alines", None, 404),
        ("GET", "/studies/1.2.3", None, 404),
        ("GET", "/studies/not-a-uid", None, 422),
        ("GET", "/worklist?limit=0", None, 422),
        ("GET", "/worklist?after=yesterday", None, 422),
        ("DELETE", "/worklist", None, 405),
        ("POST", "/audit/search", b'{"since": 1767225600}', 422),
        ("POST", "/audit/search", b'{"since": "2026-01-01"}', 422),
        ("POST", "/deliveries/requeue", b'{"delivery_id": ', 400),
        ("POST", "/deliveries/requeue", b'{"delivery": 1}', 422),
        ("POST", "/deliveries/requeue", b" " * (1 << 21), 413),
    ],
)
def test_what_cannot_be_done_is_a_problem(
    api: httpx.Client, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = api.request(method, path, content=body, headers={"Content-Type": "application/json"} if body else {})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == "about:blank"
    assert told["status"] == status
    assert told["title"]
    assert told["detail"].endswith(".")
    assert ("errors" in told) is (status == 422)


def test_an_address_says_which_methods_it_answers_and_head_is_one(api: httpx.Client) -> None:
    assert api.post("/worklist").headers["allow"] == "GET, HEAD"
    assert api.options("/deliveries/requeue").headers["allow"] == "POST"
    assert api.head("/worklist").status_code == 200
    assert api.head("/worklist").content == b""


def test_a_change_from_another_site_and_another_host_are_problems_too(api: httpx.Client) -> None:
    answer = httpx.post(f"{api.base_url}deliveries/requeue", json={}, timeout=60, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    answer = api.get("/worklist", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_scope_opens_what_needs_it_and_nothing_else_does(site: Site) -> None:
    needed: dict[str, list[tuple[str, str]]] = {}
    for path, operations_there in make_api().openapi()["paths"].items():
        for method, operation in operations_there.items():
            for scope in operation["security"][0].get("token", ()):
                needed.setdefault(scope, []).append((method, path))
    for scope, asked in needed.items():
        others = [one for one in SCOPES if one != scope]
        with site.client(scope) as opened, site.client(*others) as closed:
            for method, path in asked:
                address = re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], path)
                assert closed.request(method, address, json={"none": 0}).status_code == 403, address
                assert opened.request(method, address, json={"none": 0}).status_code not in {401, 403}, address


def test_nobody_is_told_anything_but_the_document(site: Site) -> None:
    answer = httpx.get(f"{site.url}/api/v1/worklist", timeout=60, trust_env=False)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="tibabu"')
    assert httpx.get(f"{site.url}/api/v1/openapi.json", timeout=60, trust_env=False).status_code == 200


def test_a_database_that_is_away_is_a_problem_that_says_so(api: httpx.Client, site: Site) -> None:
    file = Path(site.database.url.database or "")
    site.database.dispose()
    away = file.parent.rename(file.parent.with_name("away"))
    answer = api.get("/worklist")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"].startswith("The database cannot be reached just now.")
    away.rename(file.parent)
    assert api.get("/worklist").status_code == 200
