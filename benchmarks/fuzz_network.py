"""Say the wrong thing to the Storage SCP at every place: PDUs, fragments, command sets, datasets, lengths, order.

    python benchmarks/fuzz_network.py --seconds 900
    python benchmarks/fuzz_network.py --seed 1 --sessions 300
    python benchmarks/fuzz_network.py --seed 1 --only 217        # one session again

Each session is a whole conversation over a real socket, made of valid messages and then damaged; seed and number say
all of it. What must hold: what the SCP says is PDUs, with statuses of the conformance statement; every connection ends,
with one summary; no Instance holds bytes of two; nothing is logged as a defect; no thread and no socket is left; and a
well-behaved peer is served in between. Exit status 1 where anything did not.
"""

import argparse
import json
import logging
import os
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from rude_talk import Talk, pdu

from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool

STATUSES = frozenset({0x0000, 0x0122, 0x0124, 0x0211, 0x0212, 0xC000})
TOKEN = re.compile(rb"TOKEN:[0-9a-f]{16}")
SETTINGS = ScpSettings(host="127.0.0.1", port=0, acse_timeout=1.5, dimse_timeout=1.5, network_timeout=1.5)
PATIENCE = 20.0
CLIENTS = 4
ATTEMPTS = 3
CANARY_EVERY = 25
_UNCONTROLLED = ("connection_failed", "store_failed", "association_end_failed")


