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

from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool

CT, VERIFICATION = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.1"
CLASSES = (
    CT,
    VERIFICATION,
    b"1.2.840.10008.5.1.4.1.2.2.1",
    b"1.2.840.10008.1.20.1",
    b"1.2.3",
    b"1." * 40,
    b"",
    b"\xff",
)
SYNTAXES = (b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.4.90", b"1.2.9", b"9" * 70, b"")
COMMANDS = (
    0x0001,
    0x0010,
    0x0020,
    0x0021,
    0x0030,
    0x0100,
    0x0110,
    0x0120,
    0x0130,
    0x0140,
    0x0150,
    0x0FFF,
    0x8001,
    0x8030,
)
SHORTS = (0, 1, 2, 0x0101, 0x0102, 0x7FFF, 0xFFFF)
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


def item(kind: int, body: bytes) -> bytes:
    """Encode an item of an association request (PS3.8 9.3.2)."""
    return struct.pack(">BBH", kind & 0xFF, 0, len(body) & 0xFFFF) + body


def pdu(kind: int, body: bytes) -> bytes:
    """Encode a PDU (PS3.8 9.3.1)."""
    return struct.pack(">BBL", kind & 0xFF, 0, len(body)) + body


class Talk:
    """One conversation, made from its random numbers alone."""

    def __init__(self, numbers: random.Random) -> None:
        """Decide how rude it is to be."""
        self.random = numbers
        self.rudeness = numbers.choice((0.0, 0.02, 0.1, 0.4))

    def rude(self) -> bool:
        """Tell whether to do it wrong here."""
        return self.random.random() < self.rudeness

    def pieces(self) -> list[bytes]:
        """Return what is sent, piece by piece."""
        said = [self.request()] if not self.rude() else []
        for _ in range(self.random.randint(0, 6)):
            said += self.message()
        if self.random.random() < 0.7:
            said.append(pdu(self.random.choice((0x05, 0x05, 0x05, 0x07)), bytes(4)))
        if self.rude():
            self.random.shuffle(said)
        if self.rude():
            said.insert(self.random.randint(0, len(said)), self.garbage())
        if said and self.rude():
            said.append(self.random.choice(said))
        return [self.damaged(piece) for piece in said]

    def request(self) -> bytes:
        """Make an association request."""
        items = item(0x10, b"1.2.840.10008.3.1.1.1") if not self.rude() else b""
        for number in range(1, 2 * self.random.randint(1, 6), 2):
            syntaxes = self.random.sample(SYNTAXES, self.random.randint(1, 3)) if self.rude() else SYNTAXES[:2]
            classes = [self.random.choice(CLASSES) if number > 3 or self.rude() else (CT, VERIFICATION)[number // 2]]
            body = b"".join(item(0x30, name) for name in classes * (2 if self.rude() else 1))
            body += b"".join(item(0x40, name) for name in syntaxes)
            context = self.random.randrange(256) if self.rude() else number
            items += item(0x20, bytes((context, 0, 0, 0)) + body)
        inner = item(
            0x51, struct.pack(">L", self.random.choice((0, 1, 6, 16384, 0xFFFFFFFF)) if self.rude() else 16384)
        )
        inner += item(0x52, b"1.2.3.4.5")
        if self.rude():
            uid = self.random.choice(CLASSES)
            role = struct.pack(">H", len(uid)) + uid + bytes((1, 1))
            inner += item(self.random.choice((0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x99)), role)
        items += item(0x50, inner)
        titles = (b"TIBABU".ljust(16), b"FUZZ".ljust(16))
        if self.rude():
            titles = (self.random.choice((titles[0], bytes(16), b" " * 16, b"\xff" * 16)), self.random.randbytes(16))
        return pdu(0x01, struct.pack(">HH16s16s32x", 1, 0, *titles) + items)

    def message(self) -> list[bytes]:
        """Make a DIMSE message, in PDUs."""
        is_store = self.random.random() < 0.7
        field = self.random.choice(COMMANDS) if self.rude() else 0x0001 if is_store else 0x0030
        has_dataset = is_store != self.rude()
        elements = {
            0x00000002: CT + b"\0" if is_store else VERIFICATION + b"\0",
            0x00000100: struct.pack("<H", field),
            0x00000110: struct.pack("<H", self.random.randint(1, 99)),
            0x00000700: b"\0\0",
            0x00000800: b"\1\0" if has_dataset else b"\1\1",
            0x00001000: b"1.2.3.4\0",
        }
        while self.rude():
            tag = self.random.choice(
                [*elements, 0x00000003, 0x00000120, 0x00000600, 0x00000900, 0x00001030, 0x00010010]
            )
            elements[tag] = self.random.choice(
                (b"", b"\0", b"ABC", struct.pack("<H", self.random.choice(SHORTS)), bytes(99))
            )
        while len(elements) > 1 and self.rude():
            del elements[self.random.choice(list(elements))]
        command = b"".join(self.element(tag, value) for tag, value in sorted(elements.items()))
        command = self.element(0, struct.pack("<L", len(command))) + command
        context = self.random.choice((1, 3, 5, 255, 2, 0)) if self.rude() else 1 if is_store else 3
        fragments = list(self.fragments(context, 0x01, self.damaged(command)))
        if has_dataset != self.rude():
            token = b"TOKEN:" + f"{self.random.getrandbits(64):016x}".encode()
            fragments += self.fragments(
                context, 0x00, self.damaged(token + self.random.randbytes(self.random.choice((0, 9, 40000))))
            )
        if self.rude():
            self.random.shuffle(fragments)
        return list(self.joined(fragments))

    @staticmethod
    def element(tag: int, value: bytes) -> bytes:
        """Encode an element of a command set (PS3.7 6.3.1)."""
        return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value

    def fragments(self, context: int, control: int, data: bytes) -> Iterator[bytes]:
        """Part data into presentation data values (PS3.8 annex E)."""
        size = self.random.choice((16000, 16000, 1000, 7)) if len(data) < 5000 else 16000
        parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            last = 0x02 if number == len(parts) - 1 else 0x00
            header = self.random.randrange(256) if self.rude() else control | last
            length = self.random.choice((0, 1, 0xFFFFFFFF, 2)) if self.rude() else len(part) + 2
            yield struct.pack(">LBB", length, context, header) + part

    def joined(self, fragments: list[bytes]) -> Iterator[bytes]:
        """Put fragments into P-DATA-TF PDUs, some of them several into one."""
        while fragments:
            count = self.random.randint(1, 3)
            yield pdu(0x04, b"".join(fragments[:count]))
            fragments = fragments[count:]

    def damaged(self, data: bytes) -> bytes:
        """Flip, cut, repeat, or lie about a length; or leave it as it is."""
        while data and self.rude():
            place = self.random.randrange(len(data))
            kind = self.random.randrange(5)
            if kind == 0:
                data = data[:place] + bytes((self.random.randrange(256),)) + data[place + 1 :]
            elif kind == 1:
                data = data[:place]
            elif kind == 2:
                data = data[:place] + self.random.randbytes(self.random.randint(1, 40)) + data[place:]
            elif kind == 3:
                data = (
                    data[:2]
                    + struct.pack(">L", self.random.choice((0, 1, 65536, 1 << 20, 1 << 31, (1 << 32) - 1)))
                    + data[6:]
                )
            else:
                data = data[:place] + data[max(0, place - 30) :]
        return data

    def garbage(self) -> bytes:
        """Return what is no DICOM at all."""
        return self.random.choice(
            (
                b"GET / HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                self.random.randbytes(50),
                bytes(6),
                b"\x04",
            )
        )


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
