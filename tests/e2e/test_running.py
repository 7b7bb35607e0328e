"""`tibabu run` and `tibabu demo` as processes: ready at once, drained on SIGTERM, nothing left behind."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


def living(word: Path) -> list[int]:
    """Return the processes that carry `word` on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(word).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def test_the_receiver_stores_before_the_network_is_loaded_and_sigterm_drains_every_role(
    configure: Any, radiograph: Any, tmp_path: Path
) -> None:
    agent = configure(tmp_path)
    agent.quick = None
    agent.start()
    try:
        agent.ready("receive")
        (status,) = agent.send(radiograph())
        assert "work" not in agent.said
        assert status.stored
        agent.ready()
    finally:
        ended = agent.stop()
    assert ended == 0
    assert sorted(event["role"] for event in agent.events("stopped")) == ["clock", "deliver", "receive", "web", "work"]
    assert "Traceback" not in agent.text()
    assert living(agent.config) == []


def test_a_role_that_nobody_listens_to_serves_all_the_same(configure: Any, eventually: Any, tmp_path: Path) -> None:
    agent = configure(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    command = [*agent.command, "run", "--config", str(agent.config), "--only", "web"]
    with agent.log.open("wb") as log, os.fdopen(writing, "wb") as nobody:
        process = subprocess.Popen(command, stdout=nobody, stderr=log)  # noqa: S603 - our own command line
    try:
        eventually(lambda: agent.events("ready") or process.poll() is not None)
        (ready,) = agent.events("ready")
        assert httpx.get(ready["url"], timeout=60).status_code == 200
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture
def demo(configure: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return `demo(*options)`: starts a demonstration below the test's folder."""
    started = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [*configure(tmp_path / "unused").command, "demo", "--dir", str(tmp_path / "demo"), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)  # noqa: S603 - our own command line
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_demonstration_accounts_for_every_study(demo: Any, configure: Any, eventually: Any, tmp_path: Path) -> None:
    process = demo("--exit", "--json")
    text, errors = process.communicate(timeout=400)
    assert (process.returncode, errors) == (0, "")
    told = json.loads(text)
    assert told["accounted_for"] is True
    outcomes = [study["outcome"] for study in told["studies"]]
    assert len(outcomes) == 10
    assert set(outcomes[:4]) <= {"flagged", "not_flagged"}, "chest radiographs presented as a child's"
    assert set(outcomes[4:]) == {"not_analysed"}, "an adult, a hand, CT, MR, ultrasound, colour"
    assert all(study["reason"] for study in told["studies"][4:])
    assert len(told["received"]) == 10 + outcomes.count("flagged")
    assert all(Path(file).is_file() for file in told["received"])
    eventually(lambda: living(tmp_path) == [])
    # What it leaves behind is an installation like any other: it can be looked at, and told to analyse again.
    left = configure(tmp_path / "unused")
    left.config = tmp_path / "demo" / "config.toml"
    first = told["studies"][0]["study_instance_uid"]
    assert len(left.document("worklist")) == 10
    assert left.document("show", first)["study"]["state"] == "DELIVERED"
    assert left.document("requeue", first) == {"revision": 2}
    (row,) = [row for row in left.document("worklist") if row["study_instance_uid"] == first]
    assert (row["state"], row["updating"], row["outcome"]) == ("COMPLETE", True, outcomes[0])


def test_a_killed_demonstration_leaves_no_process_behind(demo: Any, eventually: Any, tmp_path: Path) -> None:
    process = demo()
    log = tmp_path / "demo" / "agent.log"
    eventually(lambda: log.exists() and "role=receive" in log.read_text(encoding="utf-8"))
    assert len(living(tmp_path)) > 3
    process.kill()
    eventually(lambda: living(tmp_path) == [])
