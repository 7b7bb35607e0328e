"""Nothing is answered without a token whose scopes allow it, and nothing that was asked reaches the log."""

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
import structlog

from agent.tokens import DICOMWEB_READ, DICOMWEB_STORE
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.tokens import revoke_token, tokens

Web = Any  # tests/integration/dicomweb/conftest.py
PATHS = ("/studies", "/studies/1.2/series", "/nothing", "/studies/1.2/metadata")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_without_a_token_the_answer_is_401_and_says_what_is_wanted(web: Web, path: str, method: str) -> None:
    answer = web.client().request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="dicom-web"'
    if method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].startswith("expected the header Authorization")


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer tibabu_" + "k" * 43, "Bearer tibabu_" + "a" * 9000],
)
def test_with_another_token_the_answer_is_401(web: Web, header: str) -> None:
    answer = web.client().get("/studies", headers={"Authorization": header})
    assert answer.status_code == 401


def test_a_token_in_the_address_opens_nothing(web: Web) -> None:
    secret = web.token()
    assert web.client().get("/studies", params={"access_token": secret, "token": secret}).status_code == 401


def test_a_token_without_the_scope_is_403(web: Web) -> None:
    reading, storing = web.token(DICOMWEB_READ, name="reads"), web.token(DICOMWEB_STORE, name="stores")
    refused = web.client(reading).post("/studies")
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"].endswith('error="insufficient_scope", scope="dicomweb:store"')
    assert web.client(storing).get("/studies").status_code == 403
    assert web.client(storing).post("/studies").status_code == 415


def test_a_revoked_token_opens_nothing_from_the_next_request_on(web: Web, eventually: Callable[..., None]) -> None:
    client = web.client(web.token())
    assert client.get("/nothing").status_code == 404
    eventually(lambda: tokens(web.database)[-1].last_used_at)
    *_, record = tokens(web.database)
    revoke_token(web.database, "viewer", by="test", now=record.created_at)
    assert client.get("/nothing").status_code == 401


def test_what_there_is_not_is_a_problem_that_says_so(web: Web) -> None:
    client = web.client(web.token())
    missing = client.get("/nothing")
    assert (missing.status_code, missing.json()["detail"][:19]) == (404, "expected an address")
    assert missing.headers["cache-control"] == "no-store"
    other = client.put("/studies")
    assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_viewer_of_an_allowed_origin_may_ask_and_no_other(serve: Callable[..., Web]) -> None:
    web = serve(allowed_origins=("https://viewer.example",))
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,accept"}
    ask = partial(httpx.options, f"{web.url}/studies", trust_env=False, timeout=60)
    allowed = ask(headers={"Origin": "https://viewer.example", **asked})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://viewer.example"
    refused = ask(headers={"Origin": "https://evil.example", **asked})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    unauthorised = web.client().get("/studies", headers={"Origin": "https://viewer.example"})
    assert unauthorised.status_code == 401
    assert unauthorised.headers["access-control-allow-origin"] == "https://viewer.example"


def test_one_line_for_each_request_names_the_token_and_nothing_that_was_asked(
    web: Web, caplog: pytest.LogCaptureFixture, eventually: Callable[..., None]
) -> None:
    def lines() -> list[Any]:
        return [line for line in logged if line["event"] == "dicomweb_request"]

    secret = web.token()
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        client = web.client(secret)
        client.get("/studies?PatientName=DOE-JOHN&PatientID=DOE-4711")
        client.get("/DOE-JOHN")
        client.request("DOEJOHN", "/studies")
        eventually(lambda: len(lines()) == 3)  # each is written when its answer has gone
    ours = [json.dumps(line, default=str) for line in logged]
    ours += [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [line for line in ours if "DOE" in line or secret in line or "JOHN" in line]
    assert [line["token"] for line in lines()] == ["viewer"] * 3
    assert {(line["method"], line["route"]) for line in lines()} == {
        ("GET", "/dicom-web/studies"),
        ("GET", "none"),
        ("other", "none"),
    }


def test_what_a_token_sees_of_a_study_is_in_the_audit_trail_once_and_a_search_without_its_keys(
    web: Web, eventually: Callable[..., None]
) -> None:
    client = web.client(web.token(name="seen"))
    for path in ("/studies/2.25.9/metadata", "/studies/2.25.9/series", "/studies?PatientID=SECRET", "/workitems"):
        client.get(path)
    query = AuditQuery(person="seen")
    eventually(lambda: len(search(web.database, query).rows) == 2)
    told = {(row.event.event, row.event.study_instance_uid) for row in search(web.database, query).rows}
    assert told == {(EventId.INSTANCES_ACCESSED, "2.25.9"), (EventId.QUERY, "")}
    assert "SECRET" not in str(search(web.database, query))
