"""UPS-RS events, with the `websockets` client: who subscribed is told, in order, once, and later if it was away."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from db.database import Database, open_database
from db.schema.workitems import workitem_event
from db.tokens import revoke_token

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
JSON = {"Content-Type": "application/dicom+json"}


@pytest.fixture
def either(database: Database, tmp_path: Path, serve_on: Callable[..., Any]) -> Iterator[Any]:
    """Give the role on SQLite, and on PostgreSQL."""
    with serve_on(database, tmp_path / "store") as web:
        yield web


def channel(web: Any, token: str, title: str = "RIS", **options: Any) -> ClientConnection:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"ws{web.url.removeprefix('http')}/subscribers/{title}"
    return connect(address, additional_headers=headers, proxy=None, open_timeout=60, **options)


@contextmanager
def silent_channel(web: Any, token: str) -> Iterator[Callable[[], bytes]]:
    """Open a channel that never acknowledges; give what has come on it so far."""
    host, port = web.url.removeprefix("http://").split("/")[0].split(":")
    with create_connection((host, int(port)), timeout=60) as connection:
        head = f"GET /dicom-web/subscribers/RIS HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        connection.sendall(f"{head}Connection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n".encode())
        data = bytearray()

        def received() -> bytes:
            data.extend(connection.recv(4096) or pytest.fail("the channel was closed"))
            return bytes(data)

        yield received


def heard(connection: ClientConnection) -> Dataset:
    """Return the next event; 20 s are enough for any."""
    return Dataset.from_json(json.loads(connection.recv(timeout=60)))


def is_silent(connection: ClientConnection) -> bool:
    try:
        connection.recv(timeout=0.7)
    except TimeoutError:
        return True
    return False


def claim(client: Any, uid: str) -> None:
    dataset = Dataset()
    dataset.ProcedureStepState, dataset.TransactionUID = "IN PROGRESS", generate_uid()
    body = json.dumps([dataset.to_json_dict()])
    assert client.put(f"/workitems/{uid}/state", content=body, headers=JSON).status_code == 200


def tasks(client: Any) -> list[str]:
    return [Dataset.from_json(one).SOPInstanceUID for one in client.get("/workitems").json()]


def test_who_subscribed_hears_of_a_task_and_its_claim(either: Any, make_task: Callable[..., None]) -> None:
    web, token = either, either.token("ups:read", "ups:write", name="ris")
    ris = web.client(token)
    answer = ris.post(f"/workitems/{ALL}/subscribers/RIS", params={"deletionlock": "true"})
    assert answer.status_code == 201
    assert answer.headers["content-location"] == f"ws{web.url.removeprefix('http')}/subscribers/RIS"
    with channel(web, token) as events:
        make_task(web, 1)
        first = heard(events)
        (uid,) = tasks(ris)
        assert (first.AffectedSOPClassUID, first.AffectedSOPInstanceUID) == ("1.2.840.10008.5.1.4.34.6.1", uid)
        assert (first.EventTypeID, first.ProcedureStepState, first.InputReadinessState) == (1, "SCHEDULED", "READY")
        claim(ris, uid)
        assert heard(events).ProcedureStepState == "IN PROGRESS"
        assert is_silent(events)


def test_events_of_an_absent_subscriber_wait_and_come_once_in_order(
    either: Any, make_task: Callable[..., None]
) -> None:
    web, token = either, either.token("ups:read", "ups:write", name="ris")
    ris = web.client(token)
    assert ris.post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    for number in (1, 2, 3):
        make_task(web, number)
    uids = tasks(ris)
    claim(ris, uids[0])
    with channel(web, token) as events:
        told = [heard(events) for _ in range(4)]
        assert [(one.AffectedSOPInstanceUID, one.ProcedureStepState) for one in told] == [
            *((uid, "SCHEDULED") for uid in uids),
            (uids[0], "IN PROGRESS"),
        ]
        assert is_silent(events)
    with channel(web, token) as events:
        assert is_silent(events)


def test_an_event_that_the_subscriber_did_not_take_comes_again(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve(pause_seconds=1)
    token = web.token("ups:read", name="ris")
    assert web.client(token).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    with silent_channel(web, token) as received:
        make_task(web, 1)
        while b"SCHEDULED" not in received():
            pass
    with channel(web, token) as events:
        assert heard(events).ProcedureStepState == "SCHEDULED"


def test_a_slow_channel_holds_no_other_back(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve()
    slow, quick = web.token("ups:read", name="slow"), web.token("ups:read", name="quick")
    for token in (slow, quick):
        assert web.client(token).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    with channel(web, slow, max_queue=1, close_timeout=0), channel(web, quick) as events:
        for number in range(1, 12):  # the slow one takes nothing: its client reads one, and stops
            make_task(web, number)
        assert [heard(events).EventTypeID for _ in range(11)] == [1] * 11


def test_the_newer_channel_of_a_subscriber_replaces_the_older(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve()
    token = web.token("ups:read", name="ris")
    assert web.client(token).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    with channel(web, token) as older, channel(web, token) as newer:
        with pytest.raises(ConnectionClosed) as ended:
            older.recv(timeout=60)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 4000
        make_task(web, 1)
        assert heard(newer).ProcedureStepState == "SCHEDULED"


def test_the_newer_channel_replaces_the_older_also_in_another_process_and_an_event_comes_once(
    database: Database, tmp_path: Path, serve_on: Callable[..., Any], make_task: Callable[..., None]
) -> None:
    """Several processes share a port, or hosts a database: a subscriber's channels need not meet."""
    elsewhere = open_database(database.url.render_as_string(hide_password=False))
    with serve_on(database, tmp_path / "store") as web, serve_on(elsewhere, tmp_path / "store") as other:
        token = web.token("ups:read", name="ris")
        assert web.client(token).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
        with channel(web, token) as older, channel(other, token) as newer:
            make_task(web, 1)
            assert heard(newer).ProcedureStepState == "SCHEDULED"
            with pytest.raises(ConnectionClosed) as ended:
                older.recv(timeout=60)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 4000
    elsewhere.dispose()


