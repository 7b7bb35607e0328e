"""The configuration changes while the agent runs: by SIGHUP and by the API, without dropping an association."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from agent.process.memory import RECYCLED
from db.audit_search import AuditQuery, search
from db.audit_terms import EventType
from db.reloads import ReloadOutcome, reloads
from db.schema.domain import delivery
from dicom_io.errors import NetworkError
from dicom_io.scu import HeldAssociation, echo

ROLES = ("receive", "web")
XRAY = '[[peers]]\nae_title = "XRAY"\n'
CT = '[[peers]]\nae_title = "CT"\n'
RULE = (
    '[[forward]]\nname = "all"\nto = ["archive"]\n[[destinations]]\nname = "archive"\ntype = "folder"\nfolder = "a"\n'
)


@pytest.fixture(scope="module")
def agent(configure: Any, running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run an agent that knows one scanner, and nobody else."""
    made = configure(tmp_path_factory.mktemp("reload"), receive={"host": "127.0.0.1", "port": 0, "anyone_may": []})
    made.plain = made.config.read_text()
    made.config.write_text(made.plain + XRAY)
    with running(made, ROLES) as one:
        yield one


def is_known(agent: Any, ae_title: str) -> bool:
    try:
        echo(agent.peer, calling_ae_title=ae_title)
    except NetworkError:
        return False
    return True


def test_new_peers_and_rules_count_for_who_connects_then_and_who_is_connected_goes_on(
    agent: Any, radiograph: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """The open association's scanner is not even listed any more; it sends on and releases in peace."""
    first, second, third = (agent.encode(radiograph(number)) for number in range(3))
    pids = {role: agent.pid(role) for role in ROLES}
    with HeldAssociation(agent.peer, "XRAY") as held:
        assert held.store(first).stored
        agent.config.write_text(agent.plain + CT + RULE)
        os.kill(agent.process.pid, signal.SIGHUP)
        eventually(lambda: len(agent.events("configuration_taken_over")) == len(ROLES))
        assert not is_known(agent, "XRAY")
        assert held.is_open
        assert held.store(second).stored
    with HeldAssociation(agent.peer, "CT") as other:
        assert other.store(third).stored
    eventually(lambda: len(agent.events("association")) == 2)
    assert {event["how"] for event in agent.events("association")} == {"released"}
    with agent.database.read() as connection:
        forwarded = connection.scalars(select(delivery.c.rule)).all()
    assert forwarded == ["all"], "expected the third image alone, by the rule that came after the others"
    assert {role: agent.pid(role) for role in ROLES} == pids
    (said,) = (one.event for one in search(agent.database, AuditQuery()).rows if "configuration" in one.event.detail)
    assert said.type is EventType.NETWORK_CONFIGURATION
    assert "peers[CT]: absent" in said.detail
    assert "forward[all]: absent" in said.detail


def test_the_api_has_the_file_read_again_and_says_why_a_bad_one_is_refused_whole(agent: Any) -> None:
    site = httpx.Client(base_url=agent.url, headers={"Origin": agent.url.rstrip("/")}, timeout=60)
    api = "api/v1/configuration/reload"
    agent.config.write_text(agent.plain + XRAY + '[[peers]]\nae_title = "CT"\nmay = ["fly"]\n')
    answer = site.post(api)
    assert answer.status_code == 409
    assert "peers[1].may[0]: " in answer.json()["detail"]
    os.kill(agent.pid("receive"), signal.SIGKILL)
    agent.ready("receive", times=2)  # it starts again with what was accepted
    assert (is_known(agent, "XRAY"), is_known(agent, "CT")) == (False, True)
    agent.config.write_text(agent.plain + XRAY)
    taken = site.post(api).json()
    assert taken["outcome"] == "taken"
    assert "peers[XRAY]: absent" in "".join(taken["changes"])
    (last,) = site.get(api).json()["items"]
    assert last == taken
    page = site.post("system/configuration/reload")
    assert page.headers["Location"].endswith("?done=reload_unchanged")
    (one,) = reloads(agent.database)
    assert one.outcome is ReloadOutcome.UNCHANGED
    assert "nothing in it has changed" in site.get(page.headers["Location"]).text
    asked = [row for row in search(agent.database, AuditQuery()).rows if "asked for" in row.event.detail]
    assert [row.event.who.name for row in asked] == ["local"] * 3
    site.close()


def test_the_port_is_for_the_next_start(agent: Any) -> None:
    agent.config.write_text(agent.plain.replace('host = "127.0.0.1"', 'host = "127.0.0.2"', 1) + CT)
    answer = httpx.post(
        f"{agent.url}api/v1/configuration/reload", headers={"Origin": agent.url.rstrip("/")}, timeout=60
    )
    assert answer.status_code == 409
    assert "receive.host: expected to stay until the next start." in answer.json()["detail"]
    assert not is_known(agent, "CT")


def test_a_role_that_runs_alone_and_is_to_start_anew_drains_and_asks_to_be_started_again(
    configure: Any, tmp_path: Path
) -> None:
    """As in a container: its platform starts it again, and it reads the file then."""
    alone = configure(tmp_path)
    alone.start(["clock"])
    try:
        alone.ready("clock")
        alone.config.write_text(alone.config.read_text() + "[alerts]\nafter_minutes = 1.5\n")
        os.kill(alone.process.pid, signal.SIGHUP)
        assert alone.process.wait(60) == RECYCLED
    finally:
        alone.stop()
    assert [event["role"] for event in alone.events("stopped")] == ["clock"]
    (told,) = reloads(alone.database)
    assert told.place.endswith(": clock")
    assert told.changes == ("alerts.after_minutes: 5 -> 1.5",)
    alone.database.dispose()
