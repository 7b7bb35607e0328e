"""Readers act by the API as they do on the page, and nobody overwrites what they have not seen."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

Site = Any  # conftest.py


@pytest.fixture
def act(site: Site, api: httpx.Client) -> Callable[..., httpx.Response]:
    """Return `act(name, **body)`: act on the flagged study as it stands."""
    path = f"/studies/{site.studies[0]}/reading"

    def do(name: str, **body: object) -> httpx.Response:
        tag = api.get(path).headers["etag"]
        return api.post(f"{path}/{name}", json=body, headers={"If-Match": tag})

    return do


def test_a_reader_disagrees_raises_assigns_notes_reads_and_takes_back(
    site: Site, api: httpx.Client, act: Callable[..., httpx.Response]
) -> None:
    path = f"/studies/{site.studies[0]}"
    assert act("feedback", agrees=False, finding="absent").json()["detail"] == "Give the reason why you disagree."
    assert act("feedback", agrees=False, finding="absent", reason="skin fold").status_code == 200
    assert act("priority", priority="high", reason="dyspnoea").status_code == 200
    assert api.get(path).json()["study"]["priority"]["person"] == "high"
    assert act("assignment", person="reader2").status_code == 200
    assert act("notes", note="Called the ward.").status_code == 200
    read = act("read").json()["act"]
    assert site.studies[0] not in {one["study_instance_uid"] for one in api.get("/worklist").json()["items"]}
    told = api.get(f"{path}/reading").json()
    assert [one["kind"] for one in told["acts"]] == ["feedback", "priority", "assigned", "note", "read"]
    assert told["opinions"][0]["reason"] == "skin fold"
    assert told["priority"] == "high"
    assert act("undo", act=read).status_code == 200
    assert act("undo", act=read).status_code == 409
    assert site.studies[0] in {one["study_instance_uid"] for one in api.get("/worklist").json()["items"]}


def test_an_act_without_what_was_seen_or_on_what_has_changed_is_refused(site: Site, api: httpx.Client) -> None:
    path = f"/studies/{site.studies[1]}/reading"
    tag = api.get(path).headers["etag"]
    given = {"priority": "medium", "reason": "fever"}
    assert api.post(f"{path}/priority", json=given).status_code == 428
    assert api.post(f"{path}/priority", json=given, headers={"If-Match": tag}).status_code == 200
    answer = api.post(f"{path}/assignment", json={"person": "reader2"}, headers={"If-Match": tag})
    assert answer.status_code == 412
    assert "changed its priority meanwhile." in answer.json()["detail"]
    note, tag = {"note": "once"}, api.get(path).headers["etag"]
    assert api.post(f"{path}/notes", json=note, headers={"If-Match": tag}).status_code == 200
    assert api.post(f"{path}/notes", json=note, headers={"If-Match": tag}).status_code == 412
    assert api.post(f"{path}/unread", json={}, headers={"If-Match": "*"}).status_code == 409


def test_a_second_reader_is_told_who_has_the_study(site: Site, api: httpx.Client) -> None:
    path = f"/studies/{site.studies[2]}/reading"
    assert api.put(f"{path}/lock", json={}).json()["mine"] is True
    with site.client("worklist:read", "worklist:write") as second:
        first = site.names[0]
        told = second.put(f"{path}/lock", json={}).json()
        assert (told["mine"], told["holder"]["name"]) == (False, f"token:{first}")
        assert second.put(f"{path}/lock", json={"take_over": True}).json()["mine"] is True
        assert second.delete(f"{path}/lock").status_code == 204
    assert api.get(path).json()["holder"] is None


def test_a_reader_who_disagrees_lets_the_reports_say_so_or_withdraws_the_result(site: Site, api: httpx.Client) -> None:
    path = f"/studies/{site.studies[1]}"

    def do(name: str, **body: object) -> httpx.Response:
        return api.post(f"{path}/reading/{name}", json=body, headers={"If-Match": api.get(path).headers["etag"]})

    assert do("amendment").status_code == 409
    assert do("feedback", agrees=False, finding="present", reason="left base").status_code == 200
    tag = api.get(path).headers["etag"]
    assert do("amendment").status_code == 200
    assert do("amendment").status_code == 409
    given = {"cause": "safety", "note": "infiltrate"}
    assert api.post(f"{path}/reading/withdrawal", json=given).status_code == 428
    assert api.post(f"{path}/reading/withdrawal", json=given, headers={"If-Match": tag}).status_code == 412
    assert do("withdrawal", cause="whim").status_code == 422
    assert do("withdrawal", **given).json() == {"revision": 1, "outcome": "not_flagged", "images": 1}
    outcome = api.get(path).json()["study"]["outcome"]
    assert outcome["kind"] == "not_analysed"
    assert "infiltrate" in outcome["reason"]
    assert do("withdrawal", **given).status_code == 409


def test_views_are_saved_by_who_asks_and_by_nobody_else_seen_or_forgotten(site: Site, api: httpx.Client) -> None:
    assert api.get("/worklist/views").json() == {"items": []}
    assert api.post("/worklist/views", json={"name": " "}).status_code == 409
    wanted = {"name": "Failed", "query": "age=ever&outcome=failed"}
    assert api.post("/worklist/views", json={"name": "Failed"}).status_code == 201
    view = api.post("/worklist/views", json=wanted).json()
    assert (view["name"], view["query"]) == ("Failed", "outcome=failed")
    assert api.get("/worklist/views").json() == {"items": [view]}
    found = api.get(f"/worklist?{view['query']}").json()["items"]
    assert [one["study_instance_uid"] for one in found] == [site.studies[3]]
    with site.client("worklist:read") as second:
        assert second.get("/worklist/views").json() == {"items": []}
        assert second.delete(f"/worklist/views/{view['id']}").status_code == 404
    assert api.delete(f"/worklist/views/{view['id']}").status_code == 204
    assert api.get("/worklist/views").json() == {"items": []}
