"""What an object store costs a C-STORE: time from an Instance's first byte to its answer, beside a folder.

The receiver is the product as it is run, over one association. The object stores are two: moto's, a real server of S3
but a slow one, and a bare one of this file, which takes objects in no time of its own, so that what is left is the
agent's part: reading the spool, digests, signing, two requests. Between a hospital and its object store lie two round
trips more. Run it on an otherwise idle machine.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import click
import ingest

from dicom_io.scu import Peer, send

_WARM_UP = 5
_BUCKET = "images"
_SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Bare:
    """A server that remembers of each object its length and digest: PUT, HEAD and POST as S3 has them, no more."""

    def __init__(self) -> None:
        """Listen, in a thread of its own."""
        self._objects: dict[str, tuple[int, str]] = {}
        self._ready, self.port = threading.Event(), 0
        threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                verb, where, _ = head[0].split(" ")
                fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                if "expect" in fields:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                writer.write(self._answer(verb, where.partition("?")[0], body))
                await writer.drain()

    def _answer(self, verb: str, where: str, body: bytes) -> bytes:
        if verb == "PUT":
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            self._objects[where] = len(body), digest
            return b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\n\r\n'
        size, digest = self._objects[where]
        fields = f'ETag: "0"\r\nx-amz-checksum-sha256: {digest}\r\nContent-Length: {size}'
        return f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()


@contextlib.contextmanager
def _moto(folder: Path) -> Iterator[str]:
    port = ingest._free_port()  # noqa: SLF001 - scripts of one folder
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:  # noqa: S603
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextlib.contextmanager
def _receiver(folder: Path, endpoint: str) -> Iterator[int]:
    """Run the receiver over a folder, or over a bucket at an endpoint."""
    port = ingest._free_port()  # noqa: SLF001 - as above
    lines = ["[receive]", f'ae_title = "{ingest.AE_TITLE}"', 'host = "127.0.0.1"', f"port = {port}"]
    if endpoint:
        for name in ("access", "secret"):
            (folder / name).write_text(name, encoding="utf-8")
        settings = {"url": f"s3://{_BUCKET}/bench", "endpoint": endpoint, "region": "us-east-1"}
        keys = {"access_key_file": "access", "secret_key_file": "secret"}
        lines += ["[store.s3]", *(f"{name} = {json.dumps(value)}" for name, value in (settings | keys).items())]
    (folder / "config.toml").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "agent", "run", "--config", "config.toml", "--only", "receive"]
    with ingest._process(command, folder):  # noqa: SLF001 - as above
        yield ingest._await(port)  # noqa: SLF001 - as above


def _latencies(port: int, files: list[Path]) -> list[float]:
    """Return the milliseconds from the first byte of each Instance to its answer, over one association."""
    begun, took = dict[int, float](), list[float]()
    statuses = send(
        Peer(ingest.AE_TITLE, "127.0.0.1", port),
        files,
        on_start=lambda index: begun.setdefault(index, time.perf_counter()) and None,
        on_status=lambda status: took.append((time.perf_counter() - begun[status.index]) * 1000),
    )
    if not all(status.stored for status in statuses):
        message = f"expected every Instance to be stored. Received: {next(s.text for s in statuses if not s.stored)}"
        raise click.ClickException(message)
    return took[_WARM_UP:]


@click.command()
@click.option("--instances", type=click.IntRange(4), default=60, show_default=True, help="Of each size, in each round.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
def main(instances: int, rounds: int) -> None:
    """Print the median and the 95th percentile of a C-STORE into each store."""
    took: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tibabu-objects-", dir=".") as name, _moto(Path(name)) as moto:
        folder = Path(name).resolve()
        urlopen(Request(f"{moto}/{_BUCKET}", method="PUT", headers={"Authorization": _SIGNED}))  # noqa: S310
        stores = {"folder": "", "bare server": f"http://127.0.0.1:{Bare().port}", "moto": moto}
        for size, (shape, _) in ingest.SIZES.items():
            files = ingest.make_instances(folder / size.replace(" ", ""), shape, instances + _WARM_UP)
            for _ in range(rounds):
                for label, endpoint in stores.items():
                    with tempfile.TemporaryDirectory(dir=folder) as fresh, _receiver(Path(fresh), endpoint) as port:
                        took.setdefault((size, label), []).extend(_latencies(port, files))
    click.echo("| Instance | " + " | ".join(stores) + " |\n" + "|---" * (len(stores) + 1) + "|")
    for size in ingest.SIZES:
        cells = []
        for label in stores:
            found = took[size, label]
            cells.append(f"{statistics.median(found):.1f} ms, {statistics.quantiles(found, n=20)[-1]:.1f} ms")
        click.echo(f"| {size} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
