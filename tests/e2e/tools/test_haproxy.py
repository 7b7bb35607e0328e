"""A load balancer in front: DCMTK's scanner sends through HAProxy to two receivers, one of which is killed."""

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db.schema.domain import instance

pytestmark = pytest.mark.tools

CONFIG = Path(__file__).parents[3] / "deploy" / "haproxy.cfg"
BALANCER = "127.0.0.9"
_NAME, _STATE, _CHECK = 1, 17, 36  # columns of `show stat`
_SENT = re.compile(r"Sending file: (\S+)|(Received Store Response \(Success\))")


@dataclass
class Haproxy:
    """A running HAProxy with the shipped configuration; only addresses, ports and times are this test's."""

    port: int
    control: Path

    def states(self) -> dict[str, str]:
        """Return how HAProxy finds each receiver, and by what: "UP L7OK" by an answer to its request."""
        if not self.control.is_socket():
            return {}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.control))
            connection.sendall(b"show stat\n")
            with connection.makefile() as answer:
                rows = [line.split(",") for line in answer]
        return {
            row[_NAME]: f"{row[_STATE]} {row[_CHECK]}"
            for row in rows
            if row[0] == "receivers" and row[_NAME].startswith("host")
        }


@pytest.fixture
def haproxy(
    free_port: Callable[[], int], program: Callable[[str], str], tmp_path: Path
) -> Iterator[Callable[..., Haproxy]]:
    """Return `haproxy(ports)`: balances between receivers at these ports."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*ports: int) -> Haproxy:
        found = Haproxy(free_port(), tmp_path / "control")
        text = CONFIG.read_text().replace("user haproxy", "").replace("group haproxy", "")
        text = text.replace("/run/haproxy/admin.sock", str(found.control))
        text = re.sub(r"frontend dicom_tls(?s:.)*?(?=backend receivers\n)", "", text)
        text = re.sub(r"backend receivers_tls(?s:.)*", "", text)
        text = text.replace("timeout check 3s", "timeout check 60s")  # a machine that is busy is not down
        text = text.replace("bind :104", f"bind 127.0.0.1:{found.port}").replace("inter 2s", "inter 200ms")
        for host, port in enumerate(ports, 1):
            text = text.replace(f"10.0.0.1{host}:11112", f"127.0.0.1:{port} source {BALANCER}")
        (file := tmp_path / "haproxy.cfg").write_text(text)
        with (tmp_path / "haproxy.log").open("wb") as log:
            command = [program("haproxy"), "-db", "-f", str(file)]
            running.append(subprocess.Popen(command, stdout=log, stderr=log))  # noqa: S603 - our own command line
        return found

    yield start
    for process in running:
        process.terminate()
        process.wait(60)


def _acknowledged(said: str) -> set[str]:
    """Return the files to which storescu had a success."""
    file, found = "", set()
    for name, success in _SENT.findall(said):
        file = name or file
        found |= {file} if success else set()
    return found


def _stored(agent: Any) -> set[str]:
    with agent.database.read() as connection:
        return set(connection.scalars(instance.select().with_only_columns(instance.c.sop_instance_uid)))


@dataclass
class Scanner:
    """DCMTK's storescu: several at once, each with some files in one association."""

    command: list[str]
    acknowledged: set[str]
    changed: threading.Condition

    def send(self, files: list[str]) -> int:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [*self.command, *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said = ""
        with process.stdout:
            for line in process.stdout:
                said += line
                with self.changed:
                    self.acknowledged |= _acknowledged(said)
                    self.changed.notify_all()
        return process.wait()


@pytest.fixture
def receivers(configure: Any, free_port: Callable[[], int], tmp_path: Path) -> Iterator[list[Any]]:
    """Start two receivers as on two hosts, which share a database and a store, behind the balancer."""
    found = []
    for host in ("one", "two"):
        agent = configure(
            tmp_path / host,
            store={"folder": str(tmp_path / "store")},
            database={"url": f"sqlite:///{tmp_path / 'tibabu.db'}"},
            receive={"host": "127.0.0.1", "port": free_port(), "balancers": [BALANCER], "anyone_may": []},
        )
        with agent.config.open("a") as file:
            file.write('[[peers]]\nae_title = "XRAY"\naddresses = ["127.0.0.1"]\n')
            file.write('[[peers]]\nae_title = "ELSEWHERE"\naddresses = ["192.0.2.1"]\n')
        agent.start(["receive"])
        found.append(agent)
    for agent in found:
        agent.ready("receive")
    yield found
    for agent in found:
        if agent.process.poll() is None:
            assert agent.stop() == 0


def test_what_was_acknowledged_is_kept_when_a_receiver_is_killed_and_the_next_association_goes_to_the_other(
    receivers: list[Any], haproxy: Any, program: Callable[[str], str], radiograph: Any, eventually: Any, tmp_path: Path
) -> None:
    one, other = receivers
    balancer = haproxy(one.peer.port, other.peer.port)
    eventually(lambda: balancer.states() == {"host1": "UP L7OK", "host2": "UP L7OK"})
    images = {}
    for number in range(40):
        image = radiograph(number)
        image.save_as(file := tmp_path / f"{number}.dcm", enforce_file_format=True)
        images[str(file)] = str(image.SOPInstanceUID)
    files = list(images)
    command = [program("storescu"), "-v", "-aet", "XRAY", "-aec", "TIBABU", "127.0.0.1", str(balancer.port)]
    scanner = Scanner(command, set(), threading.Condition())
    threads = [threading.Thread(target=scanner.send, args=(files[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    with scanner.changed:
        assert scanner.changed.wait_for(lambda: len(scanner.acknowledged) >= 8, 60)
    os.kill(one.process.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert {images[file] for file in scanner.acknowledged} <= _stored(other)
    assert scanner.send(files) == 0  # at once, whether HAProxy has noticed or not
    assert _stored(other) == set(images.values())
    eventually(lambda: balancer.states()["host1"].startswith("DOWN"))
    seen = other.events("association")
    assert {event["peer_address"] for event in seen} == {"127.0.0.1"}
    refused = subprocess.run(  # noqa: S603 - our own command line
        [program("echoscu"), "-aet", "ELSEWHERE", "-aec", "TIBABU", "127.0.0.1", str(balancer.port)], check=False
    )
    assert refused.returncode != 0
    eventually(lambda: other.events("connections_in_vain"))
    (rejected,) = other.events("connections_in_vain")  # none of dozens of checks by HAProxy
    assert (rejected["calling_ae_title"], rejected["peer_address"]) == ("ELSEWHERE", "127.0.0.1")
