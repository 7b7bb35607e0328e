"""Which study's reports go where, and a destination on trial: from a scanner's C-STORE to the receiver."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from agent.config.file import Config
from agent.process.app import run_role
from db.causes import Cause
from db.database import Database
from db.lifecycle import State
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import open_queue
from db.result_withdrawal import Why, withdraw_result

BRIGHT, DARK = 200, 20
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

Start = Callable[..., Any]
Eventually = Callable[..., None]
Radiograph = Callable[..., Dataset]


@dataclass
class Hook:
    """A web service that keeps what it was sent."""

    url: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def said(self) -> list[dict[str, Any]]:
        return [Webhook(SECRET).verify(body, headers)["data"] for headers, body in self.posts]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


def test_a_webhook_may_get_flagged_studies_of_one_scanner_only(
    start: Start, hook: Hook, radiograph: Radiograph, eventually: Eventually
) -> None:
    hooked = {"name": "hook", "type": "webhook", "url": hook.url, "secret_variable": "HOOK_SECRET"}
    agent = start(destinations=[hooked | {"outcomes": ["flagged"], "calling_ae_titles": ["CR_1"]}])
    sent = {(ae, value): radiograph(value) for ae in ("CR_1", "CR_2") for value in (BRIGHT, DARK)}
    for (ae, _), study in sent.items():
        assert agent.send(study, calling_ae_title=ae)[0].stored
    eventually(lambda: all(agent.is_in(study, State.DELIVERED) for study in sent.values()))
    (data,) = hook.said()
    assert data["study_instance_uid"] == sent["CR_1", BRIGHT].StudyInstanceUID
    assert (data["outcome"], data["calling_ae_title"]) == ("flagged", "CR_1")
    ((_, body),) = hook.posts
    for secret in (b"Zzyzx", b"PID-4711", b"ACC-0815", b"20210203"):
        assert secret not in body
    deliveries = {key: agent.record(study).deliveries for key, study in sent.items()}
    assert [key for key, found in deliveries.items() if found] == [("CR_1", BRIGHT)]


def test_who_has_been_told_of_a_flagged_study_is_told_that_it_was_withdrawn_whatever_else_is_left_out(
    start: Start, hook: Hook, radiograph: Radiograph, eventually: Eventually
) -> None:
    """Who was never told of a study is not told now either."""
    hooked = {"name": "hook", "type": "webhook", "url": hook.url, "secret_variable": "HOOK_SECRET"}
    agent = start(destinations=[hooked | {"outcomes": ["flagged"]}])
    flagged, dark = radiograph(BRIGHT), radiograph(DARK)
    for study in (flagged, dark):
        agent.send(study)
    eventually(lambda: all(agent.is_in(study, State.DELIVERED) for study in (flagged, dark)))
    why = Why(cause=Cause.QUALITY, reason="withdrawn: rejected for quality reasons", actor="user test")
    queue, now = open_queue(agent.database), datetime.now(UTC)
    for study in (flagged, dark):
        withdraw_result(agent.database, queue, study.StudyInstanceUID, why, at=now, allowances=Allowances())
    eventually(lambda: len(hook.posts) == 2)
    eventually(lambda: all(agent.is_in(study, State.DELIVERED) for study in (flagged, dark)))
    told = [(one["study_instance_uid"], one["outcome"], one["withdrawn"]) for one in hook.said()]
    uid = flagged.StudyInstanceUID
    assert told == [(uid, "flagged", False), (uid, "not_analysed", True)]


def test_what_waits_for_a_destination_that_was_taken_out_is_told_when_deliver_starts(
    sqlite_database: Database, make_ledger: Any, tmp_path: Path
) -> None:
    ledger, early = make_ledger(sqlite_database, open_queue(sqlite_database)), datetime.now(UTC) - timedelta(hours=1)
    image = ledger.receive("2.25.1", at=early)
    ledger.score(image, Outcome.FLAGGED, at=early, probability=0.9)
    ledger.conclude(image.study_id, at=early + timedelta(minutes=5), destinations=("here", "gone"))
    here = {"name": "here", "type": "folder", "folder": str(tmp_path / "here")}
    tables = {"store": {"folder": str(tmp_path / "store")}, "database": {"url": f"sqlite:///{tmp_path / 'tibabu.db'}"}}
    stop = threading.Event()
    with capture_logs() as events:
        run_role("deliver", Config.model_validate(tables | {"destinations": [here]}), stop, lambda *_, **__: stop.set())
    told = [event for event in events if event["event"] == "deliveries_to_nobody"]
    assert [(one["destination"], one["state"], one["reports"]) for one in told] == [("gone", "QUEUED", 1)]


def test_of_a_destination_on_trial_everything_is_in_its_folder_and_nothing_was_sent(
    start: Start, pacs: Any, pacs_port: int, radiograph: Radiograph, eventually: Eventually, tmp_path: Path
) -> None:
    """Neither the study nor the ledger looks as if it had been delivered."""
    place = {"type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
    trial = {"name": "trial", "test_folder": tmp_path / "trial", "reports": ["sr", "picture"]} | place
    rule = {"name": "all", "when": "", "to": ["trial"]}
    agent = start(destinations=[trial], forward=[rule])
    study = radiograph(BRIGHT)
    agent.send(study)

    def tested() -> bool:
        row = agent.row(study)
        return row is not None and (row.deliveries, row.forwards) == ({"TESTED": 2}, {"TESTED": 1})

    eventually(tested)
    record = agent.record(study)
    assert agent.is_in(study, State.CONCLUDED)
    assert [row["acknowledged_at"] for row in (*record.deliveries, *record.forwards)] == [None] * 3
    assert {(row["ending"], row["status"]) for row in record.attempts} == {("tested", "TEST")}
    assert all(row["reason"].startswith("TEST: not sent") for row in (*record.deliveries, *record.forwards))
    assert pacs.received_instances == []
    written = {file.name: file.read_bytes() for file in (tmp_path / "trial").iterdir()}
    assert {f"{row['identifier']}.dcm" for row in record.reports} < set(written)
    assert len(written) == 3
    assert not any(b"Zzyzx" in name.encode() for name in written)


def test_a_destination_beside_one_on_trial_gets_its_reports(
    start: Start, hook: Hook, radiograph: Radiograph, eventually: Eventually, tmp_path: Path
) -> None:
    hooked = {"type": "webhook", "url": hook.url, "secret_variable": "HOOK_SECRET"}
    trial = hooked | {"name": "trial", "test_folder": tmp_path / "trial"}
    agent = start(destinations=[trial, hooked | {"name": "hook"}])
    agent.send(study := radiograph(DARK))
    eventually(lambda: getattr(agent.row(study), "deliveries", None) == {"TESTED": 1, "ACKNOWLEDGED": 1})
    (file,) = (tmp_path / "trial").iterdir()
    assert json.loads(file.read_bytes())["data"] == hook.said()[0]
    assert agent.is_in(study, State.CONCLUDED)
