"""The product on some hosts, its PACS, a balancer in front, and what each role has cost the processors."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hosts import Host

HERE = Path(__file__).parent
SYSTEM = "/usr/bin:/usr/sbin:/usr/local/bin"
"""Where DCMTK's tools are: pynetdicom installs scripts of the same names into the environment."""
DICOM, PACS, FRONT = 11177, 11178, 11179
"""Ports of the receivers, of the PACS and of the balancer."""
START_SECONDS = 240.0
_PATIENCE = 60.0
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Cluster:
    """Processes in a folder; what they log goes there."""

    folder: Path
    url: str
    seconds: float
    started: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def configure(self, host: Host, pacs: Host, balancer: Host | None) -> None:
        """Write the host's configuration."""
        balancers = [] if balancer is None else [balancer.address]
        text = f"""
[store]
folder = {json.dumps(str(self.folder / "store"))}
minimum_free_megabytes = 1
[database]
url = {json.dumps(self.url)}
[receive]
host = "{host.address}"
port = {DICOM}
balancers = {json.dumps(balancers)}
[complete]
after_release_seconds = 0.5
[model]
images_at_once = 2
[decode]
processes = 1
[log]
format = "json"
[[destinations]]
name = "pacs"
type = "dicom"
ae_title = "PACS"
host = "{pacs.address}"
port = {PACS}
confirm = "none"
"""
        self.config(host).write_text(text, encoding="utf-8")

    def config(self, host: Host) -> Path:
        """Return where a host's configuration is."""
        return self.folder / f"{host.name}.toml"

    def start(self, role: str, *hosts: Host) -> None:
        """Start a role's process on each of the hosts, and return when all serve."""
        wanted = len(self.started.get(role, ())) + len(hosts)
        for host in hosts:
            command = [*host.enter, sys.executable, "-P", str(HERE / "sleeping_agent.py"), str(self.seconds)]
            command += ["run", "--config", str(self.config(host)), "--only", role]
            with (self.folder / f"{host.name}.log").open("ab") as log:
                process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)  # noqa: S603 - our own
            self.started.setdefault(role, []).append(process)
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        with self.news:
            if not self.news.wait_for(lambda: self.ready.count(role) >= wanted, START_SECONDS):
                message = f"expected {wanted} processes of {role}. Received: {self.ready}, see {self.folder}"
                raise TimeoutError(message)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                with self.news:
                    self.ready.append(json.loads(line)["ready"])
                    self.news.notify_all()

    def stop(self) -> None:
        """Let all drain."""
        processes = [process for group in self.started.values() for process in group]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)

    def processor_seconds(self) -> dict[str, float]:
        """Return what each role has used so far, its children with it."""
        return {role: sum(_used(one.pid) for one in group) for role, group in self.started.items()}


def processor_seconds_of(folder: Path) -> float:
    """Return what the PostgreSQL in that folder has used so far."""
    return _used(int((folder / "postgresql" / "postmaster.pid").read_text().split()[0]))


def _used(pid: int) -> float:
    """Return the processor time of a process and its descendants, those that have ended included."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own = sum(map(int, fields[11:15])) / _TICK  # utime, stime, cutime, cstime (proc(5))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return own + sum(_used(int(child)) for child in children)
    return 0.0


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[None]:
    """Run a program for a block."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)  # noqa: S603 - our own command line
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def tool(name: str) -> str:
    """Return where a Debian program is."""
    found = shutil.which(name, path=SYSTEM)
    if found is None:
        message = f"install Debian's dcmtk and haproxy first; missing: {name}"
        raise FileNotFoundError(message)
    return found


def pacs(host: Host) -> list[str]:
    """Return the command line of a PACS that takes everything and keeps nothing."""
    return [*host.enter, tool("storescp"), "--fork", "--ignore", "-aet", "PACS", str(PACS)]


def balancer(host: Host, receivers: Sequence[Host], folder: Path) -> list[str]:
    """Return the command line of an HAProxy with the shipped configuration, but for who stands behind it."""
    text = (HERE.parents[1] / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")
    text = re.sub(r"stats socket \S+", f"stats socket {folder / 'haproxy.sock'}", text)
    text = re.sub(r"    (user|group) haproxy\n", "", text).replace("bind :104", f"bind {host.address}:{FRONT}")
    text = re.sub(r"frontend dicom_tls(?s:.)*?(?=backend receivers\n)|backend receivers_tls(?s:.)*", "", text)
    text = re.sub(r"    server host\d .*\n", "", text)
    text += "".join(f"    server {one.name} {one.address}:{DICOM}\n" for one in receivers)
    (file := folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    return [*host.enter, tool("haproxy"), "-db", "-f", str(file)]


def answered(host: Host, address: str, port: int) -> None:
    """Return when a C-ECHO is answered there. Raises TimeoutError."""
    command = [*host.enter, tool("echoscu"), "-q", "-aet", "SCANNER", "-aec", "TIBABU", address, str(port)]
    deadline = time.monotonic() + _PATIENCE
    while subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command line
        if time.monotonic() > deadline:
            message = f"expected an answer to C-ECHO at {address}:{port}. Received: none in {_PATIENCE:g} s"
            raise TimeoutError(message)
        time.sleep(0.5)


def send(host: Host, address: str, port: int, files: Sequence[Path], associations: int) -> float:
    """Send the files over so many associations at once; return the seconds. Raises CalledProcessError."""
    command = [*host.enter, tool("storescu"), "-aet", "SCANNER", "-aec", "TIBABU", address, str(port)]
    environment = os.environ | {"TCP_NODELAY": "1"}
    begun = time.perf_counter()
    senders = [
        subprocess.Popen([*command, *map(str, files[start::associations])], env=environment)  # noqa: S603
        for start in range(associations)
    ]
    for sender in senders:
        if sender.wait():
            raise subprocess.CalledProcessError(sender.returncode, command)
    return time.perf_counter() - begun
