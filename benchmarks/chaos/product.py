"""The product as it is run, on two hosts: `tibabu run` twice, each with a clock of its own that can be put wrong.

The hosts share the database and the store. Which one serves what changes nothing of the product; that there are two
makes it possible that their clocks disagree.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_FAKETIME = "*/faketime/libfaketimeMT.so.1"
_ASLEEP = Path(__file__).parent / "asleep"
START_SECONDS = 300.0
DRAIN_SECONDS = 90.0
_POLL = 0.05


@dataclass
class Host:
    """A supervisor with its roles."""

    name: str
    roles: Sequence[str]
    config: Path
    process: subprocess.Popen[bytes] = field(init=False)
    _ready: dict[str, int] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _groups: list[int] = field(default_factory=list)
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _stops: bool = False

    @property
    def log(self) -> Path:
        """What its roles say, in lines of JSON."""
        return self.config.parent / f"{self.name}.log"

    def start(self) -> None:
        """Start the supervisor, which starts its roles."""
        only = [part for role in self.roles for part in ("--only", role)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-P", "-m", "agent", "run", "--supervised", "--config", str(self.config), *only],
                stdin=subprocess.PIPE,  # its end, with ours, is an order to stop
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.config.parent,
                env=os.environ | self._clock(),
                start_new_session=True,
            )
        self._groups.append(self.process.pid)
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def wait_until_ready(self) -> None:
        """Wait until each role has said that it serves."""
        with self._news:
            if not self._news.wait_for(lambda: self._ready.keys() >= set(self.roles), START_SECONDS):
                message = f"expected {', '.join(self.roles)} to serve. Received: {', '.join(self._ready)}"
                raise TimeoutError(message)

    def jump(self, seconds: int) -> None:
        """Put this host's clock wrong by so many seconds; 0 puts it right."""
        self._offset.write_text(f"{seconds:+d}\n", encoding="ascii")

    def pids(self, role: str) -> list[int]:
        """Return the living processes of a role, children of the supervisor."""
        return [pid for pid in _children(self.process.pid) if _name(pid) == f"tibabu-{role}"]

    def kill(self) -> None:
        """Kill the supervisor, whose roles are left to themselves, and start another one at once."""
        with self._turn:
            self.process.kill()
            self.process.wait()
            self.start()

    def stop(self) -> int:
        """Drain; return the exit status. What does not end is killed, which a status of -9 tells."""
        with self._turn:
            self._stops = True
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_SECONDS
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(DRAIN_SECONDS)
        while any(map(_lives, self._groups)) and time.monotonic() < deadline:
            time.sleep(_POLL)
        left = [group for group in self._groups if _lives(group)]
        for group in left:
            os.killpg(group, signal.SIGKILL)
        return self.process.wait() or (-signal.SIGKILL if left else 0)

    @property
    def _offset(self) -> Path:
        return self.config.parent / f"{self.name}.clock"

    def _clock(self) -> dict[str, str]:
        library = next(Path("/usr/lib").glob(_FAKETIME), None)
        if library is None:
            message = f"expected Debian's package libfaketime. Received: no /usr/lib/{_FAKETIME}"
            raise FileNotFoundError(message)
        if not self._offset.exists():
            self.jump(0)
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as on a real host, where only the wall clock is set
            "NO_FAKE_STAT": "1",  # it would only make imports slow
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ASLEEP), os.environ.get("PYTHONPATH")))),
        }

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - opened with a pipe
        with process.stdout:
            for line in process.stdout:
                with self._news:
                    role = json.loads(line)["ready"]
                    self._ready[role] = self._ready.get(role, 0) + 1
                    self._news.notify_all()
        self._start_again(process)

    def _start_again(self, process: subprocess.Popen[bytes]) -> None:
        """Do what systemd does: a supervisor that has ended, as the database was away when it began, begins again."""
        process.wait()
        time.sleep(1)
        with self._turn:
            if process is self.process and not self._stops:
                self.start()


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    return ""


def _lives(group: int) -> bool:
    """Tell whether a process of the group has not ended; one that nobody waited for has."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, found = stat.read_text().rpartition(")")[2].split()[:3]
            if int(found) == group and state != "Z":
                return True
    return False
