"""The FHIR destination against a real HTTP server: what counts as taken, tokens, and what is told to nobody."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from agent.destinations import Outgoing, fhir
from agent.errors import DeliveryError, DestinationDownError, Retry

NAMES = ("Device", "Observation", "Task")
SENT = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": {"resourceType": name}, "request": {"method": "PUT", "url": f"{name}/1"}} for name in NAMES],
}
REPORT = Outgoing("application/fhir+json", json.dumps(SENT).encode(), "bundle-1", "1.2.3")
Answer = tuple[int, dict[str, str], bytes]
Make = Callable[..., fhir.Destination]


def taken(**changes: Any) -> dict[str, Any]:
    """Return the answer of a server that took everything, with changes to its second entry."""
    entries = [{"response": {"status": "200 OK", "location": f"{name}/1/_history/2"}} for name in NAMES]
    entries[1]["response"] |= changes
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def outcome(severity: str, code: str) -> dict[str, Any]:
    issue = {"severity": severity, "code": code, "diagnostics": "Geheim^Gisela has no bed"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.fixture
def make(http_server: Any) -> Make:
    """Return `make(**settings)`: a destination that sends to the server, which takes everything so far."""
    http_server.answers = lambda _: (200, {}, json.dumps(taken()).encode())

    def destination(**settings: Any) -> fhir.Destination:
        given = {"name": "fhir", "type": "fhir", "url": f"{http_server.url}/r4"} | settings
        return fhir.Destination(fhir.Settings(**given), "TIBABU")

    return destination


def test_a_bundle_arrives_as_it_is_and_every_entry_is_answered(http_server: Any, make: Make) -> None:
    assert make().send(REPORT) == "HTTP 200: 3 entries"
    (asked,) = http_server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/r4", REPORT.data)
    assert asked.headers["content-type"] == asked.headers["accept"] == "application/fhir+json"
    assert "authorization" not in asked.headers


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"OK",
        b"[]",
        json.dumps(outcome("error", "processing")),
        json.dumps({"resourceType": "Bundle", "type": "batch-response", "entry": taken()["entry"]}),
        json.dumps(taken() | {"entry": taken()["entry"][:2]}),
        json.dumps(taken() | {"entry": None}),
        json.dumps(taken(status="422 Unprocessable")),
        json.dumps(taken(status=None)),
        json.dumps(taken(status="2000")),
        json.dumps(taken(location="Observation/2/_history/1")),
        json.dumps(taken(location="Patient/1")),
        json.dumps(taken(outcome=outcome("error", "invalid"))),
        json.dumps(taken(outcome=outcome("fatal", "exception"))),
        json.dumps(taken() | {"entry": [1, 2, 3]}),
    ],
)
def test_a_server_that_says_200_and_does_not_say_that_all_was_done_is_not_believed(
    http_server: Any, make: Make, answer: bytes | str
) -> None:
    http_server.answers = lambda _: (200, {}, answer if isinstance(answer, bytes) else answer.encode())
    with pytest.raises(DeliveryError) as caught:
        make().send(REPORT)
    assert caught.value.retry
    assert caught.value.sent
    assert "Geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "201"},
        {"status": "204 No Content"},
        {"location": None},
        {"location": "https://fhir.example/r4/Observation/1/_history/7"},
        {"outcome": outcome("warning", "informational")},
        {"outcome": outcome("information", "informational")},
    ],
)
def test_what_a_server_may_say_besides_is_taken_as_success(
    http_server: Any, make: Make, changes: dict[str, Any]
) -> None:
    http_server.answers = lambda _: (200, {}, json.dumps(taken(**changes)).encode())
    assert make().send(REPORT) == "HTTP 200: 3 entries"


@pytest.mark.parametrize(
    ("status", "retry", "down"),
    [
        (202, Retry.SOON, False),  # accepted is not done
        (307, Retry.SLOWLY, True),
        (400, Retry.NEVER, False),
        (401, Retry.SLOWLY, True),
        (403, Retry.SLOWLY, True),
        (404, Retry.SLOWLY, True),
        (409, Retry.SOON, False),  # others wrote at the same time
        (412, Retry.NEVER, False),  # two resources have the identifier
        (422, Retry.NEVER, False),
        (429, Retry.SOON, True),
        (500, Retry.SOON, True),
        (503, Retry.SOON, True),
    ],
)
def test_every_other_status_is_tried_again_or_parked_by_the_table(
    http_server: Any, make: Make, status: int, retry: Retry, *, down: bool
) -> None:
    body = json.dumps(outcome("error", "duplicate")).encode()
    http_server.answers = lambda _: (status, {"Location": f"{http_server.url}/elsewhere"}, body)
    with pytest.raises(DeliveryError) as caught:
        make().send(REPORT)
    assert (caught.value.patience, isinstance(caught.value, DestinationDownError)) == (retry, down)
    assert f"status={status}" in str(caught.value)
    assert "issues=duplicate" in str(caught.value)
    assert "Geheim" not in str(caught.value)
    assert [asked.path for asked in http_server.asked] == ["/r4"]


def test_an_answer_that_is_lost_may_mean_that_the_server_has_it(http_server: Any, make: Make) -> None:
    http_server.answers = lambda _: (0, {}, b"")
    with pytest.raises(DestinationDownError) as caught:
        make().send(REPORT)
    assert caught.value.sent


def test_a_server_that_is_away_has_nothing(make: Make, free_port: Callable[[], int]) -> None:
    with pytest.raises(DestinationDownError, match="ConnectError, Connection refused") as caught:
        make(url=f"http://127.0.0.1:{free_port()}/r4").send(REPORT)
    assert not caught.value.sent


def test_an_endless_answer_is_cut_off(http_server: Any, make: Make) -> None:
    http_server.answers = lambda _: (200, {}, b" " * (5 << 20))
    with pytest.raises(DestinationDownError, match="short answer"):
        make().send(REPORT)


def test_no_answer_unfolds_in_memory(http_server: Any, make: Make) -> None:
    bomb = gzip.compress(gzip.compress(bytes(64 << 20)))
    http_server.answers = lambda _: (200, {"Content-Encoding": "gzip, gzip"}, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryError, match="no transaction-response"):
            make().send(REPORT)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert http_server.asked[0].headers["accept-encoding"] == "identity"


def test_a_token_goes_along_and_is_shown_nowhere(http_server: Any, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_TOKEN", "geheim-token")
    destination = make(secret_variable="FHIR_TOKEN")  # noqa: S106 - a variable's name
    destination.send(REPORT)
    assert http_server.asked[0].headers["authorization"] == "Bearer geheim-token"
    http_server.answers = lambda _: (401, {}, b"")
    with pytest.raises(DestinationDownError) as caught:
        destination.send(REPORT)
    assert "geheim" not in f"{caught.value!r}{destination}{destination._settings!r}"


def issuer(
    http_server: Any, *, valid: Callable[[str], bool] = lambda _: True, lasts: object = 300, status: int = 200
) -> list[str]:
    """Have the server give the tokens t1, t2, ... and take those that are `valid`; return the forms it was sent."""
    forms: list[str] = []

    def answers(asked: Any) -> Answer:
        if asked.path == "/token":
            forms.append(asked.body.decode())
            given = {"access_token": f"t{len(forms)}", "token_type": "Bearer", "expires_in": lasts}
            return status, {}, json.dumps(given).encode()
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return (200, {}, json.dumps(taken()).encode()) if valid(token) else (401, {}, b"")

    http_server.answers = answers
    return forms


@pytest.fixture
def client(http_server: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("FHIR_SECRET", "s3cret:%")
    return {
        "token_url": f"{http_server.url}/token",
        "client_id": "tibabu",
        "secret_variable": "FHIR_SECRET",
        "scope": "system/*.write",
    }


def test_a_token_of_client_credentials_is_kept_while_it_lasts(
    http_server: Any, make: Make, client: dict[str, Any]
) -> None:
    forms = issuer(http_server)
    destination = make(**client)
    for _ in range(3):
        destination.send(REPORT)
    assert forms == ["grant_type=client_credentials&scope=system%2F%2A.write"]
    first, *sent = http_server.asked
    assert first.headers["authorization"] == "Basic dGliYWJ1OnMzY3JldDol"
    assert [asked.headers["authorization"] for asked in sent] == ["Bearer t1"] * 3


def test_a_token_that_is_about_to_end_is_renewed(http_server: Any, make: Make, client: dict[str, Any]) -> None:
    forms = issuer(http_server, lasts=100)
    destination = make(**client)
    assert destination._tokens is not None
    now = [0.0]
    destination._tokens.clock = lambda: now[0]
    for second in (0.0, 69.9, 70.1, 150.0, 171.0):
        now[0] = second
        destination.send(REPORT)
    assert len(forms) == 3


def test_a_token_that_is_refused_is_renewed_once_and_no_more(
    http_server: Any, make: Make, client: dict[str, Any]
) -> None:
    forms = issuer(http_server, valid=lambda token: token == "t2")  # noqa: S105 - of a test
    destination = make(**client, client_authentication="post")
    assert destination.send(REPORT) == "HTTP 200: 3 entries"
    assert len(forms) == 2
    assert "client_secret=s3cret%3A%25" in forms[0]
    issuer(http_server, valid=lambda _: False)
    http_server.asked.clear()
    with pytest.raises(DestinationDownError, match="status=401"):
        destination.send(REPORT)
    assert [asked.path for asked in http_server.asked] == ["/r4", "/token", "/r4"]


@pytest.mark.parametrize(("status", "lasts"), [(400, 300), (401, 300), (500, 300)])
def test_without_a_token_nothing_is_sent_and_nobody_is_told_the_secret(
    http_server: Any, make: Make, client: dict[str, Any], status: int, lasts: int
) -> None:
    issuer(http_server, status=status, lasts=lasts)
    with pytest.raises(DestinationDownError, match="expected a bearer token") as caught:
        make(**client).send(REPORT)
    assert "s3cret" not in str(caught.value)
    assert [asked.path for asked in http_server.asked] == ["/token"]


@pytest.mark.parametrize("given", [{}, {"access_token": "a b", "token_type": "bearer"}, {"access_token": "x"}, []])
def test_what_is_no_token_is_none(http_server: Any, make: Make, client: dict[str, Any], given: object) -> None:
    http_server.answers = lambda _: (200, {}, json.dumps(given).encode())
    with pytest.raises(DestinationDownError, match="expected a bearer token"):
        make(**client).send(REPORT)


@pytest.mark.parametrize(
    ("version", "there"), [("4.0.1", True), ("4.3.0", True), ("5.0.0", False), ("3.0.2", False), (None, False)]
)
def test_a_ping_asks_what_the_server_is(http_server: Any, make: Make, version: str | None, *, there: bool) -> None:
    statement = {"resourceType": "CapabilityStatement", "fhirVersion": version}
    http_server.answers = lambda _: (200, {}, json.dumps(statement).encode())
    if there:
        make().ping()
    else:
        with pytest.raises(DeliveryError, match="FHIR R4 server"):
            make().ping()
    assert [asked.path for asked in http_server.asked] == ["/r4/metadata?_summary=true"]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://fhir.example"},
        {"url": "https://user:password@fhir.example"},
        {"url": "http://fhir.example/r4", "secret_variable": "TOKEN"},
        {"token_url": "http://login.example/token", "client_id": "tibabu", "secret_variable": "SECRET"},
        {"token_url": "https://login.example/token", "secret_variable": "SECRET"},
        {"token_url": "https://login.example/token", "client_id": "tibabu"},
        {"secret_variable": "TOKEN", "secret_file": "/token"},
    ],
)
def test_settings_that_make_no_sense_or_would_give_the_secret_away_are_refused(settings: dict[str, Any]) -> None:
    given = {"name": "fhir", "type": "fhir", "url": "https://fhir.example/r4"}
    fhir.Settings(**given)
    with pytest.raises(ValidationError):
        fhir.Settings(**given | settings)
