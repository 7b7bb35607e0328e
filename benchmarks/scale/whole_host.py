"""One host as an installation runs it: `tibabu run` with all its roles, of any version, with a model that sleeps."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hosts import Host

ROLES = ("receive", "work", "deliver", "clock", "web")
SECONDS = 0.02
"""The model's, for each image."""
_PATIENCE = 240.0


@dataclass
class Site:
    """One host: `tibabu run` with all its roles, of the version whose source lies at `source`."""

    host: Host
    config: Path
    source: Path
    held: socket.socket | None = None  # the port, as systemd holds it
    process: subprocess.Popen[bytes] | None = None
    ready: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        """Start it and return when all roles serve."""
        expected = {role: self.times(role) + 1 for role in ROLES}
        command = [sys.executable, "-P", str(self.source / "benchmarks" / "scale" / "sleeping_agent.py"), str(SECONDS)]
        passed = () if self.held is None else (self.held.fileno(),)
        for descriptor in passed:  # as number 3, with the process's own id: sd_listen_fds(3)
            script = f'exec 3<&{descriptor}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
            command = ["/bin/sh", "-c", script, "sh", *command]
        with self.config.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                [*command, "run", "--config", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=passed,
                env=os.environ | {"PYTHONPATH": str(self.source)},
            )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        for role, times in expected.items():
            self.wait(role, times)

    def times(self, role: str) -> int:
        """Return how often a process of the role has said that it serves."""
        with self.news:
            return self.ready.count(role)

    def wait(self, role: str, times: int) -> None:
        """Return when processes of the role have said so often that they serve. Raises TimeoutError."""
        with self.news:
            if not self.news.wait_for(lambda: self.ready.count(role) >= times, _PATIENCE):
                message = f"expected {role} to serve. Received: {self.ready}, see {self.config.with_suffix('.log')}"
                raise TimeoutError(message)

    def pids(self, role: str) -> list[int]:
        """Return the living processes of a role."""
        pid = 0 if self.process is None else self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if _name(child) == f"tibabu-{role}"]

    def stop(self) -> None:
        """Let it drain."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(_PATIENCE)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                with self.news:
                    self.ready.append(json.loads(line)["ready"])
                    self.news.notify_all()


def _name(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    return ""