def test_a_filtered_subscription_hears_of_what_matches_only(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve()
    token = web.token("ups:read", name="ris")
    client = web.client(token)
    assert client.post(f"/workitems/{FILTERED}/subscribers/RIS").status_code == 400
    assert client.post(f"/workitems/{ALL}/subscribers/RIS", params={"filter": "PatientID=P2"}).status_code == 400
    forever = client.post(f"/workitems/{FILTERED}/subscribers/RIS", params={"PatientID": "P2", "deletionlock": "yes"})
    assert forever.status_code == 400
    answer = client.post(f"/workitems/{FILTERED}/subscribers/RIS", params={"PatientID": "P2"})
    assert answer.status_code == 201
    assert client.post(f"/workitems/{FILTERED}/subscribers/RIS", params={"filter": "PatientID=P2"}).status_code == 201
    with channel(web, token) as events:
        events.send("whatever a subscriber says, nothing is expected of it")
        make_task(web, 1)
        make_task(web, 2)
        event = heard(events)
        found = client.get("/workitems", params={"PatientID": "P2"}).json()
        assert event.AffectedSOPInstanceUID == Dataset.from_json(found[0]).SOPInstanceUID
        assert is_silent(events)


def test_unsubscribing_and_suspending_end_the_events(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve()
    token = web.token("ups:read", name="ris")
    client = web.client(token)
    make_task(web, 1)
    assert client.post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    with channel(web, token) as events:
        assert heard(events).ProcedureStepState == "SCHEDULED"
        assert client.post(f"/workitems/{ALL}/subscribers/RIS/suspend").status_code == 200
        make_task(web, 2)
        assert is_silent(events)
        assert client.delete(f"/workitems/{ALL}/subscribers/RIS").status_code == 200
        assert client.post("/workitems/1.2.3/subscribers/RIS/suspend").status_code == 400
        assert client.post("/workitems/1.2.3/subscribers/RIS").status_code == 404
        assert is_silent(events)


def test_a_subscriber_of_one_token_is_nobody_elses(serve: Any, make_task: Callable[..., None]) -> None:
    web = serve()
    ours, theirs = web.token("ups:read", name="ours"), web.token("ups:read", name="theirs")
    assert web.client(ours).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    assert web.client(theirs).delete(f"/workitems/{ALL}/subscribers/RIS").status_code == 200
    make_task(web, 1)
    with channel(web, theirs) as events:
        assert is_silent(events)
    with channel(web, ours) as events:
        assert heard(events).EventTypeID == 1


def test_a_revoked_token_hears_no_more_and_leaves_nothing_to_the_next_of_its_name(
    serve: Any, make_task: Callable[..., None]
) -> None:
    web = serve()
    token = web.token("ups:read", name="ris")
    assert web.client(token).post(f"/workitems/{ALL}/subscribers/RIS").status_code == 201
    make_task(web, 1)
    revoke_token(web.database, "ris", by="test", now=NOON)
    with pytest.raises(InvalidStatus) as refused:
        channel(web, token)
    assert refused.value.response.status_code == 401
    make_task(web, 2)
    with channel(web, web.token("ups:read", name="ris")) as events:
        assert is_silent(events)
    with web.database.read() as connection:
        assert not connection.execute(select(workitem_event)).all()


@pytest.mark.parametrize(
    ("scopes", "options", "title", "status"),
    [
        ((), {}, "RIS", 401),
        (("ups:write",), {}, "RIS", 403),
        (("ups:read",), {"origin": "https://elsewhere.example"}, "RIS", 403),
        (("ups:read",), {}, "SEVENTEEN_LETTERS", 400),
    ],
)
def test_a_channel_needs_a_token_that_may_read_and_a_known_origin(
    serve: Any, scopes: tuple[str, ...], options: dict[str, Any], title: str, status: int
) -> None:
    web = serve(allowed_origins=("https://viewer.example",))
    with pytest.raises(InvalidStatus) as refused:
        channel(web, web.token(*scopes) if scopes else "", title, **options)
    assert refused.value.response.status_code == status


def test_a_page_of_an_allowed_origin_may_open_a_channel_and_too_many_are_refused(serve: Any) -> None:
    web = serve(allowed_origins=("https://viewer.example",), maximum_channels=1)
    token = web.token("ups:read")
    with channel(web, token, origin="https://viewer.example"):
        with pytest.raises(InvalidStatus) as refused:
            channel(web, token, "ANOTHER")
        assert refused.value.response.status_code == 503
        assert web.client(token).get("/workitems").status_code == 200
    with pytest.raises(InvalidStatus) as nowhere:
        channel(web, token, "RIS/elsewhere")
    assert nowhere.value.response.status_code == 404
    assert web.client(token).get("/subscribers/RIS").status_code == 426
