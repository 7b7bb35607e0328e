"""Operators and admins by the API: the switch, drift, peers, feedback as data, accounts and tokens."""

from datetime import UTC, datetime
from typing import Any

import httpx

from agent.tokens import WORKLIST_READ
from agent.watch.drift import REPORT, SPANS
from db.account_changes import create
from db.accounts import NewAccount
from db.audit import THE_AGENT
from db.drift import record_drift
from db.reloads import Reload, ReloadOutcome, record_reload

Site = Any  # conftest.py


def test_triage_is_switched_off_with_a_reason_once_and_on_again(api: httpx.Client) -> None:
    assert api.get("/triage").json() == {"on": True, "not_triaged": 0, "history": []}
    assert api.put("/triage", json={"on": False, "reason": " "}).status_code == 422
    off = api.put("/triage", json={"on": False, "reason": "new detector"}).json()
    assert (off["on"], off["history"][0]["off_reason"]) == (False, "new detector")
    assert api.put("/triage", json={"on": False, "reason": "again"}).status_code == 409
    assert api.post("/triage/again").json() == {"studies": 0}
    assert api.put("/triage", json={"on": True, "reason": "measured"}).json()["on"] is True


def test_drift_is_told_as_it_was_found(site: Site, api: httpx.Client) -> None:
    assert api.get("/drift").json() == {"alarms": [], "spans": []}
    record_drift(site.database, {}, {"flag rate": "0.9 of 100 images"}, at=datetime.now(UTC))
    (alarm,) = api.get("/drift").json()["alarms"]
    assert (alarm["name"], alarm["reason"]) == ("flag rate", "0.9 of 100 images")
    assert REPORT.json_schema()["properties"].keys()
    assert SPANS.keys() == {"day", "week"}


def test_a_peer_that_is_asked_says_whether_it_answers(api: httpx.Client) -> None:
    told = {one["name"]: one for one in api.get("/peers").json()["items"]}
    assert told["CT-1"]["last"] is None
    assert api.post("/peers/ask", json={"kind": "peer", "name": "NOBODY"}).status_code == 404
    asked = api.post("/peers/ask", json={"kind": "peer", "name": "CT-1"}).json()
    assert (asked["answers"], asked["reason"]) == (False, "it does not answer")
    told = {one["name"]: one for one in api.get("/peers").json()["items"]}
    assert told["CT-1"]["last"]["answers"] is False


def test_the_models_are_listed_with_their_cards(api: httpx.Client) -> None:
    names = {one["name"]: one for one in api.get("/models").json()["items"]}
    assert names["efficientnet_lite0"]["problem"] == ""
    assert "efficientnet_lite0" in api.get("/models/efficientnet_lite0").json()["markdown"]
    assert api.get("/models/none").status_code == 404


def test_opinions_are_listed_in_pages(site: Site, api: httpx.Client) -> None:
    for study, finding in ((site.studies[0], "present"), (site.studies[1], "absent")):
        given = {"agrees": True, "finding": finding}
        path = f"/studies/{study}/reading/feedback"
        assert api.post(path, json=given, headers={"If-Match": "*"}).status_code == 200
    first = api.get("/feedback?limit=1").json()
    second = api.get(first["next"].removeprefix("/api/v1")).json()
    assert [one["finding"] for one in (*first["items"], *second["items"])] == ["present", "absent"]
    assert second["next"] is None
    assert second["items"][0]["outcome"] == "not_flagged"


def test_the_configuration_is_told_as_it_runs_without_its_secrets(api: httpx.Client) -> None:
    answer = api.get("/configuration")
    told = {table["head"]: {one["key"]: one for one in table["settings"]} for table in answer.json()["items"]}
    assert told["[receive]"]["ae_title"]["changed"] is False
    assert "geheim" not in answer.text
    (table,) = api.get("/configuration?changed=true").json()["items"]
    assert [one["key"] for one in table["settings"]] == ["url"]


def test_how_the_file_was_read_again_is_told_of_each_host_and_where_nobody_reads_it_that_is_said(
    site: Site, api: httpx.Client
) -> None:
    refused = Reload(
        place="agent-1",
        pid=1,
        at=datetime.now(UTC),
        outcome=ReloadOutcome.REFUSED,
        problems=("peers[0].may: expected another", "web.port: expected to stay until the next start."),
    )
    record_reload(site.database, refused)
    (told,) = api.get("/configuration/reload").json()["items"]
    assert (told["place"], told["outcome"], told["changes"]) == ("agent-1", "refused", [])
    assert told["problems"] == list(refused.problems)
    silent = api.post("/configuration/reload")
    assert (silent.status_code, "supervisor" in silent.json()["detail"]) == (409, True)


def test_accounts_are_listed_without_secrets_and_changed_but_for_the_last_admin(site: Site, api: httpx.Client) -> None:
    for name, role in (("ann", "reader"), ("root", "admin")):
        new = NewAccount(name=name, display_name=name, roles={role}, password_hash="secret-hash")  # noqa: S106
        create(site.database, new, who=THE_AGENT, now=datetime.now(UTC))
    answer = api.get("/accounts")
    assert [(one["name"], one["roles"]) for one in answer.json()["items"]] == [("ann", ["reader"]), ("root", ["admin"])]
    assert "secret-hash" not in answer.text
    assert api.put("/accounts/ann/roles", json={"roles": ["operator"]}).json()["roles"] == ["operator"]
    assert api.post("/accounts/ann/disable").json()["disabled_at"]
    assert api.post("/accounts/ann/enable").json()["disabled_at"] is None
    assert api.post("/accounts/root/disable").status_code == 409
    assert api.post("/accounts/nobody/disable").status_code == 404


def test_a_token_is_shown_once_opens_what_it_is_for_and_ends(site: Site, api: httpx.Client) -> None:
    made = api.post("/tokens", json={"name": "viewer", "scopes": [WORKLIST_READ]})
    assert made.status_code == 201
    assert api.post("/tokens", json={"name": "viewer", "scopes": [WORKLIST_READ]}).status_code == 409
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    with httpx.Client(base_url=f"{site.url}/api/v1", headers=headers, timeout=60, trust_env=False) as viewer:
        assert viewer.get("/worklist").status_code == 200
        assert viewer.get("/ticks").status_code == 403
        assert made.json()["token"] not in api.get("/tokens").text
        assert api.delete("/tokens/viewer").status_code == 204
        assert viewer.get("/worklist").status_code == 401
    assert api.delete("/tokens/viewer").status_code == 404