class Watcher(logging.Handler):
    """The sink, the log and the uncaught exceptions: everything that the SCP tells, looked at for findings."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        super().__init__()
        self.findings: Counter[str] = Counter()
        self.instances = self.summaries = 0
        self.changed = threading.Condition()
        threading.excepthook = self._on_dead_thread

    def _on_dead_thread(self, caught: threading.ExceptHookArgs) -> None:
        where = traceback.extract_tb(caught.exc_traceback)[-3:]
        places = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in reversed(where))
        self.find(f"thread died of {caught.exc_type.__name__} at {places}")

    def find(self, what: str) -> None:
        """Count a finding."""
        with self.changed:
            self.findings[what] += 1

    def emit(self, record: logging.LogRecord) -> None:
        """Take every record of ours at level error or above for a finding."""
        if record.levelno >= logging.ERROR or record.getMessage() in _UNCONTROLLED:
            self.find(f"logged {record.getMessage()} {getattr(record, 'error', '')} {getattr(record, 'where', '')}")

    def received(self, instance: ReceivedInstance) -> int:
        """Take an Instance; one whose dataset begins with no token of ours is refused as a damaged one would be."""
        with instance.spool.open_file() as file:
            data = file.read()
        tokens = set(TOKEN.findall(data))
        with self.changed:
            self.instances += 1
            if len(tokens) > 1:
                self.findings["one Instance holds bytes of two"] += 1
        return 0x0000 if tokens else 0xC000

    def association_ended(self, _: AssociationSummary) -> None:
        """Count a summary."""
        with self.changed:
            self.summaries += 1
            self.changed.notify_all()

    def wait_for_summaries(self, count: int) -> bool:
        """Wait until so many connections have been told of."""
        with self.changed:
            return self.changed.wait_for(lambda: self.summaries >= count, PATIENCE)


def statuses(stream: bytes) -> Iterator[int | str]:
    """Read what the SCP said: yield the status of each response, or what is wrong with it as text."""
    while stream:
        if len(stream) < 6:
            yield "the SCP's last PDU is cut off"
            return
        kind, _, length = struct.unpack_from(">BBL", stream)
        body, stream = stream[6 : 6 + length], stream[6 + length :]
        if kind not in (0x02, 0x03, 0x04, 0x06, 0x07) or len(body) != length:
            yield f"the SCP said a PDU of type {kind:#x} with {len(body)} of {length} bytes"
            return
        if kind == 0x04:
            command = body[6:]
            while len(command) >= 8:
                group, number, size = struct.unpack_from("<HHL", command)
                if (group, number) == (0x0000, 0x0900):
                    yield int(struct.unpack_from("<H", command, 8)[0])
                command = command[8 + size :]


def talk(port: int, seed: int, number: int, watcher: Watcher) -> None:
    """Have one conversation and judge what the SCP said."""
    numbers = random.Random(f"{seed}/{number}")  # noqa: S311  # reproducible, not secret
    conversation = Talk(numbers)
    pieces = conversation.pieces()
    heard, answered = bytearray(), threading.Event()
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        reader = threading.Thread(target=_hear, args=(connection, heard, answered))
        reader.start()
        with suppress(OSError):  # it may hang up whenever it likes
            _say(connection, pieces, conversation, answered)
        reader.join(PATIENCE)
        if reader.is_alive():
            watcher.find(f"session {number}: the connection did not end in {PATIENCE:g} s")
    reader.join()
    for status in statuses(bytes(heard)):
        if isinstance(status, str):
            if time.monotonic() - begun < PATIENCE and "cut off" not in status:
                watcher.find(f"session {number}: {status}")
        elif status not in STATUSES:
            watcher.find(f"session {number}: status {status:04X}")


def _say(connection: socket.socket, pieces: list[bytes], conversation: Talk, answered: threading.Event) -> None:
    """Send everything, mostly after the association has been answered, sometimes in small steps."""
    for place, piece in enumerate(pieces):
        if place == 1 and not conversation.rude():
            answered.wait(PATIENCE)
        step = len(piece) if not conversation.rude() else 11 if len(piece) < 500 else 5000
        for start in range(0, len(piece), max(step, 1)):
            connection.sendall(piece[start : start + step])
    if conversation.random.random() < 0.5:
        connection.shutdown(socket.SHUT_WR)


def _hear(connection: socket.socket, heard: bytearray, answered: threading.Event) -> None:
    with suppress(OSError):
        while part := connection.recv(65536):
            heard.extend(part)
            answered.set()
    answered.set()


def canary(port: int, number: int, watcher: Watcher) -> int:
    """Be a peer that does everything right, which must be served whatever the others do; return the connections made.

    It tries a few times: on a busy machine it may itself be too slow for the SCP's short time-outs.
    """
    polite = Talk(random.Random(number))  # noqa: S311  # reproducible, not secret
    polite.rudeness = 0.0
    for attempt in range(1, ATTEMPTS + 1):
        heard = bytearray()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection, suppress(OSError):
            message: list[bytes] = []
            while not any(b"TOKEN:" in part for part in message):
                message = polite.message()
            connection.sendall(polite.request())
            heard += connection.recv(65536)
            connection.sendall(b"".join(message) + pdu(0x05, bytes(4)))
            _hear(connection, heard, threading.Event())
        if heard[:1] == b"\x02" and 0x0000 in statuses(bytes(heard)):
            return attempt
    watcher.find(f"a well-behaved peer was not served after session {number}")
    return ATTEMPTS


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _sockets() -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def run(*, seed: int, seconds: float, sessions: int, only: int | None) -> dict[str, object]:
    """Fuzz for so many seconds or sessions, whichever ends first; return what was seen."""
    watcher = Watcher()
    logging.getLogger("dicom_io").addHandler(watcher)
    before = threading.active_count(), _sockets()
    folder = tempfile.TemporaryDirectory()
    scp = StorageScp(SETTINGS, watcher, partial(Spool, Path(folder.name)))
    scp.start()
    connections = number = 0
    warm = 0.0
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        while number < sessions and time.monotonic() < deadline:
            batch = [only] if only is not None else list(range(number, min(number + CANARY_EVERY, sessions)))
            for future in [pool.submit(talk, scp.port, seed, one, watcher) for one in batch]:
                future.result()
            connections += len(batch) + canary(scp.port, number, watcher)
            number += len(batch)
            warm = warm or (_resident_megabytes() if number >= 20 * CANARY_EVERY else 0.0)
            if only is not None:
                break
    if not watcher.wait_for_summaries(connections):
        watcher.find(f"{connections} connections, {watcher.summaries} summaries")
    scp.stop(2)
    if left_over := len(list(Path(folder.name).iterdir())):
        watcher.find(f"left over: {left_over} files")
    folder.cleanup()
    if watcher.summaries != connections:
        watcher.find(f"{connections} connections, {watcher.summaries} summaries")
    left = threading.active_count() - before[0], _sockets() - before[1]
    if left != (0, 0):
        watcher.find(f"left over: {left[0]} threads, {left[1]} sockets")
    growth = round(_resident_megabytes() - warm, 1) if warm else None
    return {
        "seed": seed,
        "sessions": number,
        "instances": watcher.instances,
        "rss_growth_megabytes": growth,
        "findings": dict(watcher.findings),
    }


def main() -> int:
    """Read the arguments, fuzz, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--sessions", type=int, default=1 << 31)
    parser.add_argument("--only", type=int)
    arguments = parser.parse_args()
    seen = run(**vars(arguments))
    sys.stdout.write(json.dumps(seen, indent=1) + "\n")
    return 1 if seen["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
