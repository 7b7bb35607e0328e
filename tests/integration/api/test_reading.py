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
