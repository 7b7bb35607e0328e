"""A piece of network cable that can be cut: a TCP proxy in a process of its own, told on standard input what to do.

`python -m agent.simulation.wire TARGET` forwards 127.0.0.1:PORT, which it prints, to TARGET, a port of this host or the
path of a Unix socket. Its words: `pass`; `refuse` (who calls is reset); `stall` (nothing moves, nothing is closed);
`deaf` (what the caller says arrives, what is answered is lost); `reset` (every open connection ends with RST, once).
When standard input ends, so does the cable.
"""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what was not sent, and says RST


class Wire:
    """The one who holds the cable."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take over a process that has just been started."""
        self._process = process
        assert process.stdout is not None  # noqa: S101 - opened with a pipe
        self.port = int(process.stdout.readline())

    def say(self, word: str) -> None:
        """Tell it one of its words."""
        assert self._process.stdin is not None  # noqa: S101 - opened with a pipe
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


@contextmanager
def wire(target: int | Path) -> Iterator[Wire]:
    """Lay a cable to `target` for a block."""
    command = [sys.executable, "-P", "-m", "agent.simulation.wire", str(target)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:  # noqa: S603 - this very module
        yield Wire(process)


@dataclass
class _Cable:
    """The state of the cable, and what runs through it."""

    target: str
    mood: str = "pass"
    moves: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def hear(self, word: str) -> None:
        if word == "reset":
            for writer in self.writers:
                _reset(writer)
            return
        self.mood = word
        if word == "stall":
            self.moves.clear()
        else:
            self.moves.set()

    async def call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.moves.wait()
        if self.mood == "refuse":
            _reset(writer)
            return
        try:
            onward = await self._connect()
        except OSError:
            _reset(writer)
            return
        ends = {writer, onward[1]}
        self.writers |= ends
        await asyncio.gather(self._pump(reader, onward[1]), self._pump(onward[0], writer, answers=True))
        self.writers -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target.isdecimal():
            return await asyncio.open_connection("127.0.0.1", int(self.target))
        return await asyncio.open_unix_connection(self.target)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self.moves.wait()
                if not (answers and self.mood == "deaf"):
                    sink.write(data)
                    await sink.drain()
        await self.moves.wait()
        sink.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _serve(target: str) -> None:
    cable = _Cable(target)
    cable.moves.set()
    server = await asyncio.start_server(cable.call, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    words = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while word := await words.readline():
        cable.hear(word.decode().strip())
    os._exit(0)  # and with it whatever still runs through the cable


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
