"""What the receiver's memory does: large Instances over many associations at once, and very many short connections.

The product's own process is run (`tibabu run --only receive`) and its resident memory read from /proc; with several
receiving processes their sum counts. The peers are bare sockets that cost little themselves. Everything listens on
loopback and ends with the script.
"""

import concurrent.futures
import os
import socket
import struct
import tempfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import click
from ingest import AE_TITLE, tibabu

MEGABYTE = 1_000_000
PDU = 131072
CR = b"1.2.840.10008.5.1.4.1.1.1\0"
EXPLICIT = b"1.2.840.10008.1.2.1\0"
RELEASE = struct.pack(">BBLL", 0x05, 0, 4, 0)
SECONDS = 300.0
SAMPLE_SECONDS = 0.1
CALLERS = 8


@click.command()
@click.option("--large", default=8, show_default=True, help="Associations that send an Instance of --megabytes each.")
@click.option("--megabytes", default=500, show_default=True)
@click.option("--small", default=56, show_default=True, help="Associations that send 20 MB each at the same time.")
@click.option("--associations", default=20_000, show_default=True, help="Opened and released one after another.")
@click.option("--connections", default=100_000, show_default=True, help="Opened and closed without a word.")
@click.option("--idle", default=64, show_default=True, help="Associations that stay open for ten seconds.")
@click.option("--processes", default=1, show_default=True, help="Receiving processes.")
def main(**counts: int) -> None:
    """Print resident memory and processor time of the receiving processes, part by part."""
    with tempfile.TemporaryDirectory(prefix="tibabu-soak-", dir=".") as name:
        folder = Path(name).resolve()
        with tibabu(folder, counts["processes"] if counts["processes"] > 1 else None) as port:
            server = Server(folder)
            click.echo(f"at rest: {server.memory():.0f} MB")
            _large(server, port, counts)
            _idle(server, port, counts["idle"])
            _repeat(server, "associations", counts["associations"], lambda: _associate(port).close())
            _repeat(server, "bare connections", counts["connections"], lambda: _connect(port).close())


class Server:
    """The receiving processes, known by their working directory."""

    def __init__(self, folder: Path) -> None:
        """Find them."""
        self.pids = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_receiver(path, folder)]

    def memory(self) -> float:
        """Return their resident memory in megabytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE

    def processor_seconds(self) -> float:
        """Return the processor time that they have taken."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def _is_receiver(path: Path, folder: Path) -> bool:
    try:
        return path.joinpath("cwd").readlink() == folder and path.joinpath("comm").read_text() == "tibabu-receive\n"
    except OSError:
        return False


def _large(server: Server, port: int, counts: dict[str, int]) -> None:
    sizes = [counts["megabytes"]] * counts["large"] + [20] * counts["small"]
    if not sizes:
        return
    over, highest = threading.Event(), [server.memory()]

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            highest.append(server.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    together = threading.Barrier(len(sizes))
    with concurrent.futures.ThreadPoolExecutor(len(sizes)) as peers:
        statuses = list(peers.map(lambda size: _send(port, size * MEGABYTE, together), sizes))
    over.set()
    watcher.join()
    stored = sum(status == 0 for status in statuses)
    click.echo(
        f"{counts['large']} x {counts['megabytes']} MB and {counts['small']} x 20 MB, all at once: {stored} stored, "
        f"at most {max(highest):.0f} MB"
    )


def _idle(server: Server, port: int, count: int) -> None:
    if count == 0:
        return
    peers = [_associate(port, release=False) for _ in range(count)]
    before = server.processor_seconds()
    threading.Event().wait(10)
    share = (server.processor_seconds() - before) / 10
    click.echo(f"{count} idle associations: {share:.1%} of a core in all, {server.memory():.0f} MB")
    for peer in peers:
        peer.close()


def _repeat(server: Server, what: str, count: int, once: Callable[[], None]) -> None:
    """Do it a tenth of the times to warm up, then the rest, and tell what memory did in between."""
    if count == 0:
        return
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as peers:
        for share, label in ((count // 10, "after warm-up"), (count - count // 10, "after all")):
            list(peers.map(lambda _: once(), range(share)))
            threading.Event().wait(2)
            click.echo(f"{count} {what}, {label} ({share}): {server.memory():.0f} MB")


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def _associate(port: int, *, release: bool = True) -> socket.socket:
    """Open an association for CR images; release it unless told otherwise (PS3.8 9.3.2, 9.3.6)."""
    peer = _connect(port)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = _item(0x30, CR[:-1]) + _item(0x40, EXPLICIT[:-1])
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, b"\1\0\0\0" + context)
    items += _item(0x50, _item(0x51, struct.pack(">L", PDU)) + _item(0x52, b"1.2.3.4.5"))
    body = struct.pack(">HH16s16s32x", 1, 0, AE_TITLE.encode().ljust(16), b"SOAK".ljust(16)) + items
    peer.sendall(struct.pack(">BBL", 0x01, 0, len(body)) + body)
    _expect(peer, 0x02)
    if release:
        peer.sendall(RELEASE)
        _expect(peer, 0x06)
    return peer


def _send(port: int, size: int, together: threading.Barrier) -> int:
    """Store an Instance of about `size` bytes and return the status; all begin `together`."""
    uid = f"2.25.{uuid.uuid4().int}".encode()
    uid += b"\0" * (len(uid) % 2)
    with _associate(port, release=False) as peer:
        together.wait(SECONDS)
        elements = {0x0002: CR, 0x0100: b"\1\0", 0x0110: b"\1\0", 0x0700: b"\0\0", 0x0800: b"\0\0", 0x1000: uid}
        command = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in elements.items())
        peer.sendall(_fragment(0x03, struct.pack("<HHLL", 0, 0, 4, len(command)) + command))
        names = {0x00080016: CR, 0x00080018: uid, 0x0020000D: uid, 0x0020000E: uid}
        header = b"".join(
            struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UI", len(value)) + value for tag, value in names.items()
        )
        peer.sendall(_fragment(0x00, header + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, size)))
        piece = _fragment(0x00, os.urandom(PDU - 12))
        pieces, rest = divmod(size, PDU - 12)
        for _ in range(pieces):
            peer.sendall(piece)
        peer.sendall(_fragment(0x02, bytes(rest)))
        body = _expect(peer, 0x04)
        peer.sendall(RELEASE)
        _expect(peer, 0x06)
    place = body.index(struct.pack("<HHL", 0, 0x0900, 2)) + 8
    return int.from_bytes(body[place : place + 2], "little")


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _fragment(control: int, data: bytes) -> bytes:
    return struct.pack(">BBLLBB", 0x04, 0, len(data) + 6, len(data) + 2, 1, control) + data


def _expect(peer: socket.socket, kind: int) -> bytes:
    """Read a PDU of this type."""
    head = _read(peer, 6)
    body = _read(peer, int.from_bytes(head[2:], "big"))
    if head[0] != kind:
        message = f"expected a PDU of type {kind}. Received: type={head[0]}"
        raise click.ClickException(message)
    return body


def _read(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            message = "expected an answer. Received: the end of the connection"
            raise click.ClickException(message)
        data += more
    return data


if __name__ == "__main__":
    main()
